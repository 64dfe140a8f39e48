"""Selection by path, by name or by data type: ``interface.select``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import six

from ..errors import ProgrammingError
from ..model import uris
from ..model.levels import SERVER, children, level
from ..model.wildcards import ANY
from ..query import paths
from ..query.paths import Step
from ..resources.base import as_name, class_of
from ..resources.host import Host
from .deferred import function
from .search import Search

if TYPE_CHECKING:
    from ..resources import Experiment, Experiments, Project, Projects, Subject, Subjects
    from ..resources.prearchive import select_prearchive
else:
    select_prearchive = function('resources.prearchive.select_prearchive')

__all__ = ['Select', 'compute']


def compute(path: str) -> list[str]:
    """Return the full paths that a path stands for. No request.

    Each level has its name or ``*``.

    >>> compute('/project/P//scans')
    ['/projects/P/subjects/*/experiments/*/scans/*']
    """
    return [paths.spell(route) for route in paths.parse(path).paths]


class Select:
    """Selects elements, collections and searches. No request, except for tags."""

    def __init__(self, interface: Host) -> None:
        self._host = interface

    def __repr__(self) -> str:
        return f'<Select on {self._host.connection.server}>'

    def __call__(self, datatype_or_path: str, columns: Sequence[str] = ()) -> Any:
        """Select an element or a collection by path, or a search by data type.

        Parameters
        ----------
        datatype_or_path : str
            A path such as ``/projects/P/subjects/*//files`` (:mod:`pyxnat.query.paths` has the
            grammar); ``/prearchive/projects/P`` (:mod:`pyxnat.resources.prearchive`); or a type
            such as ``xnat:mrSessionData``.
        columns : sequence of str
            Fields of the table, for a type only. Default: all fields.

        Returns
        -------
        Element, Collection or Search
            An element if the path has no wildcard.

        Raises
        ------
        ProgrammingError
            If the path is not valid; the text names the wrong part.

        Examples
        --------
        >>> select = Select(None)
        >>> select('/projects/P/subject/S01')
        <Subject Object> S01
        """
        if not isinstance(datatype_or_path, (str, bytes)):
            raise ProgrammingError(
                f'a path or a data type is text, not {type(datatype_or_path).__name__}',
                remedy="Select such as '/projects/P/subjects'.",
            )
        path = six.ensure_text(datatype_or_path)
        if path.rstrip('/') in ('', uris.ENTRY, '/REST'):
            return self
        if path.strip('/') == 'tags':
            return self.tags()
        if path.startswith(('/tag/', '/tags/')):
            return self.tag(path.rstrip('/').rpartition('/')[2])
        if uris.strip_entry(path).split('/')[1:2] == ['prearchive']:
            return select_prearchive(path, self._host)
        if ':' in path and not path.startswith('/'):
            return Search(path, columns, self._host)
        if columns:
            raise ProgrammingError(
                'columns go with a data type, not with a path',
                remedy="Select such as 'xnat:subjectData'.",
            )
        selection = paths.parse(path)
        cls = class_of(selection.paths[0][-1].level)
        if selection.is_element:
            return cls.element_at(paths.uri_of(selection.paths[0]), self._host)
        return cls(list(selection.paths), self._host)

    def compute(self, path: str) -> list[str]:
        """Return the full paths that a path stands for. No request.

        Each level has its name or ``*``.

        Examples
        --------
        >>> Select(None).compute('/project/P//scans')
        ['/projects/P/subjects/*/experiments/*/scans/*']
        """
        return compute(path)

    def _collection(self, plural: str, id_filter: str) -> Any:
        return class_of(plural)(
            [(Step(plural, as_name(level(plural), id_filter), False),)], self._host
        )

    def _element(self, plural: str, name: str) -> Any:
        return class_of(plural).element_at(
            paths.uri_of((Step(plural, as_name(level(plural), name), True),)), self._host
        )

    def projects(self, id_filter: str = ANY) -> Projects:
        """Return the projects that this login may see."""
        return cast('Projects', self._collection('projects', id_filter))

    def project(self, ID: str) -> Project:  # noqa: N803 - XNAT's word
        """Return a project by its ID."""
        return cast('Project', self._element('projects', ID))

    def subjects(self, id_filter: str = ANY) -> Subjects:
        """Return the subjects of all projects, each once."""
        return cast('Subjects', self._collection('subjects', id_filter))

    def subject(self, ID: str) -> Subject:  # noqa: N803 - XNAT's word
        """Return a subject by its accession ID."""
        return cast('Subject', self._element('subjects', ID))

    def experiments(self, id_filter: str = ANY) -> Experiments:
        """Return the experiments of all projects, each once."""
        return cast('Experiments', self._collection('experiments', id_filter))

    def experiment(self, ID: str) -> Experiment:  # noqa: N803 - XNAT's word
        """Return an experiment by its accession ID."""
        return cast('Experiment', self._element('experiments', ID))

    def tag(self, name: str) -> Any:
        """Return the elements of a tag. One request."""
        return self._host.manage.tags.get(name).references()

    def tags(self) -> list[str]:
        """Return the names of the login's tags. One request."""
        names: list[str] = self._host.manage.tags()
        return names

    def __dir__(self) -> list[str]:
        return [name for row in children(SERVER) for name in (row.plural, row.singular)]
