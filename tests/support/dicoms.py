"""Real DICOM files from pydicom, in zips and tars."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydicom

from tests.support.plain import tarred, zipped

__all__ = [
    'DATA',
    'OTHER_STUDY',
    'STUDY',
    'STUDY_UID',
    'changed',
    'content',
    'members',
    'tarred',
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
