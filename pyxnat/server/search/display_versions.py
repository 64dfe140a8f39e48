"""Display versions: columns of a type for a purpose, such as a listing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ...model.levels import level
from ..db.types import Model
from .generated_fields import identifier, is_simple

__all__ = ['DisplayVersion', 'FieldRef', 'own_versions']

_MR = 'xnat:mrSessionData'


class FieldRef(NamedTuple):
    """Column of a display version."""

    id: str
    element: str = ''
    """Type of the field; empty for that of the version."""
    value: str = ''
    visible: bool = True
    header: str = ''


@dataclass(frozen=True)
class DisplayVersion:
    """Columns for one purpose, like ``listing`` or ``project_bundle``."""

    name: str
    fields: tuple[FieldRef, ...]
    order_by: str = ''
    sort_order: str = ''
    dark_color: str = '9999CC'
    light_color: str = 'CCCCFF'


def _version(
    name: str,
    *columns: str,
    order_by: str = 'DATE',
    sort_order: str = 'DESC',
    colors: str = '9999CC CCCCFF',
) -> DisplayVersion:
    """Return a version from columns like ``ID``, ``type.ID`` or ``-ID=value``.

    The ``-`` marks a hidden column.
    """
    dark, _, light = colors.partition(' ')
    return DisplayVersion(
        name, tuple(_ref(text) for text in columns), order_by, sort_order, dark, light
    )


def _ref(text: str) -> FieldRef:
    element, dot, rest = text.removeprefix('-').partition('.')
    identifier, _, value = (rest if dot else element).partition('=')
    return FieldRef(identifier, element if dot else '', value, not text.startswith('-'))


_GREY = 'DEDEDE FFFFFF'
_GREEN = '99FF99 CCFFCC'
_SUBJECT_COLUMNS = ('SUBJECT_LABEL', 'GENDER', 'HANDEDNESS', 'DOB', 'EDUC', 'SES')
_MR_COLUMNS = (
    'LABEL',
    'PROJECT',
    'DATE',
    'xnat:subjectData.SUBJECT_LABEL',
    'xnat:subjectData.GENDER_TEXT',
    'AGE',
)
_CORE_COLUMNS = (
    'xnat:subjectData.SUBJECT_LABEL',
    'LABEL',
    'DATE',
    'xnat:subjectData.GENDER_TEXT',
    'AGE',
)
_PROJECT_COLUMNS = (
    'ID',
    'NAME',
    'DESCRIPTION',
    'SECONDARY_ID',
    'KEYWORDS',
    'PROJ_MR_COUNT',
    'PROJ_PET_COUNT',
    'PROJ_CT_COUNT',
    '-USER_ROLE={XDAT_USER_ID}',
    '-PROJECT_ACCESS',
)
_QC_COLUMNS = (
    'RATER',
    'STEREOTACTICMARKER',
    'INCIDENTALFINDINGS',
    'COMMENTS',
    'PASS',
    'PAYABLE',
    'RESCAN',
    'RESOLVABLE',
    'RETRAIN',
)
_VERSIONS = {
    'xnat:subjectData': (
        _version(
            'listing',
            *_SUBJECT_COLUMNS,
            'MR_COUNT',
            order_by='SUBJECT_ID',
            sort_order='ASC',
            colors=_GREY,
        ),
        _version('brief', *_SUBJECT_COLUMNS, order_by='SUBJECT_ID', sort_order='ASC', colors=_GREY),
        _version(
            'project_bundle',
            'SUB_PROJECT_IDENTIFIER',
            'GENDER_TEXT',
            'HANDEDNESS_TEXT',
            'DOB',
            order_by='SUBJECTID',
            sort_order='ASC',
            colors=_GREY,
        ),
    ),
    _MR: (
        _version('listing', *_MR_COLUMNS, 'TYPE', 'SCANNER', 'MR_SCAN_COUNT_AGG', colors=_GREY),
        _version('listing_csv', *_MR_COLUMNS, 'TYPE', 'SCANNER', 'MR_SCAN_COUNT_AGG', colors=_GREY),
        _version(
            'project_bundle',
            'MR_PROJECT_IDENTIFIER',
            'DATE',
            'xnat:subjectData.SUB_PROJECT_IDENTIFIER',
            'AGE',
            'SCANNER',
            'MR_SCAN_COUNT_AGG',
            colors=_GREY,
        ),
        _version('root', *_MR_COLUMNS, colors=_GREY),
        *(
            _version(name, *_CORE_COLUMNS, order_by=order, sort_order='ASC', colors=colors)
            for name, order, colors in (
                ('core', 'SESSION', 'dedede ffffff'),
                ('core_csv', 'EXPT_DATE', ' '),
            )
        ),
        _version('brief', 'MR_NOTES', order_by='MR_NOTES', sort_order='ASC', colors=_GREEN),
        _version('brief_csv', 'MR_NOTES_CSV', order_by='MR_NOTES', sort_order='ASC', colors=_GREEN),
        _version(
            'detailed',
            'MR_NOTES',
            'LABEL',
            'OPERATOR',
            'SCANNER',
            'MARKER',
            'STABILIZATION',
            order_by='OPERATOR',
            sort_order='ASC',
            colors=_GREEN,
        ),
        _version(
            'detailed_csv',
            'MR_NOTES_CSV',
            'OPERATOR_CSV',
            'SCANNER_CSV',
            'MARKER_CSV',
            'STABILIZATION_CSV',
            order_by='MR_NOTES',
            sort_order='ASC',
            colors=_GREEN,
        ),
        _version(
            'meta_data',
            'RPT',
            'VIEW',
            'SESSION_ID',
            'LAST_MODIFIED',
            'INVEST',
            'INSERT_USER',
            order_by='SES',
            sort_order='ASC',
            colors=_GREEN,
        ),
    ),
    'xnat:projectData': (
        _version('listing', *_PROJECT_COLUMNS, order_by='ID'),
        _version('full', *_PROJECT_COLUMNS, order_by='ID'),
    ),
    'xnat:qcManualAssessorData': (
        _version('listing', 'RPT', 'PROJECT', 'LABEL', 'DATE', *_QC_COLUMNS),
        _version('listing_csv', 'PROJECT', 'LABEL', 'DATE', *_QC_COLUMNS),
        _version('full', 'EXPT_ID', 'DATE', *_QC_COLUMNS),
        _version('detailed', 'EXPT_ID', 'DATE', *_QC_COLUMNS),
        _version(
            'project_bundle', 'XNAT_QCMANUALASSESSORDATA_PROJECT_IDENTIFIER', 'DATE', *_QC_COLUMNS
        ),
    ),
}
_SESSION_COLUMNS = {
    'xnat:petSessionData': (
        'STABILIZATION',
        'STUDYTYPE',
        'PATIENTID',
        'PATIENTNAME',
        'TRACER_DOSE_UNITS',
        'TRACER_DOSE',
        'TRACER_SPECIFICACTIVITY',
        'TRACER_TOTALMASS_UNITS',
        'TRACER_TOTALMASS',
        'TRACER_INTERMEDIATE_UNITS',
        'TRACER_INTERMEDIATE',
        'TRACER_ISOTOPE_HALF_LIFE',
        'TRACER_ISOTOPE',
        'TRACER_TRANSMISSIONS_STARTTIME',
        'TRACER_TRANSMISSIONS',
        'TRACER_NAME',
        'TRACER_STARTTIME',
        'UID',
        'PET_SCAN_COUNT_AGG',
    ),
    'xnat:ctSessionData': (
        'DCMACCESSIONNUMBER',
        'DCMPATIENTID',
        'DCMPATIENTNAME',
        'UID',
        'CT_SCAN_COUNT_AGG',
    ),
}
_SCAN_COLUMNS = (
    'ID',
    'NOTE',
    'QUALITY',
    'CONDITION',
    'SERIES_DESCRIPTION',
    'BODYPARTEXAMINED',
    'REQUESTEDPROCEDUREDESCRIPTION',
    'PROTOCOLNAME',
    'DOCUMENTATION',
    'SCANNER',
    'SCANNER_MANUFACTURER',
    'SCANNER_MODEL',
    'MODALITY',
    'FRAMES',
    'OPERATOR',
    'STARTTIME',
    'TYPE',
    'UID',
    'COIL',
    'FIELDSTRENGTH',
    'MARKER',
    'STABILIZATION',
)
_MR_PARAMETERS = (
    'VOXELRES_UNITS',
    'VOXELRES_X',
    'VOXELRES_Y',
    'VOXELRES_Z',
    'ORIENTATION',
    'FOV_X',
    'FOV_Y',
    'MATRIX_X',
    'MATRIX_Y',
    'PARTITIONS',
    'TR',
    'TE',
    'TI',
    'FLIP',
    'SEQUENCE',
    'ORIGIN',
    'IMAGETYPE',
    'SCANSEQUENCE',
    'SEQVARIANT',
    'SCANOPTIONS',
    'ACQTYPE',
    'COIL',
    'DTIACQCOUNT',
    'PIXELBANDWIDTH',
    'DIFFUSION_BVALUES',
    'DIFFUSION_DIRECTIONALITY',
    'DIFFUSION_ORIENTATIONS',
    'DIFFUSION_ANISOTROPYTYPE',
)


_SUBJECT_LABEL, _SUBJECT_IN_PROJECT = (
    'xnat:subjectData.SUBJECT_LABEL',
    'xnat:subjectData.SUB_PROJECT_IDENTIFIER',
)


def own_versions(model: Model, type_name: str, known: Iterable[str]) -> tuple[DisplayVersion, ...]:
    """Return XNAT's versions of a type, or those that it generates.

    Parameters
    ----------
    model : Model
        The data types.
    type_name : str
        Name of the type.
    known : Iterable[str]
        IDs of the type's display fields.
    """
    where = model.level_of(type_name)
    if type_name in _VERSIONS:
        return _VERSIONS[type_name]
    if where and level(where).is_part:
        columns = (
            *_SCAN_COLUMNS,
            *(f'PARAMETERS_{name}' for name in _MR_PARAMETERS),
            'DCMVALIDATION',
            'DCMVALIDATION_STATUS',
        )
        there = [name for name in columns if name in set(known)]
        session = model.name(type_name.removesuffix('ScanData') + 'SessionData')
        first = ['PROJECT', *([f'{session}.LABEL'] if session else [])]
        return tuple(
            _version(name, *first, *there, order_by='LABEL')
            for name in ('listing', 'full', 'project_bundle')
        )
    return _experiment_versions(model, type_name)


def _experiment_versions(model: Model, type_name: str) -> tuple[DisplayVersion, ...]:
    of_subject = model.registry.is_a(type_name, 'xnat:subjectAssessorData')
    subject, bundled, aged = (
        ([_SUBJECT_LABEL], [_SUBJECT_IN_PROJECT], ['AGE']) if of_subject else ([], [], [])
    )
    base = [*model.registry.ancestry(type_name), type_name][1]
    inherited = {found.key for found in model.registry.fields(base)}
    plain = (
        found
        for found in model.registry.fields(type_name)
        if is_simple(found) and found.key not in inherited
    )
    more = _SESSION_COLUMNS.get(type_name) or [identifier(found.path) for found in plain]
    gender = ['xnat:subjectData.GENDER'] if of_subject else []
    return (
        _version('listing', 'RPT', 'LABEL', *subject, 'DATE', *gender, *aged, *more),
        _version('listing_csv', 'LABEL', *subject, 'DATE', *aged, *more),
        _version('full', 'EXPT_ID', *subject, 'DATE', *aged, *more),
        _version('detailed', *more),
        _version(
            'project_bundle',
            f'{model.sql_name(type_name).upper()}_PROJECT_IDENTIFIER',
            *bundled,
            'DATE',
            *aged,
            *more,
        ),
    )
