"""Tests of remedies: near names, wrong URLs, the causes of a refusal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.http.context_path import candidates
from pyxnat.model.near import did_you_mean
from pyxnat.server import serve


@pytest.fixture
def study(project: Any) -> Any:
    for label in ('AG01', 'AG09', 'AG10', 'XY55'):
        project.subject(label).create(gender='female')
    return project


@pytest.mark.parametrize(
    ('name', 'meant'),
    [('AG99', 'AG09'), ('ag01', 'AG01'), ('AG 10', 'AG10'), ('XY-55', 'XY55'), ('zzzzzz', '')],
)
def test_a_wrong_label_in_brackets_offers_near_ones(
    name: str, meant: str, study: Any, xnat: Any
) -> None:
    subjects = study.subjects()
    with xnat.trace() as trace, pytest.raises(errors.UnknownLabel) as caught:
        subjects[name]
    assert trace.requests <= 1 and isinstance(caught.value, KeyError)
    remedy = caught.value.remedy or ''
    assert (f'{meant}' in remedy.partition('?')[0]) if meant else 'Did you mean' not in remedy
    with pytest.raises(errors.NotFoundError) as looked_up:
        study.subject(name).label() if '-' not in name else study.subject(name).fetch_row()
    assert meant in str(looked_up.value)


FIELDS: dict[str, Callable[[Any, str], Any]] = {
    'search columns': lambda study, field: study.host.select('xnat:subjectData', [field]).all(),
    'criteria': lambda study, field: study.subjects().where([(field, '=', 'female'), 'AND']).get(),
    'attrs.get': lambda study, field: study.subject('AG01').attrs.get(field),
}


@pytest.mark.parametrize('use', FIELDS)
@pytest.mark.parametrize('field', ['xnat:subjectData/gender', 'xnat:subjectData/GENDRE'])
def test_a_wrong_field_offers_near_ones(use: str, field: str, study: Any) -> None:
    with pytest.raises(errors.DatabaseError) as caught:
        FIELDS[use](study, field)
    meant = 'gender' if use == 'attrs.get' else 'xnat:subjectData/GENDER'
    assert f"Did you mean '{meant}" in str(caught.value)


@pytest.mark.parametrize(
    ('call', 'meant'),
    [
        (lambda study: study.subjects().table(['label', 'gendr']), 'gender'),
        (lambda study: study.subjects().table(['Label']), 'label'),
        (lambda study: study.subject('AG01').attrs.set('Gender', 'male'), 'gender'),
        (lambda study: study.subject('AG01').attrs.get('handednes'), 'handedness'),
    ],
)
def test_a_wrong_short_name_offers_near_ones(
    call: Callable[[Any], Any], meant: str, study: Any
) -> None:
    with pytest.raises(errors.DatabaseError, match=f"Did you mean '{meant}"):
        call(study)


def test_near_names_are_bounded() -> None:
    many = (f'LABEL_{number}' for number in range(10**9))
    assert did_you_mean('LABEL_12', many).startswith("Did you mean 'LABEL_12'")


# -- templates


@pytest.mark.parametrize('values', [{}, {'sex': 'female'}, {'hand': 'left'}, {'gender': 'x'}])
@pytest.mark.parametrize('sharing', ['public', 'private'])
def test_a_template_names_the_values_that_are_missing(
    values: dict[str, str], sharing: str, study: Any, server: Any, tmp_path: Path
) -> None:
    name = f'chosen_{study.id()}_{sharing}_{len(values)}'
    criteria = [('xnat:subjectData/GENDER', '=', 'sex'), ('xnat:subjectData/SES', '=', 'hand')]
    searches = study.host.manage.search
    searches.save_template(
        name, 'xnat:subjectData', ['xnat:subjectData/SUBJECT_ID'], [*criteria, 'AND'], sharing
    )
    server.add_user('reader', 'secret')
    login = ('reader', 'secret') if sharing == 'public' else (server.user, server.password)
    with pyxnat.Interface(server.url, *login, tmp_path) as interface:
        own = interface.manage.search
        subjects = interface.select('/projects/*/subjects')
        for use in (
            lambda: own.use_template(name, values),
            lambda: subjects.where(template=(name, values)).get(),
            lambda: own.get(name),
            lambda: own.get(f'template_{name}'),
            lambda: subjects.where(query=f'template_{name}').get(),
        ):
            with pytest.raises(errors.ProgrammingError) as caught:
                use()
            for key in {'sex', 'hand'} - set(values):
                assert f'no value for {key!r}' in str(caught.value) or repr(key) in str(
                    caught.value
                )
    searches.delete_template(name)


# -- wrong URLs ------------------------------------------------------------------------------------


@pytest.fixture(scope='module', params=['', '/xnat', '/lab'])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Serve an archive at the root of its host, or below a path."""
    folder = tmp_path_factory.mktemp('site')
    with serve(folder, context=request.param, durable=False) as running:
        yield running


@pytest.mark.parametrize('path', ['', '/xnat', '/lab', '/app/template/Login.vm', '/xnat/app'])
def test_a_wrong_context_path_names_the_right_url(path: str, site: Any, tmp_path: Path) -> None:
    root = site.url.removesuffix('/').removesuffix('/xnat').removesuffix('/lab')
    right = site.url.rstrip('/')
    given = f'{root}{path}'
    with pyxnat.Interface(given, site.user, site.password, tmp_path) as interface:
        if given == right:
            assert interface.select.projects().get() == []
            return
        with interface.trace() as trace, pytest.raises(errors.DatabaseError) as caught:
            interface.select.projects().get()
    assert trace.requests <= 3
    if right in candidates(given):
        assert f'but at {right}: correct the URL' in str(caught.value)


def test_an_unknown_path_of_the_right_server_is_not_looked_for_elsewhere(xnat: Any) -> None:
    xnat.whoami()
    with xnat.trace() as trace, pytest.raises(errors.NotFoundError):
        xnat._exec('/data/nothing/here')
    assert trace.requests == 1


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('role', 'call', 'words'),
    [
        (None, lambda project: project.subjects().get(), 'no member'),
        ('collaborator', lambda project: project.subject('N').create(), 'may only read'),
        ('guest', lambda project: project.subject('N').create(), 'log in'),
    ],
)
def test_the_remedy_of_a_refusal_fits_its_cause(
    role: str | None, call: Any, words: str, server: Any, study: Any, tmp_path: Path
) -> None:
    study.set_accessibility('public' if role == 'guest' else 'protected')
    server.add_user(f'u_{role}', 'secret')
    if role == 'collaborator':
        study.add_user(f'u_{role}', role)
    login = {} if role == 'guest' else {'user': f'u_{role}', 'password': 'secret'}
    with (
        pyxnat.Interface(
            server.url, cachedir=tmp_path, anonymous=role == 'guest', **login
        ) as interface,
        pytest.raises((errors.PermissionDenied, errors.AuthenticationError)) as caught,
    ):
        call(interface.select.project(study.id()))
    assert words in str(caught.value)
