"""UIDs of DICOM files, read from their headers with pydicom (extra ``dicom``)."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any, NamedTuple

from ... import errors
from ...patterns import pattern

__all__ = ['DIRECTORY', 'Header', 'NotDicom', 'need_pydicom', 'read_header']

_UID = pattern(r'[0-9.]{1,64}')
_TAGS = {
    'SOPClassUID': 0x00080016,
    'SOPInstanceUID': 0x00080018,
    'StudyInstanceUID': 0x0020000D,
    'SeriesInstanceUID': 0x0020000E,
}
_FIRST_GROUPS = (b'\x02\x00', b'\x08\x00', b'\x00\x08')
"""First bytes of a data set without a preamble."""
DIRECTORY = 'it is a DICOMDIR'
"""Reason for the table of contents of a medium, which is no image."""
_DIRECTORY = '1.2.840.10008.1.3.10'
_LONGEST = 2**16
"""Bytes of a value that are read; longer ones are passed over."""
_BROKEN = (
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    EOFError,
    ArithmeticError,
    NotImplementedError,
    RecursionError,
    struct.error,
    zlib.error,
)
"""Exceptions that pydicom lets through for broken files, apart from its own."""


class NotDicom(ValueError):
    """The file is no DICOM image, or lacks a UID."""


class Header(NamedTuple):
    """UIDs of one DICOM object."""

    study: str
    series: str
    instance: str


def need_pydicom() -> None:
    """Check that pydicom is installed.

    Raises
    ------
    ConfigurationError
        It is not.
    """
    try:
        import pydicom  # noqa: F401
    except ImportError as error:
        raise errors.ConfigurationError(
            "Importing in batches needs pydicom: pip install 'pyxnat[dicom]', or leave out jobs= "
            'and state=.'
        ) from error


def read_header(path: Path) -> Header:
    """Return the UIDs of a DICOM file, with or without a preamble.

    The file is read up to its SeriesInstanceUID.

    Raises
    ------
    NotDicom
        The file is no DICOM image, or is broken.
    """
    dataset = _dataset(path)
    values = {name: _text(dataset, tag) for name, tag in _TAGS.items()}
    missing = [name for name, value in values.items() if not _UID.fullmatch(value)]
    if missing:
        is_directory = dataset.file_meta.get('MediaStorageSOPClassUID') == _DIRECTORY
        raise NotDicom(DIRECTORY if is_directory else f'it has no {missing[0]}')
    return Header(values['StudyInstanceUID'], values['SeriesInstanceUID'], values['SOPInstanceUID'])


def _text(dataset: Any, tag: int) -> str:
    """Return a UID as it is in the file.

    Many break the rules of pydicom, which would warn.
    """
    value = dataset.get_item(tag).value if tag in dataset else b''
    text = value.decode('ascii', 'replace') if isinstance(value, bytes) else str(value or '')
    return text.strip('\0 ')


def _dataset(path: Path) -> Any:
    from pydicom.errors import BytesLengthException, InvalidDicomError
    from pydicom.filereader import read_partial
    from pydicom.tag import Tag

    with path.open('rb') as file:
        start = file.read(132)
        if start[128:] != b'DICM' and start[:2] not in _FIRST_GROUPS:
            raise NotDicom('it is not DICOM')
        file.seek(0)
        try:
            return read_partial(
                file,
                lambda tag, _vr, _length: tag > _TAGS['SeriesInstanceUID'],
                defer_size=_LONGEST,
                force=True,
                specific_tags=[Tag(tag) for tag in _TAGS.values()],
            )
        except (*_BROKEN, InvalidDicomError, BytesLengthException) as error:
            raise NotDicom(f'it is broken DICOM: {error}') from error
