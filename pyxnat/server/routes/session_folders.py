"""Session folders as on disk, ``E/DIR`` and ``E/XAR``; DICOMDIR of scans."""

from __future__ import annotations

import fnmatch
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from werkzeug.utils import send_file
from werkzeug.wrappers import Response

from ..db.guards import Guard
from ..db.rows import children_of, resources_of
from ..db.store import Connection
from ..errors import BadRequest, NotFound, NotSupported
from ..http.request import Call
from ..http.responses import send, table_response
from ..http.router import Route, guarded
from ..items.catalogues import catalogue
from ..items.files_below import fetch_missing_below
from ..items.find_files import paths_of
from ..items.locate import find
from ..items.represent import Representer
from ..items.uris import ItemPath
from ..items.zip_tar import pack_folder
from ..storage.file_area import safe_name
from ..table import Table
from .item_paths import on_item

__all__ = ['ROUTES']


def _folder(call: Call, path: ItemPath) -> Response:
    """Return files of a session's folder, or its document with all files.

    ``E/DIR[/path]`` is a table, a zip or one file, ``E/XAR`` the document and all files.
    """
    with call.archive.store.read() as connection:
        row = find(connection, call.caller, path.steps).row
        if row.level != 'experiment':
            raise BadRequest('Only experiments of subjects have a folder of their own.')
        fetch_missing_below(call.archive, row)
        folder = call.archive.files.item_folder(connection, row)
        if not folder.is_dir():
            raise NotFound(f'{row.label} has no folder.')
        if path.tail[0] == 'XAR':
            return _xar(call, connection, row, folder)
    found = _matching(folder, path.tail[1:])
    if not found:
        raise NotFound('There is no such file.')
    if call.get('format').lower() == 'zip':
        return send(
            pack_folder(
                folder.name,
                folder,
                [path for one in found for path in _below(one, True)],
                f'{folder.name}/',
            )
        )
    if len(found) == 1 and found[0].is_file():
        return send_file(
            found[0], call.request.environ, mimetype='application/octet-stream', etag=False
        )
    rows = [
        (*_described(path, one), _uri(row.id, path, folder))
        for one in found
        for path in _below(one, call.flag('recursive'))
    ]
    return table_response(
        call, Table(['Name', 'DIR', 'Size', 'URI'], rows, {'title': 'Files'}), default='xml'
    )


def _matching(folder: Path, names: Sequence[str]) -> list[Path]:
    """Return the files and folders that match a path of names or patterns."""
    found = [folder]
    for name in names:
        if name == '..':
            raise BadRequest("'..' is not allowed in the path.")
        found = [
            path
            for one in found
            if one.is_dir()
            for path in sorted(one.iterdir())
            if path.name == name or fnmatch.fnmatchcase(path.name, name)
        ]
    return found


def _below(path: Path, recursive: bool) -> Iterator[Path]:
    """Yield a file itself, the members of a folder, or all files below it."""
    if path.is_file():
        yield path
    elif recursive:
        yield from sorted(one for one in path.rglob('*') if one.is_file())
    else:
        yield from sorted(path.iterdir())


def _described(path: Path, above: Path) -> tuple[str, str, int]:
    name = path.name if path == above else path.relative_to(above).as_posix()
    return name + '/' * path.is_dir(), 'true' if path.is_dir() else 'false', path.stat().st_size


def _uri(session: str, path: Path, folder: Path) -> str:
    return (
        f'/data/experiments/{quote(session)}/DIR/{quote(path.relative_to(folder).as_posix())}'
        + '/' * path.is_dir()
    )


def _xar(call: Call, connection: Connection, row: Any, folder: Path) -> Response:
    area = call.archive.files

    def place(resource: Any, holder: Any) -> str:
        """Return the path of a resource's catalogue in the archive.

        Parameters
        ----------
        resource
            The resource.
        holder
            Its item.
        """
        name = f'{safe_name(resource.label) if resource.label else resource.pk}_catalog.xml'
        return (
            (area.resource_folder(connection, resource, holder) / name)
            .relative_to(folder.parent)
            .as_posix()
        )

    first = {}
    for one in (row, *children_of(connection, row.pk)):
        for held in resources_of(connection, one.pk):
            first[place(held, one)] = catalogue(connection, held, one)
    representer = Representer(
        connection, call.archive.model, call.caller, place, call.request.root_url.rstrip('/')
    )
    first = {f'{row.id}.xml': representer.xml(row, conceal=True), **first}
    return send(
        pack_folder(row.label, folder, list(_below(folder, True)), f'{folder.name}/', first, 'xar')
    )


def _dicomdir(call: Call, path: ItemPath) -> Response:
    """Return the DICOMDIR of a scan's images, as in a DICOM file-set."""
    with call.archive.store.read() as connection:
        row = find(connection, call.caller, path.steps).row
        fetch_missing_below(call.archive, row)
        paths = list(paths_of(call.archive, connection, row))
    try:
        from pydicom.errors import InvalidDicomError
        from pydicom.fileset import FileSet
    except ImportError as error:
        raise NotSupported('This server cannot read DICOM: pydicom is not installed.') from error
    found = FileSet()
    for image in paths:
        try:
            found.add(image)
        except (
            InvalidDicomError,
            ValueError,
            AttributeError,
        ):  # not an image, or without an element that a DICOMDIR needs
            continue
    if not len(found):
        raise NotFound('The scan has no DICOM images.')
    with tempfile.TemporaryDirectory() as folder:
        found.write(folder)
        body = (Path(folder) / 'DICOMDIR').read_bytes()
    headers = {'Content-Disposition': 'attachment; filename="DICOMDIR"'}
    return Response(body, mimetype='application/octet-stream', headers=headers)


ROUTES = guarded(
    Guard.ITEM,
    (
        *(
            route
            for place in (
                '/data/experiments/{experiment}',
                '/data/projects/{project}/experiments/{experiment}',
            )
            for route in (
                Route(
                    'GET',
                    f'{place}/DIR/{{path*}}',
                    on_item(_folder),
                    'List, or with `format=zip` pack, the folder of a session, or return a file.',
                ),
                Route(
                    'GET',
                    f'{place}/XAR/{{*}}',
                    on_item(_folder),
                    'Pack the document and the files of a session.',
                ),
            )
        ),
        Route(
            'GET',
            '…/scans/{scan}/DICOMDIR',
            on_item(_dicomdir),
            'Return the directory of the images of a scan.',
        ),
    ),
)
