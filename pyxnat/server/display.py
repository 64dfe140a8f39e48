"""Display fields: what a search can ask for by a short ID (``SUBJECT_LABEL``, ``AGE``), as SQL.

The fields of subjects, projects and MR, PET and CT sessions are those of XNAT's display documents. Every other type has what XNAT
generates for a type without a document: some common fields and one for each simple field, its path in capitals with ``_`` for ``/``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Float, Integer, and_, case, cast, func, literal, or_, select

from .auth import readable
from .model import Model
from .scope import Expression, Scope
from .store import item, role, share, user

__all__ = ['DisplayField', 'Displays']

Maker = Callable[[Scope, Any, str, str], Any]
"""Scope, the item's alias, its type and the value of the field, to SQL."""
_DAYS_A_YEAR = 365.25


@dataclass(frozen=True)
class DisplayField:
    """One display field of a type."""

    id: str
    header: str
    kind: str
    make: Maker
    requires_value: bool = False
    searchable: bool = True
    """False for links and images: they can be columns, but are not offered as criteria."""


class Displays:
    """The display fields of a model's types."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._known: dict[str, dict[str, DisplayField]] = {}

    def fields(self, type_name: str) -> dict[str, DisplayField]:
        """The fields of a type by their IDs, in order."""
        if type_name not in self._known:
            self._known[type_name] = {one.id: one for one in self._make(type_name)}
        return self._known[type_name]

    def default(self, type_name: str) -> list[tuple[str, str]]:
        """Element and field ID of the columns that a listing of a type has when none are named: its display version ``listing``."""
        listed = _LISTINGS.get(type_name)
        if listed is None:
            listed = tuple(one for one in ('EXPT_ID', 'LABEL', 'DATE', 'PROJECT', 'ID', 'TYPE') if one in self.fields(type_name))
        return [(one.partition('.')[0], one.partition('.')[2]) if '.' in one else (type_name, one) for one in listed]

    def _make(self, type_name: str) -> Iterator[DisplayField]:
        where = self._model.level_of(type_name)
        if where == 'project':
            yield from _project()
        elif where == 'subject':
            yield from _subject(self._model, type_name)
        elif where in ('experiment', 'assessor'):
            yield from _experiment(self._model, type_name)
        elif where in ('scan', 'reconstruction'):
            yield from _scan(self._model, type_name)
        yield from self._generated(type_name)

    def _generated(self, type_name: str) -> Iterator[DisplayField]:
        """One field for each simple field of the schema that has no display field of its own by that ID."""
        if type_name in _DOCUMENTED:
            return
        known = set(_common_ids(self._model, type_name))
        for found in self._model.registry.fields(type_name):
            name = found.path.upper().replace('/', '_')
            if found.kind and not found.repeated and '[' not in found.path and name not in known:
                yield DisplayField(name, found.path.rpartition('/')[2], found.kind, _path(found.path))


def _path(path: str) -> Maker:
    def make(scope: Scope, table: Any, type_name: str, value: str) -> Any:
        found = scope.value(table, type_name, path)
        return literal(None) if found is None else found.sql

    return make


def _beginning(path: str, length: int) -> Maker:
    return lambda scope, table, type_name, value: func.substr(_path(path)(scope, table, type_name, value), 1, length)


def _plain(name: str, path: str, kind: str = 'string', header: str = '') -> DisplayField:
    return DisplayField(name, header or name.capitalize(), kind, _path(path))


# -- shared by several types


def _day(column: str) -> Maker:
    return lambda scope, table, type_name, value: func.substr(table.c[column], 1, 10)


def _column(column: str) -> Maker:
    return lambda scope, table, type_name, value: table.c[column]


def _label_in(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    """The label in the project that is the field's value; NULL where the item is not in it."""
    shared = share.alias()
    other = select(func.coalesce(shared.c.label, table.c.label)).where(shared.c.item == table.c.pk, shared.c.project == value)
    return func.coalesce(case((table.c.project == value, table.c.label)), other.correlate(table).scalar_subquery())


def _projects(before: str) -> Maker:
    """Owner and shares as ``<P>,<Q>``; XNAT's subjects have a comma before."""

    def make(scope: Scope, table: Any, type_name: str, value: str) -> Any:
        shared = share.alias()
        others = select(func.group_concat(',<' + shared.c.project + '>', '')).where(shared.c.item == table.c.pk)
        return before + '<' + table.c.project + '>' + func.coalesce(others.correlate(table).scalar_subquery(), '')

    return make


def _variable(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    found = scope.value(table, type_name, f'fields/field[name={value}]/field')
    return literal(None) if found is None else found.sql


def _of_subject(path: str) -> Maker:
    def make(scope: Scope, table: Any, type_name: str, value: str) -> Any:
        found = scope.value(scope.subject_of(table, type_name), 'xnat:subjectData', path)
        return literal(None) if found is None else found.sql

    return make


def _investigator(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    first, last = (scope.value(table, type_name, f'investigator/{name}') for name in ('firstname', 'lastname'))
    if first is None or last is None:
        return literal(None)
    return case((or_(first.sql.is_not(None), last.sql.is_not(None)), func.trim(func.coalesce(first.sql, '') + ' ' + func.coalesce(last.sql, ''))))


def _all_of(name: str) -> Maker:
    """All texts of a repeated element, joined by commas."""

    def make(scope: Scope, table: Any, type_name: str, value: str) -> Any:
        each = func.json_each(table.c.fields).table_valued('key', 'value')
        query = select(func.group_concat(each.c.value, ', ')).select_from(each).where(each.c.key.like(f'{name}[%'))
        return query.correlate(table).scalar_subquery()

    return make


def _link(name: str, before: str) -> DisplayField:
    """A column that XNAT shows as a link: the path of the item."""
    return DisplayField(name, name.capitalize(), 'string', lambda scope, table, type_name, value: before + table.c.id, searchable=False)


def _children(scope: Scope, table: Any, types: list[str]) -> tuple[Any, Any]:
    """An alias of items below and the condition that they belong to an item and can be read."""
    below = item.alias()
    return below, and_(below.c.parent == table.c.pk, below.c.xsi_type.in_(types), readable(scope.caller, below))


def _count(of: str) -> Maker:
    """How many readable items of a type are below; of the type that is the field's value where none is fixed."""

    def make(scope: Scope, table: Any, type_name: str, value: str) -> Any:
        kind = scope.model.name(of or value)
        below, belongs = _children(scope, table, scope.model.registry.subtypes(kind) if kind else [])
        return select(func.count()).select_from(below).where(belongs).correlate(table).scalar_subquery()

    return make


def _count_in_project(name: str, scope: Scope, table: Any, type_name: str, value: str) -> Any:
    below, belongs = _children(scope, table, scope.model.registry.subtypes(name))
    shared = select(share.c.item).where(share.c.project == value)
    there = or_(below.c.project == value, below.c.pk.in_(shared))
    return select(func.count()).select_from(below).where(belongs, there).correlate(table).scalar_subquery()


# -- subjects

_DEMOGRAPHICS = 'demographics[@xsi:type=xnat:demographicData]/'


def _letter(path: str, letters: dict[str, str]) -> Maker:
    def make(scope: Scope, table: Any, type_name: str, value: str) -> Any:
        found = scope.value(table, type_name, path)
        assert found is not None
        return case(*((func.lower(found.sql) == text, letter) for text, letter in letters.items()), else_='U')

    return make


def _birth_year(scope: Scope, table: Any) -> Any:
    dob = _demographic(scope, table, 'dob')
    return func.coalesce(cast(func.substr(dob, 1, 4), Integer), cast(_demographic(scope, table, 'yob'), Integer))


def _demographic(scope: Scope, table: Any, name: str) -> Any:
    found = scope.value(table, 'xnat:subjectData', _DEMOGRAPHICS + name)
    assert found is not None
    return found.sql


def _subject_age(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    """The stored age, else that of today by date or year of birth."""
    dob = _demographic(scope, table, 'dob')
    by_day = cast((func.julianday('now') - func.julianday(dob)) / _DAYS_A_YEAR, Integer)
    by_year = cast(func.strftime('%Y', 'now'), Integer) - cast(_demographic(scope, table, 'yob'), Integer)
    return func.coalesce(cast(_demographic(scope, table, 'age'), Integer), by_day, by_year)


def _bracket(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    age = cast(_subject_age(scope, table, type_name, value), Integer)
    low = age - age % 10
    return case((age.is_not(None), cast(low, item.c.id.type) + '-' + cast(low + 9, item.c.id.type)))


def _subject(model: Model, type_name: str) -> Iterator[DisplayField]:
    yield DisplayField('SUBJECT_ID', 'Subject', 'string', _column('id'))
    yield DisplayField('SUBJECTID', 'Subject', 'string', _column('id'))
    yield DisplayField('SUBJECT_LABEL', 'Subject', 'string', _column('label'))
    yield DisplayField('SHARED_LABEL', 'Label', 'string', _column('label'))
    yield DisplayField('SUB_PROJECT_IDENTIFIER', 'Subject', 'string', _label_in, True)
    yield DisplayField('PROJECT', 'Project', 'string', _column('project'))
    yield DisplayField('PROJECTS', 'Projects', 'string', _projects(','))
    yield DisplayField('INSERT_DATE', 'Inserted', 'date', _day('insert_date'))
    yield DisplayField('INSERT_USER', 'Creator', 'string', _column('insert_user'))
    yield _plain('GENDER', _DEMOGRAPHICS + 'gender', header='Gender')
    yield DisplayField('GENDER_TEXT', 'M/F', 'string', _letter(_DEMOGRAPHICS + 'gender', {'male': 'M', 'm': 'M', 'female': 'F', 'f': 'F'}))
    yield _plain('HANDEDNESS', _DEMOGRAPHICS + 'handedness', header='Handedness')
    hands = {'left': 'L', 'right': 'R', 'ambidextrous': 'A'}
    yield DisplayField('HANDEDNESS_TEXT', 'Hand', 'string', _letter(_DEMOGRAPHICS + 'handedness', hands))
    yield DisplayField('DOB', 'YOB', 'integer', lambda scope, table, type_name, value: _birth_year(scope, table))
    yield DisplayField('AGE', 'Age', 'integer', _subject_age)
    yield DisplayField('AGE_BRACKET', 'Age', 'string', _bracket)
    yield _plain('EDUC', _DEMOGRAPHICS + 'education', 'integer', 'Educ')
    yield _plain('SES', _DEMOGRAPHICS + 'ses', 'integer', 'SES')
    yield _plain('RACE', _DEMOGRAPHICS + 'race', header='Race')
    yield _plain('ETHNICITY', _DEMOGRAPHICS + 'ethnicity', header='Ethnicity')
    yield _plain('SUB_GROUP', 'group', header='Group')
    yield DisplayField('INVEST_CSV', 'Investigator', 'string', _investigator)
    yield _plain('COHORT', 'metadata[@xsi:type=xnat:subjectMetadata]/cohort', header='Cohort')
    yield DisplayField('ADD_IDS', 'Other IDs', 'string', _all_of('addID'))
    yield _link('URI', '/data/subjects/')
    yield DisplayField('MR_COUNT', 'MR Sessions', 'integer', _count('xnat:mrSessionData'))
    yield DisplayField('SUB_EXPT_COUNT', 'Experiments', 'integer', _count(''), True)
    for name in model.searchable:
        if model.level_of(name) == 'experiment':
            table = model.sql_name(name).upper()
            yield DisplayField(f'CNT_{table}', name, 'integer', partial(_count_in_project, name), True)
    yield DisplayField('XNAT_SUBJECTDATA_FIELD_MAP', 'Custom variable', 'string', _variable, True)


# -- experiments


def _age(whole: bool) -> Maker:
    """Age at a session: its own, else the subject's, else from the date and the birth, the way XNAT's display documents do."""

    def make(scope: Scope, table: Any, type_name: str, value: str) -> Any:
        subject = scope.subject_of(table, type_name)
        own, date = scope.value(table, type_name, 'age'), scope.value(table, type_name, 'date')
        day = date.sql if date is not None else literal(None)
        by_day = (func.julianday(day) - func.julianday(_demographic(scope, subject, 'dob'))) / _DAYS_A_YEAR
        by_year = cast(func.substr(day, 1, 4), Float) - cast(_demographic(scope, subject, 'yob'), Float)
        stored = [cast(own.sql, Float)] if own is not None else []
        age = func.coalesce(*stored, cast(_demographic(scope, subject, 'age'), Float), by_day, by_year)
        return cast(cast(age, Integer), Float) if whole else age

    return make


def _age_integer(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    return cast(_age(True)(scope, table, type_name, value), Integer)


def _scans(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    """The types of a session's scans, each with how often: ``T1(2), T2(1)``."""
    below = item.alias()
    kind = func.coalesce(func.json_extract(below.c.fields, '$."type"'), '').label('kind')
    each = select(kind, func.count().label('n')).where(below.c.parent == table.c.pk, below.c.level == 'scan').correlate(table)
    grouped = each.group_by(kind).order_by(kind).subquery()
    text = grouped.c.kind + '(' + cast(grouped.c.n, item.c.id.type) + ')'
    return select(func.group_concat(text, ', ')).select_from(grouped).correlate(table).scalar_subquery()


def _scan_count(path: str, like: bool) -> Maker:
    def make(scope: Scope, table: Any, type_name: str, value: str) -> Any:
        below = item.alias()
        found = func.json_extract(below.c.fields, f'$."{path}"')
        condition = func.lower(found).like(value.lower()) if like else found == value
        query = select(func.count()).select_from(below).where(below.c.parent == table.c.pk, below.c.level == 'scan', condition)
        return query.correlate(table).scalar_subquery()

    return make


def _experiment_common(model: Model, type_name: str) -> Iterator[DisplayField]:
    table = model.sql_name(type_name).upper()
    identifier = 'MR_PROJECT_IDENTIFIER' if type_name == 'xnat:mrSessionData' else f'{table}_PROJECT_IDENTIFIER'
    yield DisplayField('SESSION_ID', 'Session', 'string', _column('id'))
    yield DisplayField('EXPT_ID', 'ID', 'string', _column('id'))
    yield DisplayField('LABEL', 'Label', 'string', _column('label'))
    yield DisplayField(identifier, 'ID', 'string', _label_in, True)
    yield DisplayField('PROJECT', 'Project', 'string', _column('project'))
    yield DisplayField('PROJECTS', 'Projects', 'string', _projects(''))
    yield _plain('DATE', 'date', 'date', 'Date')
    yield DisplayField('DATE_CHAR', 'Date', 'string', _path('date'))
    yield DisplayField('INSERT_DATE', 'Inserted', 'date', _day('insert_date'))
    yield DisplayField('LAST_MODIFIED', 'Last modified', 'date', _day('last_modified'))
    yield DisplayField('INSERT_USER', 'Creator', 'string', _column('insert_user'))
    yield DisplayField(f'{table}_FIELD_MAP', 'Custom variable', 'string', _variable, True)
    for name in ('URI', 'RPT', 'VIEW'):
        yield _link(name, '/data/experiments/')
    if model.registry.is_a(type_name, 'xnat:subjectAssessorData') or model.level_of(type_name) == 'assessor':
        yield DisplayField('SUBJECT_ID', 'Subject', 'string', _of_subject('ID'))
        yield DisplayField('SUBJECT_LABEL', 'Subject', 'string', _of_subject('label'))
        whole_number = type_name == 'xnat:ctSessionData'
        yield DisplayField('AGE', 'Age', 'integer' if whole_number else 'float', _age_integer if whole_number else _age(True))
        yield DisplayField('GEN_AGE', 'Age', 'float', _age(False))


def _session(model: Model, type_name: str) -> Iterator[DisplayField]:
    prefix = {'xnat:mrSessionData': 'MR', 'xnat:petSessionData': 'PET', 'xnat:ctSessionData': 'CT'}.get(type_name, '')
    prefix = prefix or model.sql_name(type_name).upper()
    yield DisplayField(f'{prefix}_SCAN_COUNT_AGG', 'Scans', 'string', _scans)
    for name, path in (('TYPE', 'type'), ('DESC', 'series_description'), ('CLASS', 'series_class')):
        yield DisplayField(f'SCAN_COUNT_{name}', f'Scans by {name.lower()}', 'integer', _scan_count(path, False), True)
        yield DisplayField(f'SCAN_COUNT_L_{name}', f'Scans by {name.lower()}', 'integer', _scan_count(path, True), True)
    if type_name == 'xnat:mrSessionData':
        yield from _mr()
    if type_name == 'xnat:petSessionData':
        yield from _pet()


def _mr() -> Iterator[DisplayField]:
    yield _plain('VISIT', 'visit_id', header='Visit ID')
    yield _plain('TYPE', 'session_type', header='Type')
    for name in ('scanner', 'operator', 'marker', 'stabilization'):
        yield _plain(name.upper(), name, header=name.capitalize())
        yield _plain(f'{name.upper()}_CSV', name, header=name.capitalize())
    yield DisplayField('INVEST', 'Investigator', 'string', _investigator)
    yield DisplayField('INVEST_CSV', 'Investigator', 'string', _investigator)
    yield DisplayField('MR_NOTES', 'Notes', 'string', _beginning('note', 30))
    yield _plain('MR_NOTES_CSV', 'note', header='Notes')
    yield DisplayField('MR_EXPT_COUNT', 'Assessors', 'integer', _count(''), True)
    for name, path in (('UID', 'UID'), ('FIELD_STRENGTH', 'fieldStrength'), ('COIL', 'coil')):
        yield _plain(name, path, header=path)


def _pet() -> Iterator[DisplayField]:
    for name, path, kind in (
        ('TRACER_STARTTIME', 'tracer/startTime', 'dateTime'),
        ('TRACER_SPECIFICACTIVITY', 'tracer/specificActivity', 'float'),
        ('TRACER_TOTALMASS', 'tracer/totalMass', 'float'),
        ('TRACER_ISOTOPE_HALF_LIFE', 'tracer/isotope/half-life', 'float'),
        ('TRACER_TRANSMISSIONS_STARTTIME', 'tracer/transmissions_starttime', 'dateTime'),
    ):
        yield _plain(name, path, kind, name.replace('_', ' ').capitalize())


def _experiment(model: Model, type_name: str) -> Iterator[DisplayField]:
    yield from _experiment_common(model, type_name)
    if model.registry.is_a(type_name, 'xnat:imageSessionData'):
        yield from _session(model, type_name)


# -- scans and projects


def _scan(model: Model, type_name: str) -> Iterator[DisplayField]:
    yield DisplayField('IMAGE_SCANDATA_ID', 'Scan', 'integer', _column('pk'))
    yield DisplayField('SESSION_ID', 'Session', 'string', _path('image_session_ID'))
    yield DisplayField('SESSION_LABEL', 'Session', 'string', lambda scope, table, name, value: scope.parent(table, 'experiment').c.label)
    yield DisplayField('SUBJECT_ID', 'Subject', 'string', _of_subject('ID'))
    yield DisplayField('MR_DATE', 'Date', 'date', _session_date)
    yield DisplayField('PROJECT', 'Project', 'string', _column('project'))
    yield DisplayField('ID', 'ID', 'string', _column('id'))
    yield DisplayField('URI', 'Uri', 'string', _scan_uri, searchable=False)
    yield DisplayField('INSERT_DATE', 'Inserted', 'date', _day('insert_date'))
    yield DisplayField('INSERT_USER', 'Creator', 'string', _column('insert_user'))


def _scan_uri(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    return '/data/experiments/' + scope.parent(table, 'experiment').c.id + f'/{scope.model.level_of(type_name)}s/' + table.c.id


def _session_date(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    return _path('date')(scope, scope.parent(table, 'experiment'), 'xnat:imageSessionData', value)


def _people(wanted: str) -> Maker:
    def make(scope: Scope, table: Any, type_name: str, value: str) -> Any:
        query = select(func.group_concat(role.c.login, ', ')).where(role.c.project == table.c.id)
        if wanted:
            query = query.where(role.c.role == wanted)
        return query.correlate(table).scalar_subquery()

    return make


def _role_of(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    """The role of the user whose number is the field's value."""
    query = select(role.c.role).select_from(role.join(user, user.c.login == role.c.login)).where(role.c.project == table.c.id)
    return query.where(cast(user.c.pk, item.c.id.type) == value).correlate(table).scalar_subquery()


def _project_count(name: str) -> Maker:
    def make(scope: Scope, table: Any, type_name: str, value: str) -> Any:
        kind = scope.model.name(name or value)
        below = item.alias()
        types = scope.model.registry.subtypes(kind) if kind else []
        shared = select(share.c.item).where(share.c.project == table.c.id).correlate(table)
        there = or_(below.c.project == table.c.id, below.c.pk.in_(shared))
        return select(func.count()).select_from(below).where(below.c.xsi_type.in_(types), there).correlate(table).scalar_subquery()

    return make


def _pi(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    first, last = (scope.value(table, type_name, f'PI/{name}') for name in ('firstname', 'lastname'))
    assert first is not None and last is not None
    return case((last.sql.is_not(None), func.trim(last.sql + ', ' + func.coalesce(first.sql, ''), ', ')))


def _project() -> Iterator[DisplayField]:
    yield DisplayField('ID', 'ID', 'string', _column('id'))
    yield _plain('NAME', 'name', header='Title')
    yield _plain('NAME_CSV', 'name', header='Title')
    yield _plain('SECONDARY_ID', 'secondary_ID', header='Running Title')
    yield DisplayField(
        'DESCRIPTION', 'Description', 'string', lambda scope, table, name, value: func.substr(_path('description')(scope, table, name, value), 1, 50)
    )
    yield _plain('DESCRIPTION_CSV', 'description', header='Description')
    yield _plain('KEYWORDS', 'keywords', header='Keywords')
    yield DisplayField('PI', 'PI', 'string', _pi)
    yield DisplayField('PROJECT_INVS', 'Investigators', 'string', _pi)
    yield DisplayField('PROJECT_ACCESS', 'Accessibility', 'string', _column('access'))
    for name, wanted in (('USERS', ''), ('OWNERS', 'owner'), ('MEMBERS', 'member'), ('COLLABS', 'collaborator')):
        yield DisplayField(f'PROJECT_{name}', name.capitalize(), 'string', _people(wanted))
    yield DisplayField('INSERT_DATE', 'Inserted', 'string', _column('insert_date'))
    yield DisplayField('INSERT_USER', 'Creator', 'string', _column('insert_user'))
    yield DisplayField('PROJECT_ACCESS_IMG', 'Accessibility', 'string', _column('access'), searchable=False)
    yield _link('URI', '/data/projects/')
    yield DisplayField('USER_ROLE', 'Role', 'string', _role_of, True)
    yield DisplayField('PROJ_EXPT_COUNT', 'Experiments', 'integer', _project_count(''), True)
    for name, kind in (('MR', 'mr'), ('CT', 'ct'), ('PET', 'pet'), ('UT', 'us')):
        yield DisplayField(f'PROJ_{name}_COUNT', f'{name} Sessions', 'integer', _project_count(f'xnat:{kind}SessionData'))


def _common_ids(model: Model, type_name: str) -> Iterator[str]:
    where = model.level_of(type_name)
    make = {'experiment': _experiment, 'assessor': _experiment, 'scan': _scan, 'reconstruction': _scan}.get(where)
    if make is not None:
        yield from (one.id for one in make(model, type_name))


_DOCUMENTED = frozenset({'xnat:subjectData', 'xnat:projectData', 'xnat:mrSessionData'})
"""Types whose display document lists all their fields."""

_LISTINGS = {
    'xnat:subjectData': ('SUBJECT_LABEL', 'GENDER', 'HANDEDNESS', 'DOB', 'EDUC', 'SES', 'MR_COUNT'),
    'xnat:mrSessionData': (
        'LABEL', 'PROJECT', 'DATE', 'xnat:subjectData.SUBJECT_LABEL', 'xnat:subjectData.GENDER_TEXT', 'AGE', 'TYPE', 'SCANNER',
        'MR_SCAN_COUNT_AGG',
    ),
    'xnat:projectData': ('ID', 'NAME', 'DESCRIPTION', 'SECONDARY_ID', 'PI', 'PROJECT_INVS', 'PROJECT_ACCESS', 'INSERT_DATE', 'INSERT_USER'),
}  # fmt: skip


def expression(field: DisplayField, scope: Scope, table: Any, type_name: str, value: str) -> Expression:
    """The SQL of a display field for an item's alias."""
    return Expression(field.make(scope, table, type_name, value), field.kind, schema_field=False)
