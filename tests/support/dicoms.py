"""Real DICOM files from pydicom, in zips and tars."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydicom

from tests.support.plain import image, tarred, zipped

__all__ = [
    'DATA',
    'OTHER_STUDY',
    'STUDY',
    'STUDY_UID',
    'changed',
    'content',
    'members',
    'tarred',
    'write_images',
    'zipped',
]

DATA = Path(pydicom.__file__).parent / 'data' / 'test_files'

STUDY = {
    name: f'dicomdirtests/98892003/{name}'
    for name in ('MR1/5641', 'MR2/6273', 'MR2/6605', 'MR2/6935', 'MR700/4467', 'MR700/4528')
}
"""Six images of an MR study in series 1, 2 and 700: patient 98890234, Doe^Peter; 2003-05-05."""
OTHER_STUDY = {
    name: f'dicomdirtests/98892003/{name}' for name in ('MR1/4919', 'MR2/4950', 'MR2/4981')
}
"""Another study of the same patient and day."""
STUDY_UID = '1.3.6.1.4.1.5962.1.1.0.0.0.1196533885.18148.0.1'


def content(name: str) -> bytes:
    return (DATA / name).read_bytes()


def members(study: Mapping[str, str] = STUDY) -> dict[str, bytes]:
    return {name: content(path) for name, path in study.items()}


def changed(name: str, **values: Any) -> bytes:
    """Return a file with other values of some elements."""
    dataset = pydicom.dcmread(DATA / name)
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    if 'SOPInstanceUID' in values:
        dataset.file_meta.MediaStorageSOPInstanceUID = values['SOPInstanceUID']
    target = io.BytesIO()
    dataset.save_as(target)
    return target.getvalue()


def write_images(folder: Path, count: int, *, studies: int = 1, series: int = 1) -> None:
    """Write small images, spread evenly over studies and their series.

    One image is made by pydicom; the others are that with other UIDs of the same length, since
    writing 100,000 takes a minute otherwise.
    """
    root = '1.2.826.0.1.3680043.10.99'
    uids = {name: f'{root}.{number}.100000' for number, name in enumerate(_VARIED)}
    template = image(**uids, PatientID='ID000000', PatientName='NAME000000', SeriesNumber='000000')
    for number in range(count):
        study = number % studies
        row = number // studies % series
        values = (study, study * series + row, number)
        body = template
        for uid, value in zip(uids.values(), values, strict=True):
            body = body.replace(uid.encode(), f'{uid[:-6]}{100_000 + value}'.encode())
        for label in (b'ID', b'NAME'):
            body = body.replace(label + b'000000', label + b'%06d' % study)
        body = body.replace(b'IS\x06\x00000000', b'IS\x06\x00%06d' % (row + 1))
        place = folder / f'{study}' / f'{row}' / f'{number}.dcm'
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(body)


_VARIED = ('StudyInstanceUID', 'SeriesInstanceUID', 'SOPInstanceUID')
