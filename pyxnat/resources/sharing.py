"""What subjects, experiments and assessors can do besides: being shared between projects, and renamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import errors
from ..model import labels, uris
from ..model.wildcards import ANY
from ..query.paths import Step
from ..tables.table import Row
from .base import Element, as_name, class_of

if TYPE_CHECKING:
    from .collection import Collection

__all__ = ['SharedElement']


class SharedElement(Element):
    """An element with an accession ID, which may be seen in several projects, in each under a label of its own."""

    _namesake: Row | None = None
    """Another element that has the name of this one, as a label or as its ID."""

    def shares(self, id_filter: str = ANY) -> Collection[Any]:
        """The projects it is seen in, its own among them. No request until it is iterated, then one.

        Parameters
        ----------
        id_filter : str
            Pattern that the project's ID must match.
        """
        row = class_of('projects').level
        step = Step('projects', as_name(row, id_filter), False, self.uri)
        projects: Collection[Any] = class_of('projects')([(step,)], self.host)
        return projects

    def share(self, project: str, label: str | None = None, primary: bool = False) -> None:
        """Show it in another project, too.

        Parameters
        ----------
        project : str
            ID of the other project.
        label : str, optional
            Its label there; by default the one it has. XNAT is always told one: what is shared without has no label there.
        primary : bool
            Make the other project its own, with all files; the old one loses it. The sessions of a subject stay in the old one.

        Raises
        ------
        DuplicateError
            It is shared there already, or the label is taken there.
        PermissionDenied
            This login may not create things in that project, or, to make it `primary`, not delete them from the old one.

        Notes
        -----
        One request, and one for its accession ID and label if those are not known. Nothing is asked when the project is the one that it was
        selected from.
        """
        if project == self._project_name() and not primary:
            return
        if label:
            labels.check_sent(self.level.singular, label, self.url)
        self.check_owner()
        uri = self._uri_of_shares()
        query = {'label': label or self.label(), 'primary': primary or None, 'format': 'json'}
        self.connection.request(uris.with_query(f'{uri}/{uris.quote(project)}', query), 'PUT')
        self.host.owners.forget()

    def unshare(self, project: str) -> None:
        """Take it out of a project that it was shared into; its own keeps it.

        A subject takes its sessions along: their shares in that project end, and sessions of it that the project owns are deleted.

        Raises
        ------
        ProgrammingError
            The project is its own: XNAT would delete it, with all that is in it.

        Notes
        -----
        Two requests, and one for its accession ID if that is not known. Where it is not shared there, nothing is sent.
        """
        self.check_owner()
        if self._is_shared_into(project):
            self.host.owners.forget()
            self.connection.request(f'{self._uri_of_shares()}/{uris.quote(project)}', 'DELETE')

    def _is_shared_into(self, project: str) -> bool:
        """Whether a project has a share of it; an error where it is its own. One request."""
        uri = self._uri_of_shares()
        names = [row.get('ID', '') for row in self.connection.rows(uri)]  # its own comes first
        url = f'{self.connection.server}{uri}/{uris.quote(project)}'
        if project in names[:1]:
            what = f'{project} is the own project of {self.level.singular} {self.path_name!r}: XNAT would delete it, with all that is in it'
            raise errors.ProgrammingError(what, uri=url, method='DELETE', remedy='Use delete() to delete it, share(…, primary=True) to give it away.')
        return project in names

    def _uri_of_shares(self) -> str:
        """The URI of the projects that it is in. XNAT shares an assessor below its session only."""
        return f'{self._exact_uri()}/projects'

    def rename(self, label: str) -> None:
        """Give it another label; its files move with it. One request, and one for its ID if that is not known.

        Raises
        ------
        DuplicateError
            The label is taken.
        ProgrammingError
            A label that no path can hold, that XNAT would store escaped, or that is too long. All others are taken, blanks and umlauts, too:
            letters, digits, ``-`` and ``_`` are for new elements. What has a label that a URI has to quote is found by its listing: XNAT knows it by
            its ID alone, so each path with it costs one request more.
        """
        labels.check_label(self.level.singular, label, self.url)
        self.check_owner()
        self.host.owners.forget()
        self.connection.request(uris.with_query(self._exact_uri(), {'label': label}), 'PUT')
        self.row['label'] = label
        if self.path_name != self.row.get('ID'):
            self.steps = (*self.steps[:-1], Step(self.level.plural, label, True))

    def _project_name(self) -> str:
        return self.steps[0].name if self.steps[0].level == 'projects' else ''

    def _exact_uri(self) -> str:
        """A URI that means this element and no other, whatever labels there are: XNAT takes an ID first when it reads and deletes, but a label first
        when it writes.

        Raises
        ------
        ProgrammingError
            When its name is the ID of one element and the label of another.
        """
        identity = uris.quote(self._accession_id())
        if self.level.plural == 'assessors':
            return uris.join(uris.parent(self.uri), identity)
        return uris.join(uris.ENTRY, self.level.segment, identity)

    def _fetch_row(self) -> Row:
        rows = self.connection.rows(self.listing_uri())
        row = self._find(rows)
        self.row.update(row)
        named_alike = (other for other in rows if self.path_name in (other.get('ID'), other.get('label')) and other.get('ID') != row['ID'])
        self._namesake = next(named_alike, None)
        return row

    def _accession_id(self) -> str:
        if 'ID' not in self.row:
            self._fetch_row()
        if self._namesake is not None:
            one, other = (f'{row.get("ID")} ({row.get("label")})' for row in (self.row, self._namesake))
            remedy = 'Use the accession ID or the label of the one you mean.'
            raise errors.ProgrammingError(f'{self.path_name!r} means two: {one} and {other}', uri=self.url, remedy=remedy)
        return self.row['ID']

    def _uri_to_delete(self) -> str:
        return uris.join(uris.parent(self.uri), uris.quote(self._accession_id()))
