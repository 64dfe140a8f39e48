"""Tests of users and tags of a server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import pyxnat
from pyxnat.server import serve


@pytest.fixture(scope='module')
def peopled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Serve an archive with two users in addition to the administrator."""
    with serve(tmp_path_factory.mktemp('archive'), users={'anna': 'a', 'otto': 'o'}) as running:
        yield running


@pytest.fixture
def users(peopled: Any, tmp_path: Any) -> Iterator[pyxnat.Users]:
    with pyxnat.Interface(
        peopled.url, peopled.user, peopled.password, tmp_path / 'cache'
    ) as interface:
        yield interface.manage.users


def test_users_are_listed_by_login(users: pyxnat.Users) -> None:
    assert set(users()) == {users._host._user, 'guest', 'anna', 'otto'}


def test_the_table_of_users_takes_one_request(users: pyxnat.Users) -> None:
    with users._host.trace() as trace:
        table = users.table()
    assert len(trace) == 1
    assert (
        table.headers() == ['xdat_user_id', 'login', 'firstname', 'lastname', 'email']
        and len(table) == 4
    ), 'guests are a user, too'


def test_the_properties_of_a_user_are_those_of_the_table(users: pyxnat.Users) -> None:
    row = users.table().where(login='anna').data[0]
    assert (users.firstname('anna'), users.lastname('anna')) == (row['firstname'], row['lastname'])
    assert (users.email('anna'), users.id('anna')) == (row['email'], row['xdat_user_id'])
    assert users.id('anna') != users.id('otto')


def test_a_missing_user_is_an_error(users: pyxnat.Users) -> None:
    with pytest.raises(pyxnat.errors.NotFoundError, match='nobody'):
        users.email('nobody')


def test_resources_of_the_cache_on_the_server(users: pyxnat.Users) -> None:
    assert users.resources() == []
    users._host.put(
        '/data/user/cache/resources/waiting/files/a.txt?inbody=true', data=b'a'
    ).raise_for_status()
    assert users.resources() == ['waiting']


def test_a_new_tag_exists_when_it_has_an_element(xnat: pyxnat.Interface, project: Any) -> None:
    tag = xnat.manage.tags.new(f'of {project.id()}')
    assert not tag.exists() and tag.name not in xnat.manage.tags()
    tag.reference(project._uri)
    assert tag.exists() and tag.name in xnat.manage.tags() and list(tag.references()) == [project]
    xnat.manage.tags.delete(tag.name)
    assert not tag.exists()


def test_a_managed_project_is_the_project(xnat: pyxnat.Interface, project: Any) -> None:
    managed = xnat.manage.project(project.id())
    managed.set_accessibility('private')
    assert managed == project and project.accessibility() == 'private'
