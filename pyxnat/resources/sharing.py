"""Base class of subjects, experiments and assessors: sharing and renaming."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .. import errors
from ..model import labels, uris
from ..model.short_names import is_label
from ..model.wildcards import ANY
from ..query.paths import Step
from ..tables.table import Row
from .attributes import Attributes
from .base import Element, as_name, class_of
from .repeated import accept_if_done

if TYPE_CHECKING:
    from .collection import Collection

__all__ = ['LabelledAttributes', 'SharedElement']


class LabelledAttributes(Attributes):
    """Fields of an element with a label. Setting the label renames the element."""

    _element: SharedElement

    def mset(self, dict_attrs: Mapping[str, Any], **query: Any) -> None:
        """Set several fields in one request.

        A new label in one of its own, after the others.

        Parameters
        ----------
        dict_attrs : mapping
            Values by short name or full path, as for `set`. ``label`` is as in
            `SharedElement.rename`, with its requests.
        **query
            Further query parameters, such as ``event_reason``.
        """
        others = {name: value for name, value in dict_attrs.items() if not is_label(name)}
        if others or not dict_attrs:
            super().mset(others, **query)
        for label in {str(dict_attrs[name] or '') for name in dict_attrs if is_label(name)}:
            if label != self._element.path_name:
                self._element.rename(label, **query)


class SharedElement(Element):
    """An element with an accession ID that several projects can share.

    It can have a different label in each project.
    """

    _namesake: Row | None = None
    """Row of another element with the same name, as label or as ID."""

    @cached_property
    def attrs(self) -> Attributes:
        """Its fields."""
        return LabelledAttributes(self)

    def shares(self, id_filter: str = ANY) -> Collection[Any]:
        """Return the projects that list the element, the owner included.

        One request when iterated.

        Parameters
        ----------
        id_filter : str
            Pattern for the project's ID.
        """
        row = class_of('projects').level
        step = Step('projects', as_name(row, id_filter), False, self.uri)
        projects: Collection[Any] = class_of('projects')([(step,)], self.host)
        return projects

    def share(self, project: str, label: str | None = None, primary: bool = False) -> None:
        """Share the element into another project.

        Parameters
        ----------
        project : str
            ID of the other project.
        label : str, optional
            Its label there; default: its present label. A label is always sent, because XNAT shares
            elements without a label otherwise.
        primary : bool
            Make the other project its owner and move all files there; the old project loses it. The
            sessions of a subject stay in the old project.

        Raises
        ------
        DuplicateError
            It is already shared there, or the label is in use there.
        PermissionDenied
            This login may not create items in that project, or, with `primary`, not delete them
            from the old one.

        Notes
        -----
        One request, and one for its accession ID and label if not known. No request if `project` is
        the one on its path.
        """
        selected_from = self.steps[0].name if self.steps[0].level == 'projects' else ''
        if project == selected_from and not primary:
            return
        if label:
            labels.check_sent(self.level.singular, label, self.url)
        self.check_owner()
        uri = self.uri_of_shares()
        label = label or self.label()
        query = {'label': label, 'primary': primary or None, 'format': 'json'}
        with accept_if_done(lambda: self._is_shared_as(project, label, primary)):
            self.connection.request(uris.with_query(f'{uri}/{uris.quote(project)}', query), 'PUT')
        self.host.owners.invalidate()

    def unshare(self, project: str) -> None:
        """End the share in a project; the owning project keeps the element.

        The sessions of a subject are removed, too: shared ones lose their share, and sessions owned
        by that project are deleted.

        Raises
        ------
        ProgrammingError
            The project owns it: XNAT would delete it with everything below.

        Notes
        -----
        Two requests, and one for its accession ID if not known. Nothing is sent if it is not shared
        there.
        """
        self.check_owner()
        if self.is_shared_into(project):
            self.host.owners.invalidate()
            self.end_share(project)

    def end_share(self, project: str) -> None:
        """Remove the element from a project that it is shared into. One request."""
        with accept_if_done(lambda: self._is_unshared(project)):
            self.connection.request(f'{self.uri_of_shares()}/{uris.quote(project)}', 'DELETE')

    def _is_unshared(self, project: str) -> bool:
        try:
            return not self.is_shared_into(project)
        except errors.NotFoundError:  # it was visible through that project alone
            return True

    def _is_shared_as(self, project: str, label: str, primary: bool) -> bool:
        """Whether a project lists the element under a label, as its owner if `primary`."""
        rows = self.connection.rows(self.uri_of_shares())
        found = [row for row in (rows[:1] if primary else rows) if row.get('ID') == project]
        return any(row.get('label', label) in ('', label) for row in found)

    def is_shared_into(self, project: str) -> bool:
        """Whether the element is shared into a project. One request.

        Raises
        ------
        ProgrammingError
            The project owns it.
        """
        uri = self.uri_of_shares()
        names = [row.get('ID', '') for row in self.connection.rows(uri)]  # its own project is first
        url = f'{self.connection.server}{uri}/{uris.quote(project)}'
        if project in names[:1]:
            message = (
                f'{project} owns {self.level.singular} {self.path_name!r}: XNAT would delete it '
                'with everything below'
            )
            raise errors.ProgrammingError(
                message,
                uri=url,
                method='DELETE',
                remedy='Use delete(), or share(…, primary=True) to change the owner.',
            )
        return project in names

    def uri_of_shares(self) -> str:
        """Return the URI of its projects.

        XNAT shares an assessor only below its session.
        """
        return f'{self.exact_uri()}/projects'

    def rename(self, label: str, **query: Any) -> None:
        """Change the label; the files move along.

        Elements that were selected through the old label do not follow: select them again.

        One request, one for its ID if not known, and one for its shares if the path names a
        project.

        Parameters
        ----------
        label : str
            The new label.
        **query
            Further query parameters, such as ``event_reason``.

        Raises
        ------
        DuplicateError
            The label is in use.
        ProgrammingError
            The project on the path only shares it: XNAT would change the label in its own project.
            Or no path can hold the label, XNAT would store it escaped, or it is too long.

        Notes
        -----
        All other labels work, with blanks and umlauts, too; the limit to letters, digits, ``-`` and
        ``_`` is for new elements. An element whose label needs quoting in a URI is found by its
        listing, because XNAT knows it only by its ID: one more request for each path with the
        label.
        """
        labels.check_label(self.level.singular, label, self.url)
        self.check_owner()
        self._check_own_project(label)
        self.host.owners.invalidate()
        uri = uris.with_query(self.exact_uri(), {'label': label, **query})
        self.connection.request(uri, 'PUT')
        self.row['label'] = label
        if self.path_name != self.row.get('ID'):
            self.steps = (*self.steps[:-1], Step(self.level.plural, label, True))

    def _check_own_project(self, label: str) -> None:
        """Raise an error if the project on the path only shares the element."""
        if self.steps[0].level != 'projects':
            return
        project = self.steps[0].name
        own, *others = [row.get('ID', '') for row in self.connection.rows(self.uri_of_shares())]
        if project.lower() in map(str.lower, others):
            singular = self.level.singular
            message = (
                f'{singular} {self.path_name!r} belongs to project {own} and is only shared into '
                f'{project}: XNAT would change its label in {own}'
            )
            raise errors.ProgrammingError(
                message,
                uri=self.url,
                method='PUT',
                remedy=f'Rename it below {own}; for another label in {project}, '
                f'unshare({project!r}) and share({project!r}, label={label!r}).',
            )

    def exact_uri(self) -> str:
        """Return a URI that matches no other element, by its accession ID.

        XNAT looks for an ID first when it reads and deletes, but for a label first when it writes.

        Raises
        ------
        ProgrammingError
            Its name is the ID of one element and the label of another.
        """
        identity = uris.quote(self._accession_id())
        if self.level.listed_with:
            return uris.join(uris.parent(self.uri), identity)
        return uris.join(uris.ENTRY, self.level.segment, identity)

    def fetch_row(self) -> Row:
        """Fetch its row in the listing of its level. One request."""
        rows = self.connection.rows(self.listing_uri())
        row = self.require_row(rows)
        self.row.update(row)
        named_alike = (
            other
            for other in rows
            if self.path_name in (other.get('ID'), other.get('label'))
            and other.get('ID') != row['ID']
        )
        self._namesake = next(named_alike, None)
        return row

    def _accession_id(self) -> str:
        if 'ID' not in self.row:
            self.fetch_row()
        if self._namesake is not None:
            first, other = (
                f'{row.get("ID")} ({row.get("label")})' for row in (self.row, self._namesake)
            )
            remedy = 'Use the accession ID or the label of the one you mean.'
            raise errors.ProgrammingError(
                f'{self.path_name!r} is ambiguous: {first} and {other}', uri=self.url, remedy=remedy
            )
        return self.row['ID']

    def _uri_to_delete(self) -> str:
        return uris.join(uris.parent(self.uri), uris.quote(self._accession_id()))
