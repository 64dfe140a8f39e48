"""Play a recording against a server and collect the differences."""

from __future__ import annotations

import base64
import contextlib
import csv
import io
import itertools
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from pyxnat.server import serve
from tests.conformance.world import BROWSER, PASSWORDS, seed
from tests.support.plain import Answer, Client
from tests.support.quick import quick_folder

from .comparing import Difference, compare
from .meant import reason
from .moments import Moments
from .names import GIVEN, Names
from .recordings import Exchange, read

ADMIN = ('admin', 'secret')
SESSION = 'JSESSIONID'


class Site(NamedTuple):
    """Base URL of a server, and its administrator."""

    host: str
    port: int
    base: str
    """Context path, without a slash at its end."""
    user: str
    password: str

    @classmethod
    def at(cls, url: str, user: str, password: str) -> Site:
        """Return the server with this URL."""
        parts = urlsplit(url)
        return cls(parts.hostname or '', parts.port or 80, parts.path.rstrip('/'), user, password)


class Outcome(NamedTuple):
    """One exchange that was played: its differences, and the reason if they are intended."""

    exchange: Exchange
    differences: tuple[Difference, ...]
    reason: str = ''
    answer: Answer | None = None

    @property
    def alike(self) -> bool:
        return not self.differences


@contextmanager
def site(guests: bool = False) -> Iterator[Site]:
    """Return the server named by XNAT_REPLAY_URL, XNAT_REPLAY_USER and XNAT_REPLAY_PASSWORD.

    Without these variables it is a new embedded archive.
    """
    if url := os.environ.get('XNAT_REPLAY_URL'):
        yield Site.at(url, os.environ['XNAT_REPLAY_USER'], os.environ['XNAT_REPLAY_PASSWORD'])
        return
    with (
        tempfile.TemporaryDirectory(dir=quick_folder(), prefix='replay-') as folder,
        serve(
            folder,
            password=ADMIN[1],
            users=PASSWORDS,
            require_login=not guests,
            silent_refusals=True,
            durable=False,
        ) as server,
    ):
        # a minute between two wrong logins: those of the recordings are not slowed
        server.archive.users.tries.clock = itertools.count(0, 60).__next__
        yield Site.at(server.url, server.user, server.password)


def play(path: Path) -> list[Outcome]:
    """Yield all exchanges of a file in order, with the differences of each that is evidence."""
    exchanges = list(read(path))
    outcomes: list[Outcome] = []
    for guests in sorted({exchange.guests for exchange in exchanges}):
        with site(guests) as where:
            player = _Player(where, [one for one in exchanges if one.guests is guests])
            outcomes += player.play(path.stem, seeded='section' in path.name)
    return outcomes


class _Player:
    """The callers of one recording, and the pairs of names."""

    def __init__(self, where: Site, exchanges: list[Exchange]) -> None:
        self._where = where
        self._exchanges = exchanges
        self._names = Names()
        self._moments = Moments(exchanges)
        self._callers: dict[str, _Caller] = {}
        self._tokens: dict[str, tuple[str, str]] = {}
        self._ours = set(PASSWORDS) | set(_made(exchanges))
        self._passwords = dict(PASSWORDS)
        self._session = ''
        self._of_facts = _by_fact(exchanges)
        self._numbers: dict[str, str] = {}
        """Of users, recorded and here."""
        self._dates: dict[str, str] = {}
        """Of files, recorded and here."""
        self._download = ''
        """The recorded ID of the last download."""

    def play(self, recording: str, seeded: bool) -> list[Outcome]:
        self._enrol()
        if seeded:
            self._ours |= {'P', 'Q'}
            self._seed()
        return [
            outcome
            for exchange in self._exchanges
            if exchange.sent_whole and (outcome := self._one(recording, exchange))
        ]

    def _enrol(self) -> None:
        """Create the users of the recording, with the names that it has for them."""
        admin = self._caller('admin')
        profiles = _profiles(self._exchanges)
        for login in sorted(_callers(self._exchanges) - set(PASSWORDS)):
            profile = {
                'username': login,
                'password': f'pw-{login}',
                'firstName': login,
                'lastName': 'X',
                'email': f'{login}@example.org',
            }
            admin(
                'POST',
                '/xapi/users',
                json.dumps(
                    {**profile, **profiles.get(login, {}), 'enabled': True, 'verified': True}
                ),
                JSON,
            )
        for login, profile in profiles.items():
            if login in (*PASSWORDS, 'admin'):
                admin('PUT', f'/xapi/users/{login}', json.dumps(profile), JSON)
        self._callers.clear()

    def _seed(self) -> None:
        """Create the items of the facts, and pair their IDs with those of the recorded rows."""
        client = self._caller('admin')
        ids = seed(client)
        guests = self._exchanges and self._exchanges[0].guests
        if guests:
            for access in ('private', 'protected', 'public'):
                client.ok('PUT', f'/data/projects/{access}?accessibility={access}')
                client.ok(
                    'PUT',
                    f'/data/projects/{access}/subjects/S/experiments/E?xsiType=xnat:mrSessionData',
                )
                client.ok(
                    'PUT', f'/data/projects/{access}/resources/R/files/f.txt?inbody=true', b'x'
                )
        for label, recorded in RECORDED_SEED.items():
            self._names.pair(recorded, ids[label])

    def _one(self, recording: str, exchange: Exchange) -> Outcome | None:
        self._keep_apart(exchange)
        answer = self._ask(exchange)
        self._remember(exchange, answer)
        differences = tuple(compare(exchange, answer, self._names, self._owners(exchange)))
        if not exchange.evidence:
            return None
        return Outcome(
            exchange,
            differences,
            reason(recording, exchange, differences) if differences else '',
            answer,
        )

    def _keep_apart(self, exchange: Exchange) -> None:
        """Wait for the next second before a request for an ID of the current second.

        Downloads of one second have one ID.
        """
        name = _download(exchange)
        if name in ('', self._download):
            return
        later = self._exchanges[self._exchanges.index(exchange) :]
        if self._download and any(self._download in one.path for one in later):
            time.sleep(1.01 - time.time() % 1)
        self._download = name

    def _owners(self, exchange: Exchange) -> set[str]:
        """Return the projects and users whose rows count in a list of the whole site.

        They are those of a fact itself, because others may have been deleted.
        """
        fact = exchange.place.partition('#')[0]
        return (
            self._ours if fact == exchange.place else self._of_facts[fact] | {'P', 'Q', *PASSWORDS}
        )

    def _ask(self, exchange: Exchange) -> Answer:
        caller = self._caller('wrong' if _wrong(exchange) else exchange.by)
        send = exchange.send
        if send is not None and b'\x00' not in send[:1000]:
            text = self._moments.here(exchange, send.decode('utf-8', 'surrogateescape'))
            send = self._names.here(text).encode('utf-8', 'surrogateescape')
        headers = {
            key: self._names.here(value)
            for key, value in exchange.headers.items()
            if key.lower() not in ('content-length', 'authorization')
        }
        if 'Authorization' in exchange.headers:
            headers['Authorization'] = self._credentials(exchange.headers['Authorization'])
        headers |= {
            key: self._dates.get(value, value)
            for key, value in headers.items()
            if key in ('If-Modified-Since', 'If-Range')
        }
        if NO_SESSION in headers.get('Cookie', ''):
            headers['Cookie'] = headers['Cookie'].replace(NO_SESSION, self._session)
        if 'browser' in exchange.place:
            headers.setdefault('User-Agent', BROWSER['User-Agent'])
        asked = self._moments.here(exchange, self._numbered(exchange.path))
        path = quote(self._names.here(asked), safe='%/:?&=,;@[]()!$\'*+~#"<>^`{|}\\')
        return caller(exchange.method, path, send, headers)

    def _numbered(self, path: str) -> str:
        """Return a path with the numbers that users have on this server."""
        return re.sub(
            r'(/users/\w+/)(\d+)$',
            lambda found: found.group(1) + self._numbers.get(found.group(2), found.group(2)),
            path,
        )

    def _credentials(self, header: str) -> str:
        """Return a Basic header with the names of this server."""
        kind, _, code = header.partition(' ')
        try:
            text = base64.b64decode(code).decode()
        except ValueError:
            return header
        if text == ':'.join(ADMIN):
            text = f'{self._where.user}:{self._where.password}'
        return f'{kind} {base64.b64encode(self._names.here(text).encode()).decode()}'

    def _caller(self, by: str) -> _Caller:
        if by not in self._callers:
            self._callers[by] = self._connect(by)
        return self._callers[by]

    def _connect(self, by: str) -> _Caller:
        plain = by.removesuffix(' by cookie alone')
        if plain != by:
            return _Caller(self._where, cookies=self._caller(plain).cookies)
        if by == 'nobody':
            return _Caller(self._where, keeping=False)
        if by == 'wrong':
            return _Caller(self._where, self._where.user, 'wrong', keeping=False)
        if by == 'dead token':
            return _Caller(self._where, 'dead', 'dead')
        if by.startswith('token'):
            alias = next(reversed(self._tokens), '') if by != 'token of ' else ''
            return _Caller(self._where, *self._tokens.get(alias, ('dead', 'dead')))
        if by in self._tokens:
            return _Caller(self._where, *self._tokens[by])
        if by == 'admin':
            return _Caller(self._where, self._where.user, self._where.password)
        return _Caller(self._where, by, self._passwords.get(by, f'pw-{by}'))

    def _remember(self, exchange: Exchange, answer: Answer) -> None:
        """Store issued tokens, new passwords, and the latest session."""
        if exchange.method in ('GET', 'POST') and re.match(
            r'[0-9A-F]{32}\b', answer.body.decode('utf-8', 'replace')
        ):
            self._session = answer.text[:32]
        if b'"xdat_user_id"' in (exchange.body or b'') and answer.status == 200:
            here = {row['login']: row['xdat_user_id'] for row in answer.rows if 'login' in row}
            told = json.loads(exchange.body or b'')['ResultSet']['Result']
            self._numbers.update(
                (row['xdat_user_id'], here[row['login']])
                for row in told
                if row.get('login') in here
            )
        if dates := (
            exchange.answer_headers.get('Last-Modified'),
            answer.headers.get('Last-Modified'),
        ):
            self._dates.update({str(dates[0]): str(dates[1])} if all(dates) else {})
        if (
            '/tokens/issue' in exchange.path
            and answer.status == 200
            and exchange.status == 200
            and exchange.body
        ):
            recorded, here = json.loads(exchange.body), answer.json
            for key in ('alias', 'secret'):
                self._names.pair(recorded[key], here[key])
            self._tokens[recorded['alias']] = (here['alias'], here['secret'])
        if (name := _download(exchange)) and answer.status == 200:
            self._names.rename(name, GIVEN.findall(answer.body.decode())[0])
        found = re.fullmatch(r'/xapi/users(?:/([^/?]+))?', exchange.path)
        if found and exchange.send and exchange.send.startswith(b'{') and answer.status < 300:
            told = json.loads(exchange.send)
            login = found.group(1) or told.get('username')
            if told.get('password') and login:
                self._passwords[unquote(login)] = told['password']
                known = self._callers.pop(unquote(login), None)
                self._callers[unquote(login)] = _Caller(
                    self._where, unquote(login), told['password'], known.cookies if known else None
                )


JSON = {'Content-Type': 'application/json'}
NO_SESSION = '0' * 32
"""Placeholder of the ID of any session in the recordings."""
RECORDED_SEED = {
    'S1': 'XNAT_S00001',
    'S2': 'XNAT_S00002',
    'M1': 'XNAT_E00001',
    'M2': 'XNAT_E00002',
    'T1': 'XNAT_E00003',
    'A1': 'XNAT_E00005',
}
"""Accession IDs of the items that `seed` creates, on the recorded server."""


def _download(exchange: Exchange) -> str:
    """Return the ID of a download; empty if there is none."""
    is_one = (
        exchange.method == 'POST'
        and exchange.path.startswith('/xapi/archive/download')
        and exchange.status == 200
    )
    return str(GIVEN.findall((exchange.body or b'').decode())[0]) if is_one else ''


def _made(exchanges: list[Exchange]) -> Iterator[str]:
    """Return the projects that a recording creates."""
    for exchange in exchanges:
        if exchange.method == 'PUT' and (
            found := re.match(r'/(?:data|REST)(?:/archive)?/projects/([^/?]+)', exchange.path)
        ):
            yield found.group(1)


def _by_fact(exchanges: list[Exchange]) -> dict[str, set[str]]:
    """Return the projects that each fact of a table creates."""
    found: dict[str, list[Exchange]] = {}
    for exchange in exchanges:
        found.setdefault(exchange.place.partition('#')[0], []).append(exchange)
    return {fact: set(_made(some)) for fact, some in found.items()}


def _callers(exchanges: list[Exchange]) -> set[str]:
    """Return the users of a recording who existed before it."""
    made = {
        json.loads(one.send)['username']
        for one in exchanges
        if one.path == '/xapi/users' and one.method == 'POST' and one.send
    }
    asking = {
        exchange.by for exchange in exchanges if re.fullmatch(r'[A-Za-z]\w{1,15}', exchange.by)
    }
    added = [
        (_JOINING.match(one.path), one)
        for one in exchanges
        if one.method == 'PUT' and one.status == 200
    ]
    joining = {
        found.group(1)
        for found, one in added
        if found and f'"{found.group(1)}"'.encode() in (one.body or b'')
    }
    return (asking | joining) - made - {'admin', 'nobody', 'nosuchuser'}


_JOINING = re.compile(r'/data/projects/[^/]+/users/[^/]+/([A-Za-z]\w{1,15})$')
"""Path of a request that adds a user to a project."""


def _profiles(exchanges: list[Exchange]) -> dict[str, dict[str, str]]:
    """Return the names of users, as in the first response that has them."""
    found: dict[str, dict[str, str]] = {}
    for exchange in exchanges:
        text = (exchange.body or b'').decode('utf-8', 'replace')
        rows = (
            list(csv.DictReader(io.StringIO(text)))
            if re.match(r'[\w,]*\blogin\b[\w,]*\n', text)
            else []
        )
        for row in re.findall(r'\{[^{}]*"(?:login|username)":[^{}]*\}', text):
            with contextlib.suppress(ValueError):
                rows.append(
                    {PROFILE.get(key, key): value for key, value in json.loads(row).items()}
                )
        for told in rows:
            if {'login', 'firstname', 'lastname', 'email'} <= set(told):
                found.setdefault(
                    told['login'],
                    {new: told[old] for new, old in PROFILE.items() if new != 'username'},
                )
    return found


PROFILE = {'username': 'login', 'firstName': 'firstname', 'lastName': 'lastname', 'email': 'email'}
"""Properties of a user's names below ``/xapi`` and columns below ``/data``."""


def _wrong(exchange: Exchange) -> bool:
    """Whether a request had a wrong password.

    The recordings hold no passwords; a refusal without a request for credentials shows it.
    """
    asked = exchange.answer_headers.get('WWW-Authenticate')
    known = (
        exchange.by == 'admin'
        or 'wrong-password' in exchange.place
        or 'old-password' in exchange.place
    )
    return (
        exchange.status == 401 and not asked and known and 'Authorization' not in exchange.headers
    )


class _Caller(Client):
    """A user's connection that keeps its cookies, like the recorded callers."""

    def __init__(
        self,
        where: Site,
        login: str | None = None,
        password: str | None = None,
        cookies: dict[str, str] | None = None,
        keeping: bool = True,
    ) -> None:
        self.cookies: dict[str, str] = {} if cookies is None else cookies
        self._keeping = keeping
        super().__init__(where, login, password)

    def __call__(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        sent = dict(headers or {})
        if self.cookies and 'Cookie' not in sent:
            sent['Cookie'] = '; '.join(f'{name}={value}' for name, value in self.cookies.items())
        answer = super().__call__(method, path, body, sent)
        for cookie in answer.headers.get_all('Set-Cookie') or []:
            name, _, value = cookie.partition(';')[0].partition('=')
            if name == SESSION and self._keeping:
                self.cookies[name] = value
        return answer
