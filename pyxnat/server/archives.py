"""Archives of files out, as zip and tar, and in, unpacked.

Both are streamed: an archive that is sent is never whole in memory or on disk, and one that is unpacked is read from its staged file.
Members with absolute or climbing names, links and devices are refused, and so is what unpacks to far more than it should.
"""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote

from werkzeug.exceptions import BadRequest, NotFound, RequestEntityTooLarge
from werkzeug.wrappers import Response

from .calls import Call
from .files import FileArea, Staged, check_path
from .store import fields_of
from .tables import Table

if TYPE_CHECKING:
    from .holdings import Held

__all__ = ['FORMATS', 'contents', 'is_zip', 'send', 'send_entry', 'send_folder', 'unpack']

FORMATS = {'zip': 'application/zip', 'tar': 'application/x-tar', 'tar.gz': 'application/x-gtar'}
MAX_RATIO = 200
"""How many times its own size an uploaded archive may unpack to, above `FREE_BYTES`."""
FREE_BYTES = 2**30
MAX_MEMBERS = 200_000
BLOCK = 2**18
DEFAULT_EFFORT = 1
"""Deflate's level when ``compression`` does not say: images gain little from more, and more is several times slower."""
_EFFORTS = tuple('0123456789')
_PACKED = re.compile(r'\.(zip|tar|tgz|tar\.gz)$', re.IGNORECASE)
_COMPRESSED = ('.gz', '.zip', '.bz2', '.xz', '.jpg', '.jpeg', '.png')


# -- out


def send(call: Call, held: list[Held]) -> Response:
    """The files as one archive, without a Content-Length."""
    form = call.get('format').lower()
    name = _archive_name(held)
    writer = _zip if form == 'zip' else _tar
    entries = [(_entry(call, one, form), one) for one in held]
    headers = {'Content-Disposition': f'attachment; filename="{quote(name)}.{form}"'}
    return Response(writer(call, entries, form), mimetype=FORMATS[form], headers=headers)


def _archive_name(held: list[Held]) -> str:
    names = {_top(one) for one in held}
    return names.pop() if len(names) == 1 else 'various'


def _top(held: Held) -> str:
    rows = held.place.rows
    row = next(rows[name] for name in ('experiment', 'subject', 'project') if name in rows)
    return str(row.label or row.id)


def _entry(call: Call, held: Held, form: str) -> str:
    """The path of a file in the archive, by the ``structure`` that was asked for."""
    structure = call.get('structure')
    path = {'improved': _improved, 'legacy': _legacy}.get(structure, _standard)(call, held, form)
    if structure == 'simplified':
        path = '/'.join(part for part in path.split('/') if part not in ('resources', 'files'))
    rows, before = held.place.rows, ''
    if call.flag('projectIncludedInPath'):
        before += f'{held.place.row.project}/'
    if call.flag('subjectIncludedInPath') and 'subject' in rows and 'experiment' in rows:
        before += f'{rows["subject"].label}/'
    return before + path


def _standard(call: Call, held: Held, form: str) -> str:
    row, one = held.place.row, held.resource
    name = one.label or str(one.pk)
    side = f'{one.side}/' if one.side else ''
    middle = ''
    if row.level == 'scan':
        kind = re.sub(r'\W', '_', _type_of(row))
        middle = f'scans/{row.id}-{kind}/' if kind and call.get('structure') != 'simplified' else f'scans/{row.id}/'
    elif row.level in ('assessor', 'reconstruction') and 'experiment' in held.place.rows:
        middle = f'{row.level}s/{row.label or row.id}/'
    return f'{_top(held)}/{middle}{side}resources/{name}/files/{held.file.path}'


def _improved(call: Call, held: Held, form: str) -> str:
    row, one = held.place.row, held.resource
    name = one.label or str(one.pk)
    if row.level not in ('scan', 'assessor', 'reconstruction'):
        return f'resources/{name}/{held.file.path}'
    kind = re.sub(r'[/\\:*?"<>|]', '_', _type_of(row)) if form == 'zip' else ''
    return f'{row.level}s/{row.id}{"_" + kind if kind else ""}/{name}/{held.file.path}'


def _legacy(call: Call, held: Held, form: str) -> str:
    rows = held.place.rows
    parts = held.path.relative_to(call.archive.files.root).parts
    return '/'.join(parts[3:] if 'experiment' in rows else parts[1:])


def _type_of(row: Any) -> str:
    return fields_of(row).get('type', '')


class _Sink(io.RawIOBase):
    """A file that hands on what was written to it."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> Iterator[bytes]:
        """What was written since the last time."""
        pieces, self._pieces = self._pieces, []
        if pieces:
            yield b''.join(pieces)


def _zip(call: Call, entries: list[tuple[str, Held]], form: str) -> Iterator[bytes]:
    sink = _Sink()
    asked = call.get('compression')
    effort = int(asked) if asked in _EFFORTS else DEFAULT_EFFORT
    with zipfile.ZipFile(sink, 'w', allowZip64=True) as target:
        for name, held in entries:
            info = zipfile.ZipInfo.from_file(held.path, name, strict_timestamps=False)
            info.compress_type = zipfile.ZIP_STORED if effort == 0 or _is_compressed(name) else zipfile.ZIP_DEFLATED
            setattr(info, 'compress_level' if hasattr(info, 'compress_level') else '_compresslevel', effort)  # the former since 3.13
            with held.path.open('rb') as source, target.open(info, 'w', force_zip64=held.file.size > 2**31) as member:
                while piece := source.read(BLOCK):
                    member.write(piece)
                    yield from sink.taken()
    yield from sink.taken()


def _is_compressed(name: str) -> bool:
    return name.lower().endswith(_COMPRESSED)


def _tar(call: Call, entries: list[tuple[str, Held]], form: str) -> Iterator[bytes]:
    sink = _Sink()
    squeeze = zlib.compressobj(1, wbits=31) if form == 'tar.gz' else None
    for name, held in entries:
        info = tarfile.TarInfo(name)
        info.size, info.mtime = held.file.size, int(held.path.stat().st_mtime)
        sink.write(info.tobuf(tarfile.PAX_FORMAT))
        with held.path.open('rb') as source:
            while piece := source.read(BLOCK):
                sink.write(piece)
                yield from _squeezed(sink, squeeze)
        sink.write(b'\0' * (-info.size % tarfile.BLOCKSIZE))
    sink.write(b'\0' * tarfile.BLOCKSIZE * 2)
    yield from _squeezed(sink, squeeze)
    if squeeze is not None:
        yield squeeze.flush()


def _squeezed(sink: _Sink, squeeze: Any) -> Iterator[bytes]:
    for piece in sink.taken():
        yield squeeze.compress(piece) if squeeze is not None else piece


def send_folder(name: str, folder: Path, paths: list[Path], above: str = '', first: Mapping[str, bytes] | None = None, form: str = 'zip') -> Response:
    """Files of a folder as a zip, by their paths in it, below a name; before them what is given by name."""
    sink = _Sink()

    def pieces() -> Iterator[bytes]:
        with zipfile.ZipFile(sink, 'w', compression=zipfile.ZIP_DEFLATED, compresslevel=DEFAULT_EFFORT, allowZip64=True) as target:
            for one, body in (first or {}).items():
                target.writestr(one, body)
            for path in paths:
                with path.open('rb') as source, target.open(above + path.relative_to(folder).as_posix(), 'w', force_zip64=True) as member:
                    while piece := source.read(BLOCK):
                        member.write(piece)
                        yield from sink.taken()
        yield from sink.taken()

    headers = {'Content-Disposition': f'attachment; filename="{quote(name)}.{form}"'}
    return Response(pieces(), mimetype=FORMATS.get(form, f'application/{form}'), headers=headers)


# -- what is in a stored zip


def is_zip(path: Path) -> bool:
    """Whether a stored file is a zip."""
    return path.suffix.lower() == '.zip' and zipfile.is_zipfile(path)


def contents(path: Path) -> Table:
    """The entries of a stored zip."""
    with zipfile.ZipFile(path) as source:
        rows = [(info.filename, info.file_size) for info in source.infolist() if not info.is_dir()]
    return Table(['File Name', 'Size'], rows)


def send_entry(path: Path, name: str) -> Response:
    """An entry of a stored zip, in pieces."""
    try:
        source = zipfile.ZipFile(path)
        member = source.open(name)
    except (KeyError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise NotFound(f'Unable to find {name!r} in {path.name}.') from error

    def pieces() -> Iterator[bytes]:
        with source, member:
            while piece := member.read(BLOCK):
                yield piece

    return Response(pieces(), mimetype='application/octet-stream')


# -- in


def unpack(area: FileArea, staged: Staged, folder: str) -> Iterator[tuple[str, Staged]]:
    """The files of a staged zip or tar, each staged; below the folder of the path that it was sent to.

    All or none: on a refusal what was staged is removed.
    """
    found: list[tuple[str, Staged]] = []
    budget = _Budget(max(FREE_BYTES, staged.size * MAX_RATIO))
    above, _, last = folder.rpartition('/')
    folder = above if _PACKED.search(last) else folder.rstrip('/')  # the archive's own name is no folder
    base = f'{folder}/' if folder else ''
    try:
        for name, source in _members(staged):
            found.append((check_path(base + _checked(name)), area.stage(budget.pieces(source))))
            if len(found) > MAX_MEMBERS:
                raise RequestEntityTooLarge(f'The archive holds more than {MAX_MEMBERS} files.')
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, NotImplementedError, RuntimeError, OSError) as error:
        area.discard(one for _, one in found)
        raise BadRequest(f'The archive cannot be unpacked: {error}') from error
    except BaseException:
        area.discard(one for _, one in found)
        raise
    yield from found


class _Budget:
    """How much an archive may still unpack to: zip bombs are stopped on the way, whatever their headers say."""

    def __init__(self, size: int) -> None:
        self.left = size

    def pieces(self, source: IO[bytes]) -> Iterator[bytes]:
        """A member in pieces."""
        with source:
            while piece := source.read(BLOCK):
                self.left -= len(piece)
                if self.left < 0:
                    raise RequestEntityTooLarge('The archive unpacks to far more than its size.')
                yield piece


def _checked(name: str) -> str:
    if name.startswith(('/', '\\')):
        raise BadRequest(f'{name!r} is not a path inside the resource.')
    return name


def _members(staged: Staged) -> Iterator[tuple[str, IO[bytes]]]:
    reader: Callable[[Staged], Iterator[tuple[str, IO[bytes]]]] = _zip_members if zipfile.is_zipfile(staged.path) else _tar_members
    return reader(staged)


def _zip_members(staged: Staged) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(staged.path) as source:
        for info in source.infolist():
            if not info.is_dir():
                yield info.filename, source.open(info)


def _tar_members(staged: Staged) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(staged.path, 'r:*') as source:
        for info in source:
            if info.isdir():
                continue
            member = source.extractfile(info) if info.isreg() else None
            if member is None:
                raise BadRequest(f'{info.name!r} is neither a file nor a folder.')
            yield info.name, member
