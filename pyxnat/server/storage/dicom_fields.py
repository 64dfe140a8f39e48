"""Values of the fields of scans and sessions, from elements of DICOM headers.

As in XNAT's DICOM-to-XNAT builder. A header is a mapping of keywords to texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...model.schemas import canonical
from ..db.types import Model
from ..db.values import normalise
from .dicom_types import lead_modality

__all__ = ['KEYWORDS', 'fields_for', 'scan_values', 'session_values']

_SESSION = {
    'date': 'StudyDate',
    'time': 'StudyTime',
    'acquisition_site': 'InstitutionName',
    'fields/field[name=studycomments]/field': 'StudyComments',
    'UID': 'StudyInstanceUID',
    'session_type': 'StudyDescription',
    'study_id': 'StudyID',
    'scanner': 'StationName',
    'scanner/manufacturer': 'Manufacturer',
    'scanner/model': 'ManufacturerModelName',
    'operator': 'OperatorsName',
    'dcmAccessionNumber': 'AccessionNumber',
    'dcmPatientId': 'PatientID',
    'dcmPatientName': 'PatientName',
    'dcmPatientBirthDate': 'PatientBirthDate',
    'dcmPatientWeight': 'PatientWeight',
    'fieldStrength': 'MagneticFieldStrength',
}
_SCAN = {
    'UID': 'SeriesInstanceUID',
    'series_description': 'SeriesDescription',
    'modality': 'Modality',
    'scanner': 'StationName',
    'scanner/manufacturer': 'Manufacturer',
    'scanner/model': 'ManufacturerModelName',
    'scanner/softwareVersion': 'SoftwareVersions',
    'startTime': 'SeriesTime',
    'start_date': 'SeriesDate',
    'requestedProcedureDescription': 'RequestedProcedureDescription',
    'protocolName': 'ProtocolName',
    'bodyPartExamined': 'BodyPartExamined',
    'operator': 'OperatorsName',
    'coil': 'ReceiveCoilName',
    'fieldStrength': 'MagneticFieldStrength',
    'parameters/tr': 'RepetitionTime',
    'parameters/te': 'EchoTime',
    'parameters/ti': 'InversionTime',
    'parameters/flip': 'FlipAngle',
    'parameters/sequence': 'SequenceName',
    'parameters/imageType': 'ImageType',
    'parameters/scanSequence': 'ScanningSequence',
    'parameters/seqVariant': 'SequenceVariant',
    'parameters/scanOptions': 'ScanOptions',
    'parameters/acqType': 'MRAcquisitionType',
    'parameters/pixelBandwidth': 'PixelBandwidth',
    'parameters/subjectPosition': 'PatientPosition',
    'parameters/kvp': 'KVP',
    'parameters/acquisitionNumber': 'AcquisitionNumber',
    'parameters/options': 'ScanOptions',
    'parameters/collectionDiameter': 'DataCollectionDiameter',
    'parameters/distanceSourceToDetector': 'DistanceSourceToDetector',
    'parameters/distanceSourceToPatient': 'DistanceSourceToPatient',
    'parameters/gantryTilt': 'GantryDetectorTilt',
    'parameters/tableHeight': 'TableHeight',
    'parameters/rotationDirection': 'RotationDirection',
    'parameters/exposureTime': 'ExposureTime',
    'parameters/xrayTubeCurrent': 'XRayTubeCurrent',
    'parameters/exposure': 'Exposure',
    'parameters/filter': 'FilterType',
    'parameters/generatorPower': 'GeneratorPower',
    'parameters/convolutionKernel': 'ConvolutionKernel',
    'parameters/rescale/intercept': 'RescaleIntercept',
    'parameters/rescale/slope': 'RescaleSlope',
}
"""Paths of all types of scans; each type uses those that it has."""
_GEOMETRY = ('PixelSpacing', 'SliceThickness', 'ImageOrientationPatient', 'Rows', 'Columns')
"""Elements from which other fields of a scan are computed."""
KEYWORDS = (*_SESSION.values(), *_SCAN.values(), *_GEOMETRY)
"""Elements that fill fields."""


def session_values(headers: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the field values of a session.

    Each value is from the first series that has it; the stations are those of all series.
    """
    values: dict[str, str] = {}
    stations: dict[str, None] = {}
    modalities = []
    for header in headers:
        modalities.append(header.get('Modality', ''))
        for path, keyword in _SESSION.items():
            if keyword in header:
                values.setdefault(path, header[keyword])
        if 'StationName' in header:
            stations[header['StationName']] = None
    if stations:
        values['scanner'] = ','.join(stations)
    if any(modalities):
        values['modality'] = lead_modality(modalities)
    return values


def scan_values(header: Mapping[str, str]) -> dict[str, str]:
    """Return the field values of a scan from the header of one image."""
    values = {path: header[keyword] for path, keyword in _SCAN.items() if keyword in header}
    spacing = _numbers(header, 'PixelSpacing')
    thickness = _numbers(header, 'SliceThickness')
    if len(spacing) == 2 and thickness:
        values.update(
            {
                'parameters/voxelRes/units': 'mm',
                'parameters/voxelRes/x': str(spacing[1]),
                'parameters/voxelRes/y': str(spacing[0]),
            }
        )
        values['parameters/voxelRes/z'] = str(thickness[0])
    columns, rows = header.get('Columns', ''), header.get('Rows', '')
    if columns and rows:  # XNAT's builder calls the number of pixels the field of view
        for name in ('fov', 'matrix'):
            values.update({f'parameters/{name}/x': columns, f'parameters/{name}/y': rows})
    orientation = _orientation(_numbers(header, 'ImageOrientationPatient'))
    if orientation:
        values['parameters/orientation'] = orientation
    return values


def _numbers(header: Mapping[str, str], keyword: str) -> list[float]:
    try:
        return [float(part) for part in header.get(keyword, '').split('\\') if part]
    except ValueError:
        return []


def _orientation(cosines: list[float]) -> str:
    """Return the nearest plane of the slices: ``Sag``, ``Cor`` or ``Tra``."""
    if len(cosines) != 6:
        return ''
    a, b, c, d, e, f = cosines
    normal = [abs(b * f - c * e), abs(c * d - a * f), abs(a * e - b * d)]
    return ('Sag', 'Cor', 'Tra')[normal.index(max(normal))] if max(normal) > 0 else ''


def fields_for(model: Model, xsi_type: str, values: Mapping[str, str]) -> dict[str, str]:
    """Return the values that are valid fields of a type.

    Headers may contain anything: other values are dropped.

    Parameters
    ----------
    model : Model
        The data types.
    xsi_type : str
        Name of the type.
    values : Mapping[str, str]
        Values by path.
    """
    valid = {}
    for path, text in values.items():
        row = model.field(xsi_type, canonical(path))
        if row is None:
            continue
        try:
            valid[path] = normalise(row, text)
        except ValueError:
            continue
    return valid
