"""``/user/cache/resources``: folders of a user's files before their import.

They have no rows in the database.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from werkzeug.utils import send_file
from werkzeug.wrappers import Response

from ..db.guards import Guard, record
from ..errors import BadRequest, NotFound, PreconditionFailed
from ..http.request import Call, text
from ..http.responses import send, table_response
from ..http.router import Access, Route, guarded
from ..items.zip_tar import pack_folder
from ..private_files import make_folder
from ..storage.file_area import Staged, check_path, safe_name
from ..table import Table
from .file_writes import received

__all__ = ['ROUTES', 'find_file', 'find_path', 'home_of']

_BASE = '/data/user/cache/resources'


def home_of(call: Call) -> Path:
    """Return the folder of the caller's cache; nobody has access to another."""
    record(Guard.CACHE)
    return call.archive.folder / 'cache' / safe_name(call.caller.login)


def find_file(call: Call, uri: str) -> Path:
    """Return the file of the caller's cache that a URI names.

    Parameters
    ----------
    call : Call
        The request.
    uri : str
        URI of the file.

    Raises
    ------
    BadRequest
        For a URI of something else.
    NotFound
        If there is no such file.
    """
    path = find_path(call, uri)
    if not path.is_file():
        raise NotFound(f'Unable to find the specified file: {uri}')
    return path


def find_path(call: Call, uri: str) -> Path:
    """Return the file, folder or resource of the caller's cache in a URI.

    Parameters
    ----------
    call : Call
        The request.
    uri : str
        URI below ``/user/cache/resources``.

    Raises
    ------
    BadRequest
        For a URI of something else.
    NotFound
        If it does not exist.
    """
    found = re.match(r'(?:/data)?/user/cache/resources/([^/]+)(?:/files(?:/(.+?))?)?/?$', uri)
    if found is None:
        raise BadRequest(f'{uri!r} is not a file of /user/cache/resources.')
    path = home_of(call) / safe_name(found.group(1))
    if found.group(2):
        path = path.joinpath(*check_path(found.group(2)).split('/'))
    if not path.exists():
        raise NotFound(f'Unable to find the specified file: {uri}')
    return path


def _list(call: Call) -> Response:
    home = home_of(call)
    names = sorted(path.name for path in home.iterdir()) if home.is_dir() else []
    if not names:
        return text()  # as XNAT, without a table
    return table_response(
        call, Table(['Resource', 'URI'], [(name, f'{_BASE}/{quote(name)}') for name in names])
    )


def _resource(call: Call, name: str) -> Response:
    folder = home_of(call) / safe_name(name)
    if call.method in ('PUT', 'POST'):
        if folder.exists():
            raise PreconditionFailed(f'There is a resource {name} already.')
        make_folder(folder)
        return text(f'The resource {name} was created.', mimetype='text/html')
    if not folder.is_dir():
        raise NotFound(f'Unable to find the specified resource: {name}')
    if call.method == 'DELETE':
        shutil.rmtree(folder)
        return text()
    return _table(call, name, folder, _paths(folder))


def _files(call: Call, name: str, asked: str) -> Response:
    folder = home_of(call) / safe_name(name)
    if call.method in ('PUT', 'POST'):
        return _upload(call, folder, asked)
    paths = [
        path for path in _paths(folder) if _matches(path.relative_to(folder).as_posix(), asked)
    ]
    if not folder.is_dir() or (asked and not paths):
        raise NotFound(f'Unable to find the specified file: {name}/{asked}')
    if call.method == 'DELETE':
        if not asked:
            raise BadRequest('Name the files to delete.')
        for path in paths:
            path.unlink()
        return text()
    if call.get('format').lower() == 'zip':
        return send(pack_folder(name, folder, paths))
    if asked and len(paths) == 1 and paths[0].relative_to(folder).as_posix() == asked:
        return send_file(
            paths[0], call.request.environ, mimetype='application/octet-stream', etag=False
        )
    return _table(call, name, folder, paths)


def _paths(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob('*') if path.is_file())


def _matches(path: str, asked: str) -> bool:
    """Whether a file is in a comma list of files and folders, empty for all."""
    return not asked or any(
        path == one or path.startswith(one.rstrip('/') + '/') for one in asked.split(',')
    )


def _table(call: Call, name: str, folder: Path, paths: Iterable[Path]) -> Response:
    inner = [(path.relative_to(folder).as_posix(), path.stat().st_size) for path in paths]
    rows = [
        (path.rpartition('/')[2], size, f'{_BASE}/{quote(name)}/files/{quote(path)}')
        for path, size in inner
    ]
    return table_response(call, Table(['Name', 'Size', 'URI'], rows))


def _upload(call: Call, folder: Path, asked: str) -> Response:
    if call.method == 'PUT' and not asked and call.mimetype != 'multipart/form-data':
        raise BadRequest('Name the file.')
    staged: list[tuple[str, Staged]] = []
    area = call.archive.files
    try:
        staged += received(call, asked, folder=True)
        for path, one in staged:
            target = folder.joinpath(*check_path(path).strip('/').split('/'))
            area.publish(one, target)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise BadRequest(f'{asked!r} conflicts with another file or folder.') from error
    finally:
        area.discard(one for _, one in staged)
    return text(
        'File(s) successfully uploaded', 200 if call.method == 'PUT' else 201, mimetype='text/html'
    )


_PLACE = '/data/user/cache/resources'
ROUTES = guarded(
    Guard.CACHE,
    (
        Route('GET', _PLACE, _list, "List the folders of the caller's cache.", Access.LOGIN),
        Route(
            'GET POST PUT DELETE',
            f'{_PLACE}/{{name}}',
            _resource,
            'List, create or delete a folder.',
            Access.LOGIN,
        ),
        Route(
            'GET POST PUT DELETE',
            f'{_PLACE}/{{name}}/files/{{asked*}}',
            _files,
            'List, return, store or delete files of a folder.',
            Access.LOGIN,
        ),
    ),
)
