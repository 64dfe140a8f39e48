"""Images of the demo, made from sample data of nibabel and pydicom.

The samples are varied by a seed and written in common formats. Nothing is downloaded or committed.
The name of a generated file has "made" in it; the others are the packages' files unchanged.
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

_MR, _CT, _PT = (
    '1.2.840.10008.5.1.4.1.1.4',
    '1.2.840.10008.5.1.4.1.1.2',
    '1.2.840.10008.5.1.4.1.1.128',
)
"""SOP classes of DICOM for MR, CT and PET images."""
_EXPLICIT_LITTLE = '1.2.840.10008.1.2.1'


class Kind(NamedTuple):
    """Format of an image, with the files that hold it."""

    resource: str
    """Label of the scan's resource."""
    format: str
    content: str
    labels: tuple[str, ...]
    """Labels of the files."""
    build: Callable[[Subject, Session], list[bytes]]
    """Returns the bodies of the files, in the order of their labels."""


def contents(kind: str, subject: Subject, session: Session) -> dict[str, bytes]:
    """Return label and body of the files of one kind for one session.

    The same arguments give the same bytes.

    Parameters
    ----------
    kind : str
        Key of `KINDS`.
    subject : Subject
        Owner of the session, named in DICOM headers.
    session : Session
        Seeds the variation of the image.
    """
    labels = KINDS[kind].labels
    return dict(zip(labels, KINDS[kind].build(subject, session), strict=True))


def _extra(module: str) -> Any:
    """Import a package that only the demo needs."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"the demo needs {module}: pip install 'pyxnat[demo]'") from error


def _shipped(name: str) -> Path:
    """Return the path of one of nibabel's sample files."""
    path = Path(_extra('nibabel').__file__).parent / 'tests' / 'data' / name
    if not path.is_file():
        raise ConfigurationError(
            f'{path} is missing: this nibabel lacks its sample data; install it from PyPI'
        )
    return path


def _shipped_dicom(name: str) -> Path:
    """Return the path of one of pydicom's sample files, without a download."""
    path = _extra('pydicom.data').get_testdata_file(name, download=False)
    if path is None:
        raise ConfigurationError(
            f'{name} is missing: this pydicom lacks its sample data; install it from PyPI'
        )
    return Path(path)


def _rng(session: Session) -> Any:
    return _extra('numpy').random.default_rng([SEED, zlib.crc32(session.label.encode())])


# -- MR: one head, varied, with two contrasts ------------------------------------------------------


@lru_cache(maxsize=1)
def _head() -> tuple[Any, Any]:
    """Return a whole head and its affine: the first volume of an EPI series.

    It has 128 x 96 x 24 voxels of 2 x 2 x 2.2 mm.
    """
    image = _extra('nibabel').load(_shipped('example4d.nii.gz'))
    return image.dataobj[..., 0], image.affine


@lru_cache(maxsize=1)
def _t1_head() -> Any:
    """Return the head with the contrast of a T1-weighted image.

    It is made from the EPI volume. Within the brain the grey values are turned round: fluid is
    dark, white matter bright. Around it are a dark skull and a bright scalp, two voxels each, so
    that a mask has something to remove.
    """
    np = _extra('numpy')
    head = _scaled(_head()[0], 0.84).astype(float)
    bright = head > 150
    brain = ~_grown(~_grown(bright, 2), 3)  # holes filled, partial voxels of the edge dropped
    top = np.percentile(head[brain], 99)
    skull = _grown(brain, 2)
    scalp = _grown(skull, 2) & ~skull
    turned = 0.3 * top + (top - head).clip(0, 0.55 * top)
    return np.where(brain, turned, 0.6 * top * scalp)


def _scaled(head: Any, scale: float) -> Any:
    """Return the head at another size in the slice, in an image of the same size."""
    np = _extra('numpy')
    x, y = (np.rint((np.arange(n) - n / 2) / scale + n / 2).astype(int) for n in head.shape[:2])
    inside = [(at >= 0) & (at < n) for at, n in zip((x, y), head.shape[:2], strict=True)]
    rows, columns = (at.clip(0, n - 1) for at, n in zip((x, y), head.shape[:2], strict=True))
    return head[np.ix_(rows, columns)] * np.outer(*inside)[..., None]


def _grown(region: Any, voxels: int) -> Any:
    """Return a region with a margin in the slice."""
    np = _extra('numpy')
    for _ in range(voxels):
        wide = np.pad(region, ((1, 1), (1, 1), (0, 0)), mode='edge')
        inner = wide[1:-1]
        region = inner[:, 1:-1] | inner[:, 2:] | inner[:, :-2] | wide[2:, 1:-1] | wide[:-2, 1:-1]
    return region


def _varied(head: Any, session: Session) -> Any:
    """Return a head as int16, varied for the session.

    It is up to a tenth smaller in the slice, moved sideways, and has a gain and noise of its own.
    """
    np, rng = _extra('numpy'), _rng(session)
    small = np.roll(_scaled(head, rng.uniform(0.9, 1)), rng.integers(-4, 5), axis=0)
    noisy = small * rng.uniform(0.8, 1.2) + rng.normal(0, 6, small.shape)
    return np.rint(np.abs(noisy)).astype(np.int16)


def _t1(image_class: str, session: Session) -> Any:
    image = getattr(_extra('nibabel'), image_class)(_varied(_t1_head(), session), _head()[1])
    image.header['descrip'] = f'{session.label}, made from example4d'.encode()
    return image


def _epi(subject: Subject, session: Session) -> list[bytes]:
    """Write a series of 20 volumes of three thick slices.

    It has a gain and noise of its own.
    """
    np, nibabel, rng = _extra('numpy'), _extra('nibabel'), _rng(session)
    series = nibabel.load(_shipped('functional.nii'))
    voxels = np.asarray(series.dataobj) * rng.uniform(0.8, 1.2)
    noisy = np.rint(np.abs(voxels + rng.normal(0, 2, voxels.shape))).astype(np.int16)
    image = nibabel.Nifti1Image(noisy, series.affine)
    image.header.set_zooms(series.header.get_zooms())
    image.header['descrip'] = f'{session.label}, made from functional'.encode()
    return [image.to_bytes()]


def _pair(image_class: str) -> Callable[[Subject, Session], list[bytes]]:
    """Return a function that writes header and image into two files."""

    def _build(subject: Subject, session: Session) -> list[bytes]:
        files = {
            role: _extra('nibabel').FileHolder(fileobj=io.BytesIO()) for role in ('header', 'image')
        }
        _t1(image_class, session).to_file_map(files)
        return [holder.fileobj.getvalue() for holder in files.values()]

    return _build


def _gz(subject: Subject, session: Session) -> list[bytes]:
    return [gzip.compress(_t1('Nifti1Image', session).to_bytes(), compresslevel=1, mtime=0)]


def _mr_series(subject: Subject, session: Session) -> list[bytes]:
    tags: dict[str, Any] = {
        'ScanningSequence': 'EP',
        'SequenceVariant': 'NONE',
        'ScanOptions': '',
        'MRAcquisitionType': '2D',
    }
    tags |= {
        'EchoTrainLength': None,
        'RepetitionTime': 2000,
        'EchoTime': 30,
        'MagneticFieldStrength': 3,
        'FlipAngle': 90,
    }
    return _series(
        subject,
        session,
        'MR',
        _MR,
        _varied(_head()[0], session),
        _head()[1],
        'made from nibabel example4d',
        tags,
    )


# -- PET and CT ------------------------------------------------------------------------------------


def _pt_series(subject: Subject, session: Session) -> list[bytes]:
    """Write a whole-brain map as a PET series.

    Values are stored as 0..4000; `RescaleSlope` restores the map's own values.
    """
    np = _extra('numpy')
    image = _extra('nibabel').load(_shipped('scaled+tlrc.HEAD'))
    volume = np.asarray(image.dataobj)[..., 0] * _rng(session).uniform(0.8, 1.2)
    slope = float(volume.max()) / 4000
    tags: dict[str, Any] = {
        'Units': 'NONE',
        'SeriesType': ['STATIC', 'IMAGE'],
        'DecayCorrection': 'NONE',
        'CountsSource': 'EMISSION',
    }
    tags |= {
        'RescaleIntercept': 0,
        'RescaleSlope': f'{slope:.8g}',
        'NumberOfSlices': volume.shape[2],
    }
    voxels = np.rint(volume / slope).astype(np.int16)
    return _series(
        subject,
        session,
        'PT',
        _PT,
        voxels,
        image.affine,
        'made from AFNI scaled+tlrc, no PET',
        tags,
    )


def _ct_series(subject: Subject, session: Session) -> list[bytes]:
    """Write twelve slices of 5 mm, each the sample slice with its own noise.

    This is a volume to test with, not an anatomy.
    """
    np = _extra('numpy')
    shipped = _extra('pydicom').dcmread(_shipped_dicom('CT_small.dcm'))
    rng, plane = _rng(session), shipped.pixel_array.T
    volume = np.stack(
        [np.clip(plane + rng.normal(0, 8, plane.shape), 0, 4095) for _ in range(12)], axis=2
    )
    x, y, z = (float(value) for value in shipped.ImagePositionPatient)
    row, column = (float(value) for value in shipped.PixelSpacing)
    affine = np.array([[-column, 0, 0, -x], [0, -row, 0, -y], [0, 0, 5, z], [0, 0, 0, 1]])
    tags = {
        'RescaleIntercept': -1024,
        'RescaleSlope': 1,
        'RescaleType': 'HU',
        'KVP': 120,
        'AcquisitionNumber': 1,
    }
    return _series(
        subject,
        session,
        'CT',
        _CT,
        np.rint(volume).astype(np.int16),
        affine,
        'made from pydicom CT_small',
        tags,
    )


def _as_shipped(
    path: Callable[[str], Path], name: str
) -> Callable[[Subject, Session], list[bytes]]:
    return lambda subject, session: [path(name).read_bytes()]


# -- DICOM -----------------------------------------------------------------------------------------


def _series(
    subject: Subject,
    session: Session,
    modality: str,
    sop_class: str,
    voxels: Any,
    affine: Any,
    made: str,
    tags: dict[str, Any],
) -> list[bytes]:
    """Write one DICOM file for each slice, from the feet up.

    `voxels` are int16; `affine` places them in space (millimetres, RAS as in nibabel).
    """
    voxels, affine = _as_lps(voxels, affine)
    common = _patient(subject, session) | _geometry(affine) | tags
    common |= {
        'Modality': modality,
        'SOPClassUID': sop_class,
        'SeriesDescription': made,
        'ImageType': ['DERIVED', 'SECONDARY', 'MADE'],
    }
    common |= {
        'SeriesInstanceUID': _uid(session, modality),
        'Rows': voxels.shape[1],
        'Columns': voxels.shape[0],
    }
    return [
        _dicom(common | _slice(session, modality, affine, k), voxels[:, :, k].T)
        for k in range(voxels.shape[2])
    ]


def _as_lps(voxels: Any, affine: Any) -> tuple[Any, Any]:
    """Reorient voxels to left, back and head, as DICOM stores slices.

    The affine stays in RAS.
    """
    nibabel, orientations = _extra('nibabel'), _extra('nibabel.orientations')
    turn = orientations.ornt_transform(
        orientations.io_orientation(affine), orientations.axcodes2ornt('LPS')
    )
    image = nibabel.Nifti1Image(voxels, affine).as_reoriented(turn)
    return image.dataobj, image.affine


def _patient(subject: Subject, session: Session) -> dict[str, Any]:
    day = session.date.replace('-', '')
    tags: dict[str, Any] = {
        'PatientName': f'Demo^{subject.label}',
        'PatientID': subject.label,
        'PatientBirthDate': '',
    }
    tags |= {
        'PatientSex': subject.gender[0].upper(),
        'PatientAge': f'{session.age:03d}Y',
        'PatientPosition': 'HFS',
    }
    tags |= {
        'StudyID': session.label[:16],
        'StudyDescription': f'{subject.project}, made data',
        'AccessionNumber': '',
        'ReferringPhysicianName': '',
    }
    tags |= {
        'StudyInstanceUID': _uid(session),
        'FrameOfReferenceUID': _uid(session, 'frame'),
        'PositionReferenceIndicator': '',
    }
    tags |= {f'{prefix}Date': day for prefix in ('Study', 'Series', 'Acquisition', 'Content')}
    return tags | {
        f'{prefix}Time': '120000' for prefix in ('Study', 'Series', 'Acquisition', 'Content')
    }


def _geometry(affine: Any) -> dict[str, Any]:
    np = _extra('numpy')
    axes = np.diag([-1, -1, 1]) @ affine[:3, :3]
    column, row, between = np.linalg.norm(axes, axis=0)
    cosines = (axes / (column, row, between))[:, :2].T.ravel()
    tags = {
        'ImageOrientationPatient': [f'{value:.8f}' for value in cosines],
        'PixelSpacing': [f'{row:.6f}', f'{column:.6f}'],
    }
    return tags | {'SliceThickness': f'{between:.6f}', 'SpacingBetweenSlices': f'{between:.6f}'}


def _slice(session: Session, modality: str, affine: Any, k: int) -> dict[str, Any]:
    right, front, up = (affine @ [0, 0, k, 1])[:3]
    position = [f'{-right:.6f}', f'{-front:.6f}', f'{up:.6f}']
    return {
        'SOPInstanceUID': _uid(session, modality, k),
        'SeriesNumber': 2,
        'InstanceNumber': k + 1,
        'ImagePositionPatient': position,
    }


def _uid(*names: object) -> str:
    """Return a UID below pydicom's own root, the same for the same names."""
    return str(
        _extra('pydicom.uid').generate_uid(
            entropy_srcs=['pyxnat demo', str(SEED), *map(str, names)]
        )
    )


def _dicom(tags: dict[str, Any], pixels: Any) -> bytes:
    """Write a DICOM file of one slice of 16-bit signed pixels."""
    pydicom = _extra('pydicom')
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = _EXPLICIT_LITTLE
    stored = {
        'SamplesPerPixel': 1,
        'PhotometricInterpretation': 'MONOCHROME2',
        'PixelRepresentation': 1,
    }
    for keyword, value in {
        **tags,
        **stored,
        'BitsAllocated': 16,
        'BitsStored': 16,
        'HighBit': 15,
    }.items():
        setattr(dataset, keyword, value)
    dataset.PixelData = pixels.astype('<i2').tobytes()
    body = io.BytesIO()
    pydicom.dcmwrite(body, dataset, enforce_file_format=True)
    return body.getvalue()


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f'made_{k:03d}.dcm' for k in range(1, count + 1))


KINDS: dict[str, Kind] = {
    'pair': Kind('NIFTI', 'NIFTI', 'RAW', ('head_made.hdr', 'head_made.img'), _pair('Nifti1Pair')),
    'analyze': Kind(
        'ANALYZE', 'ANALYZE', 'RAW', ('head_made.hdr', 'head_made.img'), _pair('AnalyzeImage')
    ),
    'gz': Kind('NIFTI_GZ', 'NIFTI_GZ', 'RAW', ('head_made.nii.gz',), _gz),
    'epi': Kind('NIFTI', 'NIFTI', 'RAW', ('bold_made.nii',), _epi),
    'mr_series': Kind('DICOM', 'DICOM', 'RAW', _numbered(24), _mr_series),
    'pt_series': Kind('DICOM', 'DICOM', 'RAW', _numbered(43), _pt_series),
    'ecat': Kind('ECAT', 'ECAT', 'SAMPLE', ('tinypet.v',), _as_shipped(_shipped, 'tinypet.v')),
    'ct_small': Kind(
        'DICOM', 'DICOM', 'SAMPLE', ('CT_small.dcm',), _as_shipped(_shipped_dicom, 'CT_small.dcm')
    ),
    'ct_series': Kind('DICOM', 'DICOM', 'RAW', _numbered(12), _ct_series),
}
"""Formats in which a scan can hold its image."""
