"""Files of a unit: their rows, and which of them a mirror has."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from ... import errors
from ...files.disk import safe_name
from ...model import uris
from ...model.levels import level
from ...query.paths import uri_of
from ...tables.table import Row
from .parts import uri_below_session

__all__ = ['NOTES', 'FileRow', 'Files', 'blocked', 'file_row', 'has_file', 'is_of', 'version_path']

_FUNCTION = 'function '
_WORDS = frozenset({'all', 'lazy', 'none'})
NOTES = ('format', 'content', 'tags')
"""What a file has besides its content."""
_HERE = '@here'
"""Name of a value in the base of a file of which the server has no digest: that of the folder."""


class Files(NamedTuple):
    """Which files a mirror has."""

    text: str
    """``all``, ``lazy``, ``none``, a label of resources, a JSON list of several, or the name of a
    function; `of` reads it."""
    has: Callable[[Row], bool]
    """Whether it has the file of a row."""

    @classmethod
    def of(cls, wanted: Any) -> Files:
        """Return the files for the argument of `Mirror.pull`, or for a `text`.

        Raises
        ------
        InvalidArgument
            It is neither, or a list has one of the words that are no labels.
        """
        if callable(wanted):
            return cls(f'{_FUNCTION}{getattr(wanted, "__qualname__", "")}', wanted)
        if isinstance(wanted, str) and wanted in _WORDS:
            return cls(wanted, lambda row: wanted != 'none')
        if isinstance(wanted, str) and wanted.startswith(_FUNCTION):  # nobody knows its files
            return cls(wanted, lambda row: False)
        labels = _labels(wanted)
        if not labels:
            return cls.of('none')
        text = labels[0] if _labels(labels[0]) == labels else json.dumps(labels, ensure_ascii=False)
        return cls(text, lambda row: row.get('collection') in labels)

    @property
    def is_lazy(self) -> bool:
        """Whether it lists files without fetching them."""
        return self.text == 'lazy'

    @property
    def is_unknown(self) -> bool:
        """Whether a function of an earlier pull chose them."""
        return self.text.startswith(_FUNCTION)

    @property
    def is_none(self) -> bool:
        """Whether it has no files."""
        return self.text == 'none'


def _labels(wanted: Any) -> list[str]:
    """Return the labels of an argument or a text, sorted.

    The text of an older mirror has commas between them, which no label has in XNAT.
    """
    found: list[Any] = list(wanted) if isinstance(wanted, Iterable) else [None]
    if isinstance(wanted, str):
        is_list = wanted.startswith('["') and wanted.endswith('"]')
        found = json.loads(wanted) if is_list else wanted.split(', ')
    strange = [one for one in found if not isinstance(one, str) or one in _WORDS]
    if strange:
        raise errors.InvalidArgument(
            f'files={wanted!r} is not possible',
            remedy="Give 'all', 'lazy', 'none', a label of resources, a list of labels, or a "
            'function.',
        )
    return sorted(set(found))


class FileRow(NamedTuple):
    """A file of a unit."""

    key: str
    """Its URI with IDs, the project of its unit and the label of its resource: the same on both
    sides."""
    element: Any
    row: Row

    def values(self, by: str) -> dict[str, str]:
        """Return what is compared of it.

        First the column for its content, ``digest`` or ``Size``; then its `notes`.
        """
        return {by: self.row.get(by, '').lower(), **self.notes}

    def here(self, base: Mapping[str, str] | None, there: FileRow | None = None) -> dict[str, str]:
        """Return what is compared of it, if it is the folder's.

        Its digest, too, where the server has none: a change may keep the size.

        Parameters
        ----------
        base : mapping or None
            Values that both sides had.
        there : FileRow or None
            The file at the server.
        """
        if there is not None and there.digest == self.digest != '':
            return self.values('digest')
        if base is None:
            return self.values('digest' if there is None else there.by)
        found = self.values(next(iter(base)))
        if _HERE in base:  # a lazy file has none until it is read
            found[_HERE] = self.digest if self.digest and base[_HERE] else base[_HERE]
        return found

    def is_as_in(self, base: Mapping[str, str] | None) -> bool:
        """Whether it is as in its base, if it is the folder's.

        Parameters
        ----------
        base : mapping or None
            Values that both sides had; None if there is no base.
        """
        return base is not None and self.here(base) == base

    def there(self, base: Mapping[str, str] | None) -> dict[str, str]:
        """Return what is compared of it, if it is the server's.

        Parameters
        ----------
        base : mapping or None
            Values that both sides had.
        """
        found = self.values(self.by)
        if base is not None and _HERE in base and self.by == 'Size':
            found[_HERE] = base[_HERE]
        return found

    def base(self, here: FileRow | None) -> dict[str, str]:
        """Return the base of a file of the server that the folder has, too.

        Parameters
        ----------
        here : FileRow or None
            The file of the folder; None if it is not known.
        """
        found = self.values(self.by)
        if here is not None and self.by == 'Size':
            found[_HERE] = here.digest
        return found

    def sent(self) -> dict[str, str]:
        """Return the base of a file of the folder that a server without digests has got."""
        return self.values('Size') | {_HERE: self.digest}

    def has_content_of(self, there: FileRow) -> bool:
        """Whether it has the content of a file of the server, as far as that lists it."""
        return self.values(there.by)[there.by] == there.values(there.by)[there.by]

    @property
    def by(self) -> str:
        """Column for its content: ``digest``, or ``Size`` on a site without checksums."""
        return 'digest' if self.digest else 'Size'

    @property
    def digest(self) -> str:
        """MD5 of its content; empty if it is not known."""
        return str(self.row.get('digest', '')).lower()

    @property
    def version(self) -> str:
        """Its digest, or size if it has none."""
        return self.row.get('digest', '').lower() or self.row.get('Size', '')

    @property
    def notes(self) -> dict[str, str]:
        """Its ``format``, ``content`` and ``tags``, as far as they are set."""
        found = {name: self.row.get(f'file_{name}', '') for name in NOTES}
        return {name: value for name, value in found.items() if value}

    @property
    def place(self) -> tuple[str, str]:
        """URI of the resources of its item, by IDs, and label of its resource.

        Below a session it names no project: the sides may have the session in different ones.
        """
        home, _, rest = self.key.partition('/resources/')
        return uri_below_session(f'{home}/resources'), unquote(rest.partition('/')[0])

    @property
    def path(self) -> str:
        """Path in its resource."""
        return unquote(self.key.partition('/resources/')[2].partition('/files/')[2])

    @property
    def is_fetched(self) -> bool:
        """Whether the folder has its content."""
        return self.row.get('is_fetched') != ''

    @property
    def holder(self) -> str:
        """Key of its item, as `Part.key`."""
        *above, item = self.element.steps[:-2]
        own = f'{item.level}/{item.name}'
        return f'{above[-1].level}/{above[-1].name}/{own}' if level(item.level).is_part else own

    @property
    def part(self) -> str:
        """Name of a local file for its content on the way."""
        return _file_name(self.key)


def _file_name(key: str) -> str:
    return safe_name(key.replace('/', '+'))


def has_file(item: str, key: str) -> bool:
    """Return whether a file belongs to an item, or to one below it.

    Parameters
    ----------
    item : str
        Key of the item.
    key : str
        Key of the file.
    """
    return f'/{uris.quote_path(item)}/' in key


def is_of(items: Iterable[str], key: str) -> bool:
    """Return whether a file belongs to one of some items, or to one below it.

    Parameters
    ----------
    items : iterable of str
        Keys of the items.
    key : str
        Key of the file.
    """
    return any(has_file(item, key) for item in items)


def blocked(keys: Iterable[str], held: Iterable[str]) -> dict[str, list[str]]:
    """Return files that cannot be stored beside others, each with those in its way.

    A path is that of a file or of a folder.

    Parameters
    ----------
    keys : iterable of str
        Keys of the files.
    held : iterable of str
        Keys of the files that are there.

    Examples
    --------
    >>> blocked(['R/files/a', 'R/files/b/c', 'R/files/d'], ['R/files/a/1', 'R/files/b'])
    {'R/files/a': ['R/files/a/1'], 'R/files/b/c': ['R/files/b']}
    """
    there, below = set(held), dict[str, list[str]]()
    for key in sorted(there):
        for folder in _folders_of(key):
            below.setdefault(folder, []).append(key)
    found = {
        key: [*below.get(key, []), *(one for one in _folders_of(key) if one in there)]
        for key in keys
    }
    return {key: some for key, some in found.items() if some}


def _folders_of(key: str) -> Iterator[str]:
    """Yield the folders of a file, as keys that files would have there."""
    start, end = key.index('/files/') + len('/files/'), len(key.rstrip('/'))
    return (key[:at] for at in range(start, end) if key[at] == '/')


def version_path(folder: Path, key: str) -> Path:
    """Return the place of the server's version of a file in conflict.

    Parameters
    ----------
    folder : Path
        Folder ``mirror``.
    key : str
        Key of the file.
    """
    return folder / 'conflicts' / _file_name(key)


def file_row(file: Any) -> FileRow:
    """Return the row of a file element, with the key that both sides have for it."""
    *above, resource, _ = file.steps
    side = resource.level.rpartition('_')[0]
    label = uris.quote(file.row.get('collection') or resource.name)
    places = [uri_of(tuple(above)), *filter(None, [side]), 'resources', label, 'files']
    return FileRow(uris.join(*places, uris.quote_path(file.row['path'])), file, file.row)
