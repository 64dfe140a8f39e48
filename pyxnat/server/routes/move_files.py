"""``/services/move-files``: move files of the user cache into resources.

The format is fact 6.4.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from werkzeug.wrappers import Response

from ..db.guards import Guard
from ..errors import BadRequest, Conflict, NotFound
from ..http.request import Call, text
from ..http.router import Access, Route, guarded
from ..items.find_files import split
from ..items.uris import ItemPath, archived_parts, parse
from ..storage.file_area import Staged, check_path, pieces_of
from .file_writes import store_files
from .prearchive_batches import read_form
from .user_cache import find_path

__all__ = ['ROUTES']


def _move_files(call: Call) -> Response:
    """Move files from ``src`` to ``dest``, or each pair of URIs in the query.

    ``src`` is ``/user/cache/resources/X/files/F``, ``dest`` is
    ``/archive/…/resources/L/files/F``.
    The parameters of uploads also apply: ``overwrite``, ``format``, ``content``, ``description``,
    ``tags``.
    """
    read_form(call)
    pairs = [(key, value) for key, value in call.query if '/' in key]
    if call.get('src'):
        if not call.get('dest'):
            raise BadRequest('Missing dest path')
        pairs.append((call.get('src'), call.get('dest')))
    if not pairs:
        raise BadRequest('Missing src and dest path')
    moves = [(find_path(call, source), _target(target)) for source, target in pairs]
    for source, target_path in moves:
        _move(call, source, target_path)
    return text()


def _target(uri: str) -> ItemPath:
    target_path = parse([*archived_parts(uri), *([''] if uri.endswith('/') else [])])
    kinds = (
        [name.rpartition('_')[2] for name in target_path.names[-2:]]
        if target_path and not target_path.tail
        else []
    )
    if target_path is None or 'resources' not in kinds or split(target_path)[1].id is None:
        raise BadRequest(
            f'{uri!r} is not a resource in the archive: '
            '/archive/projects/P/subjects/S/experiments/E/resources/L/files/F'
        )
    return target_path


def _move(call: Call, source: Path, target_path: ItemPath) -> None:
    """Move files into a resource.

    They are copied to staging, stored like an upload, and only then removed from the cache.
    """
    steps, step, last = split(target_path)
    area = call.archive.files
    paths = _paths(source, (last.id if last else None) or '')
    if not paths:
        raise NotFound('The folder of the cache holds no file.')
    staged: list[tuple[str, Staged]] = []
    try:
        for path, target in paths.items():
            staged.append((check_path(target), area.stage(pieces_of(path))))
        duplicates = store_files(call, steps, step, staged)
    finally:
        area.discard(one for _, one in staged)
    for path, target in paths.items():
        if target not in duplicates:
            path.unlink(missing_ok=True)
    if source.is_dir() and not duplicates:
        shutil.rmtree(source)
    if duplicates:
        raise Conflict(
            f'Existing files: {", ".join(duplicates)}; use overwrite=true to replace them.'
        )


def _paths(source: Path, asked: str) -> dict[Path, str]:
    """Return the files to move, with their paths in the resource."""
    if source.is_file():
        return {source: f'{asked}{source.name}' if asked.endswith('/') or not asked else asked}
    base = f'{asked.rstrip("/")}/' if asked else ''
    return {
        path: base + path.relative_to(source).as_posix()
        for path in sorted(source.rglob('*'))
        if path.is_file()
    }


ROUTES = guarded(
    Guard.CACHE | Guard.ITEM,
    (
        Route(
            'POST',
            '/data/services/move-files',
            _move_files,
            'Move files of the user cache into resources.',
            Access.LOGIN,
        ),
    ),
)
