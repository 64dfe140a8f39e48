"""Tests of the cache against a model: no response is ever older than documented."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import pyxnat
from pyxnat import errors
from pyxnat.cache import Moment, write_stamp
from tests.conftest import DEEP
from tests.support.quick import quick_folder
from tests.support.scripted import Reply, Request, ScriptedServer

NAMES = ['A', 'B']
names = st.sampled_from(NAMES)


class Machine(RuleBasedStateMachine):
    """An archive of numbered versions of a few items, programs that share a cache, and clocks.

    Each write makes a new version. The model records when a version was replaced, in real time,
    which no clock of the machine shows.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=quick_folder()))
        self.versions = dict.fromkeys(NAMES, 0)
        self.replaced: dict[tuple[str, int], tuple[float, bool]] = {}
        self.told: dict[str, set[bytes]] = {name: set() for name in NAMES}
        self.kept: set[str] = set()
        self.real = 1000.0
        self.offset = 1_700_000_000.0
        self.boot = 'boot 1'
        self.up = 0.0
        self.is_up = True
        self.server = ScriptedServer(self.answer)
        self.server.__enter__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(
            Moment,
            'now',
            classmethod(
                lambda cls: Moment(self.offset + self.real, self.real - self.up, self.boot)
            ),
        )
        self.patch.setattr(write_stamp.time, 'monotonic', lambda: self.real - self.up)
        self.programs: list[pyxnat.Interface] = []

    def answer(self, request: Request) -> Reply:
        name = request.uri.partition('?')[0].rpartition('/')[2]
        if request.method == 'PUT':
            self.versions[name] += 1
        return Reply(
            200,
            b'%s %d' % (name.encode(), self.versions.get(name, 0)),
            {'Set-Cookie': 'JSESSIONID=A; Path=/'},
        )

    @initialize()
    def begin(self) -> None:
        self.programs = [self.program() for _ in range(2)]

    def program(self) -> pyxnat.Interface:
        return pyxnat.Interface(self.server.url, 'me', 'secret', self.folder, retries=0)

    @rule(name=names, which=st.integers(0, 1), expiration=st.sampled_from([None, 1.0, 60.0]))
    def ask(self, name: str, which: int, expiration: float | None) -> None:
        interface = self.programs[which]
        offline = interface.cache.is_offline
        try:
            said = interface._exec(f'/data/projects/{name}', expiration=expiration)
        except errors.OfflineError:
            assert offline and name not in self.kept, 'what was asked before is answered offline'
            return
        told, version = said.split()
        assert told == name.encode()
        if not offline:
            self.told[name].add(said)
            self.kept.add(name)
            self.see_that_it_is_fresh(name, int(version), expiration)
        assert said in self.told[name]

    def see_that_it_is_fresh(self, name: str, version: int, expiration: float | None) -> None:
        if version == self.versions[name]:
            return
        when, by_us = self.replaced[name, version]
        assert not by_us, 'what was written through the library is seen at once'
        assert expiration is None or self.real - when <= expiration, (
            'an answer is no older than its expiration'
        )

    @rule(name=names, which=st.integers(0, 1))
    def write(self, name: str, which: int) -> None:
        interface = self.programs[which]
        if interface.cache.is_offline:
            with pytest.raises(errors.OfflineError):
                interface._exec(f'/data/projects/{name}', 'PUT')
            return
        self.replaced[name, self.versions[name]] = self.real, True
        for older in range(self.versions[name]):
            self.replaced[name, older] = self.replaced[name, older][0], True
        interface._exec(f'/data/projects/{name}', 'PUT')

    @rule(name=names)
    def others_write(self, name: str) -> None:
        self.replaced[name, self.versions[name]] = self.real, False
        self.versions[name] += 1

    @rule(
        seconds=st.sampled_from([0.6, 1.1, 61]),
        correction=st.sampled_from([0, 0, -3600, -61, -1, 3600]),
    )
    def time_passes_and_the_clock_may_be_set(self, seconds: float, correction: float) -> None:
        self.real += seconds
        self.offset += correction

    @rule(
        name=names,
        which=st.integers(0, 1),
        seconds=st.sampled_from([0, 0.6, 61]),
        correction=st.sampled_from([0, -61, -3600]),
        expiration=st.sampled_from([None, 60.0]),
    )
    def others_write_between_two_questions(
        self, name: str, which: int, seconds: float, correction: float, expiration: float | None
    ) -> None:
        self.ask(name, which, expiration)
        self.others_write(name)
        self.time_passes_and_the_clock_may_be_set(seconds, correction)
        self.ask(name, 1 - which, expiration)

    @rule(which=st.integers(0, 1))
    def a_program_starts_anew(self, which: int) -> None:
        self.programs[which].disconnect()
        self.programs[which] = self.program()

    @rule(which=st.integers(0, 1), offline=st.booleans())
    def a_program_goes_offline_or_comes_back(self, which: int, offline: bool) -> None:
        self.programs[which].cache.mode = 'offline' if offline else 'online'

    @rule(which=st.integers(0, 1))
    def it_is_pruned(self, which: int) -> None:
        self.programs[which].cache.prune(0)
        self.kept.clear()

    @rule(data=st.data())
    @precondition(lambda self: any(self.folder.rglob('answers/*/*')))
    def an_entry_is_damaged(self, data: Any) -> None:
        path = data.draw(st.sampled_from(sorted(self.folder.rglob('answers/*/*'))))
        content = path.read_bytes()
        path.write_bytes(
            data.draw(st.sampled_from([b'', content[:-1], content + b'x', b'foreign']))
        )
        self.kept.clear()

    @invariant()
    def nothing_stays_half_written(self) -> None:
        assert not list(self.folder.rglob('*.part'))

    def teardown(self) -> None:
        for interface in self.programs:
            interface.cache.mode = 'online'
            interface.disconnect()
        self.server.__exit__()
        self.patch.undo()
        shutil.rmtree(self.folder)


TestTheCache = Machine.TestCase
TestTheCache.settings = settings(max_examples=1500 if DEEP else 60, stateful_step_count=40)
