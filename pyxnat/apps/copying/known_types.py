"""Data types that the destination of a copy has."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from ... import errors
from ...interface import Interface
from ...model.copies import Item

__all__ = ['KnownTypes', 'types_below']


class KnownTypes:
    """Data types that a server has, whether or not an administrator has set them up.

    Parameters
    ----------
    interface : Interface
        Interface of the server.
    """

    def __init__(self, interface: Interface) -> None:
        self._interface = interface

    @cached_property
    def _names(self) -> frozenset[str] | None:
        """Their names; `None` if the server does not tell them."""
        try:
            return frozenset(self._interface.manage.schemas.datatypes())
        except (*errors.REFUSED, *errors.HIDDEN):
            return None

    def check(self, wanted: Iterable[str]) -> None:
        """Check that the server has data types. One request, the first time.

        Parameters
        ----------
        wanted : iterable of str
            Names of types.

        Raises
        ------
        NotSupportedError
            It lacks some.
        """
        wanted = set(wanted)
        missing = sorted(wanted - self._names) if wanted and self._names is not None else []
        if missing:
            raise errors.NotSupportedError(
                f'{self._interface.connection.server} does not have the types {", ".join(missing)}',
                remedy='Install the plugins of the source there, or leave such items out.',
            )


def types_below(item: Item, project: str) -> set[str]:
    """Return the types of all items nested in an item.

    Parameters
    ----------
    item : Item
        A subject or session.
    project : str
        Sessions that it neither owns nor shares are left out.
    """
    return {one.datatype for below in item.below if below.is_in(project) for one in below.all()}
