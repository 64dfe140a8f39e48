"""Property tests: a search, and a condition on a selection, equal independent filtering.

The filter does not use the library. Its rules, from facts about XNAT's search engine:

- types of which a subject has several items are joined: constraints on one type in one list apply
  to the same item, and a subject without an item has a row with NULL in its place; the same holds
  for a session without scans. Scans belong to the session named in the same search;
- NULL satisfies no comparison, except ``!=`` on a display field, where it differs from all values;
- LIKE ignores case, and on a path of the schema it means "contains".
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import pyxnat
from pyxnat.server import serve
from tests.conftest import DEEP

_numbers = itertools.count(1)

# -- archives --------------------------------------------------------------------------------------

WORDS = ['male', 'female', 'a', 'A b', "it's", 'x,y', 'a "b", <c> & d', '10', '9']
Item = dict[str, Any]

scan = st.fixed_dictionaries(
    {
        'type': st.sampled_from(['T1', 'T2', 'x,y']),
        'quality': st.sampled_from([None, 'usable', 'Unusable']),
    }
)
session = st.fixed_dictionaries(
    {
        'kind': st.sampled_from(['mr', 'pet']),
        'age': st.sampled_from([None, 9, 79, 82]),
        'date': st.sampled_from([None, '2019-05-06', '2020-01-31']),
        'operator': st.sampled_from([None, *WORDS[2:]]),
        'special': st.sampled_from([None, '1.5', '3.0']),
        'scans': st.lists(scan, max_size=2),
        'shared': st.booleans(),
    }
)
subject = st.fixed_dictionaries(
    {
        'gender': st.sampled_from([None, 'male', 'female']),
        'education': st.sampled_from([None, 9, 10, 12]),
        'group': st.sampled_from([None, *WORDS]),
        'sessions': st.lists(session, max_size=3),
        'shared': st.booleans(),
    }
)
archives = st.lists(subject, min_size=1, max_size=4)


NAMESPACES = (
    'xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)


def leaf(name: str, value: Any) -> str:
    return '' if value is None else f'<xnat:{name}>{escape(str(value))}</xnat:{name}>'


def attribute(name: str, value: Any) -> str:
    return '' if value is None else f' {name}={quoteattr(str(value))}'


def session_xml(label: str, project: str, one: Item) -> str:
    scans = ''.join(
        f'<xnat:scan ID="{number}"{attribute("type", it["type"])} '
        f'xsi:type="xnat:{one["kind"]}ScanData">{leaf("quality", it["quality"])}</xnat:scan>'
        for number, it in enumerate(one['scans'], 1)
    )
    special = leaf('fieldStrength', one['special']) if one['kind'] == 'mr' else ''
    root = one['kind'].upper() + 'Session'
    tracer = (
        f'<xnat:tracer>{leaf("name", one["special"])}</xnat:tracer>'
        if one['kind'] == 'pet' and one['special']
        else ''
    )
    return (
        f'<xnat:{root} {NAMESPACES} label="{label}" project="{project}">{leaf("date", one["date"])}'
        f'{leaf("age", one["age"])}{leaf("operator", one["operator"])}<xnat:scans>{scans}</'
        f'xnat:scans>{special}{tracer}</xnat:{root}>'
    )


def subject_xml(label: str, project: str, person: Item) -> str:
    return (
        f'<xnat:Subject {NAMESPACES} project="{project}" '
        f'label="{label}"{attribute("group", person["group"])}>'
        '<xnat:demographics xsi:type="xnat:demographicData">'
        f'{leaf("gender", person["gender"])}{leaf("education", person["education"])}</'
        'xnat:demographics></xnat:Subject>'
    )


class Archive(NamedTuple):
    """Two projects and their members: elements of the server by their plan."""

    project: str
    other: str
    people: Mapping[str, Item]
    """Label of the subject -> its plan."""

    def person_of(self, label: str) -> Item:
        return self.people[re.match(r'[^_]+_\d+', label).group(0)]  # type: ignore[union-attr]

    def session_of(self, label: str) -> Item:
        number = int(re.search(r'_E(\d+)', label).group(1))  # type: ignore[union-attr]
        found: Item = self.person_of(label)['sessions'][number]
        return found


def build(xnat: pyxnat.Interface, plan: list[Item]) -> Archive:
    """Create an archive of two projects with one request for each subject, session and share."""
    number = next(_numbers)
    project, other = f'W{number:04}', f'W{number:04}x'
    for name in (project, other):
        xnat._exec(f'/data/projects/{name}', 'PUT')
    people = {f'S{number:04}_{index}': person for index, person in enumerate(plan)}
    for label, person in people.items():
        home = f'/data/projects/{project}/subjects/{label}'
        xnat._exec(
            home, 'PUT', subject_xml(label, project, person).encode(), {'content-type': 'text/xml'}
        )
        if person['shared']:
            xnat._exec(f'{home}/projects/{other}', 'PUT')
        for index, one in enumerate(person['sessions']):
            session = f'{home}/experiments/{label}_E{index}'
            xnat._exec(
                session,
                'PUT',
                session_xml(f'{label}_E{index}', project, one).encode(),
                {'content-type': 'text/xml'},
            )
            if one['shared']:
                xnat._exec(f'{session}/projects/{other}', 'PUT')
    return Archive(project, other, people)


# -- criteria --------------------------------------------------------------------------------------


class Known(NamedTuple):
    """A field: its name, the place of its value in a plan, and values to compare with."""

    name: str
    type: str
    """Owner: ``subject``, ``mr``, ``pet``, ``scan``."""
    key: str
    values: tuple[Any, ...]
    is_display: bool = True
    is_number: bool = False

    def value(self, person: Item, items: Mapping[str, Item]) -> Any:
        return (person if self.type == 'subject' else items.get(self.type, {})).get(self.key)


AGES, NUMBERS, DATES = (9, 79, '80', 82.0), (9, '10', 11), ('2019-05-06', '2020-01-01')
TEXTS = ('male', 'a', 'A b', "it's", 'x,y', 'a "b", <c> & d', '10', 'e')
STRENGTHS, TYPES, QUALITIES = ('1.5', '3'), ('T1', 'x,y'), ('usable', 'Usable')
DEMOGRAPHICS = 'demographics[@xsi:type=xnat:demographicData]'
FIELDS = [
    Known('xnat:subjectData/GENDER', 'subject', 'gender', TEXTS),
    Known('xnat:subjectData/EDUC', 'subject', 'education', NUMBERS, True, True),
    Known('xnat:subjectData/SUB_GROUP', 'subject', 'group', TEXTS),
    Known('xnat:subjectData/group', 'subject', 'group', TEXTS, False),
    Known(
        f'xnat:subjectData/{DEMOGRAPHICS}/education', 'subject', 'education', NUMBERS, False, True
    ),
    Known('xnat:mrSessionData/AGE', 'mr', 'age', AGES, True, True),
    Known('xnat:mrSessionData/DATE', 'mr', 'date', DATES),
    Known('xnat:mrSessionData/OPERATOR_CSV', 'mr', 'operator', TEXTS),
    Known('xnat:mrSessionData/operator', 'mr', 'operator', TEXTS, False),
    Known('xnat:mrSessionData/fieldStrength', 'mr', 'special', STRENGTHS, False),
    Known('xnat:petSessionData/AGE', 'pet', 'age', AGES, True, True),
    Known('xnat:petSessionData/TRACER_NAME', 'pet', 'special', STRENGTHS),
    Known('xnat:petSessionData/tracer/name', 'pet', 'special', STRENGTHS, False),
    Known('xnat:mrScanData/TYPE', 'scan', 'type', TYPES),
    Known('xnat:mrScanData/quality', 'scan', 'quality', QUALITIES, False),
]
BY_NAME = {field.name: field for field in FIELDS}


def constraints(*types: str) -> st.SearchStrategy[Any]:
    """Draw constraints on fields of some types."""

    def on(field: Known) -> st.SearchStrategy[Any]:
        value, name = st.sampled_from(field.values), st.just(field.name)
        forms = [
            st.tuples(name, st.sampled_from(['=', '!=', '<', '<=', '>', '>=']), value),
            st.tuples(name, st.sampled_from(['=', '!=']), st.none()),
            st.tuples(
                name,
                st.sampled_from(['IN', 'NOT IN']),
                st.lists(value | st.none(), min_size=1, max_size=3),
            ),
            st.tuples(name, st.just('BETWEEN'), st.tuples(value, value)),
        ]
        if not field.is_number and field.values is not DATES:
            patterns = st.sampled_from(['*', 'm*', '%e', 'MALE', '*s*', "it's", 'x,*', '1_'])
            forms.append(st.tuples(name, st.sampled_from(['LIKE', 'NOT LIKE']), patterns))
        return st.one_of(forms)

    return st.sampled_from([field for field in FIELDS if field.type in types]).flatmap(on)


def lists(inner: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[Any]:
    return st.tuples(
        st.lists(inner, min_size=1, max_size=most), st.sampled_from(['AND', 'OR'])
    ).map(lambda pair: [*pair[0], pair[1]])


def nested(*types: str) -> st.SearchStrategy[Any]:
    """Draw lists of constraints, lists of lists, and both."""
    flat = constraints(*types)
    return lists(flat | lists(flat | lists(flat, 2), 2))


# -- independent filter ----------------------------------------------------------------------------


def holds(constraint: Any, person: Item, items: Mapping[str, Item]) -> bool:
    name, operator, value = constraint
    field = BY_NAME[name]
    has = field.value(person, items)
    if operator == 'BETWEEN':
        return compare(field, '>=', has, value[0]) and compare(field, '<=', has, value[1])
    if operator == 'IN':
        return any(compare(field, '=', has, one) for one in value)
    if operator == 'NOT IN':
        return all(compare(field, '!=', has, one) for one in value)
    return compare(field, operator, has, value)


def compare(field: Known, operator: str, has: Any, value: Any) -> bool:
    if value is None:
        return (has is None) == (operator == '=')
    if has is None:
        return operator == '!=' and field.is_display
    if operator.endswith('LIKE'):
        return like(field, has, value) == (operator == 'LIKE')
    left, right = (float(has), float(value)) if field.is_number else (str(has), str(value))
    found: bool = {
        '=': left == right,
        '!=': left != right,
        '<': left < right,
        '<=': left <= right,
        '>': left > right,
        '>=': left >= right,
    }[operator]  # type: ignore[operator]
    return found


def like(field: Known, has: str, pattern: str) -> bool:
    pattern = pattern.replace('*', '%')
    if not field.is_display:
        pattern = f'%{pattern}%'
    expression = ''.join({'%': '.*', '_': '.'}.get(char) or re.escape(char) for char in pattern)
    return re.fullmatch(expression, has, re.IGNORECASE | re.DOTALL) is not None


def satisfied(criteria: list[Any], person: Item, items: Mapping[str, Item]) -> bool:
    """Whether criteria, with nested lists, are satisfied by one choice of items."""
    found = [
        satisfied(one, person, items) if isinstance(one, list) else holds(one, person, items)
        for one in criteria[:-1]
    ]
    return all(found) if criteria[-1] == 'AND' else any(found)


def choices(person: Item, criteria: Any, mr: Item | None = None) -> Iterator[dict[str, Item]]:
    """Yield every choice of one item of each type, None if there is none.

    Scans belong to the session if criteria name sessions.
    """
    sessions = {
        kind: [one for one in person['sessions'] if one['kind'] == kind] or [{}]
        for kind in ('mr', 'pet')
    }
    for first, second in itertools.product([mr] if mr else sessions['mr'], sessions['pet']):
        holders = (
            [first] if mr or 'xnat:mrSessionData' in str(criteria) else person['sessions'] or [{}]
        )
        for it in [
            it
            for one in holders
            for it in (one['scans'] if one.get('kind') == 'mr' else []) or [{}]
        ]:
            yield {'mr': first, 'pet': second, 'scan': it}


def split(criteria: list[Any], test: Callable[[list[Any]], bool]) -> bool:
    """Whether criteria are satisfied if each nested list is a search of its own."""
    plain = [one for one in criteria[:-1] if not isinstance(one, list)]
    found = [split(one, test) for one in criteria[:-1] if isinstance(one, list)]
    if plain:
        found.append(test([*plain, criteria[-1]]))
    return all(found) if criteria[-1] == 'AND' else any(found)


def subject_satisfies(criteria: list[Any], person: Item) -> bool:
    return split(
        criteria,
        lambda part: any(satisfied(part, person, items) for items in choices(person, part)),
    )


# -- the properties --------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def connection(tmp_path_factory):
    """Return a connection to a separate archive: some paths include all projects."""
    folder = tmp_path_factory.mktemp('where')
    with (
        serve(folder / 'archive') as server,
        pyxnat.Interface(server.url, server.user, server.password, folder / 'cache') as interface,
    ):
        yield interface


PATHS = [
    '/projects/{0}/subjects',
    '/projects/{0}/subjects/*/experiments',
    '/projects/{0}/experiments',
    '/projects/{0}/subjects/*/experiments/*/scans',
    '/projects/{1}/subjects',
    '/projects/{1}/experiments',
    '/projects/*/subjects/S*_1/experiments',
]
SESSIONS = [path for path in PATHS if 'experiments' in path]
FEW = settings(
    max_examples=100 if DEEP else 6,
    phases=list(Phase) if DEEP else [Phase.explicit, Phase.generate],
)
"""Each example is a separate archive, with several criteria."""


class Asked:
    """An archive during a block, and the result of a selection in it."""

    def __init__(self, xnat: pyxnat.Interface, plan: list[Item]) -> None:
        self.xnat = xnat
        self.archive = build(xnat, plan)

    def __enter__(self) -> Asked:
        return self

    def __exit__(self, *exception: object) -> None:
        for name in (self.archive.other, self.archive.project):
            self.xnat._exec(f'/data/projects/{name}?removeFiles=true', 'DELETE')

    def select(self, path: str) -> Any:
        return self.xnat.select(path.format(self.archive.project, self.archive.other))

    def planned(self, element: Any) -> str:
        """Return the label of the subject or session of an element; empty for those of other
        tests."""
        label = element.label() if '_' in element.label() else element.parent().label()
        return label if label.startswith(f'S{self.archive.project[1:]}_') else ''

    def check(self, selection: Any, found: Any, keep: Callable[[str], bool]) -> None:
        """Compare the URIs of a result with the expected part of a selection."""
        expected = [
            element._uri
            for element in selection
            if self.planned(element) and keep(self.planned(element))
        ]
        assert [element._uri for element in found if self.planned(element)] == expected


def questions(*kinds: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(st.tuples(*kinds), min_size=3, max_size=6)


@FEW
@given(
    archives,
    questions(
        st.sampled_from(PATHS),
        lists(nested('subject', 'mr', 'pet') | nested('subject', 'mr', 'scan'), 2),
    ),
)
def test_a_condition_keeps_elements_of_the_subjects_that_satisfy_it(connection, plan, asked):
    with Asked(connection, plan) as at:
        for path, criteria in asked:
            selection = at.select(path)

            def is_wanted(label: str, criteria: Any = criteria) -> bool:
                return subject_satisfies(criteria, at.archive.person_of(label))

            at.check(selection, selection.where(criteria), is_wanted)


def session_satisfies(criteria: list[Any], person: Item, one: Item) -> bool:
    """Whether an MR session satisfies criteria that apply to one item each."""
    return any(satisfied(criteria, person, items) for items in choices(person, criteria, one))


def about_sessions(*types: str) -> st.SearchStrategy[Any]:
    """Draw criteria that name MR sessions."""
    return st.tuples(
        constraints('mr'), nested('subject', 'mr', *types), st.sampled_from(['AND', 'OR'])
    ).map(list)


@FEW
@given(archives, questions(st.sampled_from(SESSIONS), about_sessions('scan')))
def test_with_level_a_condition_keeps_the_sessions_that_satisfy_it(connection, plan, asked):
    with Asked(connection, plan) as at:
        for path, criteria in asked:
            selection = at.select(path)

            def keep(label: str, criteria: list[Any] = criteria) -> bool:
                person, one = at.archive.person_of(label), at.archive.session_of(label)
                return one['kind'] == 'mr' and split(
                    criteria, lambda part: session_satisfies(part, person, one)
                )

            at.check(selection, selection.where(criteria, level='experiment'), keep)


def mr_sessions(archive: Archive) -> dict[str, tuple[Item, Item]]:
    """Return label -> subject and session."""
    sessions = (
        (f'{label}_E{number}', person, one)
        for label, person in archive.people.items()
        for number, one in enumerate(person['sessions'])
    )
    return {label: (person, one) for label, person, one in sessions if one['kind'] == 'mr'}


@FEW
@given(archives, questions(nested('subject', 'mr', 'pet')))
def test_a_table_of_subjects_has_those_with_items_that_satisfy_all_criteria(
    connection, plan, asked
):
    search = connection.select(
        'xnat:subjectData', ['xnat:subjectData/SUBJECT_LABEL', 'xnat:subjectData/GENDER']
    )
    with Asked(connection, plan) as at:
        for (criteria,) in asked:
            people = at.archive.people.items()
            expected = {
                label: person['gender'] or ''
                for label, person in people
                if any(satisfied(criteria, person, it) for it in choices(person, criteria))
            }
            table = search.where(
                [('xnat:subjectData/PROJECT', '=', at.archive.project), criteria, 'AND']
            )
            assert {row['subject_label']: row['gender'] for row in table} == expected
            assert len(table) == len(expected)


@FEW
@given(archives, questions(nested('subject', 'mr', 'scan')))
def test_a_table_of_sessions_has_those_that_satisfy_all_criteria(connection, plan, asked):
    search = connection.select(
        'xnat:mrSessionData', ['xnat:mrSessionData/LABEL', 'xnat:mrSessionData/OPERATOR_CSV']
    )
    with Asked(connection, plan) as at:
        for (criteria,) in asked:
            sessions = mr_sessions(at.archive).items()
            expected = {
                label: one['operator'] or ''
                for label, (person, one) in sessions
                if session_satisfies(criteria, person, one)
            }
            whole = [('xnat:mrSessionData/PROJECT', '=', at.archive.project), criteria, 'AND']
            assert {row['label']: row['operator_csv'] for row in search.where(whole)} == expected
            assert {row['label'] for row in search.rows(whole)} == set(expected)
