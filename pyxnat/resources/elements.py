"""What single levels can do besides: attached to the generated classes by :mod:`pyxnat.resources.factory`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import six

from .. import errors
from ..model import uris
from ..model.short_names import cell
from ..query.paths import chain_of
from ..tables.table import Row
from .base import Element, class_of
from .files import FileElement, ResourceElement
from .imported import Imported, Source
from .parameters import Parameters
from .pipelines import Pipelines
from .provenance import Provenance
from .sharing import SharedElement
from .variables import add_definitions, read_definitions

__all__ = [
    'BEHAVIOUR',
    'AssessorElement',
    'ExperimentElement',
    'ProjectElement',
    'ReconstructionElement',
    'ScanElement',
    'SubjectElement',
]

_ROLES = ('owner', 'member', 'collaborator')
_ACCESS = ('public', 'protected', 'private')


class ProjectElement(Element):
    """A study."""

    def _setting(self, name: str) -> str:
        return six.ensure_text(self.connection.request(f'{self.uri}/{name}')).strip()

    def _set(self, name: str, value: Any) -> None:
        self.connection.request(f'{self.uri}/{name}/{uris.quote(str(value))}', 'PUT')

    def accessibility(self) -> str:
        """Who may see it: ``private`` (its users), ``protected`` (all see that it is there), ``public`` (all may read). One request."""
        return self._setting('accessibility')

    def set_accessibility(self, accessibility: str = 'protected') -> None:
        """Set who may see it: ``private``, ``protected`` or ``public``. One request."""
        _check('accessibility', accessibility, _ACCESS)
        self._set('accessibility', accessibility)

    def prearchive_code(self) -> int:
        """What becomes of incoming sessions: 0 wait in the prearchive, 4 are archived, 5 archived and overwrite. One request."""
        return int(self._setting('prearchive_code'))

    def set_prearchive_code(self, code: int | str) -> None:
        """Set what becomes of incoming sessions. One request."""
        self._set('prearchive_code', int(code))

    def quarantine_code(self) -> int:
        """Whether new sessions are quarantined: 0 no, 1 yes. One request."""
        return int(self._setting('quarantine_code'))

    def set_quarantine_code(self, code: int | str) -> None:
        """Set whether new sessions are quarantined. One request."""
        self._set('quarantine_code', int(code))

    def current_arc(self) -> str:
        """The folder, on the server, that new sessions are kept in. One request."""
        return self._setting('current_arc')

    def set_subfolder_in_current_arc(self, subfolder: str) -> None:
        """Keep new sessions in a folder below the current one. Two requests."""
        self.connection.request(uris.join(f'{self.uri}/current_arc', uris.quote_path(self.current_arc()), uris.quote_path(subfolder)), 'PUT')

    def _user_rows(self) -> list[Row]:
        return self.connection.rows(f'{self.uri}/users')

    def users(self) -> list[str]:
        """Logins of its users. One request."""
        return [row['login'] for row in self._user_rows()]

    def _with_role(self, role: str) -> list[str]:
        return [row['login'] for row in self._user_rows() if _role(row) == role]

    def owners(self) -> list[str]:
        """Logins of those who may do everything. One request."""
        return self._with_role('owner')

    def members(self) -> list[str]:
        """Logins of those who may read and add data. One request."""
        return self._with_role('member')

    def collaborators(self) -> list[str]:
        """Logins of those who may read. One request."""
        return self._with_role('collaborator')

    def user_role(self, login: str) -> str:
        """``owner``, ``member``, ``collaborator``, the name of another group, or the empty text for who has no role. One request."""
        return next((_role(row) for row in self._user_rows() if row['login'] == login), '')

    def add_user(self, login: str, role: str = 'member') -> None:
        """Give a user of the server a role in the project, in place of the one they had. One request.

        Parameters
        ----------
        role : {'owner', 'member', 'collaborator'}
            Owners may do everything, members read and add data, collaborators read.
        """
        name = role.lower().removesuffix('s')
        _check('role', role, _ROLES, name)
        self.connection.request(f'{self.uri}/users/{name.title()}s/{uris.quote(login)}', 'PUT')

    def remove_user(self, login: str) -> None:
        """Take a user's role away. Two requests.

        Raises
        ------
        NotFoundError
            The user has no role in the project.
        """
        group = next((row['displayname'] for row in self._user_rows() if row['login'] == login), None)
        if group is None:
            raise errors.NotFoundError(
                f'{login} has no role in {self.path_name}', uri=self.connection.server + self.uri, remedy='users() lists who has.'
            )
        self.connection.request(f'{self.uri}/users/{uris.quote(group)}/{uris.quote(login)}', 'DELETE')

    @property
    def pipelines(self) -> Pipelines:
        """The pipelines that it has."""
        return Pipelines(self)

    def import_dicom(self, source: Source, subject: str | None = None, session: str | None = None, **options: Any) -> list[Imported]:
        """Send DICOM files, for the server to sort into sessions and scans; what became of each session.

        See :class:`pyxnat.services.manage.imports.Importer` for the options, and for what may come back.

        Examples
        --------
        ::

            for session in project.import_dicom('/scanner/monday', dest='archive'):
                print(session.status, session.element)
        """
        imported: list[Imported] = self.host.manage.import_dicom(source, self.path_name, subject, session, **options)
        return imported

    def last_modified(self) -> dict[str, str]:
        """When each subject, or anything below it, was changed last: accession ID -> time. One request."""
        rows = self.connection.rows(f'{self.uri}/subjects?columns=ID,last_modified')
        return {cell(row, 'ID'): cell(row, 'last_modified') for row in rows}

    def aliases(self) -> list[str]:
        """Other names of the project. One request."""
        rows = self.connection.rows(f'{uris.ENTRY}/projects?columns=ID,alias')
        return [cell(row, 'alias') for row in rows if cell(row, 'ID') == self.path_name and cell(row, 'alias')]

    def description(self) -> str:
        """Its description. One request."""
        return str(self.attrs.get('description'))

    def get_custom_variables(self) -> dict[str, dict[str, dict[str, str]]]:
        """Definitions of custom variables: protocol (``Subjects``) -> group -> field -> type. One request."""
        return read_definitions(self.get())

    def add_custom_variables(self, custom_variables: Mapping[str, Mapping[str, Mapping[str, str]]], allow_data_deletion: bool = False) -> None:
        """Define custom variables. Two requests, one where nothing would change.

        Parameters
        ----------
        custom_variables : dict
            As `get_custom_variables` gives them: ``{'Subjects': {'habits': {'smoker': 'boolean', 'cups': 'integer'}}}``.
        allow_data_deletion : bool
            Let XNAT drop what the new document does not have.

        Raises
        ------
        ValueError
            The project has no such protocol.
        """
        document = self.get()
        changed = add_definitions(document, custom_variables)
        if changed is not None:
            self.put_document(changed, {'allowDataDeletion': allow_data_deletion})


class SubjectElement(SharedElement):
    """A person, animal or phantom."""


class ExperimentElement(SharedElement):
    """An imaging session or another assessment of a subject."""

    def writing_uri(self) -> str:
        """Its URI below its own project and subject: elsewhere XNAT takes what is written for another session, or for nothing."""
        identity = self._accession_id()
        if self.steps[0].level == 'projects' and 'subjects' in chain_of(self.steps):
            return uris.join(uris.parent(self.uri), uris.quote(identity))
        project = self.steps[0].name if self.steps[0].level == 'projects' else self.value_of('project')
        if 'subject_ID' not in self.row:
            listing = uris.join(uris.ENTRY, 'projects', uris.quote(project), 'experiments')
            rows = self.connection.rows(uris.with_query(listing, {'ID': identity, 'columns': 'ID,label,project,subject_ID,xsiType'}))
            self.row.update(next(row for row in rows if row.get('ID') == identity))
        subject = uris.quote(self.row['subject_ID'])
        return uris.join(uris.ENTRY, 'projects', uris.quote(project), 'subjects', subject, 'experiments', uris.quote(identity))

    def parent(self) -> Element | None:
        """Its subject, in the subject's own project where the path does not name it. One request then, else none."""
        if 'subjects' in chain_of(self.steps):
            return self._parent_on_path()
        identity, project = self.attrs.mget(['subject_ID', 'subject_project'])
        uri = uris.join(uris.ENTRY, 'projects', uris.quote(project), 'subjects', uris.quote(identity))
        subject: Element = class_of('subjects').element_at(uri, self.host)
        return subject

    def trigger_pipelines(self) -> None:
        """Start the pipelines that run by themselves on new sessions. One request, and one for its ID if that is not known."""
        self.trigger(fix_types=False, scan_headers=False)

    def fix_scan_types(self) -> None:
        """Fill empty types of scans as similar scans have them. One request, and one for its ID if that is not known."""
        self.trigger(pipelines=False, scan_headers=False)

    def pull_data_from_headers(self) -> None:
        """Read fields of session and scans from the DICOM headers. One request, and one for its ID if that is not known."""
        self.trigger(pipelines=False, fix_types=False)

    def trigger(self, pipelines: bool = True, fix_types: bool = True, scan_headers: bool = True) -> None:
        """Start several of the server's jobs on the session at once. One request, and one for its ID if that is not known."""
        query = {'triggerPipelines': pipelines or None, 'fixScanTypes': fix_types or None, 'pullDataFromHeaders': scan_headers or None}
        if any(query.values()):
            self.check_owner()
            self.connection.request(uris.with_query(self.uri, query), 'PUT')


class AssessorElement(SharedElement, Parameters):
    """A measurement or judgement derived from a session."""

    @property
    def provenance(self) -> Provenance:
        """How it came to be."""
        return Provenance(self)


class ReconstructionElement(Element):
    """An image computed from scans."""

    @property
    def provenance(self) -> Provenance:
        """How it came to be."""
        return Provenance(self)


class ScanElement(Parameters):
    """One acquisition."""


def _role(row: Row) -> str:
    name = row.get('displayname', '')
    return name.lower().removesuffix('s') if name.lower().removesuffix('s') in _ROLES else name


def _check(what: str, value: str, allowed: tuple[str, ...], meant: str | None = None) -> None:
    if (meant or value) not in allowed:
        raise errors.ProgrammingError(f'{value!r} is no {what}', remedy=f'There are: {", ".join(allowed)}.')


BEHAVIOUR: dict[str, type[Element]] = {
    'projects': ProjectElement,
    'subjects': SubjectElement,
    'experiments': ExperimentElement,
    'assessors': AssessorElement,
    'reconstructions': ReconstructionElement,
    'scans': ScanElement,
    'resources': ResourceElement,
    'in_resources': ResourceElement,
    'out_resources': ResourceElement,
    'files': FileElement,
}
"""Plural name of a level -> the class its element class derives from."""
