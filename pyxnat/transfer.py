"""Carries plans out: walks selections, and moves file bodies between disk and archive."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from . import errors, plan, uris
from .cache import http_time, publish, safe_name
from .criteria import Group
from .paths import Path as LevelPath
from .paths import uri_of
from .payload import Payload
from .plan import Found, Stage
from .tables import Row
from .wire import Stream

if TYPE_CHECKING:
    from .interface import Interface

__all__ = ['Condition', 'Transfer', 'is_duplicate']

log = logging.getLogger('pyxnat.transfer')

_HIDDEN = (errors.NotFoundError, errors.PermissionDenied)
_REFUSED = (errors.DataError, errors.ProgrammingError, errors.InternalError, errors.NotSupportedError, errors.UnexpectedAnswer)


class Condition(Protocol):
    """A condition on a collection."""

    criteria: Group
    level: str


class _Asked:
    """The listings of one walk. Routes that begin alike ask for theirs once."""

    def __init__(self, interface: Interface, keep: bool) -> None:
        self._intf = interface
        self._keep = keep
        self._kept: dict[str, list[Row]] = {}

    def rows(self, uri: str) -> list[Row]:
        """The rows of a listing."""
        if uri in self._kept:
            return self._kept[uri]
        rows = self._intf._get_json(uri)
        if self._keep and not uri.endswith('/files'):
            self._kept[uri] = rows
        return rows


class Transfer:
    """Moves what one Interface selects."""

    def __init__(self, interface: Interface) -> None:
        self._intf = interface
        self._proved: set[tuple[str, str]] = set()

    def walk(self, routes: tuple[LevelPath, ...], conditions: tuple[Condition, ...]) -> Iterator[Found]:
        """The elements of some paths, asked for as they are wanted."""
        wanted = self._ids(conditions)
        asked = _Asked(self._intf, keep=len(routes) > 1)
        for route in plan.answerable(routes, wanted):
            yield from self._run(route, plan.plan(route, wanted), Found(uris.ENTRY), asked)

    def _ids(self, conditions: tuple[Condition, ...]) -> dict[str, frozenset[str]]:
        """The IDs that conditions let pass, by level."""
        wanted: dict[str, frozenset[str]] = {}
        for condition in conditions:
            name = f'{condition.level}s'
            ids = self._intf.search.ids(condition.criteria, condition.level)
            wanted[name] = wanted[name] & ids if name in wanted else ids
        return wanted

    def _run(self, route: LevelPath, stages: tuple[Stage, ...], at: Found, asked: _Asked) -> Iterator[Found]:
        if not stages:
            yield at
            return
        for found in self._stage(route, stages[0], at, asked):
            yield from self._run(route[len(stages[0].steps) :], stages[1:], found, asked)

    def _stage(self, route: LevelPath, stage: Stage, at: Found, asked: _Asked) -> Iterator[Found]:
        try:
            tables = [asked.rows(uri) for uri in stage.requests(at)]
            return iter(list(stage.rows(at, tables)) if len(stage.steps) > 1 else stage.rows(at, tables))
        except _REFUSED + _HIDDEN as error:
            if len(stage.steps) > 1:
                log.info('walking %s: the short cut was refused (%s)', at.uri, error)
                walk = plan.plan_below(at.uri, stage)
                return self._run(route[: len(stage.steps)], walk, at, asked)
            if at.guessed and isinstance(error, _HIDDEN):
                log.info('passed over, not visible: %s', error)
                return iter(())
            raise

    def explain(self, routes: tuple[LevelPath, ...], conditions: tuple[Condition, ...]) -> str:
        """What walking will ask, in words."""
        pretended = {f'{condition.level}s': frozenset[str]() for condition in conditions}
        lines = [f'POST {uris.ENTRY}/search   (for each list of criteria, nested ones too)' for _ in conditions]
        return '\n'.join(lines + [plan.explain(route, plan.plan(route, pretended)) for route in plan.answerable(routes, pretended)])

    def download(self, file: Any, dest: str | os.PathLike[str] | None = None) -> Path:
        """Fetch a file to the cache, or to a place; its local path."""
        uri = file._uri
        if dest is None:
            return self._to_cache(uri, file)
        target = Path(dest).expanduser()
        if target.is_dir():
            target = target / safe_name(file._urn.rpartition('/')[2])
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            self._intf._transport.stream('GET', uri, accept_pages=_is_page_name(uri)) as stream,
            publish(target, http_time(stream.headers.get('last-modified'))) as body,
        ):
            _save(stream, body, file._known)
        return target

    def _to_cache(self, uri: str, file: Any) -> Path:
        """The file in the cache, as the server has it now: it says so itself (304), or its listing does where dates are too coarse."""
        store = self._intf._files
        path = store.path(uri)
        since = store.validator(uri)
        if since is None and path.exists() and store.holds(uri, *_size_and_digest(file._look())):
            return path
        headers = {'if-modified-since': since} if since else {}
        unchanged = frozenset({304}) if since else frozenset[int]()
        with self._intf._transport.stream('GET', uri, None, headers, accept_pages=_is_page_name(uri), accept_status=unchanged) as stream:
            if stream.status != 304:
                with store.writing(uri, stream.headers) as body:
                    _save(stream, body, file._known)
        return path

    def upload(self, file: Any, source: Any, about: dict[str, Any], types: dict[str, str]) -> None:
        """Send a file, and see that the server keeps it."""
        payload = Payload(source)
        if payload.length == 0:
            raise errors.DataError(
                'an empty file cannot be uploaded', uri=self._intf._server + file._uri, remedy='XNAT refuses uploads without content.'
            )
        uri = uris.with_query(file._uri, {'inbody': True, **about})
        try:
            duplicates = self._send(uri, payload)
        except errors.NotFoundError:
            holder = file.parent().parent()
            if holder is None or holder.exists() or not payload.rewinds:
                raise
            holder._create(types, {})
            duplicates = self._send(uri, payload)
        self._verify(file, payload, duplicates)

    def _send(self, uri: str, payload: Payload) -> bool:
        """Whether the server says that it has such a file already, and kept it."""
        headers = {'content-type': 'application/octet-stream'}
        with self._intf._transport.stream('PUT', uri, payload, headers, accept_pages=True) as stream:
            said = stream.read()
            attempts = stream.record.attempt
        if not is_duplicate(said):
            return False
        if attempts > 1:
            return self._stored_size(uri) != payload.length
        return True

    def _stored_size(self, uri: str) -> int | None:
        """Bytes of the stored file; `None` where there is none."""
        path = uris.file_path(uri)
        rows = self._intf._get_json(uri.partition('/files/')[0] + '/files')
        return next((int(row['Size']) for row in rows if uris.file_path(row['URI']) == path), None)

    def _verify(self, file: Any, payload: Payload, duplicates: bool) -> None:
        if duplicates:
            raise errors.DuplicateError(
                'the file is there already, and was left as it is',
                uri=self._intf._server + file._uri,
                method='PUT',
                status=200,
                remedy='Replace it with overwrite=True.',
            )
        proof = self._proof(file)
        if proof in self._proved:
            return
        if self._stored_size(file._uri) != payload.sent:
            raise errors.PermissionDenied(
                'the server took the file and stored nothing',
                uri=self._intf._server + file._uri,
                method='PUT',
                status=200,
                remedy='The login may not write there.',
            )
        self._proved.add(proof)

    @staticmethod
    def _proof(file: Any) -> tuple[str, str]:
        """What rights depend on: the project (or what was selected from the server itself) and the level that is written to."""
        top, holder = file._path[0], file.parent().parent()
        return uri_of((top,)), holder._urt


def is_duplicate(said: bytes) -> bool:
    """Whether an upload was answered with ``{"duplicates": […]}``: XNAT says so with status 200, having stored nothing."""
    if not said.lstrip().startswith(b'{'):
        return False
    try:
        return bool(json.loads(said).get('duplicates'))
    except ValueError:
        return False


def _size_and_digest(row: Row) -> tuple[str, str]:
    return row.get('Size', ''), row.get('digest', '')


def _is_page_name(uri: str) -> bool:
    return uri.lower().endswith(('.html', '.htm', '.xhtml'))


def _save(stream: Stream, body: IO[bytes], known: Row) -> None:
    """Write a body, checked against what the listing said of the file, unless the server says that it changed since."""
    digest = hashlib.md5(usedforsecurity=False) if known.get('digest') else None
    for piece in stream:
        body.write(piece)
        if digest:
            digest.update(piece)
    received = stream.record.received
    size_differs = known.get('Size', '').isdigit() and int(known['Size']) != received
    if stream.length is None and size_differs:
        raise _wrong(stream, f'{received} bytes came, the listing says {known["Size"]}')
    if digest and not size_differs and digest.hexdigest() != known['digest'].lower():
        raise _wrong(stream, 'its MD5 is not the one in the listing')


def _wrong(stream: Stream, what: str) -> errors.TransferError:
    remedy = 'If the file was changed on the server since it was listed, list it again; else download it again.'
    return errors.TransferError(what, uri=stream.uri, method=stream.method, status=stream.status, remedy=remedy)
