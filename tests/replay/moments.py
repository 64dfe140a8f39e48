"""Move the moments that a recording asks for to the time at which it is played."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from datetime import datetime, timedelta

from .recordings import Exchange

STAMP = re.compile(rb'(20\d\d-\d\d-\d\d \d\d:\d\d:\d\d)\.\d+')
"""A moment that a server wrote, with its fraction of a second."""
ASKED = re.compile(
    r'(?<!\d)(?:(?P<us>\d\d/\d\d/20\d\d)|(?P<day>20\d\d-\d\d-\d\d)'
    r'(?: (?P<clock>\d\d:\d\d:\d\d(?:\.\d+)?))?)(?![\d/])'
)
"""Dates and moments in criteria. The time after an American date does not count in XNAT's lists."""
NEAR = timedelta(days=370)
"""Dates further from the recording than this are values of fields."""
MIDNIGHT = 90
"""Seconds before midnight in which no recording that names days is begun."""


class Moments:
    """The time between a recording and its replay.

    Parameters
    ----------
    exchanges : iterable of Exchange
        The recording. Its last stamp is taken as the time at which it was made.
    now : datetime, optional
        The time of the replay.
    """

    def __init__(self, exchanges: Iterable[Exchange], now: datetime | None = None) -> None:
        exchanges = list(exchanges)
        stamps = [max(STAMP.findall(one.body or b''), default=b'') for one in exchanges]
        last = max(stamps, default=b'').decode()
        self._made = datetime.fromisoformat(last) if last else None
        if now is None and any(self._asks(one) for one in exchanges):
            _wait_for_midnight()
        self._now = now or datetime.now()

    def here(self, exchange: Exchange, text: str) -> str:
        """Return the path or document of a request with the moments it means now."""
        return ASKED.sub(self._moved, text) if self._asks(exchange) else text

    def _asks(self, exchange: Exchange) -> bool:
        """Whether dates of a request are criteria, and no values to store."""
        if self._made is None:
            return False
        return exchange.method == 'GET' or b'<xdat:search' in (exchange.send or b'')

    def _moved(self, found: re.Match[str]) -> str:
        assert self._made
        form = '%m/%d/%Y' if found['us'] else '%Y-%m-%d'
        day = datetime.strptime(found['us'] or found['day'], form)
        if abs(day - self._made) > NEAR:
            return found.group()
        if found['clock']:
            moment = datetime.fromisoformat(found['day']) + _since_midnight(found['clock'])
            return str(moment + (self._now - self._made))
        return (day + (self._now.date() - self._made.date())).strftime(form)


def _since_midnight(clock: str) -> timedelta:
    hours, minutes, seconds = clock.split(':')
    return timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds))


def _wait_for_midnight() -> None:
    """Wait until the day will not end during a replay."""
    now = datetime.now()
    left = (now.replace(hour=0, minute=0, second=0) + timedelta(days=1) - now).total_seconds()
    if left < MIDNIGHT:
        time.sleep(left + 1)
