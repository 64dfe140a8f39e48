"""Display fields of XNAT's own display documents, by type.

They follow the display documents of XNAT 1.8.3: subjects, projects and MR sessions have documents
of their own; all other types share a pattern, to which each adds the fields of its schema type.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlalchemy import null

from ..db.types import Model
from . import display_sql as sql
from .display_fields import (
    DisplayField,
    Link,
    column_field,
    hidden_field,
    inserted_fields,
    onclick_link,
    project_links,
    report_links,
    schema_field,
    titled_links,
)
from .display_sql import DEMOGRAPHICS
from .generated_fields import identifier

__all__ = ['own_fields']

_MR = 'xnat:mrSessionData'
_SECURED = ('PROJECTS', 'PROJECT')


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


# -- subjects


def _subject(model: Model) -> Iterator[DisplayField]:
    own = 'xnat:subjectData'
    yield replace(
        column_field('SUBJECT_ID', 'Subject', 'ID', 'id', listed=False),
        links=(onclick_link(own, 'SUBJECT_ID'),),
    )
    yield replace(
        column_field('SUBJECTID', 'Subject', 'ID', 'id', listed=False),
        links=(onclick_link(own, 'SUBJECT_ID'),),
    )
    yield DisplayField('URI', 'uri', 'string', sql.link('/archive/subjects/'), searchable=False)
    yield from inserted_fields('date')
    yield from _demographics()
    yield DisplayField('MR_COUNT', 'MR Count', 'integer', sql.count_below(_MR), searchable=False)
    yield schema_field('INVEST_CSV', 'investigator/lastname', 'PI')
    yield DisplayField(
        'PROJECTS',
        'Projects',
        'string',
        sql.projects(','),
        description='All projects that have the subject',
    )
    yield column_field(
        'PROJECT', 'Project', 'project', 'project', 'The project that owns the subject'
    )
    yield schema_field('SUB_GROUP', 'group', 'Group')
    links = titled_links(own, 'SUBJECTID')
    yield DisplayField(
        'SUBJECT_LABEL',
        'Subject',
        'string',
        sql.label,
        searchable=False,
        links=links,
        secured=_SECURED,
    )
    yield schema_field('SHARED_LABEL', 'sharing/share/label', 'Subject', 'string', False)
    yield replace(
        hidden_field('SUB_PROJECT_IDENTIFIER', 'Subject', sql.label_in),
        links=project_links(own, 'SUBJECTID', True),
        secured=_SECURED,
    )
    yield hidden_field('SUB_EXPT_COUNT', 'Count', sql.count_below(''), 'integer')
    yield hidden_field('XNAT_SUBJECTDATA_FIELD_MAP', 'Field', sql.variable)
    yield DisplayField(
        'ADD_IDS', 'Labels', 'string', sql.all_labels, links=report_links(own, 'SUBJECTID')
    )
    yield schema_field('RACE', DEMOGRAPHICS + 'race', 'Race')
    yield schema_field('ETHNICITY', DEMOGRAPHICS + 'ethnicity', 'Ethnicity')
    for name in model.searchable:
        if model.level_of(name) == 'experiment':
            yield hidden_field(
                f'CNT_{model.sql_name(name).upper()}',
                model.plural(name),
                sql.count_in_project(name),
                'integer',
            )


def _demographics() -> Iterator[DisplayField]:
    yield schema_field('GENDER', DEMOGRAPHICS + 'gender', 'Gender', listed=False)
    gender = sql.chosen(DEMOGRAPHICS + 'gender', {'male': 'M', 'female': 'F'}, 'U')
    yield DisplayField('GENDER_TEXT', 'M/F', 'string', gender)
    yield schema_field('HANDEDNESS', DEMOGRAPHICS + 'handedness', 'Hand', listed=False)
    hands = {'left': 'L', 'right': 'R', 'ambidextrous': 'A', 'l': 'L', 'r': 'R', 'a': 'A'}
    yield DisplayField(
        'HANDEDNESS_TEXT',
        'Hand',
        'string',
        sql.chosen(DEMOGRAPHICS + 'handedness', hands, null(), lower=True),
    )
    yield DisplayField('DOB', 'YOB', 'integer', sql.birth_year)
    yield schema_field('EDUC', DEMOGRAPHICS + 'education', 'Education')
    yield schema_field('SES', DEMOGRAPHICS + 'ses', 'Ses')


# -- experiments


def _experiment(model: Model, type_name: str) -> Iterator[DisplayField]:
    """Yield the fields that sessions and other experiments share."""
    yield replace(
        schema_field('SUBJECT_ID', 'subject_ID', 'Subject', 'string'),
        links=(onclick_link('xnat:subjectData', 'SUBJECT_ID'),),
    )
    kind = type_name.partition(':')[2].removesuffix('SessionData')
    if kind in _NAMED:
        yield _session_id(type_name, _NAMED[kind])
    if model.registry.is_a(type_name, 'xnat:imageSessionData'):
        yield DisplayField(
            'URI', 'uri', 'string', sql.link('/archive/experiments/'), searchable=False
        )
    if type_name == 'xnat:pVisitData':
        hidden = hidden_field('SUB_PROJECT_IDENTIFIER', 'Subject', sql.subject_label_in)
        yield replace(hidden, links=project_links('xnat:subjectData', 'SUBJECT_ID', True))
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
        column_field('SESSION_ID', 'Session', 'ID', 'id', about),
        links=(onclick_link(type_name, 'SESSION_ID'),),
        secured=_SECURED[:1],
    )


def _experiment_pattern(model: Model, type_name: str) -> Iterator[DisplayField]:
    table = model.sql_name(type_name).upper()
    yield replace(
        column_field('EXPT_ID', 'ID', 'ID', 'id'), links=(onclick_link(type_name, 'EXPT_ID'),)
    )
    yield _image('RPT', 'ID', 'r', (onclick_link(type_name, 'EXPT_ID'),))
    yield schema_field('DATE', 'date', 'Date')
    yield DisplayField('PROJECTS', 'Projects', 'string', sql.projects(''), searchable=False)
    links = titled_links(type_name, 'EXPT_ID')
    yield DisplayField(
        'LABEL', 'Label', 'string', sql.label, searchable=False, links=links, secured=_SECURED
    )
    yield column_field('PROJECT', 'Project', 'project', 'project')
    clicked = type_name in ('xnat:ctSessionData', 'xnat:petSessionData')
    here = hidden_field(f'{table}_PROJECT_IDENTIFIER', f'{table} ID', sql.label_in)
    yield replace(here, links=project_links(type_name, 'EXPT_ID', clicked), secured=_SECURED)
    yield from inserted_fields('string')
    yield hidden_field(f'{table}_FIELD_MAP', 'Field', sql.variable)


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
        schema_field('SESSION_ID', 'imageSession_ID', 'Session', 'string'),
        links=(onclick_link(session, 'SESSION_ID'),),
    )
    yield DisplayField(
        'SUBJECT_ID',
        'Subject',
        'string',
        sql.of_subject('ID'),
        links=(onclick_link('xnat:subjectData', 'SUBJECT_ID'),),
    )
    day = ('MR_DATE', 'MR Date') if of_mr else ('SESSION_DATE', 'Session Date')
    yield DisplayField(*day, 'date', sql.of_parent('experiment', session, 'date'))
    yield from _experiment_pattern(model, type_name)
    if of_mr:
        yield DisplayField('AGE', 'Age', 'integer', sql.age)
    if model.registry.is_a(type_name, 'xnat:qcManualAssessorData'):
        yield from _manual_qc()


def _manual_qc() -> Iterator[DisplayField]:
    yield schema_field('RATER', 'rater', 'Reviewer')
    yield schema_field('COMMENTS', 'comments', 'Comments')
    yield schema_field('PASSABLE', 'pass', 'Pass/Fail')
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
    yield schema_field(
        'SUBJECT_ID', 'subject_ID', 'Subject', 'string', about='Accession number of the subject'
    )
    yield DisplayField('SUBJECT_LABEL', 'Subject Label', 'string', sql.of_subject('label'))
    yield _image(
        'RPT', '', 'r', (onclick_link(_MR, 'SESSION_ID'), *titled_links(_MR, 'SESSION_ID')[2:])
    )
    yield schema_field('DATE', 'date', 'Date')
    yield DisplayField('DATE_CHAR', 'Date', 'string', sql.path('date'), searchable=False)
    yield schema_field('VISIT', 'visit_id', 'Visit ID')
    yield from _mr_texts()
    yield DisplayField('GEN_AGE', 'Age', 'float', sql.exact_age)
    yield DisplayField('AGE', 'Age', 'float', sql.age)
    yield DisplayField('DTI_COUNT', 'DTI Count', 'integer', sql.scans_like('DTI'))
    yield from inserted_fields('date', 'When the session was archived', 'Who archived the session')
    yield DisplayField(
        'LAST_MODIFIED', 'Modified', 'dateTime', sql.column('last_modified'), type='date'
    )
    yield DisplayField(
        'WORKFLOW_STATUS', 'Process', 'string', sql.workflow_status, searchable=False
    )
    yield DisplayField('PROJECTS', 'Projects', 'string', sql.projects(''), searchable=False)
    yield column_field(
        'PROJECT', 'Project', 'project', 'project', 'The project that owns the session'
    )
    label_here = hidden_field('MR_PROJECT_IDENTIFIER', 'MR ID', sql.label_in)
    yield replace(label_here, links=project_links(_MR, 'SESSION_ID', True), secured=_SECURED)
    links = titled_links(_MR, 'SESSION_ID')
    yield DisplayField(
        'LABEL', 'Label', 'string', sql.label, searchable=False, links=links, secured=_SECURED
    )
    yield hidden_field('MR_EXPT_COUNT', 'Count', sql.count_below(''), 'integer')
    yield hidden_field('XNAT_MRSESSIONDATA_FIELD_MAP', 'Field', sql.variable)
    yield from _scan_counts('mr')


def _mr_texts() -> Iterator[DisplayField]:
    yield DisplayField(
        'INVEST_SEARCH',
        'PI',
        'string',
        sql.full_name('investigator'),
        description='First and last name of the investigator',
    )
    yield schema_field('INVEST', 'investigator/lastname', 'PI')
    yield schema_field('INVEST_ID', 'investigator/ID', 'PI', listed=False)
    yield schema_field('INVEST_CSV', 'investigator/lastname', 'PI', listed=False)
    yield DisplayField('MR_NOTES', 'Notes', 'string', sql.beginning('note', 9), searchable=False)
    yield schema_field('MR_NOTES_CSV', 'note', 'Notes', listed=False)
    yield schema_field('TYPE', 'session_type', 'Type')
    yield schema_field('SCANNER', 'scanner', 'Scanner', listed=False)
    for name in ('operator', 'marker', 'stabilization'):
        yield DisplayField(
            name.upper(), name.capitalize(), 'string', sql.beginning(name, 5), searchable=False
        )
    for name in ('operator', 'scanner', 'marker', 'stabilization'):
        yield schema_field(f'{name.upper()}_CSV', name, name.capitalize())


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
        yield schema_field('SESSION_ID', 'image_session_id', 'image_session_id', 'string', False)
        yield DisplayField(
            'SUBJECT_ID',
            'Subject',
            'string',
            sql.of_subject('ID'),
            links=(onclick_link('xnat:subjectData', 'SUBJECT_ID'),),
        )
        title = 'MR Date' if kind == 'mr' else 'CT Date'
        yield DisplayField(
            f'{kind.upper()}_DATE', title, 'date', sql.of_parent('experiment', session, 'date')
        )
        links = report_links('xnat:projectData', 'PROJECT')
        yield replace(column_field('PROJECT', 'project', 'project', 'project'), links=links)
    yield DisplayField('URI', 'URI', 'string', sql.scan_link, searchable=False)
    if kind not in ('mr', 'ct', 'pet'):
        yield schema_field('IMAGE_SESSION_ID', 'image_session_ID', 'image_session_ID', 'string')
    known = {field.path.lower() for field in model.registry.fields(type_name)}
    yield from (
        schema_field(identifier(path), path, kind='string' if path == 'ID' else '')
        for path in _OF_SCANS
        if path.lower() in known or path == 'ID'
    )
    yield from inserted_fields('string')


# -- projects


def _project() -> Iterator[DisplayField]:
    links = report_links('xnat:projectData', 'ID')
    yield from inserted_fields('string')
    yield replace(column_field('ID', 'ID', 'ID', 'id'), links=links)
    yield DisplayField('URI', 'uri', 'string', sql.link('/archive/projects/'), searchable=False)
    yield from (
        replace(schema_field(name, 'name', 'Title'), links=links) for name in ('NAME', 'NAME_CSV')
    )
    yield DisplayField('DESCRIPTION', 'Description', 'string', sql.beginning('description', 161))
    yield schema_field('DESCRIPTION_CSV', 'description', 'Description')
    yield schema_field('SECONDARY_ID', 'secondary_ID', 'Running Title')
    yield schema_field('KEYWORDS', 'keywords', 'Keywords')
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
    yield hidden_field('USER_ROLE', 'Role', sql.role_of)
    yield hidden_field('LAST_ACCESSED', 'Last Accessed', sql.last_visit)
    yield replace(
        hidden_field('PROJ_EXPT_COUNT', 'Count', sql.project_count(''), 'integer'), type='string'
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
