"""Tests of folder layouts: places of files, and back."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyxnat import errors
from pyxnat.files.disk import alike, names_on
from pyxnat.query.layouts import LAYOUT, Layout, check_places, default_for

ANYTHING = st.text(min_size=1, max_size=12) | st.sampled_from(
    ['..', '.', '/', '../..', '/etc/passwd', 'a\x00b', '~', 'a\\b', 'x' * 300]
)
ORDINARY = st.text(st.sampled_from('abcAB019-_ é'), min_size=1, max_size=8).map(
    lambda text: f'x{text}x'
)
VALUES = {
    'project': 'P',
    'subject': 'S',
    'experiment': 'E',
    'scan': '1',
    'resource': 'DICOM',
    'path': 'a/b.dcm',
}


def test_files_are_placed_by_level() -> None:
    assert Layout(LAYOUT).place(VALUES) == 'P/S/E/1/DICOM/a/b.dcm'


def test_parts_without_a_value_are_omitted() -> None:
    assert Layout(LAYOUT).place({**VALUES, 'scan': ''}) == 'P/S/E/DICOM/a/b.dcm'


def test_the_label_of_an_assessor_replaces_the_scan_unless_the_layout_names_it() -> None:
    values = {**VALUES, 'scan': '', 'assessor': 'A'}
    assert Layout(LAYOUT).place(values) == 'P/S/E/A/DICOM/a/b.dcm'
    assert Layout('{scan}/{assessor}/{path}').place(values) == 'A/a/b.dcm'


def test_text_and_fields_can_be_mixed() -> None:
    assert Layout('{subject}_{experiment}/{scan}-{name}').place(VALUES) == 'S_E/1-b.dcm'


@given(
    st.fixed_dictionaries(dict.fromkeys(VALUES, ANYTHING)),
    st.sampled_from([LAYOUT, '{path}', '{subject}_{path}', 'x/{scan}{name}']),
)
def test_no_name_leads_outside_the_folder(values: dict[str, str], layout: str) -> None:
    place = PurePosixPath(Layout(layout).place(values))
    assert (
        not place.is_absolute()
        and not {'..', '.'} & set(place.parts)
        and '\x00' not in str(place)
        and '\\' not in str(place)
    )


@given(st.fixed_dictionaries(dict.fromkeys(VALUES, ORDINARY)))
def test_a_place_can_be_read_back(values: dict[str, str]) -> None:
    layout = Layout(LAYOUT)
    assert layout.values(layout.place(values)) == values


@pytest.mark.parametrize(
    'text', ['{person}/{path}', '{path', '{project}/{resource}', '{path!r}', '{path:>3}', '', '{}']
)
def test_an_invalid_layout_is_an_error(text: str) -> None:
    with pytest.raises(errors.ProgrammingError) as raised:
        Layout(text)
    assert raised.value.remedy


def test_two_files_for_one_place_are_an_error_that_names_both() -> None:
    with pytest.raises(errors.DataError, match=r'the place a/b: /data/1 and /data/2'):
        check_places([('/data/1', 'a/b'), ('/data/2', 'a/b')])


@pytest.mark.parametrize('places', [('a', 'a/b'), ('a/b', 'a'), ('a/b/c', 'a/b')])
def test_a_file_in_the_place_of_a_folder_is_an_error(places: tuple[str, str]) -> None:
    with pytest.raises(errors.DataError):
        check_places((f'/data/{number}', place) for number, place in enumerate(places))


@pytest.mark.parametrize(
    'places', [('a/B.dcm', 'a/b.dcm'), ('A', 'a/b'), ('caf\u00e9', 'cafe\u0301')]
)
def test_names_that_a_disk_cannot_distinguish_are_an_error_on_such_a_disk(
    places: tuple[str, str],
) -> None:
    pairs = [(f'/data/{number}', place) for number, place in enumerate(places)]
    check_places(pairs)
    with pytest.raises(errors.DataError, match='/data/0 and /data/1'):
        check_places(pairs, name_of=alike)


class Folding(type(Path())):  # type: ignore[misc]
    """A path on a case-insensitive disk."""

    def exists(self) -> bool:
        return super().exists() or self.name.casefold() in {
            path.name.casefold() for path in self.parent.iterdir()
        }


def test_case_sensitivity_of_a_disk_is_detected(tmp_path: Path) -> None:
    assert names_on(Folding(tmp_path))('A/b') == 'a/b'
    assert names_on(Folding(tmp_path))('cafe\u0301') == 'cafe\u0301'
    (tmp_path / 'a').touch()
    assert (names_on(tmp_path)('A') == names_on(tmp_path)('a')) is (tmp_path / 'A').exists()
    assert [path.name for path in tmp_path.iterdir()] == ['a']


def test_no_file_can_replace_the_manifest() -> None:
    with pytest.raises(errors.DataError, match='MD5SUMS'):
        check_places([('/data/1', 'MD5SUMS')], ['MD5SUMS'])


@pytest.mark.parametrize(
    ('plural', 'layout'),
    [
        ('projects', '{subject}/{experiment}/{scan}/{resource}/{path}'),
        ('experiments', '{scan}/{resource}/{path}'),
        ('scans', '{resource}/{path}'),
        ('assessors', '{resource}/{path}'),
        ('resources', '{path}'),
        ('out_resources', '{path}'),
    ],
)
def test_the_layout_of_an_element_begins_at_the_element(plural: str, layout: str) -> None:
    assert default_for(plural) == layout
