"""Names and values that sites have in common, and those of each site.

A site's map has an entry for each common name: the site's own field, or a pair of the field and
its values::

    {'sex': ('xnat:subjectData/GENDER', {'F': 'female', 'M': 'male'}),
     'age': {'search': 'xnat:mrSessionData/AGE', 'column': 'age'},
     'arm': {'search': 'xnat:subjectData/SUB_GROUP', 'column': 'group',
             'values': {'case': ['AD', 'MCI'], 'control': 'CN'}},
     'smoker': None}

Searches and criteria take display fields (``GENDER``), tables of selections take short names and
paths; an entry with only one of ``search`` and ``column`` uses it for both. Several values of a
site may stand for one common value. `None` tells that the site has no such field.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from ...errors import NotSupportedError, ProgrammingError
from ...model.kinds import TEXT, Kind
from ...query.criteria import list_values
from ...query.criteria_text import parse_text
from ...query.operators import find_operator
from ...tables.table import Row

__all__ = ['Use', 'Vocabulary']

Use = Literal['search', 'column']
"""Whether a field is used in searches and criteria, or as a column of a selection's table."""
_REMEDY = (
    "Map a name to a field, to (field, {common value: the site's value or values}), to a "
    "dictionary with 'search', 'column' and 'values', or to None."
)
_EXACT = ('equal', 'list')
"""Kinds of operators that compare whole values."""
_ANY_OR_NONE = ('', '*', 'NULL')
"""Values of criteria that stand for any value, or for an empty one."""


class _Entry(NamedTuple):
    """A field of one site."""

    fields: Mapping[str, str]
    """Its name, by use."""
    to_site: Mapping[str, tuple[str, ...]]
    """Common value -> the site's values."""
    to_common: Mapping[str, str]

    @classmethod
    def parse(cls, name: str, entry: Any) -> _Entry:
        if isinstance(entry, tuple) and len(entry) == 2:
            entry = {'search': entry[0], 'values': entry[1]}
        parts = dict(entry) if isinstance(entry, Mapping) else {'search': entry}
        values = parts.pop('values', {})
        given = [parts.pop(use, None) for use in ('search', 'column')]
        search, column = given[0] or given[1], given[1] or given[0]
        if parts or not _is_name(search) or not _is_name(column) or not isinstance(values, Mapping):
            raise ProgrammingError(f'{name!r}: {entry!r} is not a field', remedy=_REMEDY)
        to_site = {str(common): _texts(own) for common, own in values.items()}
        to_common: dict[str, str] = {}
        for common, texts in to_site.items():
            for text in texts:
                if to_common.setdefault(text, common) != common:
                    raise ProgrammingError(
                        f'{name!r}: {text!r} stands for {to_common[text]!r} and for {common!r}',
                        remedy='Give each value of the site to one common value.',
                    )
        return cls({'search': search, 'column': column}, to_site, to_common)


class Vocabulary:
    """Translation between the common names and those of one site.

    Parameters
    ----------
    entries : mapping, optional
        Common name -> field, pair of field and values, or `None`, as the module describes.

    Raises
    ------
    ProgrammingError
        An entry is none of these, or one value of the site stands for two common ones.

    Examples
    --------
    >>> words = Vocabulary({'sex': ('xnat:subjectData/GENDER', {'F': 'female'}), 'age': None})
    >>> words.criteria([('sex', '=', 'F'), 'AND'])
    [('xnat:subjectData/GENDER', '=', 'female'), 'AND']
    >>> words.fields(['label', 'sex', 'age'], 'column')
    ['label', 'xnat:subjectData/GENDER']
    >>> cells = {'label': 'S1', 'xnat:subjectData/GENDER': 'female'}
    >>> words.row(['label', 'sex', 'age'], cells, 'column')
    {'label': 'S1', 'sex': 'F', 'age': ''}
    """

    def __init__(self, entries: Mapping[str, Any] | None = None) -> None:
        if entries is not None and not isinstance(entries, Mapping):
            raise ProgrammingError(f'{entries!r} is no map of names', remedy=_REMEDY)
        self._entries = {
            name: None if entry is None else _Entry.parse(name, entry)
            for name, entry in (entries or {}).items()
        }

    def has(self, name: str) -> bool:
        """Whether the site has a field of this name, as far as the map tells."""
        return self._entries.get(name, name) is not None

    def fields(self, names: Iterable[str], use: Use) -> list[str]:
        """Return the site's fields for common names, each once.

        Those that it does not have are left out.

        Parameters
        ----------
        names : iterable of str
            Common names; those without an entry are the site's own.
        use : {'search', 'column'}
            Use of the fields.

        Raises
        ------
        NotSupportedError
            The site has none of them.
        """
        fields = list(dict.fromkeys(self._field(name, use) for name in names if self.has(name)))
        if not fields:
            raise NotSupportedError(
                'the site has none of these fields', remedy='Leave the site out, or ask for more.'
            )
        return fields

    def _field(self, name: str, use: Use) -> str:
        entry = self._entries.get(name)
        return entry.fields[use] if entry is not None else name

    def row(self, names: Iterable[str], cells: Mapping[str, Any], use: Use) -> Row:
        """Return a row of the site under the common names, with common values.

        Parameters
        ----------
        names : iterable of str
            Common names of the columns.
        cells : mapping
            The site's field -> its cell.
        use : {'search', 'column'}
            Use of the fields.

        Returns
        -------
        dict
            Empty text for names that the site does not have; values without an entry unchanged.
        """
        return {
            name: self._common(name, cells[self._field(name, use)]) if self.has(name) else ''
            for name in names
        }

    def kinds(self, names: Iterable[str], kinds: Mapping[str, Kind], use: Use) -> dict[str, Kind]:
        """Return the kinds of the columns of `row`.

        Those that the site does not have are left out.

        Parameters
        ----------
        names : iterable of str
            Common names of the columns.
        kinds : mapping
            The site's field -> kind of its values.
        use : {'search', 'column'}
            Use of the fields.
        """
        found = {name: kinds[self._field(name, use)] for name in names if self.has(name)}
        return {
            name: TEXT._replace(is_list=kind.is_list) if self._is_translated(name) else kind
            for name, kind in found.items()
        }

    def _is_translated(self, name: str) -> bool:
        entry = self._entries.get(name)
        return entry is not None and bool(entry.to_site)

    def _common(self, name: str, cell: Any) -> Any:
        entry = self._entries.get(name)
        if entry is None:
            return cell
        if isinstance(cell, list):
            return [entry.to_common.get(text, text) for text in cell]
        return entry.to_common.get(cell, cell)

    def criteria(self, criteria: Any, default: str = '') -> Any:
        """Return criteria with the site's fields and values.

        Parameters
        ----------
        criteria : list, tuple, str or None
            Criteria of :mod:`pyxnat.query.criteria`; a field may be a common name.
        default : str
            Data type of fields without one.

        Raises
        ------
        NotSupportedError
            The site does not have a field, or no value for one that is given.
        ProgrammingError
            The text is not valid, or an operator such as ``LIKE`` compares translated values.
        """
        if isinstance(criteria, str):
            criteria = parse_text(criteria)
        if isinstance(criteria, tuple) and criteria and isinstance(criteria[0], str):
            return self._constraint(criteria, default)
        if isinstance(criteria, (list, tuple)):
            return [
                member if isinstance(member, str) else self.criteria(member, default)
                for member in criteria
            ]
        return criteria

    def _constraint(self, constraint: tuple[Any, ...], default: str) -> tuple[Any, ...]:
        name, *rest = constraint
        is_of_others = name not in self._entries and ':' not in name and not default
        if is_of_others or not self.has(name):
            raise NotSupportedError(
                f'the site has no field for {name!r}', remedy='Leave the site or the name out.'
            )
        entry = self._entries.get(name)
        if entry is None or not entry.to_site or len(rest) != 2 or rest[1] is None:
            return (self._field(name, 'search'), *rest)
        operator = find_operator(rest[0])
        if operator is not None and operator.kind not in _EXACT:
            raise ProgrammingError(
                f'{name} {rest[0]}: its values are translated, so only whole values are compared',
                remedy='Use =, !=, IN or NOT IN.',
            )
        is_list = operator is not None and operator.kind == 'list'
        given = list_values(operator, rest[1]) if operator and is_list else _values(rest[1])
        values = [own for value in given for own in self._own(name, entry, value)]
        is_one = len(values) == 1 and not is_list  # the text of a list would be divided
        return entry.fields['search'], rest[0], values[0] if is_one else values

    def _own(self, name: str, entry: _Entry, value: Any) -> tuple[Any, ...]:
        """Return the site's values for a common one.

        Signs for any value or an empty one stay.
        """
        text = '' if value is None else str(value)
        if text in entry.to_site:
            return entry.to_site[text]
        if text.strip().upper() in _ANY_OR_NONE:
            return (value,)
        raise NotSupportedError(
            f'{name}: the site has no value for {text!r}',
            remedy=f'There are: {", ".join(entry.to_site)}.',
        )


def _is_name(field: Any) -> bool:
    return isinstance(field, str) and bool(field)


def _texts(values: Any) -> tuple[str, ...]:
    """Return one or several values as texts."""
    return tuple(map(str, _values(values)))


def _values(values: Any) -> tuple[Any, ...]:
    several = isinstance(values, Iterable) and not isinstance(values, (str, bytes))
    return tuple(values) if several else (values,)
