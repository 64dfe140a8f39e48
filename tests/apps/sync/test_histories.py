"""Random histories of both sides, with pulls, pushes, kills and decisions in any order."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from tests.conftest import DEEP, ROOT

from .test_pull import MR, content

SEEDS = range(1000 if DEEP else 2)
STEPS = 25 if DEEP else 8
KILLED = 5
"""Of so many histories, one is with processes that are killed."""
PARTLY = 3
"""Of so many histories, one begins with a mirror of the second project alone, which has only the
shared subjects of the first."""
MOMENTS = 8.5
"""They are killed after 1 to 2 ** MOMENTS events, of 30 to 300 that a pull or push has."""

Fields = dict[tuple[str, str], str]
"""Key of an item or file and name of a field -> text."""

PROGRAM = """
import os, sys
import pyxnat
folder, server, user, word, what, count = sys.argv[1:]
left = int(count)
def hook(event, arguments):
    global left
    if event in ('open', 'os.rename', 'os.remove', 'sqlite3.connect', 'socket.connect'):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), 9)
with pyxnat.Interface(server, user, word) as xnat, pyxnat.Mirror(folder, remote=xnat) as mirror:
    sys.addaudithook(hook)
    options = {} if what == 'pull' else {'delete': what == 'delete'}
    (mirror.pull if what == 'pull' else mirror.push)(max_delete=1, **options)
    left = 10**9
"""
"""Pulls or pushes, and kills itself after so many files, databases and connections."""


class Person:
    """Changes one side at random, with a value that nobody else writes."""

    def __init__(
        self, name: str, side: pyxnat.Interface, project: str, dice: random.Random
    ) -> None:
        self.name = name
        self.project = side.select.project(project)
        self.other = side.select.project(f'{project}_2')
        self.dice = dice
        self.count = 0

    def change(self) -> None:
        work: list[Callable[[Any, str], object]] = [
            lambda subject, text: subject.attrs.set('group', text),
            lambda subject, text: subject.attrs.set('src', text),
            lambda subject, text: subject.create() if not subject.exists() else None,
            *(self.session, self.session, self.file, self.file, self.remove),
            *(self.rename, self.move, self.share, self.share, self.below, self.below, self.below),
        ]
        subject = self.project.subject(f'S{self.dice.randrange(3)}')
        self.count += 1
        text = (
            f'{self.dice.randrange(3)}' if self.dice.random() < 0.3 else f'{self.name}{self.count}'
        )
        act = self.dice.choice(work)
        if act in work[:2] and not subject.exists():
            subject.create()
        with suppress(errors.DuplicateError, errors.PermissionDenied):
            # the label is taken; the subject has sessions of the other project
            act(subject, text)

    def session(self, subject: Any, text: str) -> None:
        label = f'E{self.dice.randrange(3)}'
        session = self.project.experiments().get('label')
        if label not in session:
            subject.experiment(label).create(experiments=MR, **{f'{MR}/note': text})
            return
        found = next(one for one in self.project.experiments() if one.label() == label)
        if self.dice.random() < 0.5:
            found.attrs.set(f'{MR}/note', text)
            return
        scan = found.scan(str(self.dice.randrange(2)))
        if not scan.exists():
            scan.create(type='T1')
        elif self.dice.random() < 0.5:
            scan.attrs.set('note', text)
        else:
            scan.resource('R').file('s.txt').put(text.encode(), overwrite=True)

    def file(self, subject: Any, text: str) -> None:
        name = f'{self.dice.randrange(2)}.txt'
        content = f'{self.name}{"x" * self.count}'
        subject.resource('R').file(name).put(content.encode(), overwrite=True)

    def remove(self, subject: Any, text: str) -> None:
        items = [*self.project.subjects(), *self.project.experiments()]
        items += list(subject.resources().files()) if subject.exists() else []
        if items:
            self.dice.choice(items).delete()

    def rename(self, subject: Any, text: str) -> None:
        items = [*self.project.subjects(), *self.project.experiments()]
        if items:
            item = self.dice.choice(items)
            item.attrs.set('label', f'{item.label()[0]}{self.dice.randrange(5)}')

    def move(self, subject: Any, text: str) -> None:
        sessions = self.project.experiments().get('label')
        if sessions and subject.exists():
            session = self.dice.choice(sorted(sessions))
            uri = (
                f'/data/projects/{self.project.id()}/subjects/{subject.id()}/experiments/{session}'
            )
            subject.host.put(f'{uri}?xsiType={MR}').raise_for_status()

    def below(self, subject: Any, text: str) -> None:
        """Create or change a session of the other project, mostly below a shared subject."""
        sessions = [one for one in self.other.experiments() if self.owner(one) == self.other.id()]
        if self.dice.random() < 0.2:
            subject = self.other.subject('T').create()
        if not subject.exists():
            return
        if self.other.id() not in [subject.parent().id(), *subject.shares().get()]:
            subject.share(self.other.id(), f'S{self.dice.randrange(3)}')
        place = f'/projects/{self.other.id()}/subjects/{subject.id()}/experiments'
        if len(sessions) < 2 and self.dice.random() < 0.6:
            label = f'F{self.dice.randrange(3)}'
            if label not in [one.label() for one in sessions]:
                new = subject.host.select(f'{place}/{label}')
                new.create(experiments=MR, **{f'{MR}/note': text})
        elif sessions:
            session = self.dice.choice(sessions)
            work: list[Callable[[], object]] = [
                lambda: session.attrs.set(f'{MR}/note', text),
                lambda: session.attrs.set('label', f'F{self.dice.randrange(3)}'),
                lambda: session.resource('R').file('b.txt').put(text.encode(), overwrite=True),
                lambda: subject.host.put(f'/data{place}/{session.label()}?xsiType={MR}'),
                lambda: session.share(self.project.id(), primary=True),
                session.delete,
            ]
            self.dice.choice(work)()

    @staticmethod
    def owner(session: Any) -> str:
        """Return the project that owns a session: listings show the one that was asked."""
        rows = session.host.connection.rows(
            f'/data/experiments/{session.id()}/projects?format=json'
        )
        owner: str = rows[0]['ID']
        return owner

    def share(self, subject: Any, text: str) -> None:
        items = [*self.project.subjects(), *self.project.experiments()]
        if items:
            item, other = self.dice.choice(items), f'{self.project.id()}_2'
            if other in item.shares().get():
                item.unshare(other)
            else:
                item.share(other, f'{item.label()[0]}{self.dice.randrange(3)}')


class Watch:
    """Finds changes of one side that the other one overwrote without a conflict."""

    def __init__(self, here: pyxnat.Interface, there: pyxnat.Interface, project: str) -> None:
        self.sides = {'here': here, 'there': there}
        self.project = project
        self.agreed: dict[tuple[str, str], set[str]] = {}
        """Texts that may be overwritten: both sides had them, or a person decided so."""

    def fields(self, side: str) -> Fields:
        found: Fields = {}
        units = {**content(self.sides[side], self.project)}
        units |= content(self.sides[side], f'{self.project}_2')
        for items, files in units.values():
            for key, values in items.items():
                found |= {(key, name): text for name, text in values.items()}
            for key, (values, _) in files.items():
                name = key[key.index('/experiments/') :] if '/experiments/' in key else key
                found[name, 'digest'] = values['digest']
        return found

    def check(self, side: str, work: Callable[[], object]) -> None:
        """Do something that changes a side, which must keep its own changes; the other all."""
        before = {name: self.fields(name) for name in self.sides}
        work()
        after = {name: self.fields(name) for name in self.sides}
        for place, text in before[side].items():
            if 'LOCAL_' in place[0] + text or (
                side == 'here' and place[1].startswith(('@label', '@share'))
            ):
                continue  # it got an ID, or gave its label to another item for a while
            if text not in self.agreed.get(place, ()):
                assert after[side].get(place) == text, f'{place} was overwritten {side}'
        if side == 'here':
            assert after['there'] == before['there'], 'a pull changed the server'
        self.agree(after)

    def agree(self, now: dict[str, Fields]) -> None:
        here, there = now['here'], now['there']
        for place in {**here, **there, **self.agreed}:
            if here.get(place) == there.get(place):
                self.agreed.pop(place, None)
                if place in here:
                    self.agreed[place] = {here[place]}

    def resolved(self, key: str, take: str) -> None:
        """A person decided: the other version of an item or file may be overwritten."""
        side = 'there' if take == 'local' else 'here'
        name = (
            key[key.index('/experiments/') :]
            if '/files/' in key and '/experiments/' in key
            else key
        )
        for place, text in self.fields(side).items():
            if name in place[0] or key.startswith(('subjects/', 'experiments/')):
                self.agreed.setdefault(place, set()).add(text)


@pytest.mark.parametrize('seed', SEEDS)
def test_both_sides_are_equal_in_the_end(
    seed: int,
    server: Any,
    xnat: pyxnat.Interface,
    project: Any,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    dice, name = random.Random(seed), project.id()
    xnat.put(f'/data/projects/{name}_2').raise_for_status()
    login = (server.url, server.user, server.password)
    is_killed = seed % KILLED == 0
    with pyxnat.Mirror(tmp_path / 'study', remote=xnat) as mirror:
        is_partly = seed % PARTLY == 1
        if is_partly:
            project.subject('S0').create().share(f'{name}_2')
            project.subject('S1').create()
        for project_id in (name, f'{name}_2')[is_partly:]:
            mirror.pull(f'/projects/{project_id}').check()
        people = [Person('there', xnat, name, dice), Person('here', mirror.local, name, dice)]
        watch, kills = Watch(mirror.local, xnat, name), list[bool]()
        watch.agree({side: watch.fields(side) for side in watch.sides})
        for step in range(STEPS):
            if is_partly and step == STEPS // 2:
                watch.check('here', lambda: mirror.pull(f'/projects/{name}', max_delete=1))
            kind = dice.random()
            delete = dice.random() < 0.5
            if is_killed and (kind > 0.85 or step == STEPS // 2):
                what = dice.choice(['pull', 'push', 'delete'])
                moment = str(int(2 ** dice.uniform(0, MOMENTS)))
                place = str(tmp_path / 'study')
                watch.check(
                    'here' if what == 'pull' else 'there',
                    lambda: kills.append(killed(place, *login, what, moment)),  # noqa: B023
                )
            elif kind < 0.7:
                dice.choice(people).change()
            elif kind < 0.85:
                watch.check('here', lambda: mirror.pull(max_delete=1))
            elif kind < 0.95:
                watch.check('there', lambda: mirror.push(delete=delete, max_delete=1))  # noqa: B023
            else:
                decide(mirror, dice, watch)
        record_property('kills', sum(kills))
        settle(mirror, dice, watch)
        for project_id in (name, f'{name}_2'):
            assert content(mirror.local, project_id) == content(xnat, project_id)
        assert mirror.conflicts() == []


def killed(*arguments: str) -> bool:
    """Pull or push in a process that is killed, unless it ends before; return whether it was."""
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM, *arguments],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        check=False,
        timeout=120,
    )
    assert done.returncode in (0, -9), done.stderr.decode()
    return done.returncode == -9


def decide(mirror: pyxnat.Mirror, dice: random.Random, watch: Watch) -> None:
    for key in dict.fromkeys(conflict.key for conflict in mirror.conflicts()):
        take: Any = dice.choice(['local', 'remote', 'both'])
        with suppress(errors.DataError):  # it went with another one, or was changed since
            mirror.resolve(key, take)
            watch.resolved(key, take)


def settle(mirror: pyxnat.Mirror, dice: random.Random, watch: Watch) -> None:
    """Resolve all conflicts, and synchronise until nothing is left."""
    for _ in range(10):
        watch.check('here', lambda: mirror.pull(max_delete=1))
        decide(mirror, dice, watch)
        mirror.pull(max_delete=1)
        mirror.push(delete=True, max_delete=1)
        if mirror.status() == ([], [], []):
            return
    report = mirror.push(delete=True, max_delete=1)
    raise AssertionError(f'not settled: {mirror.status()} {report.failed}')
