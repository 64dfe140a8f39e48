"""Zip and tar archives for downloads.

Streamed, never in memory or on disk as a whole.
"""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ...model.levels import level
from ..context import Context
from ..db.store import fields_of
from ..errors import BadRequest, NotFound
from ..storage.zip_directory import check_directory
from ..table import Table
from .files_below import fetch_missing
from .find_files import Held
from .sending import Sending

__all__ = [
    'FORMATS',
    'contents',
    'entry_name',
    'is_zip',
    'pack',
    'pack_folder',
    'pack_named',
    'pack_one',
    'type_of',
    'unpack_entry',
]

FORMATS = {'zip': 'application/zip', 'tar': 'application/x-tar', 'tar.gz': 'application/x-gtar'}
BLOCK = 2**18
DEFAULT_EFFORT = 1
"""Level of deflate: higher levels are several times slower, and gain little for images."""
_TYPES = {
    'bmp': 'image/bmp',
    'gif': 'image/gif',
    'html': 'text/html',
    'jpg': 'image/jpeg',
    'jpeg': 'image/jpeg',
    'pdf': 'application/pdf',
    'png': 'image/png',
    'svg': 'image/svg+xml',
    'tiff': 'image/tiff',
    'txt': 'text/plain',
    'xml': 'text/xml',
}
_METHODS = ('0', '8')
_COMPRESSED = ('.gz', '.zip', '.bz2', '.xz', '.jpg', '.jpeg', '.png')


# -- downloads


def pack(context: Context, held: list[Held]) -> Sending:
    """Return files as one archive, without a Content-Length.

    Files missing on disk are left out, as in XNAT.

    Parameters
    ----------
    context : Context
        The request; its parameters ``format``, ``structure`` and ``compression`` apply.
    held : list[Held]
        The files.

    Raises
    ------
    NotFound
        If no file is on disk.
    """
    fetch_missing(context.archive, held)
    form = context.get('format').lower()
    writer = _zip if form == 'zip' else _tar
    entries = [(entry_name(context, one, form), one) for one in held if one.path.is_file()]
    if not entries:
        raise NotFound('Unable to find any files.')
    if context.get('compression') not in ('', *_METHODS):
        raise BadRequest('compression must be 0 (stored) or 8 (deflated).')
    return Sending(
        writer(context, entries, form),
        FORMATS[form],
        f'attachment; filename="{quote(_top(held[0]))}.{form}";',
    )


def pack_one(context: Context, held: Held) -> Sending:
    """Return a file as an archive, under its bare name.

    Parameters
    ----------
    context : Context
        The request; its parameters ``format`` and ``compression`` apply.
    held : Held
        The file.
    """
    form = context.get('format').lower()
    writer = _zip if form == 'zip' else _tar
    return Sending(
        writer(context, [(held.path.name, held)], form),
        FORMATS[form],
        f'attachment; filename="{quote(_top(held))}.{form}";',
    )


def pack_named(name: str, entries: list[tuple[str, Held]]) -> Sending:
    """Return files as a zip.

    Parameters
    ----------
    name : str
        File name of the zip, without extension.
    entries : list[tuple[str, Held]]
        Name in the zip, and file.
    """
    return Sending(
        _zip_of(entries, DEFAULT_EFFORT), FORMATS['zip'], f'attachment; filename="{name}.zip"'
    )


def _top(held: Held) -> str:
    """Return the name of an archive: label of the session, subject or project."""
    rows = held.place.rows
    row = next(rows[name] for name in ('experiment', 'subject', 'project') if name in rows)
    return str(row.label or row.id)


def entry_name(context: Context, held: Held, form: str) -> str:
    """Return the path of a file in an archive.

    Parameters
    ----------
    context : Context
        The request; its parameter ``structure`` chooses the form.
    held : Held
        The file.
    form : str
        Format of the archive.
    """
    structure = context.get('structure')
    if structure == 'improved':
        return _improved(held, form)
    if structure == 'legacy':
        return _legacy(context, held)
    path = _standard(context, held, typed=structure != 'simplified')
    return (
        path.replace('/resources', '').replace('/files', '') if structure == 'simplified' else path
    )


def _standard(context: Context, held: Held, typed: bool) -> str:
    """Return a path below the session, or below a named assessor."""
    row, one, among_all = held.place.row, held.resource, held.kept.among_all
    name = one.label or str(one.pk)
    facts = level(row.level)
    side = f'{one.side or "out"}/' if facts.has_sides else ''
    if facts.listed_with and not among_all:
        return f'{row.label or row.id}/{side}resources/{name}/files/{held.file.path}'
    kind = re.sub(r'\W', '_', _type_of(row)) if typed and not among_all and facts.is_part else ''
    middle = f'{facts.zip_folder}/{row.id}{"-" + kind if kind else ""}/' if facts.zip_folder else ''
    return (
        f'{_before(context, held)}{_top(held)}/{middle}{side}resources/{name}/files/'
        f'{held.file.path}'
    )


def _before(context: Context, held: Held) -> str:
    """Return project and subject, if requested, before a session in a path."""
    rows, before = held.place.rows, ''
    if not any(level(name).is_part for name in rows):
        return before
    if context.flag('projectIncludedInPath'):
        before += f'{rows["experiment"].project}/'
    if context.flag('subjectIncludedInPath'):
        before += f'{held.kept.subject}/'
    return before


def _improved(held: Held, form: str) -> str:
    row, one = held.place.row, held.resource
    name = one.label or str(one.pk)
    if 'experiment' not in held.place.rows:
        return f'resources/{name}/{held.file.path}'
    kind = re.sub(r'[/\\:*?"<>|]', '_', held.kept.described) if form == 'zip' else ''
    group = level(row.level).zip_folder or 'resources'
    return f'{group}/{row.id}{"_" + kind if kind else ""}/{name}/{held.file.path}'


def _legacy(context: Context, held: Held) -> str:
    """Return the path on disk below session, assessor, subject or project."""
    parts = held.path.relative_to(context.archive.files.root).parts
    rows = held.place.rows
    if 'assessor' in rows:
        return '/'.join(parts[4:])
    return '/'.join(parts[2:] if 'experiment' in rows or 'subject' in rows else parts)


def _type_of(row: Any) -> str:
    return fields_of(row).get('type', '')


class _Sink(io.RawIOBase):
    """Writable file that yields the bytes written to it."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> Iterator[bytes]:
        """Yield the bytes that were written since the last call."""
        pieces, self._pieces = self._pieces, []
        if pieces:
            yield b''.join(pieces)


def _zip(context: Context, entries: list[tuple[str, Held]], form: str) -> Iterator[bytes]:
    return _zip_of(entries, 0 if context.get('compression') == '0' else DEFAULT_EFFORT)


def _zip_of(entries: list[tuple[str, Held]], effort: int) -> Iterator[bytes]:
    sink = _Sink()
    with zipfile.ZipFile(sink, 'w', allowZip64=True) as target:
        for name, held in entries:
            info = zipfile.ZipInfo.from_file(held.path, name, strict_timestamps=False)
            info.compress_type = (
                zipfile.ZIP_STORED
                if effort == 0 or name.lower().endswith(_COMPRESSED)
                else zipfile.ZIP_DEFLATED
            )
            setattr(
                info,
                'compress_level' if hasattr(info, 'compress_level') else '_compresslevel',
                effort,
            )  # compress_level since Python 3.13
            with (
                held.path.open('rb') as source,
                target.open(info, 'w', force_zip64=held.file.size > 2**31) as member,
            ):
                while piece := source.read(BLOCK):
                    member.write(piece)
                    yield from sink.taken()
    yield from sink.taken()


def _tar(context: Context, entries: list[tuple[str, Held]], form: str) -> Iterator[bytes]:
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


def pack_folder(
    name: str,
    folder: Path,
    paths: list[Path],
    above: str = '',
    first: Mapping[str, bytes] | None = None,
    form: str = 'zip',
) -> Sending:
    """Return files of a folder as a zip.

    Parameters
    ----------
    name : str
        File name of the zip, without extension.
    folder : Path
        The folder.
    paths : list[Path]
        Paths of the files.
    above : str
        Prefix of their names in the zip.
    first : Mapping[str, bytes] | None
        Further members by name, which come first.
    form : str
        Extension of the file name, and its media type.
    """
    sink = _Sink()

    def pieces() -> Iterator[bytes]:
        with zipfile.ZipFile(
            sink,
            'w',
            compression=zipfile.ZIP_DEFLATED,
            compresslevel=DEFAULT_EFFORT,
            allowZip64=True,
        ) as target:
            for one, body in (first or {}).items():
                target.writestr(one, body)
            for path in paths:
                with (
                    path.open('rb') as source,
                    target.open(
                        above + path.relative_to(folder).as_posix(), 'w', force_zip64=True
                    ) as member,
                ):
                    while piece := source.read(BLOCK):
                        member.write(piece)
                        yield from sink.taken()
        yield from sink.taken()

    return Sending(
        pieces(),
        FORMATS.get(form, f'application/{form}'),
        f'attachment; filename="{quote(name)}.{form}"',
    )


# -- members of a stored zip


def type_of(name: str) -> str:
    """Return the media type of a file, by extension."""
    return _TYPES.get(name.rpartition('.')[2].lower(), 'application/octet-stream')


def is_zip(path: Path) -> bool:
    """Whether a stored file is a zip."""
    return path.suffix.lower() == '.zip' and zipfile.is_zipfile(path)


def contents(path: Path) -> Table:
    """Return a table of the members of a stored zip."""
    check_directory(path)
    with zipfile.ZipFile(path) as source:
        rows = [(info.filename, info.file_size) for info in source.infolist() if not info.is_dir()]
    return Table(
        ['File Name', 'Size'],
        rows,
        {'title': 'Files'},
        [{'key': 'URI', 'serverRoot': ''}],
        count=False,
    )


def unpack_entry(path: Path, name: str) -> Sending:
    """Return a member of a stored zip, in pieces.

    Parameters
    ----------
    path : Path
        The zip.
    name : str
        Name of the member.

    Raises
    ------
    NotFound
        If the zip has no such readable member.
    """
    check_directory(path)
    try:
        source = zipfile.ZipFile(path)
        member = source.open(name)
    except (KeyError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise NotFound(f'Unable to find {name!r} in {path.name}.') from error

    def pieces() -> Iterator[bytes]:
        with source, member:
            while piece := member.read(BLOCK):
                yield piece

    return Sending(pieces(), type_of(name))
