"""SQL of display fields.

A `Maker` returns the SQL of a field for an item; the functions here are makers, or return one. A
count of zero is NULL, as in XNAT, whose display documents count in joined views.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Float, Integer, and_, case, cast, func, literal, or_, select

from ..db.access import readable
from ..db.json_keys import pick_of_name
from ..db.store import (
    favorite,
    item,
    project_setting,
    project_visit,
    role,
    share,
    user,
    user_group,
    workflow,
)
from .field_sql import Scope

__all__ = [
    'DEMOGRAPHICS',
    'Maker',
    'Source',
    'access_picture',
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
    'favorite_of',
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


class Source(NamedTuple):
    """Item that a display field is computed for."""

    scope: Scope
    """The query."""
    table: Any
    """Alias of the item table."""
    type_name: str
    """Data type of the item."""
    value: str = ''
    """Value of the display field, if it requires one: a project, a variable, a user's key."""

    def subject(self) -> Source:
        """Return the subject of the item."""
        return self._replace(
            table=self.scope.subject_of(self.table, self.type_name), type_name='xnat:subjectData'
        )


Maker = Callable[[Source], Any]
"""Function from an item to the SQL of a display field."""
DEMOGRAPHICS = 'demographics[@xsi:type=xnat:demographicData]/'
_TEXT = item.c.id.type


def nothing(source: Source) -> Any:
    """Return NULL: the archive never has a value."""
    return literal(None)


def constant(text: str) -> Maker:
    """Return a maker for a constant text."""
    return lambda source: literal(text)


def path(name: str) -> Maker:
    """Return a maker for a field of the schema; NULL if it is unknown."""

    def build(source: Source) -> Any:
        found = source.scope.value(source.table, source.type_name, name)
        return literal(None) if found is None else found.sql

    return build


def column(name: str) -> Maker:
    """Return a maker for a column of the item's row."""
    return lambda source: source.table.c[name]


def label(source: Source) -> Any:
    """Return the label, or else the accession ID."""
    return func.coalesce(source.table.c.label, source.table.c.id)


def beginning(name: str, length: int) -> Maker:
    """Return a maker for the first characters of a field.

    Parameters
    ----------
    name : str
        Path of the field.
    length : int
        Number of characters.
    """
    return lambda source: func.substr(path(name)(source), 1, length)


def chosen(name: str, words: Mapping[str, str], other: Any = None, lower: bool = False) -> Maker:
    """Return a maker that replaces values of a field by texts.

    Parameters
    ----------
    name : str
        Path of the field.
    words : Mapping[str, str]
        Value to text.
    other : Any
        Text or SQL for any other value; by default the value itself.
    lower : bool
        Whether values are compared in lower case.
    """

    def build(source: Source) -> Any:
        plain = path(name)(source)
        found = func.lower(plain) if lower else plain
        return case(
            *((found == text, word) for text, word in words.items()),
            else_=plain if other is None else other,
        )

    return build


def full_name(holder: str) -> Maker:
    """Return a maker for the full name of a person.

    NULL if first or last name is missing.
    """

    def build(source: Source) -> Any:
        first, last = (path(f'{holder}/{name}')(source) for name in ('firstname', 'lastname'))
        return first + ' ' + last

    return build


def link(before: str) -> Maker:
    """Return a maker for the item's path, which XNAT shows as a link."""
    return lambda source: before + source.table.c.id


def of_subject(name: str) -> Maker:
    """Return a maker for a field of the item's subject."""

    def build(source: Source) -> Any:
        return path(name)(source.subject())

    return build


def of_parent(where: str, type_of: str, name: str) -> Maker:
    """Return a maker for a field of the item's parent.

    Parameters
    ----------
    where : str
        Level of the parent.
    type_of : str
        Data type of the parent.
    name : str
        Path of the field.
    """
    return lambda source: path(name)(
        source._replace(table=source.scope.parent(source.table, where), type_name=type_of)
    )


def variable(source: Source) -> Any:
    """Return the custom variable named by the field's value.

    Case is ignored: lists of fields have names in lower case.
    """
    each = func.json_each(source.table.c.fields).table_valued('key', 'value')
    wanted = func.lower(each.c.key) == f'fields/field[{pick_of_name(source.value)}]/field'.lower()
    return (
        select(func.nullif(each.c.value, ''))
        .select_from(each)
        .where(wanted)
        .limit(1)
        .correlate_except(each)
        .scalar_subquery()
    )


# -- projects of an item


def label_in(source: Source) -> Any:
    """Return the label in the project that is the field's value.

    NULL if the item is not in it.
    """
    shared = share.alias()
    other = select(func.coalesce(shared.c.label, source.table.c.label, source.table.c.id)).where(
        shared.c.item == source.table.c.pk, shared.c.project == source.value
    )
    own = case(
        (
            source.table.c.project == source.value,
            func.coalesce(source.table.c.label, source.table.c.id),
        )
    )
    return func.coalesce(own, other.correlate(source.table).scalar_subquery())


def subject_label_in(source: Source) -> Any:
    """Return the subject's label in the project that is the field's value."""
    return label_in(source.subject())


def projects(before: str) -> Maker:
    """Return a maker for the item's projects as ``<P>,<Q>``, owner first.

    For subjects, XNAT starts with a comma.
    """

    def build(source: Source) -> Any:
        shared = share.alias()
        others = select(func.group_concat(',<' + shared.c.project + '>', '')).where(
            shared.c.item == source.table.c.pk
        )
        return (
            before
            + '<'
            + source.table.c.project
            + '>'
            + func.coalesce(others.correlate(source.table).scalar_subquery(), '')
        )

    return build


def all_labels(source: Source) -> Any:
    """Return the labels of an item in all projects; NULL if it is not shared."""
    shared = share.alias()
    others = select(func.group_concat(shared.c.label, ', ')).where(
        shared.c.item == source.table.c.pk
    )
    return source.table.c.label + ', ' + others.correlate(source.table).scalar_subquery()


# -- counts


def _below(source: Source, types: list[str]) -> tuple[Any, Any]:
    """Return an alias of readable child items, and the condition to join them."""
    below = item.alias()
    return below, and_(
        below.c.parent == source.table.c.pk,
        below.c.xsi_type.in_(types),
        readable(source.scope.caller, below),
    )


def _counted(table: Any, below: Any, *conditions: Any) -> Any:
    number = (
        select(func.count())
        .select_from(below)
        .where(*conditions)
        .correlate(table)
        .scalar_subquery()
    )
    return func.nullif(number, 0)


def _subtypes(source: Source, name: str) -> list[str]:
    kind = source.scope.model.name(name)
    return source.scope.model.registry.subtypes(kind) if kind else []


def count_below(of: str) -> Maker:
    """Return a maker for the number of readable child items of a type.

    Without a type, the field's value is the type.
    """

    def build(source: Source) -> Any:
        below, belongs = _below(source, _subtypes(source, of or source.value))
        return _counted(source.table, below, belongs)

    return build


def count_in_project(name: str) -> Maker:
    """Return a maker for the number of readable child items in a project.

    They are of one type. The field's value is the project.
    """

    def build(source: Source) -> Any:
        below, belongs = _below(source, _subtypes(source, name))
        shared = select(share.c.item).where(share.c.project == source.value)
        return _counted(
            source.table,
            below,
            belongs,
            or_(below.c.project == source.value, below.c.pk.in_(shared)),
        )

    return build


def project_count(name: str) -> Maker:
    """Return a maker for the number of items of a type in a project.

    Owned and shared items count.

    Without a type, the field's value is the type.
    """

    def build(source: Source) -> Any:
        below = item.alias()
        shared = (
            select(share.c.item).where(share.c.project == source.table.c.id).correlate(source.table)
        )
        there = or_(below.c.project == source.table.c.id, below.c.pk.in_(shared))
        return _counted(
            source.table,
            below,
            below.c.xsi_type.in_(_subtypes(source, name or source.value)),
            there,
        )

    return build


def _scan_value(below: Any, name: str) -> Any:
    return func.json_extract(below.c.fields, f'$."{name}"')


def scan_kinds(source: Source) -> Any:
    """Return the types of a session's scans with counts: ``T1(2), T2(1)``."""
    below = item.alias()
    kind = func.coalesce(_scan_value(below, 'type'), '').label('kind')
    each = (
        select(kind, func.count().label('n'))
        .where(below.c.parent == source.table.c.pk, below.c.level == 'scan')
        .correlate(source.table)
    )
    grouped = each.group_by(kind).order_by(kind).subquery()
    text = grouped.c.kind + '(' + cast(grouped.c.n, _TEXT) + ')'
    return (
        select(func.group_concat(text, ', '))
        .select_from(grouped)
        .correlate(source.table)
        .scalar_subquery()
    )


def scan_count(name: str, like: bool) -> Maker:
    """Return a maker for the number of scans with a value in a field.

    Case is ignored.

    Parameters
    ----------
    name : str
        Path of the scan's field.
    like : bool
        Whether it must contain the display field's value, instead of being equal.
    """

    def build(source: Source) -> Any:
        below = item.alias()
        found = func.lower(_scan_value(below, name))
        condition = (
            found.like(f'%{source.value.lower()}%') if like else found == source.value.lower()
        )
        return _counted(
            source.table,
            below,
            below.c.parent == source.table.c.pk,
            below.c.level == 'scan',
            condition,
        )

    return build


def scans_like(text: str) -> Maker:
    """Return a maker for the number of scans with a text.

    The text is in their type or description.
    """

    def build(source: Source) -> Any:
        below = item.alias()
        holds = or_(
            *(
                func.instr(_scan_value(below, name), text) > 0
                for name in ('type', 'series_description')
            )
        )
        return _counted(
            source.table, below, below.c.parent == source.table.c.pk, below.c.level == 'scan', holds
        )

    return build


def scan_link(source: Source) -> Any:
    """Return the path of a scan or reconstruction below its session."""
    session = source.scope.parent(source.table, 'experiment')
    return (
        '/archive/experiments/'
        + session.c.id
        + f'/{source.scope.model.level_of(source.type_name)}s/'
        + source.table.c.id
    )


# -- ages


def _demographic(subject: Source, name: str) -> Any:
    return path(DEMOGRAPHICS + name)(subject)


def birth_year(source: Source) -> Any:
    """Return the year of birth, or else that of the date of birth."""
    dob = _demographic(source, 'dob')
    return func.coalesce(
        cast(_demographic(source, 'yob'), Integer), cast(func.substr(dob, 1, 4), Integer)
    )


def _years(day: Any, dob: Any) -> Any:
    """Return the whole years between two dates."""
    years = cast(func.substr(day, 1, 4), Integer) - cast(func.substr(dob, 1, 4), Integer)
    return years - cast(func.substr(day, 6, 5) < func.substr(dob, 6, 5), Integer)


def _own_age(source: Source) -> list[Any]:
    own = source.scope.value(source.table, source.type_name, 'age')
    return [cast(own.sql, Float)] if own is not None else []


def _by_birth(source: Source) -> list[Any]:
    """Return whole years at a session by date of birth, and by year of birth."""
    subject, day = source.subject(), path('date')(source)
    by_year = cast(func.substr(day, 1, 4), Integer) - cast(_demographic(subject, 'yob'), Integer)
    return [_years(day, _demographic(subject, 'dob')), by_year]


def age(source: Source) -> Any:
    """Return whole years at a session.

    The session's age, else the subject's age, else computed from birth and date.
    """
    own = [*_own_age(source), cast(_demographic(source.subject(), 'age'), Float)]
    return cast(func.coalesce(*own, *_by_birth(source)), Integer)


def age_by_birth(source: Source) -> Any:
    """Return whole years at a session, computed from birth and date."""
    return func.coalesce(*_by_birth(source))


def exact_age(source: Source) -> Any:
    """Return the session's age with two decimals, or else from birth and date."""
    found = func.coalesce(*_own_age(source), *_by_birth(source))
    return case((found.is_not(None), func.printf('%.2f', found)))


# -- projects


def people(wanted: str) -> Maker:
    """Return a maker for the logins of a project's users, as HTML lines.

    All users, or those with one role.
    """

    def build(source: Source) -> Any:
        query = select(func.group_concat(' ' + role.c.login + ' ', '<br/>')).where(
            role.c.project == source.table.c.id
        )
        if wanted:
            query = query.where(role.c.role == wanted)
        return query.correlate(source.table).scalar_subquery()

    return build


def favorite_of(source: Source) -> Any:
    """Return the logins of users who have a project as favorite."""
    query = select(func.group_concat(favorite.c.login, ', ')).where(
        favorite.c.id == source.table.c.id, func.lower(favorite.c.type) == 'project'
    )
    return query.correlate(source.table).scalar_subquery()


def role_of(source: Source) -> Any:
    """Return the group of the user whose key is the field's value."""
    same = and_(user_group.c.project == role.c.project, user_group.c.key == role.c.role)
    own = select(user_group.c.displayname).where(same).scalar_subquery()
    names = case(
        {'owner': 'Owners', 'member': 'Members', 'collaborator': 'Collaborators'},
        value=role.c.role,
        else_=own,
    )
    query = (
        select(names)
        .select_from(role.join(user, user.c.login == role.c.login))
        .where(role.c.project == source.table.c.id)
    )
    return (
        query.where(cast(user.c.pk, _TEXT) == source.value)
        .limit(1)
        .correlate(source.table)
        .scalar_subquery()
    )


def last_visit(source: Source) -> Any:
    """Return the last visit of the user whose key is the field's value."""
    query = select(project_visit.c.at).select_from(
        project_visit.join(user, user.c.login == project_visit.c.login)
    )
    query = query.where(
        project_visit.c.project == source.table.c.id, cast(user.c.pk, _TEXT) == source.value
    )
    return query.limit(1).correlate(source.table).scalar_subquery()


def access_picture(source: Source) -> Any:
    """Return a globe for a public project, a key for others."""
    return case(
        (source.table.c.access == 'public', '/@WEBAPPimages/globe.gif'),
        else_='/@WEBAPPimages/key.gif',
    )


def investigators(source: Source) -> Any:
    """Return a project's principal investigator, last name first."""
    first, last = (path(f'PI/{name}')(source) for name in ('firstname', 'lastname'))
    return case((last.is_not(None), func.trim(last + ', ' + func.coalesce(first, ''), ', ')))


def setting_of(name: str) -> Maker:
    """Return a maker for a setting of a project; 0 if it was never set."""

    def build(source: Source) -> Any:
        query = select(project_setting.c.value).where(
            project_setting.c.project == source.table.c.id, project_setting.c.name == name
        )
        return func.coalesce(query.correlate(source.table).scalar_subquery(), '0')

    return build


# -- workflows


def last_workflow(source: Source) -> Any:
    """Return the last start of a workflow of a project."""
    return (
        select(func.max(workflow.c.launch_time))
        .where(workflow.c.project == source.table.c.id)
        .correlate(source.table)
        .scalar_subquery()
    )


_COLORS = {
    'Complete': 'green',
    'In Progress': 'SlateGrey',
    'Running': 'SlateGrey',
    'Queued': 'orange',
    'Failed': 'red',
}


def workflow_status(source: Source) -> Any:
    """Return the latest workflow of an item as HTML, in its status' colour."""
    color = case(_COLORS, value=workflow.c.status, else_='orange')
    text = '<B><FONT COLOR=' + color + '>' + workflow.c.pipeline_name + '</FONT></B>'
    query = (
        select(text)
        .where(workflow.c.item == source.table.c.id)
        .order_by(workflow.c.pk.desc())
        .limit(1)
    )
    return query.correlate(source.table).scalar_subquery()
