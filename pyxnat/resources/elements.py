"""Element classes of single levels, from projects to scans.

The generated classes derive from these; see :mod:`pyxnat.resources.factory`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import six

from .. import errors
from ..model import uris
from ..model.rows import number_in
from ..model.short_names import cell
from ..query.criteria import parse
from ..query.paths import chain_of
from ..tables.table import Row
from .base import Element, class_of
from .containers import Launchable
from .files import FileElement, ResourceElement
from .imported import Imported, Source
from .parameters import Parameters
from .pipelines import Pipelines
from .provenance import Provenance
from .sharing import SharedElement
from .spreadsheets import FromSheet
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
_PROJECT_FIELDS = (
    'NAME',
    'PROJECT_ACCESS',
    'PROJECT_OWNERS',
    'INSERT_DATE',
    'PROJ_MR_COUNT',
    'PROJ_CT_COUNT',
    'PROJ_PET_COUNT',
    'PROJ_UT_COUNT',
)
"""Search fields of a project's summary."""


class ProjectElement(Element, FromSheet, Launchable):
    """A study."""

    def _get_code(self, name: str) -> int:
        return number_in({name: self._get_setting(name)}, name)

    def _get_setting(self, name: str) -> str:
        return six.ensure_text(
            self.connection.request(f'{self.uri}/{name}'), errors='replace'
        ).strip()

    def _put_setting(self, name: str, value: Any) -> None:
        self.connection.request(f'{self.uri}/{name}/{uris.quote(str(value))}', 'PUT')

    def summary(self) -> str:
        """Return one line: name, access, contents, owners, date of creation.

        Two requests.
        """
        identity = self.id()
        fields = [f'xnat:projectData/{name}' for name in _PROJECT_FIELDS]
        criteria = parse([('xnat:projectData/ID', '=', identity), 'AND'])
        rows = self.host.search.table('xnat:projectData', fields, criteria)
        row = dict(zip(_PROJECT_FIELDS, next(iter(rows)).values(), strict=True))
        counts = [
            f'{row[name]} {name[5:-6]} {_plural(row[name], "experiment")}'
            for name in _PROJECT_FIELDS
            if name.endswith('_COUNT') and row[name]
        ]
        owners = '/'.join(map(str.strip, row['PROJECT_OWNERS'].split('<br/>')))
        subjects = len(self.connection.rows(f'{self.uri}/subjects'))
        contents = ' '.join([f'{subjects} {_plural(subjects, "subject")}', *counts])
        return self._summary_of(
            f'{identity} `{row["NAME"]}` ({row["PROJECT_ACCESS"]}) {contents} '
            f'(owner: {owners}) (created on {row["INSERT_DATE"]})'
        )

    def accessibility(self) -> str:
        """Return the access of other users. One request.

        ``private``: users of the project only; ``protected``: all see that it exists; ``public``:
        all may read it.
        """
        return self._get_setting('accessibility')

    def set_accessibility(self, accessibility: str = 'protected') -> None:
        """Set the access of other users. One request.

        Parameters
        ----------
        accessibility : {'private', 'protected', 'public'}
            As `accessibility` returns it.
        """
        _check('accessibility', accessibility, _ACCESS)
        self._put_setting('accessibility', accessibility)

    def prearchive_code(self) -> int:
        """Return the handling of incoming sessions. One request.

        0: wait in the prearchive; 4: archive; 5: archive and overwrite.
        """
        return self._get_code('prearchive_code')

    def set_prearchive_code(self, code: int | str) -> None:
        """Set the handling of incoming sessions. One request.

        Parameters
        ----------
        code : int or str
            As `prearchive_code` returns it.
        """
        self._put_setting('prearchive_code', int(code))

    def quarantine_code(self) -> int:
        """Return 1 if new sessions are quarantined, 0 if not. One request."""
        return self._get_code('quarantine_code')

    def set_quarantine_code(self, code: int | str) -> None:
        """Quarantine new sessions (1) or not (0). One request."""
        self._put_setting('quarantine_code', int(code))

    def current_arc(self) -> str:
        """Return the folder of new sessions on the server. One request."""
        return self._get_setting('current_arc')

    def set_subfolder_in_current_arc(self, subfolder: str) -> None:
        """Store new sessions in a subfolder of the current folder.

        Two requests.
        """
        self.connection.request(
            uris.join(
                f'{self.uri}/current_arc',
                uris.quote_path(self.current_arc()),
                uris.quote_path(subfolder),
            ),
            'PUT',
        )

    def _user_rows(self) -> list[Row]:
        return self.connection.rows(f'{self.uri}/users')

    def users(self) -> list[str]:
        """Return the logins of all users of the project. One request."""
        return [row['login'] for row in self._user_rows()]

    def _with_role(self, role: str) -> list[str]:
        return [row['login'] for row in self._user_rows() if _role(row) == role]

    def owners(self) -> list[str]:
        """Return the logins of owners, who may do everything. One request."""
        return self._with_role('owner')

    def members(self) -> list[str]:
        """Return the logins of members, who may read and add data.

        One request.
        """
        return self._with_role('member')

    def collaborators(self) -> list[str]:
        """Return the logins of collaborators, who may read. One request."""
        return self._with_role('collaborator')

    def user_role(self, login: str) -> str:
        """Return the role of a user. One request.

        ``owner``, ``member``, ``collaborator``, the name of another group, or the empty text.
        """
        return next((_role(row) for row in self._user_rows() if row['login'] == login), '')

    def add_user(self, login: str, role: str = 'member') -> None:
        """Give a user of the server a role in the project. One request.

        The role replaces the one that the user had.

        Parameters
        ----------
        login : str
            The user's login name.
        role : {'owner', 'member', 'collaborator'}
            Owners may do everything, members read and add data, collaborators read.
        """
        name = role.lower().removesuffix('s')
        _check('role', role, _ROLES, name)
        self.connection.request(f'{self.uri}/users/{name.title()}s/{uris.quote(login)}', 'PUT')

    def remove_user(self, login: str) -> None:
        """Remove a user from the project. Two requests.

        Raises
        ------
        NotFoundError
            The user has no role in the project.
        """
        group = next(
            (row['displayname'] for row in self._user_rows() if row['login'] == login), None
        )
        if group is None:
            raise errors.NotFoundError(
                f'{login} has no role in {self.path_name}',
                uri=self.connection.server + self.uri,
                remedy='users() lists those who have one.',
            )
        self.connection.request(
            f'{self.uri}/users/{uris.quote(group)}/{uris.quote(login)}', 'DELETE'
        )

    @property
    def pipelines(self) -> Pipelines:
        """The pipelines of the project."""
        return Pipelines(self)

    def import_dicom(
        self, source: Source, subject: str | None = None, session: str | None = None, **options: Any
    ) -> list[Imported]:
        """Send DICOM files, which the server sorts into sessions and scans.

        Parameters
        ----------
        source : path or list of paths
            A file, a folder, a zip or tar, or several of these.
        subject, session : str, optional
            Labels, instead of those in the DICOM headers.
        **options
            See :class:`pyxnat.services.manage.imports.Importer`.

        Returns
        -------
        list of Imported
            One for each session.

        Examples
        --------
        ::

            for session in project.import_dicom('/scanner/monday', dest='archive'):
                print(session.status, session.element)
        """
        imported: list[Imported] = self.host.manage.import_dicom(
            source, self.path_name, subject, session, **options
        )
        return imported

    def last_modified(self) -> dict[str, str]:
        """Return the time of the last change of each subject. One request.

        A dict from accession ID to time; changes below the subject count, too.
        """
        rows = self.connection.rows(f'{self.uri}/subjects?columns=ID,last_modified')
        return {cell(row, 'ID'): cell(row, 'last_modified') for row in rows}

    def aliases(self) -> list[str]:
        """Return the other names of the project. One request."""
        rows = self.connection.rows(f'{uris.ENTRY}/projects?columns=ID,alias')
        return [
            cell(row, 'alias')
            for row in rows
            if cell(row, 'ID') == self.path_name and cell(row, 'alias')
        ]

    def description(self) -> str:
        """Return its description. One request."""
        return str(self.attrs.get('description'))

    def get_custom_variables(self) -> dict[str, dict[str, dict[str, str]]]:
        """Return the definitions of custom variables. One request.

        Nested dicts: protocol (``Subjects``) -> group -> field -> type.
        """
        return read_definitions(self.get())

    def add_custom_variables(
        self,
        custom_variables: Mapping[str, Mapping[str, Mapping[str, str]]],
        allow_data_deletion: bool = False,
    ) -> None:
        """Define custom variables. Two requests; one if nothing changes.

        Parameters
        ----------
        custom_variables : dict
            As `get_custom_variables` returns them:
            ``{'Subjects': {'habits': {'smoker': 'boolean', 'cups': 'integer'}}}``.
        allow_data_deletion : bool
            Let XNAT delete fields that the new document lacks.

        Raises
        ------
        InvalidArgument
            The project has no such protocol.
        """
        document = self.get()
        changed = add_definitions(document, custom_variables)
        if changed is not None:
            self.put_document(changed, {'allowDataDeletion': allow_data_deletion})


class SubjectElement(SharedElement, Launchable):
    """A person, animal or phantom."""

    def summary(self) -> str:
        """Return one line: label, project, age, gender, handedness. Two requests."""
        names = ['ID', 'label', 'project', 'age', 'gender', 'handedness']
        identity, label, project, age, gender, hand = self.attrs.mget(names)
        known = {'Age': age, 'Gender': gender[:1].upper(), 'Handedness': hand[:1].upper()}
        about = ' - '.join(f'{name}: {value}' for name, value in known.items() if value)
        count = len(self.connection.rows(f'{self.uri}/experiments'))
        return self._summary_of(
            f'{identity} `{label}` (project: {project}) {f"({about})" if about else ""} '
            f'{count} {_plural(count, "experiment")}'
        )


class ExperimentElement(SharedElement, Launchable):
    """An imaging session or another assessment of a subject."""

    def summary(self) -> str:
        """Return one line: subject, project, contents, date of creation. Three requests."""
        names = ['ID', 'label', 'subject_ID', 'subject_label', 'project', 'insert_date']
        identity, label, subject, subject_label, project, created = self.attrs.mget(names)
        place = uris.join(uris.ENTRY, 'experiments', uris.quote(identity))
        scans = len(self.connection.rows(f'{place}/scans'))
        resources = len(self.connection.rows(f'{place}/resources'))
        return self._summary_of(
            f'{identity} `{label}` (subject: {subject} `{subject_label}`) (project: {project}) '
            f'{scans} {_plural(scans, "scan")} {resources} {_plural(resources, "resource")} '
            f'(created on {created})'
        )

    def writing_uri(self) -> str:
        """Return its URI below its own project and subject.

        With other URIs XNAT writes to another session, or to none.
        """
        identity = self._accession_id()
        if self.steps[0].level == 'projects' and 'subjects' in chain_of(self.steps):
            return uris.join(uris.parent(self.uri), uris.quote(identity))
        project = (
            self.steps[0].name if self.steps[0].level == 'projects' else self.value_of('project')
        )
        if 'subject_ID' not in self.row:
            listing = uris.join(uris.ENTRY, 'projects', uris.quote(project), 'experiments')
            rows = self.connection.rows(
                uris.with_query(
                    listing, {'ID': identity, 'columns': 'ID,label,project,subject_ID,xsiType'}
                )
            )
            self.row.update(next(row for row in rows if row.get('ID') == identity))
        subject = uris.quote(self.row['subject_ID'])
        return uris.join(
            uris.ENTRY,
            'projects',
            uris.quote(project),
            'subjects',
            subject,
            'experiments',
            uris.quote(identity),
        )

    def parent(self) -> Element | None:
        """Return its subject, in the subject's own project.

        One request if the path does not name the subject; else none, and the project on the path.
        """
        if 'subjects' in chain_of(self.steps):
            return self.parent_on_path()
        identity, project = self.attrs.mget(['subject_ID', 'subject_project'])
        uri = uris.join(
            uris.ENTRY, 'projects', uris.quote(project), 'subjects', uris.quote(identity)
        )
        subject: Element = class_of('subjects').element_at(uri, self.host)
        return subject

    def trigger_pipelines(self) -> None:
        """Start the pipelines that run automatically on new sessions.

        One request, and one for its ID if not known.
        """
        self.trigger(fix_types=False, scan_headers=False)

    def fix_scan_types(self) -> None:
        """Fill empty scan types from similar scans.

        One request, and one for its ID if not known.
        """
        self.trigger(pipelines=False, scan_headers=False)

    def pull_data_from_headers(self) -> None:
        """Read fields of the session and its scans from the DICOM headers.

        One request, and one for its ID if not known.
        """
        self.trigger(pipelines=False, fix_types=False)

    def trigger(
        self, pipelines: bool = True, fix_types: bool = True, scan_headers: bool = True
    ) -> None:
        """Start several server jobs on the session at once.

        One request, and one for its ID if not known.

        Parameters
        ----------
        pipelines : bool
            As `trigger_pipelines`.
        fix_types : bool
            As `fix_scan_types`.
        scan_headers : bool
            As `pull_data_from_headers`.
        """
        query = {
            'triggerPipelines': pipelines or None,
            'fixScanTypes': fix_types or None,
            'pullDataFromHeaders': scan_headers or None,
        }
        if any(query.values()):
            self.check_owner()
            self.connection.request(uris.with_query(self.uri, query), 'PUT')


class AssessorElement(SharedElement, Parameters, Launchable):
    """A measurement or judgement derived from a session."""

    @property
    def provenance(self) -> Provenance:
        """Its processing steps."""
        return Provenance(self)


class ReconstructionElement(Element):
    """An image computed from scans."""

    @property
    def provenance(self) -> Provenance:
        """Its processing steps."""
        return Provenance(self)


class ScanElement(Parameters, Launchable):
    """One acquisition."""

    def __repr__(self) -> str:
        """Show ID, and type and quality if they are known. No request."""
        kind, quality = self.row.get('type'), self.row.get('quality', '')
        about = f' (`{uris.meaning(kind)}`) {quality}'.rstrip() if kind else ''
        return errors.printable(f'{super().__repr__()}{about}')

    def summary(self) -> str:
        """Return one line: ID, type, number of frames, quality. One request, or two."""
        identity, kind, frames, quality = self.attrs.mget(['ID', 'type', 'frames', 'quality'])
        return self._summary_of(f'{identity} (`{kind}` {frames} frames) {quality}')


def _plural(count: int | str, noun: str) -> str:
    return noun if int(count) <= 1 else f'{noun}s'


def _role(row: Row) -> str:
    name = row.get('displayname', '')
    return name.lower().removesuffix('s') if name.lower().removesuffix('s') in _ROLES else name


def _check(name: str, value: str, allowed: tuple[str, ...], meant: str | None = None) -> None:
    if (meant or value) not in allowed:
        raise errors.ProgrammingError(
            f'{value!r} is no {name}', remedy=f'Use one of: {", ".join(allowed)}.'
        )


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
"""Plural name of a level -> base class of its element class."""
