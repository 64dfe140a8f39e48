"""Wrong logins, counted to slow down guesses.

They are counted for each account, for each address, and for each account at one address. After
`FREE_TRIES` wrong ones the next try has to wait for a second, then for two, four, up to
`LONGEST_WAIT_S`. A try that comes too early is refused at once: no password is compared, and no
thread waits. `FORGET_S` after the last wrong try the count starts again, so nobody is locked out
for ever.

Unknown accounts are counted like known ones. Of an IPv6 address the first half counts, as
one subscriber gets all addresses of a half. A user who has logged in from an address before is
slowed there by the wrong tries for this account from this address only: neither guesses at the
account from elsewhere, nor guesses at other accounts behind the same router, keep that user out.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from ..errors import TooManyRequests

__all__ = ['FORGET_S', 'FREE_TRIES', 'LONGEST_WAIT_S', 'LoginTries']

FREE_TRIES = 10
"""Wrong tries before the first wait."""
LONGEST_WAIT_S = 60.0
FORGET_S = 3600.0
"""Seconds after the last wrong try when a count starts again."""
MOST_ENTRIES = 10_000
"""Counts that are kept of each kind; those with few wrong tries are dropped first."""
_MOST_KEYS = 2 * FREE_TRIES
_MOST_LETTERS = 256
"""Characters of a login that are compared: a longer one takes no more memory."""


@dataclass
class _Count:
    number: int = 0
    last: float = 0.0
    next_try: float = 0.0
    keys: OrderedDict[int, None] = field(default_factory=OrderedDict)
    """Hashes of unknown session IDs that were counted: a client repeats the same one."""


class _Counts:
    """Counts by key, of bounded number."""

    def __init__(self) -> None:
        self._few: OrderedDict[tuple[str, str], _Count] = OrderedDict()
        self._many: OrderedDict[tuple[str, str], _Count] = OrderedDict()
        """Counts above the limit: many new keys cannot displace them."""

    def find(self, key: tuple[str, str], now: float) -> _Count | None:
        for counts in (self._few, self._many):
            found = counts.get(key)
            if found is not None and now - found.last > FORGET_S:
                del counts[key]
            elif found is not None:
                return found
        return None

    def add(self, key: tuple[str, str], now: float) -> _Count:
        """Count one more wrong try.

        Parameters
        ----------
        key : (str, str)
            Kind and name of the count.
        now : float
            The time, in seconds of the clock of all tries.
        """
        found = self.find(key, now) or _Count()
        self.drop(key)
        found.number, found.last = found.number + 1, now
        found.next_try = now + _wait_s(found.number)
        kept = self._few if found.number < FREE_TRIES else self._many
        kept[key] = found
        while len(kept) > MOST_ENTRIES:
            kept.popitem(last=False)
        return found

    def drop(self, key: tuple[str, str]) -> int:
        """Forget a count; return its number."""
        found = self._few.pop(key, None) or self._many.pop(key, None)
        return found.number if found is not None else 0

    def lower(self, key: tuple[str, str], number: int) -> None:
        """Take wrong tries out of a count.

        Parameters
        ----------
        key : (str, str)
            Kind and name of the count.
        number : int
            Number of tries.
        """
        found = self._few.get(key) or self._many.get(key)
        if found is None or number <= 0:
            return
        self.drop(key)
        found.number -= number
        if found.number > 0:
            found.next_try = min(found.next_try, found.last + _wait_s(found.number))
            (self._few if found.number < FREE_TRIES else self._many)[key] = found

    def __len__(self) -> int:
        return len(self._few) + len(self._many)


def _wait_s(number: int) -> float:
    """Return the seconds between a wrong try and the next one."""
    if number < FREE_TRIES:
        return 0.0
    return float(min(LONGEST_WAIT_S, 2.0 ** min(number - FREE_TRIES, 30)))


class LoginTries:
    """Wrong logins of one archive, in memory: a restart forgets them.

    Parameters
    ----------
    clock : Callable[[], float]
        Monotonic clock in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._accounts, self._addresses, self._pairs = _Counts(), _Counts(), _Counts()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        """Account and address of successful logins, the latest last."""
        self._lock = threading.Lock()

    def admit(self, login: str, address: str) -> None:
        """Admit a try, or refuse it because of earlier wrong ones.

        After the free tries only one is admitted per wait, also if many come at once.

        Parameters
        ----------
        login : str
            Login, or alias of a token.
        address : str
            Address of the client.

        Raises
        ------
        TooManyRequests
            With the seconds to wait.
        """
        account, place = login[:_MOST_LETTERS], _network(address)
        with self._lock:
            if (account, place) in self._known:
                self._admit((self._pairs, (account, place)))
            else:
                self._admit((self._accounts, (account, '')), (self._addresses, ('', place)))

    def _admit(self, *places: tuple[_Counts, tuple[str, str]]) -> None:
        now = self.clock()
        found = [counts.find(key, now) for counts, key in places]
        slow = [one for one in found if one is not None and one.number >= FREE_TRIES]
        wait = max((one.next_try - now for one in slow), default=0.0)
        if wait > 0:
            raise TooManyRequests(wait)
        for one in slow:
            one.next_try = now + _wait_s(one.number + 1)

    def failed(self, login: str, address: str) -> None:
        """Count a wrong password or secret.

        Parameters
        ----------
        login : str
            Login, or alias of a token.
        address : str
            Address of the client.
        """
        account, place, now = login[:_MOST_LETTERS], _network(address), self.clock()
        with self._lock:
            self._pairs.add((account, place), now)
            self._accounts.add((account, ''), now)
            self._addresses.add(('', place), now)

    def guessed(self, key: str, address: str) -> None:
        """Count an unknown session ID; the same one counts once.

        Parameters
        ----------
        key : str
            The session ID.
        address : str
            Address of the client.

        Raises
        ------
        TooManyRequests
            If it comes too early after other wrong tries.
        """
        place, now = ('', _network(address)), self.clock()
        with self._lock:
            found = self._addresses.find(place, now)
            if found is not None and hash(key) in found.keys:
                return
            self._admit((self._addresses, place))
            found = self._addresses.add(place, now)
            found.keys[hash(key)] = None
            while len(found.keys) > _MOST_KEYS:
                found.keys.popitem(last=False)

    def succeeded(self, login: str, address: str) -> None:
        """Forget the wrong tries for an account.

        The address keeps those for other accounts: an account of one's own does not help to guess
        the passwords of others.

        Parameters
        ----------
        login : str
            The user.
        address : str
            Address of the client.
        """
        account, place = login[:_MOST_LETTERS], _network(address)
        with self._lock:
            self._accounts.drop((account, ''))
            self._addresses.lower(('', place), self._pairs.drop((account, place)))
            found = self._addresses.find(('', place), self.clock())
            if found is not None and (account, place) not in self._known:
                found.next_try = min(found.next_try, self.clock())  # this try was a right one
            self._known[account, place] = None
            self._known.move_to_end((account, place))
            while len(self._known) > MOST_ENTRIES:
                self._known.popitem(last=False)

    def distrust(self, login: str) -> None:
        """Forget from where a user has logged in, as the password was changed."""
        with self._lock:
            for pair in [pair for pair in self._known if pair[0] == login]:
                del self._known[pair]

    def __len__(self) -> int:
        with self._lock:
            counts = (self._accounts, self._addresses, self._pairs)
            return sum(map(len, counts), len(self._known))


@lru_cache(maxsize=1024)
def _network(address: str) -> str:
    """Return the part of an address that one subscriber has.

    >>> _network('192.0.2.7'), _network('2001:db8:1:2:3:4:5:6'), _network('::ffff:192.0.2.7')
    ('192.0.2.7', '2001:db8:1:2::/64', '192.0.2.7')
    """
    try:
        found = ipaddress.ip_address(address.partition('%')[0])
    except ValueError:
        return address[:_MOST_LETTERS]
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))
