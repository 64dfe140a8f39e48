"""Random histories of both sides, with pulls, pushes and decisions in any order."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from tests.conftest import DEEP

from .test_pull import MR, content

SEEDS = range(300 if DEEP else 2)
STEPS = 25 if DEEP else 12


class Person:
    """Changes one side at random, with a value that nobody else writes."""

    def __init__(
        self, name: str, side: pyxnat.Interface, project: str, dice: random.Random
    ) -> None:
        self.name = name
        self.project = side.select.project(project)
        self.dice = dice
        self.count = 0

    def change(self) -> None:
        work: list[Callable[[Any, str], object]] = [
            lambda subject, text: subject.attrs.set('group', text),
            lambda subject, text: subject.attrs.set('src', text),
            lambda subject, text: subject.create() if not subject.exists() else None,
            self.session,
            self.session,
            self.file,
            self.remove,
        ]
        subject = self.project.subject(f'S{self.dice.randrange(2)}')
        self.count += 1
        text = (
            f'{self.dice.randrange(3)}' if self.dice.random() < 0.3 else f'{id(self)}{self.count}'
        )
        act = self.dice.choice(work)
        if act in work[:2] and not subject.exists():
            subject.create()
        act(subject, text)

    def session(self, subject: Any, text: str) -> None:
        session = subject.experiment(f'{subject.path_name}_E{self.dice.randrange(2)}')
        if not session.exists():
            session.create(experiments=MR, **{f'{MR}/note': text})
        elif self.dice.random() < 0.5:
            session.attrs.set(f'{MR}/note', text)
        else:
            scan = session.scan(str(self.dice.randrange(2)))
            if scan.exists():
                scan.attrs.set('note', text)
            else:
                scan.create(type='T1')

    def file(self, subject: Any, text: str) -> None:
        name = f'{self.dice.randrange(2)}.txt'
        content = f'{self.name}{"x" * self.count}'  # of a new size: XNAT marks no other change
        subject.resource('R').file(name).put(content.encode(), overwrite=True)

    def remove(self, subject: Any, text: str) -> None:
        items = [*self.project.subjects(), *self.project.experiments()]
        items += list(subject.resources().files()) if subject.exists() else []
        if items:
            self.dice.choice(items).delete()


@pytest.mark.parametrize('seed', SEEDS)
def test_both_sides_are_equal_in_the_end(
    seed: int, xnat: pyxnat.Interface, project: Any, tmp_path: Path
) -> None:
    dice, name = random.Random(seed), project.id()
    with pyxnat.Mirror(tmp_path / 'study', remote=xnat) as mirror:
        mirror.pull(f'/projects/{name}').check()
        people = [Person('there', xnat, name, dice), Person('here', mirror.local, name, dice)]
        for _ in range(STEPS):
            kind = dice.random()
            if kind < 0.7:
                dice.choice(people).change()
            elif kind < 0.85:
                before = content(xnat, name)
                mirror.pull(max_delete=1)
                assert content(xnat, name) == before, 'a pull changed the server'
            elif kind < 0.95:
                mirror.push(delete=dice.random() < 0.5)
            else:
                decide(mirror, dice)
        settle(mirror, dice)
        assert content(mirror.local, name) == content(xnat, name)
        assert mirror.conflicts() == []


def decide(mirror: pyxnat.Mirror, dice: random.Random) -> None:
    for key in dict.fromkeys(conflict.key for conflict in mirror.conflicts()):
        with suppress(errors.DataError):  # it went with another one, or was changed since
            mirror.resolve(key, dice.choice(['local', 'remote']))


def settle(mirror: pyxnat.Mirror, dice: random.Random) -> None:
    """Resolve all conflicts, and synchronise until nothing is left."""
    for _ in range(8):
        mirror.pull(max_delete=1)
        decide(mirror, dice)
        mirror.pull(max_delete=1)
        mirror.push(delete=True)
        if mirror.status() == ([], [], []):
            return
    raise AssertionError(f'not settled: {mirror.status()}')
