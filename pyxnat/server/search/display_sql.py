"""How the values of display fields are computed from an item, in SQL.

Each function here gives a `Maker`. Counts of nothing are NULL, as in XNAT, whose display documents count in joined views.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Float, Integer, and_, case, cast, func, literal, or_, select

from ..db.access import readable
from ..db.json_keys import pick_of_name
from ..db.store import favorite, item, project_setting, project_visit, role, share, user, user_group, workflow
from .field_sql import Scope

__all__ = [
    'DEMOGRAPHICS',
    'Maker',
    'access_picture',
    'admirers',
    'age',
    'age_by_birth',
    'all_labels',
    'beginning',
    'birth_year',
    'chosen',
    'column',
    'constant',
    'count_below',
    'count_in_project',
    'exact_age',
    'full_name',
    'investigators',
    'label',
    'label_in',
    'last_visit',
    'last_workflow',
    'link',
    'nothing',
    'of_parent',
    'of_subject',
    'path',
    'people',
    'project_count',
    'projects',
    'role_of',
    'scan_count',
    'scan_kinds',
    'scan_link',
    'scans_like',
    'setting_of',
    'subject_label_in',
    'variable',
    'workflow_status',
]

Maker = Callable[[Scope, Any, str, str], Any]
"""Scope, the item's alias, its type and the value of the field, to SQL."""
DEMOGRAPHICS = 'demographics[@xsi:type=xnat:demographicData]/'
_TEXT = item.c.id.type


def nothing(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    """NULL: for what this archive never knows."""
    return literal(None)


def constant(text: str) -> Maker:
    """The same text for every item."""
    return lambda scope, table, type_name, value: literal(text)


def path(name: str) -> Maker:
    """The field at a path of the schema; NULL where the type has none."""

    def make(scope: Scope, table: Any, type_name: str, value: str) -> Any:
        found = scope.value(table, type_name, name)
        return literal(None) if found is None else found.sql

    return make


def column(name: str) -> Maker:
    """A column of the item's row."""
    return lambda scope, table, type_name, value: table.c[name]


def label(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    """The label, else the accession ID."""
    return func.coalesce(table.c.label, table.c.id)


def beginning(name: str, length: int) -> Maker:
    """The first characters of a field."""
    return lambda scope, table, type_name, value: func.substr(path(name)(scope, table, type_name, value), 1, length)


def chosen(name: str, words: Mapping[str, str], other: Any = None, lower: bool = False) -> Maker:
    """Another word for each value of a field; for a value that has none `other`, text or SQL, or the value itself where that is None."""

    def make(scope: Scope, table: Any, type_name: str, value: str) -> Any:
        plain = path(name)(scope, table, type_name, value)
        found = func.lower(plain) if lower else plain
        return case(*((found == text, word) for text, word in words.items()), else_=plain if other is None else other)

    return make


def full_name(holder: str) -> Maker:
    """First and last name of a person; NULL where either is missing."""

    def make(scope: Scope, table: Any, type_name: str, value: str) -> Any:
        first, last = (path(f'{holder}/{name}')(scope, table, type_name, value) for name in ('firstname', 'lastname'))
        return first + ' ' + last

    return make


def link(before: str) -> Maker:
    """The path of the item, which XNAT shows as a link."""
    return lambda scope, table, type_name, value: before + table.c.id


def of_subject(name: str) -> Maker:
    """A field of the subject that the item belongs to."""

    def make(scope: Scope, table: Any, type_name: str, value: str) -> Any:
        return path(name)(scope, scope.subject_of(table, type_name), 'xnat:subjectData', value)

    return make


def of_parent(where: str, type_of: str, name: str) -> Maker:
    """A field of the item above, of a level."""
    return lambda scope, table, type_name, value: path(name)(scope, scope.parent(table, where), type_of, value)


def variable(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    """The custom variable that the field's value names, whatever its case: lists of fields tell names in lower case."""
    each = func.json_each(table.c.fields).table_valued('key', 'value')
    wanted = func.lower(each.c.key) == f'fields/field[{pick_of_name(value)}]/field'.lower()
    return select(func.nullif(each.c.value, '')).select_from(each).where(wanted).limit(1).correlate_except(each).scalar_subquery()


# -- projects of an item


def label_in(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    """The label in the project that is the field's value; NULL where the item is not in it."""
    shared = share.alias()
    other = select(func.coalesce(shared.c.label, table.c.label, table.c.id)).where(shared.c.item == table.c.pk, shared.c.project == value)
    own = case((table.c.project == value, func.coalesce(table.c.label, table.c.id)))
    return func.coalesce(own, other.correlate(table).scalar_subquery())


def subject_label_in(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    """The same of the subject that the item belongs to."""
    return label_in(scope, scope.subject_of(table, type_name), 'xnat:subjectData', value)


def projects(before: str) -> Maker:
    """Owner and shares as ``<P>,<Q>``; XNAT's subjects have a comma before."""

    def make(scope: Scope, table: Any, type_name: str, value: str) -> Any:
        shared = share.alias()
        others = select(func.group_concat(',<' + shared.c.project + '>', '')).where(shared.c.item == table.c.pk)
        return before + '<' + table.c.project + '>' + func.coalesce(others.correlate(table).scalar_subquery(), '')

    return make


def all_labels(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    """The labels that an item has here and in other projects; NULL where it is in no other."""
    shared = share.alias()
    others = select(func.group_concat(shared.c.label, ', ')).where(shared.c.item == table.c.pk)
    return table.c.label + ', ' + others.correlate(table).scalar_subquery()


# -- counts


def _below(scope: Scope, table: Any, types: list[str]) -> tuple[Any, Any]:
    """An alias of items below and the condition that they belong to an item and can be read."""
    below = item.alias()
    return below, and_(below.c.parent == table.c.pk, below.c.xsi_type.in_(types), readable(scope.caller, below))


def _counted(table: Any, below: Any, *conditions: Any) -> Any:
    number = select(func.count()).select_from(below).where(*conditions).correlate(table).scalar_subquery()
    return func.nullif(number, 0)


def _subtypes(scope: Scope, name: str) -> list[str]:
    kind = scope.model.name(name)
    return scope.model.registry.subtypes(kind) if kind else []


def count_below(of: str) -> Maker:
    """How many readable items of a type are below; of the type that is the field's value where none is fixed."""

    def make(scope: Scope, table: Any, type_name: str, value: str) -> Any:
        below, belongs = _below(scope, table, _subtypes(scope, of or value))
        return _counted(table, below, belongs)

    return make


def count_in_project(name: str) -> Maker:
    """How many readable items of a type are below and in the project that is the field's value."""

    def make(scope: Scope, table: Any, type_name: str, value: str) -> Any:
        below, belongs = _below(scope, table, _subtypes(scope, name))
        shared = select(share.c.item).where(share.c.project == value)
        return _counted(table, below, belongs, or_(below.c.project == value, below.c.pk.in_(shared)))

    return make


def project_count(name: str) -> Maker:
    """How many items of a type a project owns or has a share in."""

    def make(scope: Scope, table: Any, type_name: str, value: str) -> Any:
        below = item.alias()
        shared = select(share.c.item).where(share.c.project == table.c.id).correlate(table)
        there = or_(below.c.project == table.c.id, below.c.pk.in_(shared))
        return _counted(table, below, below.c.xsi_type.in_(_subtypes(scope, name or value)), there)

    return make


def _scan_value(below: Any, name: str) -> Any:
    return func.json_extract(below.c.fields, f'$."{name}"')


def scan_kinds(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    """The types of a session's scans, each with how often: ``T1(2), T2(1)``."""
    below = item.alias()
    kind = func.coalesce(_scan_value(below, 'type'), '').label('kind')
    each = select(kind, func.count().label('n')).where(below.c.parent == table.c.pk, below.c.level == 'scan').correlate(table)
    grouped = each.group_by(kind).order_by(kind).subquery()
    text = grouped.c.kind + '(' + cast(grouped.c.n, _TEXT) + ')'
    return select(func.group_concat(text, ', ')).select_from(grouped).correlate(table).scalar_subquery()


def scan_count(name: str, like: bool) -> Maker:
    """How many scans of a session have the field's value in one of theirs, or hold it, whatever the case."""

    def make(scope: Scope, table: Any, type_name: str, value: str) -> Any:
        below = item.alias()
        found = func.lower(_scan_value(below, name))
        condition = found.like(f'%{value.lower()}%') if like else found == value.lower()
        return _counted(table, below, below.c.parent == table.c.pk, below.c.level == 'scan', condition)

    return make


def scans_like(text: str) -> Maker:
    """How many scans of a session have a text in their type or description."""

    def make(scope: Scope, table: Any, type_name: str, value: str) -> Any:
        below = item.alias()
        holds = or_(*(func.instr(_scan_value(below, name), text) > 0 for name in ('type', 'series_description')))
        return _counted(table, below, below.c.parent == table.c.pk, below.c.level == 'scan', holds)

    return make


def scan_link(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    """The path of a scan or reconstruction below its session."""
    session = scope.parent(table, 'experiment')
    return '/archive/experiments/' + session.c.id + f'/{scope.model.level_of(type_name)}s/' + table.c.id


# -- ages


def _demographic(scope: Scope, table: Any, name: str) -> Any:
    return path(DEMOGRAPHICS + name)(scope, table, 'xnat:subjectData', '')


def birth_year(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    """Year of birth, else that of the date of birth."""
    dob = _demographic(scope, table, 'dob')
    return func.coalesce(cast(_demographic(scope, table, 'yob'), Integer), cast(func.substr(dob, 1, 4), Integer))


def _years(day: Any, dob: Any) -> Any:
    """Whole years between two dates."""
    years = cast(func.substr(day, 1, 4), Integer) - cast(func.substr(dob, 1, 4), Integer)
    return years - cast(func.substr(day, 6, 5) < func.substr(dob, 6, 5), Integer)


def _own_age(scope: Scope, table: Any, type_name: str) -> list[Any]:
    own = scope.value(table, type_name, 'age')
    return [cast(own.sql, Float)] if own is not None else []


def _by_birth(scope: Scope, table: Any, type_name: str) -> list[Any]:
    """Whole years at a session by the subject's date of birth, and by the year of birth."""
    subject, day = scope.subject_of(table, type_name), path('date')(scope, table, type_name, '')
    by_year = cast(func.substr(day, 1, 4), Integer) - cast(_demographic(scope, subject, 'yob'), Integer)
    return [_years(day, _demographic(scope, subject, 'dob')), by_year]


def age(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    """Whole years at a session: its own age, else the subject's, else from the date and the birth."""
    own = [*_own_age(scope, table, type_name), cast(_demographic(scope, scope.subject_of(table, type_name), 'age'), Float)]
    return cast(func.coalesce(*own, *_by_birth(scope, table, type_name)), Integer)


def age_by_birth(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    """Whole years at a session from the date and the birth alone."""
    return func.coalesce(*_by_birth(scope, table, type_name))


def exact_age(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    """The session's own age with two decimals, else from the date and the birth."""
    found = func.coalesce(*_own_age(scope, table, type_name), *_by_birth(scope, table, type_name))
    return case((found.is_not(None), func.printf('%.2f', found)))


# -- projects


def people(wanted: str) -> Maker:
    """The logins of a project's users, or of those with one role, as lines of a page."""

    def make(scope: Scope, table: Any, type_name: str, value: str) -> Any:
        query = select(func.group_concat(' ' + role.c.login + ' ', '<br/>')).where(role.c.project == table.c.id)
        if wanted:
            query = query.where(role.c.role == wanted)
        return query.correlate(table).scalar_subquery()

    return make


def admirers(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    """The logins of those who have a project among their favourites."""
    query = select(func.group_concat(favorite.c.login, ', ')).where(favorite.c.id == table.c.id, func.lower(favorite.c.type) == 'project')
    return query.correlate(table).scalar_subquery()


def role_of(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    """The name of the group of the user whose number is the field's value."""
    same = and_(user_group.c.project == role.c.project, user_group.c.key == role.c.role)
    own = select(user_group.c.displayname).where(same).scalar_subquery()
    names = case({'owner': 'Owners', 'member': 'Members', 'collaborator': 'Collaborators'}, value=role.c.role, else_=own)
    query = select(names).select_from(role.join(user, user.c.login == role.c.login)).where(role.c.project == table.c.id)
    return query.where(cast(user.c.pk, _TEXT) == value).limit(1).correlate(table).scalar_subquery()


def last_visit(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    """When the user whose number is the field's value last looked at a project."""
    query = select(project_visit.c.at).select_from(project_visit.join(user, user.c.login == project_visit.c.login))
    query = query.where(project_visit.c.project == table.c.id, cast(user.c.pk, _TEXT) == value)
    return query.limit(1).correlate(table).scalar_subquery()


def access_picture(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    """A globe for a public project, a key for others."""
    return case((table.c.access == 'public', '/@WEBAPPimages/globe.gif'), else_='/@WEBAPPimages/key.gif')


def investigators(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    """The principal investigator and the others of a project, last names first."""
    first, last = (path(f'PI/{name}')(scope, table, type_name, value) for name in ('firstname', 'lastname'))
    return case((last.is_not(None), func.trim(last + ', ' + func.coalesce(first, ''), ', ')))


def setting_of(name: str) -> Maker:
    """A setting of a project; 0 where it was never set."""

    def make(scope: Scope, table: Any, type_name: str, value: str) -> Any:
        query = select(project_setting.c.value).where(project_setting.c.project == table.c.id, project_setting.c.name == name)
        return func.coalesce(query.correlate(table).scalar_subquery(), '0')

    return make


# -- workflows


def last_workflow(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    """When a workflow of a project was last started."""
    return select(func.max(workflow.c.launch_time)).where(workflow.c.project == table.c.id).correlate(table).scalar_subquery()


_COLORS = {'Complete': 'green', 'In Progress': 'SlateGrey', 'Running': 'SlateGrey', 'Queued': 'orange', 'Failed': 'red'}


def workflow_status(scope: Scope, table: Any, type_name: str, value: str) -> Any:
    """The name of the latest workflow of an item, in the colour of its status."""
    color = case(_COLORS, value=workflow.c.status, else_='orange')
    text = '<B><FONT COLOR=' + color + '>' + workflow.c.pipeline_name + '</FONT></B>'
    query = select(text).where(workflow.c.item == table.c.id).order_by(workflow.c.pk.desc()).limit(1)
    return query.correlate(table).scalar_subquery()
