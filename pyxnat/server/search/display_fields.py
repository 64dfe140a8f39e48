"""Display fields of XNAT's own types: IDs, headers, kinds, links and SQL.

They follow the display documents of XNAT 1.8.3: subjects, projects and MR sessions have documents
of their own; all other types share a pattern, to which each adds the fields of its schema type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sqlalchemy import null

from ...model.schemas import Field
from ..db.types import Model
from . import display_sql as sql
from .display_sql import DEMOGRAPHICS, Maker

__all__ = ['DisplayField', 'Link', 'generated', 'identifier', 'own_fields']


class Link(NamedTuple):
    """Property of a link on XNAT's pages: an ``HREF`` with ``@Field1`` in it."""

    name: str
    value: str
    inserts: tuple[tuple[str, str], ...]
    """Placeholders to IDs of display fields of the item, or to ``@WHERE``, the field's value."""


@dataclass(frozen=True)
class DisplayField:
    """One display field of a type."""

    id: str
    header: str
    kind: str
    """string, integer, float, date, time, dateTime or boolean; empty for that of `path`."""
    make: Maker
    requires_value: bool = False
    searchable: bool = True
    """Whether ``/search/elements`` lists the field. All fields can be used, listed or not."""
    path: str = ''
    """Path of the schema's field that is shown unchanged; empty if the field is computed."""
    description: str = ''
    image: bool = False
    links: tuple[Link, ...] = ()
    secured: tuple[str, ...] = ()
    """IDs of the fields that decide whether the link is active; in rows, but not described."""
    type: str = ''
    """XNAT's name for the kind, if different."""

    def helpers(self) -> tuple[str, ...]:
        """Return the IDs of the fields that become helper columns, in order."""
        inserts = (
            name for link in self.links for _, name in link.inserts if not name.startswith('@')
        )
        return tuple(dict.fromkeys((*inserts, *self.secured)))


def own_fields(model: Model, type_name: str) -> Iterator[DisplayField]:
    """Yield the fields that XNAT's own document or pattern has for a type.

    Parameters
    ----------
    model : Model
        The data types.
    type_name : str
        Name of the type.
    """
    where = model.level_of(type_name)
    if where == 'project':
        yield from _project()
    elif where == 'subject':
        yield from _subject(model)
    elif type_name == _MR:
        yield from _mr()
    elif where == 'assessor':
        yield from _assessor(model, type_name)
    elif where == 'experiment':
        yield from _experiment(model, type_name)
    elif where:
        yield from _part(model, type_name, where)


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
        found.key
        for base in _BASES
        if model.registry.is_a(type_name, base)
        for found in model.registry.fields(base)
    }
    listed = {path.lower() for path in _INHERITED.get(type_name, ())}
    for found in model.registry.fields(type_name):
        plain = found.key not in inherited or found.path.lower() in listed
        if (
            plain
            and is_simple(found)
            and found.path not in _LATER.get(type_name, ())
            and identifier(found.path) not in taken
        ):
            yield _schema_field(
                identifier(found.path), found.path, _HEADERS.get((type_name, found.path), '')
            )


def is_simple(field: Field) -> bool:
    """Whether a display field can show a field: a single value of the item."""
    return bool(field.kind) and not field.repeated and '[' not in field.path


def identifier(path: str) -> str:
    """Return the ID that XNAT generates for the field at a path."""
    return path.upper().replace('/', '_').replace('-', '_')


_MR = 'xnat:mrSessionData'
_WHOLE = frozenset({'xnat:subjectData', 'xnat:projectData', _MR})
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


def _schema_field(
    name: str, path: str, header: str = '', kind: str = '', listed: bool = True, about: str = ''
) -> DisplayField:
    """Return a field that shows a field of the schema unchanged."""
    return DisplayField(
        name,
        header or path.rpartition('/')[2],
        kind,
        sql.path(path),
        searchable=listed,
        path=path,
        description=about,
    )


def _column(
    name: str, header: str, path: str, column: str, about: str = '', listed: bool = True
) -> DisplayField:
    """Return a field that shows a column of the item's row."""
    return DisplayField(
        name, header, 'string', sql.column(column), searchable=listed, path=path, description=about
    )


def _counted(name: str, header: str, make: Maker) -> DisplayField:
    """Return a count for the value of the field, not listed."""
    return DisplayField(name, header, 'integer', make, True, False)


def _inserted(kind: str, about: str = '', by: str = '') -> Iterator[DisplayField]:
    when = DisplayField(
        'INSERT_DATE',
        'Inserted',
        'dateTime',
        sql.column('insert_date'),
        path='meta/insert_date',
        description=about,
        type=kind,
    )
    yield when
    yield _column('INSERT_USER', 'Creator', 'meta/insert_user/login', 'insert_user', by)


def _hidden(name: str, header: str, make: Maker, kind: str = 'string') -> DisplayField:
    """Return a field that requires a value, not listed."""
    return DisplayField(name, header, kind, make, True, False)


# -- links


_SECURED = ('PROJECTS', 'PROJECT')


def _onclick(type_name: str, field: str) -> Link:
    return Link(
        'ONCLICK', f"return rpt('@Field1','{type_name}','{type_name}.ID');", (('Field1', field),)
    )


def _page(type_name: str, field: str) -> Link:
    """Return the link to the page of an item whose ID is in a field."""
    href = (
        f'/app/action/DisplayItemAction/search_value/@Field1/search_element/{type_name}/'
        f'search_field/{type_name}.ID'
    )
    return Link('HREF', href, (('Field1', field),))


def _report(type_name: str, field: str) -> tuple[Link, ...]:
    return (_page(type_name, field), _onclick(type_name, field))


def _titled(type_name: str, field: str) -> tuple[Link, ...]:
    title = Link(
        'TITLE',
        'Inserted: @Field1 (@Field2)',
        (('Field2', 'INSERT_USER'), ('Field1', 'INSERT_DATE')),
    )
    return (*_report(type_name, field), title)


def _in_project(type_name: str, field: str, clicked: bool) -> tuple[Link, ...]:
    """Return the links of a label in the project that is the field's value."""
    page = _page(type_name, field)
    href = page._replace(
        value=f'{page.value}/project/@Field2', inserts=(('Field2', '@WHERE'), *page.inserts)
    )
    return (href, _onclick(type_name, field)) if clicked else (href,)


# -- subjects


def _subject(model: Model) -> Iterator[DisplayField]:
    own = 'xnat:subjectData'
    yield replace(
        _column('SUBJECT_ID', 'Subject', 'ID', 'id', listed=False),
        links=(_onclick(own, 'SUBJECT_ID'),),
    )
    yield replace(
        _column('SUBJECTID', 'Subject', 'ID', 'id', listed=False),
        links=(_onclick(own, 'SUBJECT_ID'),),
    )
    yield DisplayField('URI', 'uri', 'string', sql.link('/archive/subjects/'), searchable=False)
    yield from _inserted('date')
    yield from _demographics()
    yield DisplayField('MR_COUNT', 'MR Count', 'integer', sql.count_below(_MR), searchable=False)
    yield _schema_field('INVEST_CSV', 'investigator/lastname', 'PI')
    yield DisplayField(
        'PROJECTS',
        'Projects',
        'string',
        sql.projects(','),
        description='All projects that have the subject',
    )
    yield _column('PROJECT', 'Project', 'project', 'project', 'The project that owns the subject')
    yield _schema_field('SUB_GROUP', 'group', 'Group')
    links = _titled(own, 'SUBJECTID')
    yield DisplayField(
        'SUBJECT_LABEL',
        'Subject',
        'string',
        sql.label,
        searchable=False,
        links=links,
        secured=_SECURED,
    )
    yield _schema_field('SHARED_LABEL', 'sharing/share/label', 'Subject', 'string', False)
    yield replace(
        _hidden('SUB_PROJECT_IDENTIFIER', 'Subject', sql.label_in),
        links=_in_project(own, 'SUBJECTID', True),
        secured=_SECURED,
    )
    yield _hidden('SUB_EXPT_COUNT', 'Count', sql.count_below(''), 'integer')
    yield _hidden('XNAT_SUBJECTDATA_FIELD_MAP', 'Field', sql.variable)
    yield DisplayField(
        'ADD_IDS', 'Labels', 'string', sql.all_labels, links=_report(own, 'SUBJECTID')
    )
    yield _schema_field('RACE', DEMOGRAPHICS + 'race', 'Race')
    yield _schema_field('ETHNICITY', DEMOGRAPHICS + 'ethnicity', 'Ethnicity')
    for name in model.searchable:
        if model.level_of(name) == 'experiment':
            yield _hidden(
                f'CNT_{model.sql_name(name).upper()}',
                model.plural(name),
                sql.count_in_project(name),
                'integer',
            )


def _demographics() -> Iterator[DisplayField]:
    yield _schema_field('GENDER', DEMOGRAPHICS + 'gender', 'Gender', listed=False)
    gender = sql.chosen(DEMOGRAPHICS + 'gender', {'male': 'M', 'female': 'F'}, 'U')
    yield DisplayField('GENDER_TEXT', 'M/F', 'string', gender)
    yield _schema_field('HANDEDNESS', DEMOGRAPHICS + 'handedness', 'Hand', listed=False)
    hands = {'left': 'L', 'right': 'R', 'ambidextrous': 'A', 'l': 'L', 'r': 'R', 'a': 'A'}
    yield DisplayField(
        'HANDEDNESS_TEXT',
        'Hand',
        'string',
        sql.chosen(DEMOGRAPHICS + 'handedness', hands, null(), lower=True),
    )
    yield DisplayField('DOB', 'YOB', 'integer', sql.birth_year)
    yield _schema_field('EDUC', DEMOGRAPHICS + 'education', 'Education')
    yield _schema_field('SES', DEMOGRAPHICS + 'ses', 'Ses')


# -- experiments


def _experiment(model: Model, type_name: str) -> Iterator[DisplayField]:
    """Yield the fields that sessions and other experiments share."""
    yield replace(
        _schema_field('SUBJECT_ID', 'subject_ID', 'Subject', 'string'),
        links=(_onclick('xnat:subjectData', 'SUBJECT_ID'),),
    )
    kind = type_name.partition(':')[2].removesuffix('SessionData')
    if kind in _NAMED:
        yield _session_id(type_name, _NAMED[kind])
    if model.registry.is_a(type_name, 'xnat:imageSessionData'):
        yield DisplayField(
            'URI', 'uri', 'string', sql.link('/archive/experiments/'), searchable=False
        )
    if type_name == 'xnat:pVisitData':
        hidden = _hidden('SUB_PROJECT_IDENTIFIER', 'Subject', sql.subject_label_in)
        yield replace(hidden, links=_in_project('xnat:subjectData', 'SUBJECT_ID', True))
    yield from _experiment_pattern(model, type_name)
    if (
        model.registry.is_a(type_name, 'xnat:subjectAssessorData')
        and type_name != 'xnat:pVisitData'
    ):
        yield from (DisplayField('AGE', 'Age', *_AGES.get(kind, ('integer', sql.age_by_birth))),)
    if kind in ('ct', 'pet', 'dx'):
        yield from _scan_counts(kind)


_NAMED = {'ct': 'CT', 'pet': 'PET', 'dx': 'DX', 'dx3DCraniofacial': 'CT'}
"""Kinds of sessions that have SESSION_ID beside EXPT_ID, and their names."""
_AGES = {'pet': ('float', sql.age)}


def _session_id(type_name: str, title: str) -> DisplayField:
    about = f'Accession number of the {title} session'
    return replace(
        _column('SESSION_ID', 'Session', 'ID', 'id', about),
        links=(_onclick(type_name, 'SESSION_ID'),),
        secured=_SECURED[:1],
    )


def _experiment_pattern(model: Model, type_name: str) -> Iterator[DisplayField]:
    table = model.sql_name(type_name).upper()
    yield replace(_column('EXPT_ID', 'ID', 'ID', 'id'), links=(_onclick(type_name, 'EXPT_ID'),))
    yield _image('RPT', 'ID', 'r', (_onclick(type_name, 'EXPT_ID'),))
    yield _schema_field('DATE', 'date', 'Date')
    yield DisplayField('PROJECTS', 'Projects', 'string', sql.projects(''), searchable=False)
    links = _titled(type_name, 'EXPT_ID')
    yield DisplayField(
        'LABEL', 'Label', 'string', sql.label, searchable=False, links=links, secured=_SECURED
    )
    yield _column('PROJECT', 'Project', 'project', 'project')
    clicked = type_name in ('xnat:ctSessionData', 'xnat:petSessionData')
    here = _hidden(f'{table}_PROJECT_IDENTIFIER', f'{table} ID', sql.label_in)
    yield replace(here, links=_in_project(type_name, 'EXPT_ID', clicked), secured=_SECURED)
    yield from _inserted('string')
    yield _hidden(f'{table}_FIELD_MAP', 'Field', sql.variable)


def _image(name: str, header: str, picture: str, links: tuple[Link, ...]) -> DisplayField:
    """Return a picture with links."""
    return DisplayField(
        name,
        header,
        'string',
        sql.constant(f'/@WEBAPP/images/{picture}.gif'),
        searchable=False,
        image=True,
        links=links,
    )


def _scan_counts(kind: str) -> Iterator[DisplayField]:
    yield DisplayField(
        f'{kind.upper()}_SCAN_COUNT_AGG',
        'Scans',
        'string',
        sql.scan_kinds,
        description='Types of scans with their numbers',
    )
    for like, word in ((False, 'By'), (True, 'Like')):
        for name, title, path in (
            ('TYPE', 'Type', 'type'),
            ('DESC', 'Series Description', 'series_description'),
            ('CLASS', 'Series Classification', 'series_class'),
        ):
            make = sql.scan_count(path, like)
            yield DisplayField(
                f'SCAN_COUNT_{"L_" if like else ""}{name}',
                f'Scan Count {word} {title}',
                'integer',
                make,
                True,
            )


def _assessor(model: Model, type_name: str) -> Iterator[DisplayField]:
    session = 'xnat:imageSessionData'
    of_mr = type_name != 'xnat:qcManualAssessorData'
    yield replace(
        _schema_field('SESSION_ID', 'imageSession_ID', 'Session', 'string'),
        links=(_onclick(session, 'SESSION_ID'),),
    )
    yield DisplayField(
        'SUBJECT_ID',
        'Subject',
        'string',
        sql.of_subject('ID'),
        links=(_onclick('xnat:subjectData', 'SUBJECT_ID'),),
    )
    day = ('MR_DATE', 'MR Date') if of_mr else ('SESSION_DATE', 'Session Date')
    yield DisplayField(*day, 'date', sql.of_parent('experiment', session, 'date'))
    yield from _experiment_pattern(model, type_name)
    if of_mr:
        yield DisplayField('AGE', 'Age', 'integer', sql.age)
    if model.registry.is_a(type_name, 'xnat:qcManualAssessorData'):
        yield from _manual_qc()


def _manual_qc() -> Iterator[DisplayField]:
    yield _schema_field('RATER', 'rater', 'Reviewer')
    yield _schema_field('COMMENTS', 'comments', 'Comments')
    yield _schema_field('PASSABLE', 'pass', 'Pass/Fail')
    words = {'1': 'Pass', '0': 'Fail', '2': 'Good', '3': 'Fair', '4': 'Unusable'}
    yield DisplayField('PASS', 'Pass/Fail', 'string', sql.chosen('pass', words), searchable=False)
    for name in ('resolvable', 'retrain'):
        yield DisplayField(name.upper(), name, 'string', sql.chosen(name, {'1': 'Yes', '0': 'No'}))


# -- MR sessions


def _mr() -> Iterator[DisplayField]:
    yield _session_id(_MR, 'MR')
    yield _image(
        'VIEW',
        '',
        'v',
        (Link('ONCLICK', "return viewer('@Field1');", (('Field1', 'SESSION_ID'),)),),
    )
    yield DisplayField('URI', 'uri', 'string', sql.link('/archive/experiments/'), searchable=False)
    yield _schema_field(
        'SUBJECT_ID', 'subject_ID', 'Subject', 'string', about='Accession number of the subject'
    )
    yield DisplayField('SUBJECT_LABEL', 'Subject Label', 'string', sql.of_subject('label'))
    yield _image('RPT', '', 'r', (_onclick(_MR, 'SESSION_ID'), *_titled(_MR, 'SESSION_ID')[2:]))
    yield _schema_field('DATE', 'date', 'Date')
    yield DisplayField('DATE_CHAR', 'Date', 'string', sql.path('date'), searchable=False)
    yield _schema_field('VISIT', 'visit_id', 'Visit ID')
    yield from _mr_texts()
    yield DisplayField('GEN_AGE', 'Age', 'float', sql.exact_age)
    yield DisplayField('AGE', 'Age', 'float', sql.age)
    yield DisplayField('DTI_COUNT', 'DTI Count', 'integer', sql.scans_like('DTI'))
    yield from _inserted('date', 'When the session was archived', 'Who archived the session')
    yield DisplayField(
        'LAST_MODIFIED', 'Modified', 'dateTime', sql.column('last_modified'), type='date'
    )
    yield DisplayField(
        'WORKFLOW_STATUS', 'Process', 'string', sql.workflow_status, searchable=False
    )
    yield DisplayField('PROJECTS', 'Projects', 'string', sql.projects(''), searchable=False)
    yield _column('PROJECT', 'Project', 'project', 'project', 'The project that owns the session')
    label_here = _hidden('MR_PROJECT_IDENTIFIER', 'MR ID', sql.label_in)
    yield replace(label_here, links=_in_project(_MR, 'SESSION_ID', True), secured=_SECURED)
    links = _titled(_MR, 'SESSION_ID')
    yield DisplayField(
        'LABEL', 'Label', 'string', sql.label, searchable=False, links=links, secured=_SECURED
    )
    yield _hidden('MR_EXPT_COUNT', 'Count', sql.count_below(''), 'integer')
    yield _hidden('XNAT_MRSESSIONDATA_FIELD_MAP', 'Field', sql.variable)
    yield from _scan_counts('mr')


def _mr_texts() -> Iterator[DisplayField]:
    yield DisplayField(
        'INVEST_SEARCH',
        'PI',
        'string',
        sql.full_name('investigator'),
        description='First and last name of the investigator',
    )
    yield _schema_field('INVEST', 'investigator/lastname', 'PI')
    yield _schema_field('INVEST_ID', 'investigator/ID', 'PI', listed=False)
    yield _schema_field('INVEST_CSV', 'investigator/lastname', 'PI', listed=False)
    yield DisplayField('MR_NOTES', 'Notes', 'string', sql.beginning('note', 9), searchable=False)
    yield _schema_field('MR_NOTES_CSV', 'note', 'Notes', listed=False)
    yield _schema_field('TYPE', 'session_type', 'Type')
    yield _schema_field('SCANNER', 'scanner', 'Scanner', listed=False)
    for name in ('operator', 'marker', 'stabilization'):
        yield DisplayField(
            name.upper(), name.capitalize(), 'string', sql.beginning(name, 5), searchable=False
        )
    for name in ('operator', 'scanner', 'marker', 'stabilization'):
        yield _schema_field(f'{name.upper()}_CSV', name, name.capitalize())


# -- scans and reconstructions


_OF_SCANS = (
    'note',
    'quality',
    'condition',
    'series_description',
    'documentation',
    'scanner',
    'scanner/manufacturer',
    'scanner/model',
    'modality',
    'frames',
    'operator',
    'startTime',
    'ID',
    'type',
    'UID',
)
_BARE = frozenset(f'xnat:{kind}ScanData' for kind in ('sc', 'seg', 'mrs', 'voiceAudio'))
"""Scan types whose documents have no fields of the session."""


def _part(model: Model, type_name: str, where: str) -> Iterator[DisplayField]:
    session = 'xnat:imageSessionData'
    kind = type_name.partition(':')[2].removesuffix('ScanData')
    if type_name not in _BARE:
        yield DisplayField(
            'IMAGE_SCANDATA_ID', 'imagescandata_id', 'integer', sql.column('pk'), searchable=False
        )
        yield _schema_field('SESSION_ID', 'image_session_id', 'image_session_id', 'string', False)
        yield DisplayField(
            'SUBJECT_ID',
            'Subject',
            'string',
            sql.of_subject('ID'),
            links=(_onclick('xnat:subjectData', 'SUBJECT_ID'),),
        )
        title = 'MR Date' if kind == 'mr' else 'CT Date'
        yield DisplayField(
            f'{kind.upper()}_DATE', title, 'date', sql.of_parent('experiment', session, 'date')
        )
        links = _report('xnat:projectData', 'PROJECT')
        yield replace(_column('PROJECT', 'project', 'project', 'project'), links=links)
    yield DisplayField('URI', 'URI', 'string', sql.scan_link, searchable=False)
    if kind not in ('mr', 'ct', 'pet'):
        yield _schema_field('IMAGE_SESSION_ID', 'image_session_ID', 'image_session_ID', 'string')
    known = {found.path.lower() for found in model.registry.fields(type_name)}
    yield from (
        _schema_field(identifier(path), path, kind='string' if path == 'ID' else '')
        for path in _OF_SCANS
        if path.lower() in known or path == 'ID'
    )
    yield from _inserted('string')


# -- projects


def _project() -> Iterator[DisplayField]:
    links = _report('xnat:projectData', 'ID')
    yield from _inserted('string')
    yield replace(_column('ID', 'ID', 'ID', 'id'), links=links)
    yield DisplayField('URI', 'uri', 'string', sql.link('/archive/projects/'), searchable=False)
    yield from (
        replace(_schema_field(name, 'name', 'Title'), links=links) for name in ('NAME', 'NAME_CSV')
    )
    yield DisplayField('DESCRIPTION', 'Description', 'string', sql.beginning('description', 161))
    yield _schema_field('DESCRIPTION_CSV', 'description', 'Description')
    yield _schema_field('SECONDARY_ID', 'secondary_ID', 'Running Title')
    yield _schema_field('KEYWORDS', 'keywords', 'Keywords')
    yield DisplayField('PI', 'PI', 'string', sql.full_name('PI'))
    yield DisplayField('PROJECT_INVS', 'Investigators', 'string', sql.investigators)
    yield DisplayField('PROJECT_ACCESS', 'Accessibility', 'string', sql.column('access'))
    yield from _people()
    yield DisplayField('PROJECT_LAST_WORKFLOW', 'Last Workflow', 'string', sql.last_workflow)
    yield DisplayField('PROJECT_LAST_ACCESS', 'Last Access', 'string', sql.nothing)
    yield DisplayField('PROJECT_FAV', 'Favorites', 'string', sql.favorite_of)
    yield DisplayField(
        'PROJECT_ACCESS_IMG', 'Access', 'string', sql.access_picture, searchable=False, image=True
    )
    yield _hidden('USER_ROLE', 'Role', sql.role_of)
    yield _hidden('LAST_ACCESSED', 'Last Accessed', sql.last_visit)
    yield replace(
        _hidden('PROJ_EXPT_COUNT', 'Count', sql.project_count(''), 'integer'), type='string'
    )
    for name, kind in (('MR', 'mr'), ('CT', 'ct'), ('PET', 'pet'), ('UT', 'us')):
        yield DisplayField(
            f'PROJ_{name}_COUNT',
            f'{name} Count',
            'integer',
            sql.project_count(f'xnat:{kind}SessionData'),
        )
    for name, title, setting in (
        ('QUARANTINE', 'Quarantine', 'quarantine_code'),
        ('PREARCHIVE_CODE', 'Prearchive', 'prearchive_code'),
    ):
        yield DisplayField(
            f'PROJ_{name}', f'{title} Code', 'integer', sql.setting_of(setting), searchable=False
        )


def _people() -> Iterator[DisplayField]:
    named: Sequence[tuple[str, str, str]] = (
        ('USERS', 'Users', ''),
        ('OWNERS', 'Owners', 'owner'),
        ('MEMBERS', 'Members', 'member'),
        ('COLLABS', 'Collaborators', 'collaborator'),
    )
    for name, title, wanted in named:
        yield DisplayField(f'PROJECT_{name}', title, 'string', sql.people(wanted))
