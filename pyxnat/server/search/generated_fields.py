"""Display fields that XNAT generates from the simple fields of a type's schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...model.schemas import Field
from ..db.types import Model
from .display_fields import DisplayField, schema_field

__all__ = ['generated', 'identifier', 'is_simple']


def generated(model: Model, type_name: str, known: Iterable[str]) -> Iterator[DisplayField]:
    """Yield the fields generated from the paths of a type's own simple fields.

    The ID is the path in capitals, with ``_`` for ``/``.

    Parameters
    ----------
    model : Model
        The data types.
    type_name : str
        Name of the type.
    known : Iterable[str]
        IDs of fields that exist already.
    """
    if type_name in _WHOLE:
        return
    taken = set(known)
    inherited = {
        field.key
        for base in _BASES
        if model.registry.is_a(type_name, base)
        for field in model.registry.fields(base)
    }
    listed = {path.lower() for path in _INHERITED.get(type_name, ())}
    for field in model.registry.fields(type_name):
        plain = field.key not in inherited or field.path.lower() in listed
        if (
            plain
            and is_simple(field)
            and field.path not in _LATER.get(type_name, ())
            and identifier(field.path) not in taken
        ):
            yield schema_field(
                identifier(field.path), field.path, _HEADERS.get((type_name, field.path), '')
            )


def is_simple(field: Field) -> bool:
    """Whether a display field can show a field: a single value of the item."""
    return bool(field.kind) and not field.repeated and '[' not in field.path


def identifier(path: str) -> str:
    """Return the ID that XNAT generates for the field at a path."""
    return path.upper().replace('/', '_').replace('-', '_')


_WHOLE = frozenset({'xnat:subjectData', 'xnat:projectData', 'xnat:mrSessionData'})
"""Types whose display document lists all fields."""
_BASES = (
    'xnat:experimentData',
    'xnat:subjectAssessorData',
    'xnat:imageSessionData',
    'xnat:imageAssessorData',
    'xnat:imageScanData',
)
_OF_DICOM = ('dcmAccessionNumber', 'dcmPatientId', 'dcmPatientName', 'UID')
_OF_PROTOCOL = ('requestedProcedureDescription', 'protocolName', 'bodyPartExamined')
_INHERITED = {
    'xnat:ctSessionData': _OF_DICOM,
    'xnat:dxSessionData': _OF_DICOM,
    'xnat:petSessionData': ('UID',),
    **{f'xnat:{kind}ScanData': _OF_PROTOCOL for kind in ('mr', 'ct', 'pet')},
}
"""Fields of a base type that the document of a type still lists."""
_HEADERS = {('xnat:petSessionData', 'tracer/transmissions_starttime'): 'startTime'}
_LATER = {
    'xnat:petSessionData': frozenset(
        {
            'start_time',
            'start_time_scan',
            'start_time_injection',
            'blood_glucose',
            'blood_glucose_units',
            'blood_glucose_time',
        }
    ),
    'xnat:pVisitData': frozenset({'notes', 'status', 'start_date', 'end_date'}),
    'xnat:mrScanData': frozenset(
        f'parameters/{name}'
        for name in (
            'subjectPosition',
            'deltaTE',
            'readoutSampleSpacing',
            'coilElements',
            'echoSpacing',
            'phaseEncodingDirection',
            'acqTime',
            'diffusion/bMax',
            'diffusion/refocusFlipAngle',
            'inPlanePhaseEncoding/direction',
            'inPlanePhaseEncoding/rotation',
            'inPlanePhaseEncoding/polaritySwap',
            'inPlanePhaseEncoding/directionPositive',
            'pmc',
        )
    ),
}
"""Fields added to the schemas after the display documents were written."""
