"""``interface.select``: the way in, by path, by objects, and to searches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import six

from . import paths
from .errors import ProgrammingError
from .paths import ANY, Step
from .resources.base import class_of
from .search import Search
from .structure import SERVER, children

if TYPE_CHECKING:
    from .interface import Interface

__all__ = ['Select']


class Select:
    """Selects elements, collections and searches. Nothing is asked of the server."""

    def __init__(self, interface: Interface) -> None:
        self._intf = interface

    def __repr__(self) -> str:
        return f'<Select on {self._intf._server}>'

    def __call__(self, path: str, columns: Sequence[str] = ()) -> Any:
        """What a path names, or a search for a data type.

        Parameters
        ----------
        path : str
            A path such as ``/projects/P/subjects/*//files`` (:mod:`pyxnat.paths` has the grammar), or a type such as ``xnat:mrSessionData``.
        columns : sequence of str
            For a type: the fields of the table; all of them by default.

        Returns
        -------
        Element, Collection or Search
            An element where every name of the path is literal.

        Raises
        ------
        ProgrammingError
            A path that cannot be, naming the part.

        Examples
        --------
        >>> select = Select(None)
        >>> select('/projects/P/subject/S01')
        <Subject Object> S01
        """
        path = six.ensure_text(path)
        if ':' in path and not path.startswith('/'):
            return Search(path, columns, self._intf)
        if columns:
            raise ProgrammingError('columns go with a data type, not with a path', remedy="Select such as 'xnat:subjectData'.")
        selection = paths.parse(path)
        level = selection.paths[0][-1].level
        if selection.is_element:
            return class_of(level)._element(paths.uri_of(selection.paths[0]), self._intf)
        return class_of(level)(list(selection.paths), self._intf)

    def _collection(self, plural: str, id_filter: str) -> Any:
        return class_of(plural)([(Step(plural, id_filter, False),)], self._intf)

    def _element(self, plural: str, name: str) -> Any:
        return class_of(plural)._element(paths.uri_of((Step(plural, six.ensure_text(name), True),)), self._intf)

    def projects(self, id_filter: str = ANY) -> Any:
        """The projects that this login may see."""
        return self._collection('projects', id_filter)

    def project(self, ID: str) -> Any:  # noqa: N803 - XNAT's word
        """One project by its ID."""
        return self._element('projects', ID)

    def subjects(self, id_filter: str = ANY) -> Any:
        """The subjects of all projects, each once."""
        return self._collection('subjects', id_filter)

    def subject(self, ID: str) -> Any:  # noqa: N803 - XNAT's word
        """One subject by its accession ID."""
        return self._element('subjects', ID)

    def experiments(self, id_filter: str = ANY) -> Any:
        """The experiments of all projects, each once."""
        return self._collection('experiments', id_filter)

    def experiment(self, ID: str) -> Any:  # noqa: N803 - XNAT's word
        """One experiment by its accession ID."""
        return self._element('experiments', ID)

    def __dir__(self) -> list[str]:
        return [name for row in children(SERVER) for name in (row.plural, row.singular)]
