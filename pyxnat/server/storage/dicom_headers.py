"""Headers of DICOM files.

A header is read up to the pixel data, and only listed elements are read, so that no image is held
in memory.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Container, Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import IO, Any, NamedTuple

from ..errors import NotSupported
from .dicom_fields import KEYWORDS

__all__ = ['Header', 'NotDicom', 'dump', 'read']

MAX_TEXT = 2**16
"""Bytes of one element's value; a longer value is ignored."""
MAX_INFLATED = 2**24
"""Bytes of a deflated data set that are inflated to find its header."""
MAX_HEADER = 2**26
"""Bytes read of one file; large images of many frames describe each frame in the header."""
MAX_ELEMENTS = 10_000
"""Elements read of a data set, without those in sequences."""
_DEFLATED = '1.2.840.10008.1.2.1.99'
_PIXELS = 0x7FE00000
_UNDEFINED = 0xFFFFFFFF
_UID = re.compile(r'[0-9.]{1,64}')
_TIMES = frozenset({'StudyTime', 'SeriesTime'})
_NEEDED = (
    'SpecificCharacterSet',
    'SOPClassUID',
    'SOPInstanceUID',
    'SeriesNumber',
    'InstanceNumber',
    'NumberOfFrames',
    'PatientComments',
    'AdditionalPatientHistory',
)
_KEYWORDS = tuple(dict.fromkeys([*_NEEDED, *KEYWORDS]))
_SHARED = 'SharedFunctionalGroupsSequence'


class NotDicom(ValueError):
    """The file is not a DICOM object, or lacks required elements."""


class Header(NamedTuple):
    """Header of one DICOM object."""

    study: str
    series: str
    number: str
    """Scan ID: the series number, or the series UID with ``_`` for dots if there is no number."""
    instance: str
    sop_class: str
    modality: str
    place: int
    """Instance number; 0 without one."""
    frames: int
    values: Mapping[str, str]
    """Texts of elements by keyword; multiple values are joined by a backslash."""


def read(path: Path) -> Header:
    """Return the header of a DICOM file, with or without a preamble.

    Raises
    ------
    NotDicom
        For a file that is not DICOM, or is broken.
    """
    values = dict(_element_texts(path))
    study, series = values.get('StudyInstanceUID', ''), values.get('SeriesInstanceUID', '')
    instance, sop_class = values.get('SOPInstanceUID', ''), values.get('SOPClassUID', '')
    named = {
        'SOP Class UID': sop_class,
        'SOP Instance UID': instance,
        'Study Instance UID': study,
        'Series Instance UID': series,
    }
    missing = [name for name, value in named.items() if not _UID.fullmatch(value)]
    if missing:
        raise NotDicom(f'the object contains no {missing[0]}')
    number = re.sub(r'[^\w.-]', '_', values.get('SeriesNumber', ''))[:64] or re.sub(
        r'\W', '_', series
    )
    whole = {
        name: int(values[name]) if values.get(name, '').isdecimal() else 0
        for name in ('InstanceNumber', 'NumberOfFrames')
    }
    modality = values.get('Modality', '')
    return Header(
        study,
        series,
        number,
        instance,
        sop_class,
        modality,
        whole['InstanceNumber'],
        max(1, whole['NumberOfFrames']),
        values,
    )


def _element_texts(path: Path) -> Iterator[tuple[str, str]]:
    """Yield elements by keyword, including those of shared functional groups.

    Enhanced images keep some elements in these groups.
    """
    dataset, watch = _dataset(path, [*_KEYWORDS, _SHARED])
    errors = _unreadable()
    groups = []
    try:
        shared = _short_value(dataset, _SHARED, watch)
        groups = (
            [one.value[0] for one in shared[0] if one.VR == 'SQ' and one.value] if shared else []
        )
    except errors:
        pass  # elements outside the groups are still readable
    for keyword in _KEYWORDS:
        for holder in (dataset, *groups):
            try:
                text = _text(keyword, _short_value(holder, keyword, watch))
            except errors:
                continue  # skip unreadable values; the file is stored unchanged
            if text:
                yield keyword, text
                break


class _Watch:
    """Callback for each element: stops before the pixel data.

    It collects the tags of values that are too long for texts.
    """

    def __init__(self) -> None:
        self._count = 0
        self.long: set[int] = set()

    def __call__(self, tag: int, _kind: str | None, length: int) -> bool:
        self._count += 1
        if MAX_TEXT < length < _UNDEFINED:
            self.long.add(int(tag))
        return tag >= _PIXELS or self._count > MAX_ELEMENTS


class _Bounded:
    """File whose reads stop at `MAX_HEADER`, whatever lengths the header has."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source, self._left = source, MAX_HEADER
        self.seek, self.tell = source.seek, source.tell

    def read(self, size: int = -1) -> bytes:
        piece = self._source.read(size if 0 <= size <= self._left else self._left + 1)
        self._left -= len(piece)
        if self._left < 0:
            raise ValueError(f'its header is longer than {MAX_HEADER} bytes')
        return piece


def _short_value(dataset: Any, keyword: str, watch: _Watch) -> Any:
    """Return the value of an element; None if absent or too long for a text."""
    from pydicom.datadict import tag_for_keyword

    return (
        dataset[keyword].value
        if keyword in dataset and tag_for_keyword(keyword) not in watch.long
        else None
    )


def _text(keyword: str, value: Any) -> str:
    several = (
        isinstance(value, Iterable)
        and not isinstance(value, (str, bytes))
        and not hasattr(value, 'components')
    )  # a person's name
    text = '\\'.join(str(one) for one in value) if several else '' if value is None else str(value)
    text = ''.join(char for char in text if char >= ' ' or char in '\t\n\r').strip()
    text = text.encode('utf-8', 'replace').decode('utf-8')
    if keyword in _TIMES and text[:6].isdigit() and len(text) >= 6:
        return f'{text[:2]}:{text[2:4]}:{text[4:6]}'
    return text


def _pydicom() -> Any:
    try:
        import pydicom
    except ImportError as error:
        raise NotSupported('This server cannot read DICOM: pydicom is not installed.') from error
    return pydicom


def _unreadable() -> tuple[type[Exception], ...]:
    """Return the exceptions that pydicom raises for broken files.

    It lets errors of all its parts through.
    """
    found = (
        OSError,
        ValueError,
        LookupError,
        AttributeError,
        TypeError,
        EOFError,
        ArithmeticError,
        NotImplementedError,
        RecursionError,
    )
    errors = _pydicom().errors
    return (*found, struct.error, zlib.error, errors.InvalidDicomError, errors.BytesLengthException)


def _dataset(path: Path, wanted: Iterable[str] | None) -> tuple[Any, _Watch]:
    """Return the elements before the pixel data, and the tags of long values."""
    tags, watch = _tags(wanted), _Watch()
    from pydicom.filereader import read_partial

    try:
        with path.open('rb') as source:
            if _is_deflated(source):
                return _inflated(source, tags, watch), watch
            source.seek(0)
            bounded: Any = _Bounded(source)
            return read_partial(
                bounded, watch, defer_size=MAX_TEXT, force=True, specific_tags=tags
            ), watch
    except _unreadable() as error:
        raise NotDicom(f'unable to read DICOM object: {error}') from error


def _is_deflated(source: IO[bytes]) -> bool:
    head = source.read(2**12)
    return head[128:132] == b'DICM' and _DEFLATED.encode() in head


def _inflated(source: IO[bytes], tags: list[Any] | None, watch: _Watch) -> Any:
    """Return the first elements of a deflated data set.

    pydicom itself would inflate the whole data set, whatever its size.
    """
    from pydicom.filereader import read_dataset

    source.seek(132)
    head = source.read(12)
    if head[:6] != b'\x02\x00\x00\x00UL':
        raise ValueError('a deflated file without the length of its meta information')
    source.seek(132 + 12 + int.from_bytes(head[8:12], 'little'))
    unpacked = zlib.decompressobj(-zlib.MAX_WBITS).decompress(
        source.read(MAX_INFLATED), MAX_INFLATED
    )
    return read_dataset(
        BytesIO(unpacked), False, True, stop_when=watch, defer_size=MAX_TEXT, specific_tags=tags
    )


def _tags(keywords: Iterable[str] | None) -> list[Any] | None:
    _pydicom()
    from pydicom.datadict import tag_for_keyword
    from pydicom.tag import Tag

    return None if keywords is None else [Tag(tag_for_keyword(one) or 0) for one in keywords]


def dump(path: Path, wanted: Iterable[str] = ()) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield the elements before the pixel data, and those of sequences.

    Parameters
    ----------
    path : Path
        The file.
    wanted : Iterable[str]
        Tags (``00180081``) or keywords to keep; all by default.

    Yields
    ------
    tuple[str, str, str, str, str]
        Tag, tag in a sequence (else empty), VR, value, name.

    Raises
    ------
    NotDicom
        For a file that is not a DICOM object.
    """
    dataset, watch = _dataset(path, None)
    if 'SOPClassUID' not in dataset:
        raise NotDicom('no DICOM object')
    keep = {one.replace('(', '').replace(')', '').replace(',', '').lower() for one in wanted}
    for holder in filter(None, (getattr(dataset, 'file_meta', None), dataset)):
        for tag, one in _elements(holder, watch.long):
            if not keep or f'{tag:08x}' in keep or one.keyword.lower() in keep:
                yield _tag_text(tag), '', *_element_cells(one)
                for part in one.value if one.VR == 'SQ' else ():
                    yield from (
                        (_tag_text(tag), _tag_text(below), *_element_cells(inner))
                        for below, inner in _elements(part, ())
                    )


def _elements(dataset: Any, long: Container[int]) -> Iterator[tuple[Any, Any]]:
    """Yield the readable elements of a data set with values up to `MAX_TEXT`."""
    for tag in sorted(dataset.keys()):
        try:
            fits = int(tag) not in long and len(_element_cells(dataset[tag])[1]) <= MAX_TEXT
        except _unreadable():
            continue
        if fits:
            yield tag, dataset[tag]


def _tag_text(tag: Any) -> str:
    return f'({tag.group:04X},{tag.element:04X})'


def _element_cells(one: Any) -> tuple[str, str, str]:
    value = '' if one.VR == 'SQ' or isinstance(one.value, bytes) else _text('', one.value)
    return str(one.VR), value, str(one.name)
