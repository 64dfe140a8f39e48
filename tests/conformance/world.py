"""Archives of the conformance tests: content, users, and separate items for each fact."""

from __future__ import annotations

import itertools
import re
import tempfile
import time
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import cast

from pyxnat.server import Server, serve
from tests.support.plain import Client, allow_many_sessions
from tests.support.quick import quick_folder

from .remote import Inside, Remote

PASSWORDS = {'owner': 'o', 'member': 'm', 'collaborator': 'c', 'outsider': 'x'}
ROLES = ('owner', 'member', 'collaborator')
BROWSER = {
    'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) '
    'Chrome/120.0 Safari/537.36'
}


class World:
    """The archives, or a remote server.

    One archive is closed to guests and holds `seed`; the other is open to them and follows XNAT
    where this server is more permissive by default. A remote server replaces the first; the others
    do not exist then, and facts that need them raise `Inside`.
    """

    def __init__(self, remote: Remote | None = None) -> None:
        self.remote = remote
        self._stack = ExitStack()
        self._folder = Path(
            self._stack.enter_context(
                tempfile.TemporaryDirectory(dir=quick_folder(), prefix='conformance-')
            )
        )
        self._clients: dict[tuple[bool, str], Client] = {}
        self._numbers = itertools.count(
            1 if remote is None else int(time.time()) * 100
        )  # IDs of deleted projects are not reused
        self._fields: dict[str, dict[str, dict[str, str]]] = {}

    @cached_property
    def closed(self) -> Server:
        if self.remote is not None:
            self.remote.prepare(PASSWORDS)
            return cast(Server, self.remote)
        return self._served(
            serve(self._folder / 'closed', password='secret', users=PASSWORDS, durable=False)
        )

    @cached_property
    def open(self) -> Server:
        self._served_here('open to guests')
        server = serve(
            self._folder / 'open',
            password='secret',
            users=PASSWORDS,
            require_login=False,
            silent_refusals=True,
            durable=False,
        )
        return self._served(server)

    def _served_here(self, what: str) -> None:
        if self.remote is not None:
            raise Inside(f'an archive {what}')

    def _served(self, server: Server) -> Server:
        """Keep a server until the end, with many sessions of a user."""
        self._stack.enter_context(server)
        allow_many_sessions(server)
        return server

    @cached_property
    def below(self) -> Server:
        """Serve an archive below a context path."""
        self._served_here('below a context path')
        return self._stack.enter_context(
            serve(self._folder / 'below', password='secret', context='/xnat', site="A ^b-c'")
        )

    @cached_property
    def ids(self) -> dict[str, str]:
        """Return the accession IDs of the items in the closed archive."""
        return seed(self.client('admin'))

    @cached_property
    def guests(self) -> None:
        """Create a project of each accessibility in the open archive."""
        admin = self.client('admin', site_open=True)
        for access in ('private', 'protected', 'public'):
            admin.ok('PUT', f'/data/projects/{access}?accessibility={access}')
            admin.ok(
                'PUT',
                f'/data/projects/{access}/subjects/S/experiments/E?xsiType=xnat:mrSessionData',
            )
            admin.ok('PUT', f'/data/projects/{access}/resources/R/files/f.txt?inbody=true', b'x')

    def client(self, login: str, site_open: bool = False) -> Client:
        """Return one user's connection; ``nobody`` sends no credentials, ``wrong`` a wrong
        password."""
        key = site_open, login
        if key not in self._clients:
            server = self.open if site_open else self.closed
            self._clients[key] = self.connect(server, login)
        return self._clients[key]

    def connect(self, server: Server, login: str, **headers: str) -> Client:
        """Return a new connection."""
        if login in ('nobody', 'guest'):
            return Client(server, headers=headers)
        words = {**PASSWORDS, 'admin': server.password, 'wrong': 'wrong'}
        return Client(
            server, server.user if login in ('admin', 'wrong') else login, words[login], headers
        )

    def fields(self, element: str) -> dict[str, dict[str, str]]:
        """Return the searchable fields of a data type, by field ID."""
        if element not in self._fields:
            rows = self.client('admin').get(f'/data/search/elements/{element}?format=json').rows
            self._fields[element] = {row['FIELD_ID']: row for row in rows}
        return self._fields[element]

    def number(self) -> int:
        return next(self._numbers)

    def __enter__(self) -> World:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for client in self._clients.values():
            client.close()
        self._stack.close()


class Case:
    """Environment of the check of one fact.

    Paths in its requests may hold names in braces: accession IDs of the seed (``{M1}``), texts that
    an earlier request kept, and paths of items that are created for this fact when they are first
    used: ``{p}`` a project, ``{q}`` another, ``{s}`` a subject S in ``{p}``, ``{e}`` its MR session
    E, ``{n}`` the session's scan 1; ``{p_id}`` and ``{q_id}`` are IDs. ``{new}`` is an unused ID of
    a project. Owner, member and collaborator have these roles in such projects. ``guest`` has no
    login, at the archive that is open to guests.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        _ = world.ids  # the seed exists before the first request
        self.names: dict[str, str] = {}
        self._team = False

    # -- callers

    def client(self, login: str) -> Client:
        """Return a user's connection."""
        if login == 'guest' or login.startswith('open '):
            _ = self.world.guests
            return self.world.client(login.removeprefix('open '), site_open=True)
        if login in ROLES and not self._team:
            self._team = True
            for name in ('p', 'q'):
                self._join(self.names.get(name, ''))
        return self.world.client(login)

    def _join(self, project: str) -> None:
        """Give the users their roles in a project of this fact, when one of them is first used."""
        for role in ROLES if project and self._team else ():
            self.admin.ok('PUT', f'{project}/users/{role}/{role}')

    @property
    def admin(self) -> Client:
        return self.world.client('admin')

    @property
    def owner(self) -> Client:
        return self.client('owner')

    @property
    def member(self) -> Client:
        return self.client('member')

    @property
    def collaborator(self) -> Client:
        return self.client('collaborator')

    @property
    def outsider(self) -> Client:
        return self.client('outsider')

    @property
    def guest(self) -> Client:
        return self.client('guest')

    # -- items

    def fill(self, text: str) -> str:
        """Replace the names in braces in a text."""
        return re.sub(
            r'\{(\w+)\}', lambda found: self._named(found.group(1)) or found.group(), text
        )

    def _named(self, name: str) -> str:
        if name not in self.names:
            made = self._make(name)
            if not made:
                return self.world.ids.get(name, '')
            self.names[name] = made
        return self.names[name]

    def _make(self, name: str) -> str:
        if name in ('p_id', 'q_id'):
            return self.fill(f'{{{name[0]}}}').rpartition('/')[2]
        if name == 'new':
            return f'F{self.world.number():04d}'
        if name == 'qc':
            return 'xsiType=xnat:qcManualAssessorData&xnat:qcManualAssessorData/pass=1'
        paths = {
            'p': ('/data/projects/{new}', ''),
            'q': (f'/data/projects/F{self.world.number():04d}', ''),
            's': ('{p}/subjects/S', ''),
            'e': ('{s}/experiments/E', '?xsiType=xnat:mrSessionData'),
            'n': ('{e}/scans/1', '?xsiType=xnat:mrScanData&type=T1'),
        }
        if name not in paths:
            return ''
        path, query = paths[name]
        path = self.fill(path)
        self.admin.ok('PUT', path + query)
        if name in ('p', 'q'):
            self._join(path)
        return path

    def __getattr__(self, name: str) -> str:
        """Return the same paths for functions: ``case.p``, ``case.e``."""
        if name.startswith('_') or not (found := self._named(name)):
            raise AttributeError(name)
        return found


def seed(admin: Client) -> dict[str, str]:
    """Create the projects P and Q.

    P has two subjects, three sessions, scans, a reconstruction, an assessor and files. Returns IDs
    by label.
    """
    ids: dict[str, str] = {}
    admin.ok('PUT', '/data/projects/P?description=a%20study&pi_firstname=Ada&pi_lastname=Long')
    admin.ok('PUT', '/data/projects/Q')
    for role in ROLES:
        admin.ok('PUT', f'/data/projects/P/users/{role}/{role}')
    ids['S1'] = admin.ok(
        'PUT', '/data/projects/P/subjects/S1?gender=female&age=81&handedness=left&group=control'
    )
    ids['S2'] = admin.ok('PUT', '/data/projects/P/subjects/S2?gender=male&dob=1950-06-30')
    base = '/data/projects/P/subjects'
    ids['M1'] = admin.ok(
        'PUT',
        f'{base}/S1/experiments/M1?xsiType=xnat:mrSessionData&date=2020-01-31&xnat:mrSessionData/'
        'age=79',
    )
    ids['M2'] = admin.ok(
        'PUT',
        f'{base}/S1/experiments/M2?xsiType=xnat:mrSessionData&date=2023-02-19&fieldStrength=3.0&'
        'xnat:mrSessionData/age=82',
    )
    ids['T1'] = admin.ok(
        'PUT',
        f'{base}/S2/experiments/T1?xsiType=xnat:petSessionData&date=2021-05-05&tracer_name=FDG',
    )
    session = f'{base}/S1/experiments/M1'
    admin.ok(
        'PUT',
        f'{session}/scans/1?xsiType=xnat:mrScanData&type=T1%20w&quality=usable&xnat:mrScanData/'
        'parameters/tr=2.3&scanner=Trio',
    )
    admin.ok(
        'PUT',
        f'{session}/scans/2?xsiType=xnat:mrScanData&type=T2&quality=questionable&'
        'series_description=t2',
    )
    admin.ok('PUT', f'{session}/reconstructions/R1?type=bias')
    ids['A1'] = admin.ok(
        'PUT',
        f'{session}/assessors/A1?xsiType=xnat:qcManualAssessorData'
        '&xnat:qcManualAssessorData/pass=1',
    )
    for holder in (
        f'{session}/scans/1',
        f'{session}/scans/2',
        session,
        f'{base}/S1',
        '/data/projects/P',
    ):
        admin.ok(
            'PUT',
            f'{holder}/resources/DATA/files/a/one.txt?inbody=true&format=TEXT&content=notes&tags=x,'
            'y',
            b'one',
        )
    admin.ok(
        'PUT', f'{session}/assessors/A1/out/resources/OUT/files/two.nii.gz?inbody=true', b'two'
    )
    return ids
