"""Formats of other tools: MD5SUMS, BagIt, DVC, datalad addurls, Croissant.

Sources: RFC 8493 (BagIt 1.0), DVC's ``.dvc`` files, datalad's ``addurls``, and the Croissant format
1.0 of MLCommons.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from io import StringIO
from typing import NamedTuple
from urllib.parse import quote

from .lines import FileLine, Header, Line

__all__ = ['FORMATS', 'Locked']


class Locked(NamedTuple):
    """A lock file to export."""

    name: str
    """Its name, without the suffix."""
    header: Header
    lines: Callable[[], Iterator[Line]]
    """Returns its lines, each time from the first one."""

    def files(self) -> Iterator[FileLine]:
        """Yield the lines of files."""
        return (line for line in self.lines() if isinstance(line, FileLine))

    def url(self, file: FileLine) -> str:
        """Return the URL of a file."""
        return f'{self.header.server}{file.uri}'


def _place(file: FileLine) -> str:
    return file.place or file.path


def _md5sums(lock: Locked) -> Iterator[tuple[str, Iterator[str]]]:
    yield 'MD5SUMS', (f'{file.md5}  {_place(file)}\n' for file in lock.files() if file.md5)


def _bagit(lock: Locked) -> Iterator[tuple[str, Iterator[str]]]:
    sizes = [file.size or 0 for file in lock.files()]
    yield 'bagit.txt', iter(['BagIt-Version: 1.0\n', 'Tag-File-Character-Encoding: UTF-8\n'])
    yield (
        'bag-info.txt',
        iter(
            [
                f'Payload-Oxum: {sum(sizes)}.{len(sizes)}\n',
                f'Bagging-Date: {lock.header.date[:10]}\n',
            ]
        ),
    )
    yield (
        'manifest-md5.txt',
        (f'{file.md5}  data/{_bag_name(file)}\n' for file in lock.files() if file.md5),
    )
    yield (
        'fetch.txt',
        (
            f'{lock.url(file)} {"-" if file.size is None else file.size} data/{_bag_name(file)}\n'
            for file in lock.files()
        ),
    )


def _bag_name(file: FileLine) -> str:
    """Return a place with line breaks and percent signs encoded, as BagIt wants them."""
    return _place(file).replace('%', '%25').replace('\n', '%0A').replace('\r', '%0D')


def _dvc(lock: Locked) -> Iterator[tuple[str, Iterator[str]]]:
    def lines() -> Iterator[str]:
        yield 'outs:\n'
        for file in lock.files():
            yield f'- path: {json.dumps(_place(file), ensure_ascii=False)}\n  hash: md5\n'
            yield f'  md5: {file.md5}\n' if file.md5 else ''
            yield f'  size: {file.size}\n' if file.size is not None else ''

    yield f'{lock.name}.dvc', lines()


def _addurls(lock: Locked) -> Iterator[tuple[str, Iterator[str]]]:
    rows = ((lock.url(file), _place(file), file.size, file.md5) for file in lock.files())
    yield f'{lock.name}.csv', _csv(('url', 'filename', 'size', 'md5'), rows)


def _csv(header: tuple[str, ...], rows: Iterator[tuple[object, ...]]) -> Iterator[str]:
    for row in (header, *rows):
        text = StringIO()
        csv.writer(text, lineterminator='\n').writerow(['' if x is None else x for x in row])
        yield text.getvalue()


def _croissant(lock: Locked) -> Iterator[tuple[str, Iterator[str]]]:
    head = {
        '@context': {
            '@vocab': 'https://schema.org/',
            'sc': 'https://schema.org/',
            'cr': 'http://mlcommons.org/croissant/',
            'dct': 'http://purl.org/dc/terms/',
            'conformsTo': 'dct:conformsTo',
            'md5': 'cr:md5',
        },
        '@type': 'sc:Dataset',
        'conformsTo': 'http://mlcommons.org/croissant/1.0',
        'name': lock.name,
        'url': lock.header.server,
        'description': ', '.join(lock.header.selection),
        'datePublished': lock.header.date,
    }

    def lines() -> Iterator[str]:
        yield f'{json.dumps(head, ensure_ascii=False, indent=1)[:-2]},\n "distribution": ['
        for number, file in enumerate(lock.files()):
            about = {
                '@type': 'cr:FileObject',
                '@id': quote(_place(file)),
                'name': _place(file),
                'contentUrl': lock.url(file),
                'contentSize': f'{file.size} B',
                'encodingFormat': 'application/octet-stream',
                'md5': file.md5,
            }
            known = {name: value for name, value in about.items() if value not in ('', 'None B')}
            yield f'{"," if number else ""}\n  {json.dumps(known, ensure_ascii=False)}'
        yield '\n ]\n}\n'

    yield f'{lock.name}.croissant.json', lines()


FORMATS: dict[str, Callable[[Locked], Iterator[tuple[str, Iterator[str]]]]] = {
    'md5sums': _md5sums,
    'bagit': _bagit,
    'dvc': _dvc,
    'addurls': _addurls,
    'croissant': _croissant,
}
"""Name of a format -> function that yields names of files, and their texts in pieces."""
