"""Tests of the grammar of select."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyxnat.errors import ProgrammingError
from pyxnat.model.levels import chains, level, level_names
from pyxnat.model.wildcards import ANY, is_wildcard, matches
from pyxnat.query.paths import Path, Step, chain_of, is_as_routed, parse, read, spell, uri_of

ROUTES = sorted(chains())


def spelled(text: str) -> list[str]:
    return [spell(path) for path in parse(text).paths]


# -- the table -------------------------------------------------------------------------------------

ONE_PATH = {
    '/projects': '/projects/*',
    '/project': '/projects/*',
    '/projects/P': '/projects/P',
    '/projects/P/subjects': '/projects/P/subjects/*',
    '/projects/P*/subjects/S?/experiments': '/projects/P*/subjects/S?/experiments/*',
    '/project/P/subject/S/experiment/E/scan/1/resource/NIFTI/file/a.nii': '/projects/P/subjects/S/'
    'experiments/E/scans/1/resources/NIFTI/files/a.nii',
    '/projects/P/subjects/S/experiments/E/scans/1/resources/NIFTI/files/run 1/a.nii': (
        '/projects/P/subjects/S/experiments/E/scans/1/resources/NIFTI/files/run 1/a.nii'
    ),
    '/projects/P/experiments': '/projects/P/experiments/*',
    '/projects/P/experiments/E/scans': '/projects/P/experiments/E/scans/*',
    '/experiments/E/assessors/A/out/resources': '/experiments/E/assessors/A/out/resources/*',
    '/experiments/E/assessors/A/in/resource/R/file/f': '/experiments/E/assessors/A/in/resources/R/'
    'files/f',
    '/experiments/E/reconstructions/R/out/files': '/experiments/E/reconstructions/R/out/resources/'
    '*/files/*',
    '/experiments/E/reconstructions/R/in/files/f': '/experiments/E/reconstructions/R/in/resources/'
    '*/files/f',
    '/experiments/E/assessors/in': '/experiments/E/assessors/in',
    '/projects/P/files': '/projects/P/resources/*/files/*',
    '/projects/P/files/a': '/projects/P/resources/*/files/a',
    '/projects/in/resources': '/projects/in/resources/*',
    '/projects/subjects': '/projects/*/subjects/*',
    '/projects/P/subjects/experiments': '/projects/P/subjects/*/experiments/*',
    '/projects/data': '/projects/data',
    '/projects/P/resources/R/files/files/resources/x': '/projects/P/resources/R/files/files/'
    'resources/x',
    '/projects/P//experiments': '/projects/P/subjects/*/experiments/*',
    '/projects/P//scans': '/projects/P/subjects/*/experiments/*/scans/*',
    '//scans/1': '/projects/*/subjects/*/experiments/*/scans/1',
    '//subjects/S//scans': '/projects/*/subjects/S/experiments/*/scans/*',
    '/experiments/E//scans': '/experiments/E/scans/*',
}


@pytest.mark.parametrize('text', ONE_PATH)
def test_a_path_has_these_levels(text: str) -> None:
    assert spelled(text) == [ONE_PATH[text]]


def test_two_slashes_stand_for_every_route_to_the_level() -> None:
    session = '/projects/P/subjects/S/experiments/*'
    assert sorted(spelled('/projects/P/subjects/S//files')) == sorted(
        [
            '/projects/P/subjects/S/resources/*/files/*',
            f'{session}/resources/*/files/*',
            f'{session}/scans/*/resources/*/files/*',
            f'{session}/assessors/*/in/resources/*/files/*',
            f'{session}/assessors/*/out/resources/*/files/*',
            f'{session}/reconstructions/*/in/resources/*/files/*',
            f'{session}/reconstructions/*/out/resources/*/files/*',
        ]
    )


def test_the_shortest_route_comes_first() -> None:
    lengths = [len(path) for path in parse('//files').paths]
    assert lengths == sorted(lengths)
    assert spelled('//files')[0] == '/projects/*/resources/*/files/*'


def test_an_element_has_every_name_literal() -> None:
    assert parse('/projects/P/subjects/S').is_element
    assert parse('/data/project/P').is_element
    assert not parse('/projects/P/subjects').is_element
    assert not parse('/projects/P/subjects/S*').is_element
    assert not parse('/projects/*/subjects/S').is_element
    assert not parse('/projects/P//files/a').is_element


# -- spellings -------------------------------------------------------------------------------------


@pytest.mark.parametrize('text', ONE_PATH)
@pytest.mark.parametrize('entry', ['/data', '/REST', '/data/archive', '/REST/archive'])
def test_an_entry_point_before_the_path_is_ignored(text: str, entry: str) -> None:
    assert parse(entry + text) == parse(text)


@pytest.mark.parametrize(
    'text',
    [
        '/projects',
        '/projects/P',
        '/projects/P/subjects',
        '/projects/P//scans',
        '/projects/P/resources/R/files/a',
    ],
)
def test_a_trailing_slash_is_ignored(text: str) -> None:
    assert parse(text + '/') == parse(text)


@pytest.mark.parametrize('chain', ROUTES, ids='/'.join)
def test_singular_and_plural_are_equal(chain: tuple[str, ...]) -> None:
    def written(singular: bool) -> str:
        words = [level(plural).segment for plural in chain]
        return ''.join(
            f'/{word[:-1] if singular else word}/x{number}' for number, word in enumerate(words)
        )

    assert parse(written(True)) == parse(written(False))
    assert chain_of(parse(written(True)).paths[0]) == chain


@pytest.mark.parametrize('chain', ROUTES, ids='/'.join)
def test_a_level_without_a_name_selects_all_of_its_elements(chain: tuple[str, ...]) -> None:
    words = [level(plural).segment for plural in chain]
    assert parse(''.join(f'/{word}' for word in words)) == parse(
        ''.join(f'/{word}/*' for word in words)
    )


def test_bytes_are_decoded_as_text() -> None:
    assert parse('/projects/Ä'.encode()) == parse('/projects/Ä')


# -- invalid paths ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('text', 'part'),
    [
        ('projects/P', 'projects/P'),
        ('', "''"),
        ('/', "'/'"),
        ('//', "'//'"),
        ('/data', "'/data'"),
        ('/nonsense', 'nonsense'),
        ('/projects/P/nonsense', 'nonsense'),
        ('/projects/P/subjects/S/scans', 'scans'),
        ('/scans', 'scans'),
        ('/files', 'files'),
        ('/projects/P/in/resources', 'in_resources'),
        ('/experiments/E/assessors/A/in/scans', 'in/scans'),
        ('/projects/P/resources/R//scans', 'scans'),
        ('/Projects', 'Projects'),
    ],
)
def test_an_invalid_path_is_an_error_that_names_the_part(text: str, part: str) -> None:
    with pytest.raises(ProgrammingError) as caught:
        parse(text)
    assert part in str(caught.value) and caught.value.remedy


def test_the_error_names_the_levels_that_exist() -> None:
    with pytest.raises(ProgrammingError, match='experiments, resources'):
        parse('/projects/P/subjects/S/scans')


@pytest.mark.parametrize(
    'uri',
    [
        '/data',
        '/data/projects',
        '/data/projects/P/subjects',
        '/data/projects/P/nonsense/x',
        '/data/services/x',
        '',
    ],
)
def test_a_path_that_is_no_uri_of_an_element_is_an_error(uri: str) -> None:
    with pytest.raises(ProgrammingError, match='not the URI of an element'):
        read(uri)


# -- properties ------------------------------------------------------------------------------------

nasty = st.one_of(
    st.sampled_from(
        [
            'a b',
            'a%20b',
            '%',
            '%2F',
            'ä',
            '日本',
            '+',
            '&a=b',
            '#',
            ';',
            'a:b',
            '[x]',
            '"',
            "'",
            '~',
            'data',
            'archive',
            'ALL',
            '\n',
            ' ',
        ]
    ),
    st.text(st.characters(exclude_categories=['Cs'], exclude_characters='/\0'), min_size=1),
).filter(lambda name: name not in ('.', '..'))
folders = st.lists(nasty, min_size=1, max_size=3).map('/'.join)


@st.composite
def literal_paths(
    draw: st.DrawFn, names: st.SearchStrategy[str] = nasty, files: st.SearchStrategy[str] = folders
) -> Path:
    """Return a path of a real route whose names are all literal."""
    chain = draw(st.sampled_from(ROUTES))
    return tuple(
        Step(plural, draw(files if plural == 'files' else names), True) for plural in chain
    )


@given(literal_paths())
def test_the_uri_of_an_element_is_parsed_back(path: Path) -> None:
    uri = uri_of(path)
    assert uri.startswith('/data/') and uri.isascii() and not set(uri) & set(' ?#&+')
    assert read(uri) == path


@given(literal_paths(), st.sampled_from(['/data', '/REST', '/data/archive', '/REST/archive']))
def test_the_uri_of_an_element_is_parsed_back_below_every_entry_point(
    path: Path, entry: str
) -> None:
    assert read(uri_of(path).replace('/data', entry, 1)) == read(uri_of(path))


plain = nasty.filter(
    lambda name: name not in level_names() | {'in', 'out'} and not is_wildcard(name)
)
plain_folders = st.lists(plain, min_size=1, max_size=3).map('/'.join)


@given(literal_paths(plain, plain_folders))
def test_a_spelled_path_parses_back(path: Path) -> None:
    assert parse(spell(path)).paths == (path,)


@given(literal_paths(plain, plain_folders), st.data())
def test_a_pattern_parses_back(path: Path, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(path) - 1))
    pattern = data.draw(st.sampled_from([ANY, 'a*', '?', '*b?']))
    changed = (*path[:position], Step(path[position].level, pattern, False), *path[position + 1 :])
    assert parse(spell(changed)).paths == (changed,)


@given(
    st.lists(
        st.sampled_from(
            [
                'projects',
                'subject',
                'scans',
                'in',
                'out',
                'resources',
                'files',
                'P',
                '',
                '*',
                'data',
            ]
        )
    ).map('/'.join)
)
def test_any_text_gives_real_routes_or_a_programming_error(text: str) -> None:
    try:
        selection = parse(f'/{text}')
    except ProgrammingError:
        return
    for path in selection.paths:
        written = chain_of(path)
        assert written in chains() or (
            written[:2] == ('projects', 'experiments') and written[1:] in chains()
        )


# -- patterns --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('pattern', 'name', 'expected'),
    [
        ('*', '', True),
        ('*', 'anything', True),
        ('S?', 'S1', True),
        ('S?', 'S12', False),
        ('S*', 's1', False),
        ('*_MR', 'S1_MR', True),
        ('[ab]*', 'a1', False),
        ('[ab]*', '[ab]1', True),
        ('a.c*', 'abc', False),
        ('a*b', 'a\nb', True),
        ('exact', 'exactly', False),
    ],
)
def test_a_pattern_has_two_wildcards_and_nothing_else(
    pattern: str, name: str, expected: bool
) -> None:
    assert matches(pattern, name) is expected


def test_one_matching_name_is_enough() -> None:
    assert matches('S1*', 'XNAT_S00001', 'S1_base')
    assert not matches('S1*')


@given(nasty)
def test_a_name_without_wildcards_matches_only_itself(name: str) -> None:
    if not is_wildcard(name):
        assert matches(name, name) and not matches(name, name + 'x')


@pytest.mark.parametrize(
    ('path', 'expected'),
    [
        ('/projects/P', True),
        ('/projects/P/subjects/S/experiments/E/resources/R/files/a b.txt', True),
        ('/projects/P/subjects/S/resources/12', True),
        ('/subjects/S', True),
        ('/projects/P/subjects/a b', False),
        ('/projects/P/subjects/a b/experiments/E', False),
        ('/projects/P/subjects/50%', False),
        ('/projects/P/subjects/S/resources/my res/files/a.txt', False),
        ('/subjects/S/experiments/E', False),
        ('/projects/P/experiments/E/scans/1', False),
        ('/projects/P/experiments/E/scans/1/resources/R', False),
    ],
)
def test_a_path_with_a_skipped_level_or_a_quoted_name_is_not_as_routed(
    path: str, expected: bool
) -> None:
    (steps,) = parse(path).paths
    assert is_as_routed(steps) is expected
