"""Tests of URIs as values."""

from __future__ import annotations

import datetime
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyxnat.errors import ConfigurationError
from pyxnat.model.uris import (
    file_path,
    join,
    normalise_server,
    parent,
    quote,
    quote_path,
    segments,
    strip_entry,
    unquote,
    with_query,
)

text = st.text(st.characters(exclude_categories=['Cs']))
names = text.filter(bool)


@given(names)
def test_a_quoted_name_is_one_segment_and_is_decoded_to_itself(name: str) -> None:
    quoted = quote(name)
    assert not set(quoted) & set('/?#&+ %"') - {'%'}
    assert quoted.isascii()
    assert segments(f'/data/projects/{quoted}') == ['projects', name]


@given(names)
def test_a_quoted_path_keeps_its_folders(name: str) -> None:
    assert unquote(quote_path(name)) == name
    assert quote_path(name).count('/') == name.count('/')


def test_bytes_are_decoded_as_utf8() -> None:
    assert quote('ä'.encode()) == quote('ä') == '%C3%A4'
    assert quote_path(b'a/b c') == 'a/b%20c'


@pytest.mark.parametrize(
    ('parts', 'expected'),
    [
        (('/data', 'projects'), '/data/projects'),
        (('/data/', '/projects/', '/P'), '/data/projects/P'),
        (('data', 'projects'), 'data/projects'),
        (('/data', '', 'projects'), '/data/projects'),
        (('/',), '/'),
        ((), ''),
    ],
)
def test_parts_are_joined_with_single_slashes(parts: tuple[str, ...], expected: str) -> None:
    assert join(*parts) == expected


@pytest.mark.parametrize('entry', ['/data', '/REST', '/data/archive', '/REST/archive'])
def test_each_entry_point_is_removed(entry: str) -> None:
    assert strip_entry(f'{entry}/projects/P') == '/projects/P'
    assert strip_entry(entry) == '/'
    assert segments(f'{entry}/projects/P') == ['projects', 'P']


@pytest.mark.parametrize(
    'path', ['/projects/data/subjects', '/database/projects', '/RESTful', '/datax/archive']
)
def test_similar_beginnings_are_no_entry_points(path: str) -> None:
    assert strip_entry(path) == path


def test_segments_have_no_query_and_no_empty_parts() -> None:
    assert segments('/data//projects/P/?format=json&a=/b') == ['projects', 'P']
    assert segments('/data') == segments('') == []


def test_the_parent_is_one_segment_up() -> None:
    assert parent('/data/projects/P') == parent('/data/projects/P/') == '/data/projects'


@pytest.mark.parametrize(
    ('uri', 'expected'),
    [
        ('/data/experiments/E/resources/12/files/a.txt', 'a.txt'),
        ('/data/experiments/E/scans/1/resources/12/files/x/y%20z.nii', 'x/y z.nii'),
        ('/data/experiments/E/resources/12/files/files/a', 'files/a'),
        ('/data/experiments/E/resources/12/files/resources/3/files/a', 'resources/3/files/a'),
        ('/data/experiments/E/assessors/A/out/resources/12/files/a?format=zip', 'a'),
        ('/data/projects/resources/resources/12/files/a', 'a'),
        ('/data/experiments/E/resources/12/files', None),
        ('/data/experiments/E/resources/12', None),
        ('/data/experiments/E/files/a', None),
    ],
)
def test_the_path_of_a_file_is_the_rest_after_its_resource(uri: str, expected: str | None) -> None:
    assert file_path(uri) == expected


@given(names.filter(lambda name: '/' not in name), names)
def test_the_path_of_any_file_is_recovered_from_its_uri(resource: str, path: str) -> None:
    assert (
        file_path(f'/data/experiments/E/resources/{quote(resource)}/files/{quote_path(path)}')
        == path
    )


@given(st.dictionaries(names, text, max_size=4))
def test_query_values_are_recovered_whatever_they_hold(query: dict[str, str]) -> None:
    uri = with_query('/data/projects', query)
    assert urlsplit(uri).path == '/data/projects' and '#' not in uri and ' ' not in uri
    assert dict(parse_qsl(urlsplit(uri).query, keep_blank_values=True)) == query


@pytest.mark.parametrize(
    ('query', 'expected'),
    [
        (None, '/u'),
        ({}, '/u'),
        ({'a': None}, '/u'),
        ({'a': True, 'b': False}, '/u?a=true&b=false'),
        ({'a': 1, 'b': 2.5}, '/u?a=1&b=2.5'),
        ({'a': datetime.date(2009, 6, 8)}, '/u?a=2009-06-08'),
        ({'a': b'\xc3\xa4'}, '/u?a=%C3%A4'),
        ({'xnat:mrSessionData/label': 'a&b=c'}, '/u?xnat:mrSessionData/label=a%26b%3Dc'),
        ([('a', '1'), ('a', '2')], '/u?a=1&a=2'),
    ],
)
def test_query_values_become_text(query: object, expected: str) -> None:
    assert with_query('/u', query) == expected  # type: ignore[arg-type]


def test_a_query_is_appended_to_another() -> None:
    assert with_query('/u?a=1', {'b': '2'}) == '/u?a=1&b=2'


@pytest.mark.parametrize(
    ('given_url', 'expected'),
    [
        ('https://central.xnat.org', 'https://central.xnat.org'),
        ('https://central.xnat.org/', 'https://central.xnat.org'),
        ('  https://Central.XNAT.org/xnat/ ', 'https://central.xnat.org/xnat'),
        ('central.xnat.org', 'https://central.xnat.org'),
        ('central.xnat.org:8443/xnat', 'https://central.xnat.org:8443/xnat'),
        ('localhost:8080', 'http://localhost:8080'),
        ('127.0.0.1:8080/xnat', 'http://127.0.0.1:8080/xnat'),
        ('HTTP://host', 'http://host'),
        ('https://host/Path?x=1#y', 'https://host/Path'),
    ],
)
def test_the_url_of_a_server_has_one_form(given_url: str, expected: str) -> None:
    assert normalise_server(given_url) == expected
    assert normalise_server(expected) == expected


@pytest.mark.parametrize(
    'url',
    [
        '',
        '   ',
        'ftp://host',
        'https://',
        'file://host/archive',
        'http://[x',
        'https://me:secret@host',
        'me:secret@host',
        'ftp://me:secret@host',
    ],
)
def test_an_invalid_server_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        normalise_server(url)
    assert 'secret' not in str(caught.value)


@pytest.mark.parametrize(
    ('given', 'expected'),
    [
        ('file:///data/study/', 'file:///data/study'),
        ('file:/data/./a/../study', 'file:///data/study'),
        ('file://localhost/data/a b', 'file:///data/a%20b'),
        ('file:///data/a%20b%C3%A9@x', 'file:///data/a%20b%C3%A9%40x'),
    ],
)
def test_the_url_of_a_folder(given: str, expected: str) -> None:
    assert normalise_server(given) == expected == normalise_server(expected)
