"""The images of the demo: read from the sample data that nibabel and pydicom ship, varied by a seed, written in the formats of a lab.

Nothing here is downloaded or committed. A file that was made says so in its name; the others are byte for byte what the packages ship.
"""

from __future__ import annotations

import gzip
import importlib
import io
import zlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ConfigurationError
from .cohort import SEED, Session, Subject

__all__ = ['KINDS', 'Kind', 'contents']

_MR, _CT, _PT = '1.2.840.10008.5.1.4.1.1.4', '1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.5.1.4.1.1.128'
"""DICOM's SOP classes for MR, CT and PET images."""
_EXPLICIT_LITTLE = '1.2.840.10008.1.2.1'


class Kind(NamedTuple):
    """One form in which a scan holds its image."""

    resource: str
    """Label of the resource of the scan."""
    format: str
    content: str
    labels: tuple[str, ...]
    """Labels of its files."""
    make: Callable[[Subject, Session], list[bytes]]
    """The bodies of those files, in the order of their labels."""


def contents(kind: str, subject: Subject, session: Session) -> dict[str, bytes]:
    """The files of one kind for one session: their labels and bodies. The same arguments give the same bytes."""
    labels = KINDS[kind].labels
    return dict(zip(labels, KINDS[kind].make(subject, session), strict=True))


def _extra(module: str) -> Any:
    """A package that the demo needs and the library does not."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{module} is missing, which the demo needs: pip install 'pyxnat[demo]'") from error


def _shipped(name: str) -> Path:
    """Path of one of nibabel's sample files."""
    path = Path(_extra('nibabel').__file__).parent / 'tests' / 'data' / name
    if not path.is_file():
        raise ConfigurationError(f'{path} is missing: this nibabel was packaged without its sample data; install the one of PyPI')
    return path


def _shipped_dicom(name: str) -> Path:
    """Path of one of pydicom's sample files; never a download."""
    path = _extra('pydicom.data').get_testdata_file(name, download=False)
    if path is None:
        raise ConfigurationError(f'{name} is missing: this pydicom was packaged without its sample data; install the one of PyPI')
    return Path(path)


def _rng(session: Session) -> Any:
    return _extra('numpy').random.default_rng([SEED, zlib.crc32(session.label.encode())])


# -- MR: one head, varied ---------------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _head() -> tuple[Any, Any]:
    """A whole head, 128 x 96 x 24 voxels of 2 x 2 x 2.2 mm, and its affine: the first volume of an EPI series."""
    image = _extra('nibabel').load(_shipped('example4d.nii.gz'))
    return image.dataobj[..., 0], image.affine


def _varied_head(session: Session) -> Any:
    """The head as int16: up to a tenth smaller in the slice, moved sideways, with a gain and a noise of the session's own."""
    np, rng = _extra('numpy'), _rng(session)
    head, scale = _head()[0], rng.uniform(0.9, 1)
    x, y = (np.rint((np.arange(n) - n / 2) / scale + n / 2).astype(int).clip(0, n - 1) for n in head.shape[:2])
    small = np.roll(head[np.ix_(x, y)], rng.integers(-4, 5), axis=0)
    noisy = small * rng.uniform(0.8, 1.2) + rng.normal(0, 6, small.shape)
    return np.rint(np.abs(noisy)).astype(np.int16)


def _image(image_class: str, session: Session) -> Any:
    image = getattr(_extra('nibabel'), image_class)(_varied_head(session), _head()[1])
    image.header['descrip'] = f'{session.label}, made from example4d'.encode()
    return image


def _pair(image_class: str) -> Callable[[Subject, Session], list[bytes]]:
    """A maker of header and image in two files."""

    def make(subject: Subject, session: Session) -> list[bytes]:
        files = {role: _extra('nibabel').FileHolder(fileobj=io.BytesIO()) for role in ('header', 'image')}
        _image(image_class, session).to_file_map(files)
        return [holder.fileobj.getvalue() for holder in files.values()]

    return make


def _gz(subject: Subject, session: Session) -> list[bytes]:
    return [gzip.compress(_image('Nifti1Image', session).to_bytes(), compresslevel=1, mtime=0)]


def _mr_series(subject: Subject, session: Session) -> list[bytes]:
    tags: dict[str, Any] = {'ScanningSequence': 'EP', 'SequenceVariant': 'NONE', 'ScanOptions': '', 'MRAcquisitionType': '2D'}
    tags |= {'EchoTrainLength': None, 'RepetitionTime': 2000, 'EchoTime': 30, 'MagneticFieldStrength': 3, 'FlipAngle': 90}
    return _series(subject, session, 'MR', _MR, _varied_head(session), _head()[1], 'made from nibabel example4d', tags)


# -- PET and CT -------------------------------------------------------------------------------------------------------------------------------


def _pt_series(subject: Subject, session: Session) -> list[bytes]:
    """A whole-brain map written as a PET series: stored as 0..4000, so that `RescaleSlope` gives the map's own values back."""
    np = _extra('numpy')
    image = _extra('nibabel').load(_shipped('scaled+tlrc.HEAD'))
    volume = np.asarray(image.dataobj)[..., 0] * _rng(session).uniform(0.8, 1.2)
    slope = float(volume.max()) / 4000
    tags: dict[str, Any] = {'Units': 'NONE', 'SeriesType': ['STATIC', 'IMAGE'], 'DecayCorrection': 'NONE', 'CountsSource': 'EMISSION'}
    tags |= {'RescaleIntercept': 0, 'RescaleSlope': f'{slope:.8g}', 'NumberOfSlices': volume.shape[2]}
    voxels = np.rint(volume / slope).astype(np.int16)
    return _series(subject, session, 'PT', _PT, voxels, image.affine, 'made from AFNI scaled+tlrc, no PET', tags)


def _ct_series(subject: Subject, session: Session) -> list[bytes]:
    """Twelve slices of 5 mm, each the shipped slice with a noise of its own: a shape to test with, not an anatomy."""
    np = _extra('numpy')
    shipped = _extra('pydicom').dcmread(_shipped_dicom('CT_small.dcm'))
    rng, plane = _rng(session), shipped.pixel_array.T
    volume = np.stack([np.clip(plane + rng.normal(0, 8, plane.shape), 0, 4095) for _ in range(12)], axis=2)
    x, y, z = (float(value) for value in shipped.ImagePositionPatient)
    row, column = (float(value) for value in shipped.PixelSpacing)
    affine = np.array([[-column, 0, 0, -x], [0, -row, 0, -y], [0, 0, 5, z], [0, 0, 0, 1]])
    tags = {'RescaleIntercept': -1024, 'RescaleSlope': 1, 'RescaleType': 'HU', 'KVP': 120, 'AcquisitionNumber': 1}
    return _series(subject, session, 'CT', _CT, np.rint(volume).astype(np.int16), affine, 'made from pydicom CT_small', tags)


def _as_shipped(path: Callable[[str], Path], name: str) -> Callable[[Subject, Session], list[bytes]]:
    return lambda subject, session: [path(name).read_bytes()]


# -- DICOM ------------------------------------------------------------------------------------------------------------------------------------


def _series(
    subject: Subject, session: Session, modality: str, sop_class: str, voxels: Any, affine: Any, made: str, tags: dict[str, Any]
) -> list[bytes]:
    """One file for each slice, from the feet up, of int16 `voxels` placed in space by `affine` (millimetres, RAS as nibabel has it)."""
    voxels, affine = _as_lps(voxels, affine)
    common = _patient(subject, session) | _geometry(affine) | tags
    common |= {'Modality': modality, 'SOPClassUID': sop_class, 'SeriesDescription': made, 'ImageType': ['DERIVED', 'SECONDARY', 'MADE']}
    common |= {'SeriesInstanceUID': _uid(session, modality), 'Rows': voxels.shape[1], 'Columns': voxels.shape[0]}
    return [_dicom(common | _slice(session, modality, affine, k), voxels[:, :, k].T) for k in range(voxels.shape[2])]


def _as_lps(voxels: Any, affine: Any) -> tuple[Any, Any]:
    """Voxels whose axes run to the left, the back and the head, as DICOM shows slices; the affine stays in RAS."""
    nibabel, orientations = _extra('nibabel'), _extra('nibabel.orientations')
    turn = orientations.ornt_transform(orientations.io_orientation(affine), orientations.axcodes2ornt('LPS'))
    image = nibabel.Nifti1Image(voxels, affine).as_reoriented(turn)
    return image.dataobj, image.affine


def _patient(subject: Subject, session: Session) -> dict[str, Any]:
    day = session.date.replace('-', '')
    tags: dict[str, Any] = {'PatientName': f'Demo^{subject.label}', 'PatientID': subject.label, 'PatientBirthDate': ''}
    tags |= {'PatientSex': subject.gender[0].upper(), 'PatientAge': f'{session.age:03d}Y', 'PatientPosition': 'HFS'}
    tags |= {'StudyID': session.label[:16], 'StudyDescription': f'{subject.project}, made data', 'AccessionNumber': '', 'ReferringPhysicianName': ''}
    tags |= {'StudyInstanceUID': _uid(session), 'FrameOfReferenceUID': _uid(session, 'frame'), 'PositionReferenceIndicator': ''}
    tags |= {f'{what}Date': day for what in ('Study', 'Series', 'Acquisition', 'Content')}
    return tags | {f'{what}Time': '120000' for what in ('Study', 'Series', 'Acquisition', 'Content')}


def _geometry(affine: Any) -> dict[str, Any]:
    np = _extra('numpy')
    axes = np.diag([-1, -1, 1]) @ affine[:3, :3]
    column, row, between = np.linalg.norm(axes, axis=0)
    cosines = (axes / (column, row, between))[:, :2].T.ravel()
    tags = {'ImageOrientationPatient': [f'{value:.8f}' for value in cosines], 'PixelSpacing': [f'{row:.6f}', f'{column:.6f}']}
    return tags | {'SliceThickness': f'{between:.6f}', 'SpacingBetweenSlices': f'{between:.6f}'}


def _slice(session: Session, modality: str, affine: Any, k: int) -> dict[str, Any]:
    right, front, up = (affine @ [0, 0, k, 1])[:3]
    position = [f'{-right:.6f}', f'{-front:.6f}', f'{up:.6f}']
    return {'SOPInstanceUID': _uid(session, modality, k), 'SeriesNumber': 2, 'InstanceNumber': k + 1, 'ImagePositionPatient': position}


def _uid(*names: object) -> str:
    """A UID below pydicom's own root, the same for the same names."""
    return str(_extra('pydicom.uid').generate_uid(entropy_srcs=['pyxnat demo', str(SEED), *map(str, names)]))


def _dicom(tags: dict[str, Any], pixels: Any) -> bytes:
    """A DICOM file of one slice of 16-bit signed pixels."""
    pydicom = _extra('pydicom')
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = _EXPLICIT_LITTLE
    stored = {'SamplesPerPixel': 1, 'PhotometricInterpretation': 'MONOCHROME2', 'PixelRepresentation': 1}
    for keyword, value in {**tags, **stored, 'BitsAllocated': 16, 'BitsStored': 16, 'HighBit': 15}.items():
        setattr(dataset, keyword, value)
    dataset.PixelData = pixels.astype('<i2').tobytes()
    body = io.BytesIO()
    pydicom.dcmwrite(body, dataset, enforce_file_format=True)
    return body.getvalue()


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f'made_{k:03d}.dcm' for k in range(1, count + 1))


KINDS: dict[str, Kind] = {
    'pair': Kind('NIFTI', 'NIFTI', 'RAW', ('head_made.hdr', 'head_made.img'), _pair('Nifti1Pair')),
    'analyze': Kind('ANALYZE', 'ANALYZE', 'RAW', ('head_made.hdr', 'head_made.img'), _pair('AnalyzeImage')),
    'gz': Kind('NIFTI_GZ', 'NIFTI_GZ', 'RAW', ('head_made.nii.gz',), _gz),
    'mr_series': Kind('DICOM', 'DICOM', 'RAW', _numbered(24), _mr_series),
    'pt_series': Kind('DICOM', 'DICOM', 'RAW', _numbered(43), _pt_series),
    'ecat': Kind('ECAT', 'ECAT', 'SAMPLE', ('tinypet.v',), _as_shipped(_shipped, 'tinypet.v')),
    'ct_small': Kind('DICOM', 'DICOM', 'SAMPLE', ('CT_small.dcm',), _as_shipped(_shipped_dicom, 'CT_small.dcm')),
    'ct_series': Kind('DICOM', 'DICOM', 'RAW', _numbered(12), _ct_series),
}
"""What a scan can hold."""
