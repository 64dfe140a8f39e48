"""Display fields, display versions, and those of XNAT's own types.

The IDs, headers and versions of subjects, projects, MR, PET and CT sessions, MR scans and manual QCs are those of XNAT's display
documents. `generated` makes what XNAT makes for a type without a document.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ..schemas import Field
from . import display_sql as sql
from .display_sql import DEMOGRAPHICS, Maker
from .model import Model

__all__ = ['DisplayField', 'DisplayVersion', 'FieldRef', 'Link', 'generated', 'identifier', 'own_fields', 'own_versions']


class Link(NamedTuple):
    """A property of the link that XNAT's pages make of a value: ``HREF`` with ``@Field1`` in it, and what stands for that."""

    name: str
    value: str
    inserts: tuple[tuple[str, str], ...]
    """Names in the value to the IDs of display fields of the same item."""


@dataclass(frozen=True)
class DisplayField:
    """One display field of a type."""

    id: str
    header: str
    kind: str
    """``string``, ``integer``, ``float``, ``date``, ``time``, ``dateTime`` or ``boolean``; empty for that of the field at `path`."""
    make: Maker
    requires_value: bool = False
    searchable: bool = True
    """False for links, images and labels in a project: they can be columns, but are not offered as criteria."""
    path: str = ''
    """Path in the schema of the one field that is shown, where it is one."""
    description: str = ''
    image: bool = False
    links: tuple[Link, ...] = ()
    type: str = ''
    """What XNAT calls the kind, where it has another word: ``double``, ``timestamp``, ``UNKNOWN``."""


class FieldRef(NamedTuple):
    """A column of a display version."""

    id: str
    element: str = ''
    """Type whose field it is; empty for the version's own."""
    value: str = ''
    visible: bool = True
    header: str = ''


@dataclass(frozen=True)
class DisplayVersion:
    """A choice of columns for one purpose: ``listing``, ``project_bundle``."""

    name: str
    fields: tuple[FieldRef, ...]
    order_by: str = ''
    sort_order: str = ''
    dark_color: str = '9999CC'
    light_color: str = 'CCCCFF'


def own_fields(model: Model, type_name: str) -> Iterator[DisplayField]:
    """The fields that this server knows how to compute for a type, by what the type is."""
    where = model.level_of(type_name)
    if where == 'project':
        yield from _project()
    elif where == 'subject':
        yield from _subject(model)
    elif where in ('experiment', 'assessor'):
        yield from _experiment(model, type_name)
    elif where:
        yield from _part(where)


def generated(model: Model, type_name: str, known: Iterable[str]) -> Iterator[DisplayField]:
    """One field for each simple field of the schema that has no display field by its ID: the path in capitals, ``_`` for ``/``."""
    if type_name in _DOCUMENTED:
        return
    taken = set(known)
    for found in model.registry.fields(type_name):
        if _is_simple(found) and identifier(found.path) not in taken:
            yield _shown(identifier(found.path), found.path)


def _is_simple(field: Field) -> bool:
    return bool(field.kind) and not field.repeated and '[' not in field.path


def identifier(path: str) -> str:
    """The ID that XNAT generates for the field at a path."""
    return path.upper().replace('/', '_').replace('-', '_')


_DOCUMENTED = frozenset({'xnat:subjectData', 'xnat:projectData', 'xnat:mrSessionData'})
"""Types whose display document lists all their fields."""


def _shown(name: str, path: str, header: str = '', kind: str = '', searchable: bool = True) -> DisplayField:
    """A field of the schema, as it is."""
    return DisplayField(name, header or path.rpartition('/')[2], kind, sql.path(path), searchable=searchable, path=path)


def _report(type_name: str, field: str, insert: str = 'Field1', below: str = '') -> tuple[Link, ...]:
    """The links to the page of an item whose ID is in a field."""
    href = f'/app/action/DisplayItemAction/search_value/@{insert}/search_element/{type_name}/search_field/{type_name}.ID{below}'
    return (
        Link('HREF', href, ((insert, field),)),
        Link('ONCLICK', f"return rpt('@{insert}','{type_name}','{type_name}.ID');", ((insert, field),)),
    )


def _titled(links: tuple[Link, ...]) -> tuple[Link, ...]:
    return (*links, Link('TITLE', 'Inserted: @Field1 (@Field2)', (('Field2', 'INSERT_USER'), ('Field1', 'INSERT_DATE'))))


# -- subjects


def _subject(model: Model) -> Iterator[DisplayField]:
    links = _titled(_report('xnat:subjectData', 'SUBJECT_ID'))
    yield DisplayField('SUBJECT_ID', 'Subject', 'string', sql.column('id'), links=links)
    yield DisplayField('SUBJECTID', 'Subject', 'string', sql.column('id'))
    yield DisplayField('URI', 'uri', 'string', sql.link('/data/subjects/'), searchable=False)
    yield DisplayField('INSERT_DATE', 'Inserted', 'date', sql.column('insert_date'))
    yield DisplayField('INSERT_USER', 'Creator', 'string', sql.column('insert_user'))
    yield _shown('GENDER', DEMOGRAPHICS + 'gender', 'Gender')
    gender = sql.chosen(DEMOGRAPHICS + 'gender', {'male': 'M', 'female': 'F'}, 'U')
    yield DisplayField('GENDER_TEXT', 'M/F', 'string', gender)
    yield _shown('HANDEDNESS', DEMOGRAPHICS + 'handedness', 'Hand')
    hands = {'left': 'L', 'right': 'R', 'ambidextrous': 'A', 'l': 'L', 'r': 'R', 'a': 'A'}
    yield DisplayField('HANDEDNESS_TEXT', 'Hand', 'string', sql.chosen(DEMOGRAPHICS + 'handedness', hands, 'U', lower=True))
    yield DisplayField('DOB', 'YOB', 'integer', sql.birth_year)
    yield DisplayField('AGE', 'Age', 'integer', sql.subject_age)
    yield DisplayField('AGE_BRACKET', 'Age', 'string', sql.age_bracket)
    yield _shown('EDUC', DEMOGRAPHICS + 'education', 'Education')
    yield _shown('SES', DEMOGRAPHICS + 'ses', 'Ses')
    yield _shown('INVEST_CSV', 'investigator/lastname', 'PI')
    yield DisplayField('PROJECTS', 'Projects', 'string', sql.projects(','), description='All projects that have the subject')
    yield DisplayField('PROJECT', 'Project', 'string', sql.column('project'), description='The project that owns the subject')
    yield _shown('SUB_GROUP', 'group', 'Group')
    yield DisplayField('SUBJECT_LABEL', 'Subject', 'string', sql.label, links=links)
    yield DisplayField('SHARED_LABEL', 'Subject', 'string', sql.column('label'), searchable=False)
    yield DisplayField('SUB_PROJECT_IDENTIFIER', 'Subject', 'string', sql.label_in, True, links=links)
    yield _shown('RACE', DEMOGRAPHICS + 'race', 'Race')
    yield _shown('ETHNICITY', DEMOGRAPHICS + 'ethnicity', 'Ethnicity')
    yield _shown('COHORT', 'metadata[@xsi:type=xnat:subjectMetadata]/cohort', 'Cohort')
    yield DisplayField('ADD_IDS', 'Labels', 'string', sql.all_of('addID'))
    yield DisplayField('MR_COUNT', 'MR Count', 'integer', sql.count_below('xnat:mrSessionData'))
    yield DisplayField('SUB_EXPT_COUNT', 'Count', 'integer', sql.count_below(''), True)
    for name in model.searchable:
        if model.level_of(name) == 'experiment':
            yield DisplayField(f'CNT_{model.sql_name(name).upper()}', model.plural(name), 'integer', sql.count_in_project(name), True)
    yield DisplayField('XNAT_SUBJECTDATA_FIELD_MAP', 'Field', 'string', sql.variable, True)


# -- experiments


def _experiment(model: Model, type_name: str) -> Iterator[DisplayField]:
    yield from _common(model, type_name)
    if model.level_of(type_name) == 'assessor':
        yield from _assessor()
    if model.registry.is_a(type_name, 'xnat:imageSessionData'):
        yield from _session(type_name)
    if model.registry.is_a(type_name, 'xnat:qcManualAssessorData'):
        yield from _manual_qc()


def _common(model: Model, type_name: str) -> Iterator[DisplayField]:
    table = model.sql_name(type_name).upper()
    identifier, title = _IDENTIFIER if type_name == _MR else (f'{table}_PROJECT_IDENTIFIER', f'{table} ID')
    key = 'SESSION_ID' if model.registry.is_a(type_name, 'xnat:imageSessionData') else 'EXPT_ID'
    links = _titled(_report(type_name, key))
    yield DisplayField('SESSION_ID', 'Session', 'string', sql.column('id'), links=links[1:2], description='Accession number of the session')
    yield DisplayField('EXPT_ID', 'ID', 'string', sql.column('id'))
    yield DisplayField('URI', 'uri', 'string', sql.link('/data/experiments/'), searchable=False)
    yield DisplayField('RPT', '' if type_name == _MR else 'ID', 'string', sql.link('/data/experiments/'), searchable=False, image=True)
    yield DisplayField('VIEW', '', 'string', sql.link('/data/experiments/'), searchable=False, image=True)
    yield _shown('DATE', 'date', 'Date')
    yield DisplayField('DATE_CHAR', 'Date', 'string', sql.path('date'))
    yield DisplayField('PROJECTS', 'Projects', 'string', sql.projects(''))
    yield DisplayField('PROJECT', 'Project', 'string', sql.column('project'))
    yield DisplayField(identifier, title, 'string', sql.label_in, True, links=links[:2])
    yield DisplayField('LABEL', 'Label', 'string', sql.label, links=links)
    yield DisplayField('INSERT_DATE', 'Inserted', 'date' if type_name == _MR else 'string', sql.column('insert_date'))
    yield DisplayField('INSERT_USER', 'Creator', 'string', sql.column('insert_user'))
    yield DisplayField('LAST_MODIFIED', 'Modified', 'date', sql.column('last_modified'))
    yield DisplayField('SUBJECT_ID', 'Subject', 'string', sql.of_subject('ID'), links=_report('xnat:subjectData', 'SUBJECT_ID')[1:])
    yield DisplayField('SUBJECT_LABEL', 'Subject Label', 'string', sql.of_subject('label'))
    whole_number = type_name not in (_MR, 'xnat:petSessionData')
    yield DisplayField('AGE', 'Age', 'integer' if whole_number else 'float', sql.age)
    yield DisplayField('GEN_AGE', 'Age', 'float', sql.exact_age)
    yield DisplayField('WORKFLOW_STATUS', 'Process', 'string', sql.workflow_status)
    yield DisplayField(f'{table}_FIELD_MAP', 'Field', 'string', sql.variable, True)
    yield DisplayField('SUB_PROJECT_IDENTIFIER', 'Subject', 'string', sql.subject_label_in, True)


_MR = 'xnat:mrSessionData'
_IDENTIFIER = ('MR_PROJECT_IDENTIFIER', 'MR ID')


def _assessor() -> Iterator[DisplayField]:
    session = 'xnat:imageSessionData'
    yield DisplayField('SESSION_ID', 'Session', 'string', sql.path('imageSession_ID'))
    yield DisplayField('SESSION_DATE', 'Session Date', 'date', sql.of_parent('experiment', session, 'date'))
    yield DisplayField('MR_DATE', 'MR Date', 'date', sql.of_parent('experiment', session, 'date'))


def _session(type_name: str) -> Iterator[DisplayField]:
    prefix = type_name.partition(':')[2].removesuffix('SessionData').upper()
    yield DisplayField(f'{prefix}_SCAN_COUNT_AGG', 'Scans', 'string', sql.scan_kinds)
    for name, title, path in (
        ('TYPE', 'Type', 'type'),
        ('DESC', 'Series Description', 'series_description'),
        ('CLASS', 'Series Classification', 'series_class'),
    ):
        yield DisplayField(f'SCAN_COUNT_{name}', f'Scan Count By {title}', 'integer', sql.scan_count(path, False), True)
        yield DisplayField(f'SCAN_COUNT_L_{name}', f'Scan Count Like {title}', 'integer', sql.scan_count(path, True), True)
    if type_name == _MR:
        yield from _mr()
    if type_name == 'xnat:petSessionData':
        yield from (_shown(name, path, header) for name, path, header in _PET)


def _mr() -> Iterator[DisplayField]:
    yield _shown('VISIT', 'visit_id', 'Visit ID')
    yield _shown('TYPE', 'session_type', 'Type')
    yield _shown('SCANNER', 'scanner', 'Scanner')
    for name in ('operator', 'marker', 'stabilization'):
        yield DisplayField(name.upper(), name.capitalize(), 'string', sql.beginning(name, 5))
    for name in ('operator', 'scanner', 'marker', 'stabilization'):
        yield _shown(f'{name.upper()}_CSV', name, name.capitalize())
    yield DisplayField('INVEST_SEARCH', 'PI', 'string', sql.full_name('investigator'), description='First and last name of the investigator')
    yield _shown('INVEST', 'investigator/lastname', 'PI')
    yield _shown('INVEST_CSV', 'investigator/lastname', 'PI')
    yield _shown('INVEST_ID', 'investigator/ID', 'PI')
    yield DisplayField('MR_NOTES', 'Notes', 'string', sql.beginning('note', 9))
    yield _shown('MR_NOTES_CSV', 'note', 'Notes')
    yield DisplayField('DTI_COUNT', 'DTI Count', 'integer', sql.scans_like('DTI'))
    yield DisplayField('MR_EXPT_COUNT', 'Count', 'integer', sql.count_below(''), True)
    for name, path in (('UID', 'UID'), ('FIELD_STRENGTH', 'fieldStrength'), ('COIL', 'coil')):
        yield _shown(name, path)


_PET = (
    ('TRACER_STARTTIME', 'tracer/startTime', 'startTime'),
    ('TRACER_ISOTOPE_HALF_LIFE', 'tracer/isotope/half-life', 'half-life'),
    ('TRACER_TRANSMISSIONS_STARTTIME', 'tracer/transmissions_starttime', 'startTime'),
)


def _manual_qc() -> Iterator[DisplayField]:
    yield _shown('RATER', 'rater', 'Reviewer')
    yield _shown('COMMENTS', 'comments', 'Comments')
    yield _shown('PASSABLE', 'pass', 'Pass/Fail')
    words = {'1': 'Pass', '0': 'Fail', '2': 'Good', '3': 'Fair', '4': 'Unusable'}
    yield DisplayField('PASS', 'Pass/Fail', 'string', sql.chosen('pass', words), searchable=False)
    for name in ('resolvable', 'retrain'):
        yield DisplayField(name.upper(), name, 'string', sql.chosen(name, {'1': 'Yes', '0': 'No'}))


# -- scans, reconstructions and projects


def _part(where: str) -> Iterator[DisplayField]:
    session = 'xnat:imageSessionData'
    inserts = (('Field4', 'ID'), ('Field3', 'SESSION_ID'), ('Field2', 'SUBJECT_ID'), ('Field1', 'PROJECT'))
    links = (Link('HREF', f'/data/experiments/@Field3/{where}s/@Field4?format=html', inserts),)
    yield DisplayField('IMAGE_SCANDATA_ID', 'imagescandata_id', 'integer', sql.column('pk'), searchable=False)
    yield DisplayField('SESSION_ID', 'image_session_id', 'string', sql.path('image_session_ID'), searchable=False)
    yield DisplayField('SESSION_LABEL', 'Session Label', 'string', sql.of_parent('experiment', session, 'label'))
    yield DisplayField('SUBJECT_ID', 'Subject', 'string', sql.of_subject('ID'), links=_report('xnat:subjectData', 'SUBJECT_ID')[1:])
    yield DisplayField('URI', 'URI', 'string', sql.scan_link, searchable=False)
    yield DisplayField('MR_DATE', 'MR Date', 'date', sql.of_parent('experiment', session, 'date'))
    yield DisplayField('PROJECT', 'project', 'string', sql.column('project'), links=_report('xnat:projectData', 'PROJECT'))
    yield DisplayField('ID', 'ID', 'string', sql.column('id'), links=links)
    yield DisplayField('INSERT_DATE', 'Inserted', 'string', sql.column('insert_date'))
    yield DisplayField('INSERT_USER', 'Creator', 'string', sql.column('insert_user'))


def _project() -> Iterator[DisplayField]:
    links = _report('xnat:projectData', 'ID')
    yield DisplayField('INSERT_DATE', 'Inserted', 'string', sql.column('insert_date'))
    yield DisplayField('INSERT_USER', 'Creator', 'string', sql.column('insert_user'))
    yield DisplayField('ID', 'ID', 'string', sql.column('id'), links=links)
    yield DisplayField('URI', 'uri', 'string', sql.link('/data/projects/'), searchable=False)
    yield DisplayField('NAME', 'Title', 'string', sql.path('name'), links=links)
    yield _shown('NAME_CSV', 'name', 'Title')
    yield DisplayField('DESCRIPTION', 'Description', 'string', sql.beginning('description', 161))
    yield _shown('DESCRIPTION_CSV', 'description', 'Description')
    yield _shown('SECONDARY_ID', 'secondary_ID', 'Running Title')
    yield _shown('KEYWORDS', 'keywords', 'Keywords')
    yield DisplayField('PI', 'PI', 'string', sql.full_name('PI'))
    yield DisplayField('PROJECT_INVS', 'Investigators', 'string', sql.investigators)
    yield DisplayField('PROJECT_ACCESS', 'Accessibility', 'string', sql.column('access'))
    yield DisplayField('PROJECT_ACCESS_IMG', 'Access', 'string', sql.column('access'), searchable=False, image=True)
    for name, title, wanted in (
        ('USERS', 'Users', ''), ('OWNERS', 'Owners', 'owner'), ('MEMBERS', 'Members', 'member'), ('COLLABS', 'Collaborators', 'collaborator'),
    ):  # fmt: skip
        yield DisplayField(f'PROJECT_{name}', title, 'string', sql.people(wanted))
    yield DisplayField('PROJECT_LAST_WORKFLOW', 'Last Workflow', 'string', sql.last_workflow)
    yield DisplayField('PROJECT_LAST_ACCESS', 'Last Access', 'string', sql.nothing)
    yield DisplayField('PROJECT_FAV', 'Favorites', 'string', sql.admirers)
    yield DisplayField('USER_ROLE', 'Role', 'string', sql.role_of, True)
    yield DisplayField('LAST_ACCESSED', 'Last Accessed', 'string', sql.last_visit, True)
    yield DisplayField('PROJ_EXPT_COUNT', 'Count', 'integer', sql.project_count(''), True)
    for name, kind in (('MR', 'mr'), ('CT', 'ct'), ('PET', 'pet'), ('UT', 'us')):
        yield DisplayField(f'PROJ_{name}_COUNT', f'{name} Count', 'integer', sql.project_count(f'xnat:{kind}SessionData'))
    for name, title, setting in (('QUARANTINE', 'Quarantine', 'quarantine_code'), ('PREARCHIVE_CODE', 'Prearchive', 'prearchive_code')):
        yield DisplayField(f'PROJ_{name}', f'{title} Code', 'integer', sql.setting_of(setting))


# -- versions


def _version(name: str, *columns: str, order_by: str = 'DATE', sort_order: str = 'DESC', colors: str = '9999CC CCCCFF') -> DisplayVersion:
    """A version with columns written as ``ID``, ``type.ID`` or, where hidden, ``-ID=value``."""
    dark, light = colors.split()
    return DisplayVersion(name, tuple(_ref(text) for text in columns), order_by, sort_order, dark, light)


def _ref(text: str) -> FieldRef:
    element, dot, rest = text.removeprefix('-').partition('.')
    identifier, _, value = (rest if dot else element).partition('=')
    return FieldRef(identifier, element if dot else '', value, not text.startswith('-'))


_GREY = 'DEDEDE FFFFFF'
_SUBJECT_COLUMNS = ('SUBJECT_LABEL', 'GENDER', 'HANDEDNESS', 'DOB', 'EDUC', 'SES')
_MR_COLUMNS = ('LABEL', 'PROJECT', 'DATE', 'xnat:subjectData.SUBJECT_LABEL', 'xnat:subjectData.GENDER_TEXT', 'AGE')
_PROJECT_COLUMNS = (
    'ID', 'NAME', 'DESCRIPTION', 'SECONDARY_ID', 'KEYWORDS', 'PROJ_MR_COUNT', 'PROJ_PET_COUNT', 'PROJ_CT_COUNT', '-USER_ROLE={XDAT_USER_ID}',
    '-PROJECT_ACCESS',
)  # fmt: skip
_QC_COLUMNS = ('RATER', 'STEREOTACTICMARKER', 'INCIDENTALFINDINGS', 'COMMENTS', 'PASS', 'PAYABLE', 'RESCAN', 'RESOLVABLE', 'RETRAIN')
_VERSIONS = {
    'xnat:subjectData': (
        _version('listing', *_SUBJECT_COLUMNS, 'MR_COUNT', order_by='SUBJECT_ID', sort_order='', colors=_GREY),
        _version('brief', *_SUBJECT_COLUMNS, order_by='SUBJECT_ID', sort_order='', colors=_GREY),
        _version(
            'project_bundle', 'SUB_PROJECT_IDENTIFIER', 'GENDER_TEXT', 'HANDEDNESS_TEXT', 'DOB',
            order_by='SUBJECTID', sort_order='', colors=_GREY,
        ),
    ),
    _MR: (
        _version('listing', *_MR_COLUMNS, 'TYPE', 'SCANNER', 'MR_SCAN_COUNT_AGG', colors=_GREY),
        _version('listing_csv', *_MR_COLUMNS, 'TYPE', 'SCANNER', 'MR_SCAN_COUNT_AGG', colors=_GREY),
        _version(
            'project_bundle', 'MR_PROJECT_IDENTIFIER', 'DATE', 'xnat:subjectData.SUB_PROJECT_IDENTIFIER', 'AGE', 'SCANNER', 'MR_SCAN_COUNT_AGG',
            colors=_GREY,
        ),
        _version('root', *_MR_COLUMNS, colors=_GREY),
        _version('brief', 'MR_NOTES', order_by='MR_NOTES', sort_order='', colors='99FF99 CCFFCC'),
        _version(
            'detailed', 'MR_NOTES', 'LABEL', 'OPERATOR', 'xnat:subjectData.COHORT', 'SCANNER', 'MARKER', 'STABILIZATION',
            order_by='OPERATOR', sort_order='', colors='99FF99 CCFFCC',
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
        _version('project_bundle', 'XNAT_QCMANUALASSESSORDATA_PROJECT_IDENTIFIER', 'DATE', *_QC_COLUMNS),
    ),
}  # fmt: skip
_SESSION_COLUMNS = {
    'xnat:petSessionData': (
        'STABILIZATION', 'STUDYTYPE', 'PATIENTID', 'PATIENTNAME', 'TRACER_DOSE_UNITS', 'TRACER_DOSE', 'TRACER_SPECIFICACTIVITY',
        'TRACER_TOTALMASS_UNITS', 'TRACER_TOTALMASS', 'TRACER_INTERMEDIATE_UNITS', 'TRACER_INTERMEDIATE', 'TRACER_ISOTOPE_HALF_LIFE',
        'TRACER_ISOTOPE', 'TRACER_TRANSMISSIONS_STARTTIME', 'TRACER_TRANSMISSIONS', 'TRACER_NAME', 'TRACER_STARTTIME', 'UID', 'PET_SCAN_COUNT_AGG',
    ),
    'xnat:ctSessionData': ('DCMACCESSIONNUMBER', 'DCMPATIENTID', 'DCMPATIENTNAME', 'UID', 'CT_SCAN_COUNT_AGG'),
}  # fmt: skip
_SCAN_COLUMNS = (
    'PROJECT', 'SESSION_LABEL', 'ID', 'NOTE', 'QUALITY', 'CONDITION', 'SERIES_DESCRIPTION', 'BODYPARTEXAMINED', 'REQUESTEDPROCEDUREDESCRIPTION',
    'PROTOCOLNAME', 'DOCUMENTATION', 'SCANNER', 'SCANNER_MANUFACTURER', 'SCANNER_MODEL', 'MODALITY', 'FRAMES', 'OPERATOR', 'STARTTIME', 'TYPE', 'UID',
    'COIL', 'FIELDSTRENGTH', 'MARKER', 'STABILIZATION',
)  # fmt: skip
_MR_PARAMETERS = (
    'VOXELRES_UNITS', 'VOXELRES_X', 'VOXELRES_Y', 'VOXELRES_Z', 'ORIENTATION', 'FOV_X', 'FOV_Y', 'MATRIX_X', 'MATRIX_Y', 'PARTITIONS', 'TR', 'TE',
    'TI', 'FLIP', 'SEQUENCE', 'ORIGIN', 'IMAGETYPE', 'SCANSEQUENCE', 'SEQVARIANT', 'SCANOPTIONS', 'ACQTYPE', 'COIL', 'DTIACQCOUNT', 'PIXELBANDWIDTH',
    'DIFFUSION_BVALUES', 'DIFFUSION_DIRECTIONALITY', 'DIFFUSION_ORIENTATIONS', 'DIFFUSION_ANISOTROPYTYPE',
)  # fmt: skip


_SUBJECT_LABEL, _SUBJECT_IN_PROJECT = 'xnat:subjectData.SUBJECT_LABEL', 'xnat:subjectData.SUB_PROJECT_IDENTIFIER'


def own_versions(model: Model, type_name: str, known: Iterable[str]) -> tuple[DisplayVersion, ...]:
    """The versions of a type: XNAT's own, or such as it generates; `known` are the IDs of the type's fields."""
    where = model.level_of(type_name)
    if type_name in _VERSIONS:
        return _VERSIONS[type_name]
    if where in ('scan', 'reconstruction'):
        columns = (*_SCAN_COLUMNS, *(f'PARAMETERS_{name}' for name in _MR_PARAMETERS), 'DCMVALIDATION', 'DCMVALIDATION_STATUS')
        there = [name for name in columns if name in set(known)]
        return tuple(_version(name, *there, order_by='SESSION_LABEL') for name in ('listing', 'full', 'project_bundle'))
    return _experiment_versions(model, type_name)


def _experiment_versions(model: Model, type_name: str) -> tuple[DisplayVersion, ...]:
    of_subject = model.registry.is_a(type_name, 'xnat:subjectAssessorData')
    subject, bundled, aged = ([_SUBJECT_LABEL], [_SUBJECT_IN_PROJECT], ['AGE']) if of_subject else ([], [], [])
    base = [*model.registry.ancestry(type_name), type_name][1]
    inherited = {found.key for found in model.registry.fields(base)}
    plain = (found for found in model.registry.fields(type_name) if _is_simple(found) and found.key not in inherited)
    more = _SESSION_COLUMNS.get(type_name) or [identifier(found.path) for found in plain]
    gender = ['xnat:subjectData.GENDER'] if of_subject else []
    return (
        _version('listing', 'RPT', 'LABEL', *subject, 'DATE', *gender, *aged, *more),
        _version('listing_csv', 'LABEL', *subject, 'DATE', *aged, *more),
        _version('full', 'EXPT_ID', *subject, 'DATE', *aged, *more),
        _version('detailed', *more),
        _version('project_bundle', f'{model.sql_name(type_name).upper()}_PROJECT_IDENTIFIER', *bundled, 'DATE', *aged, *more),
    )
