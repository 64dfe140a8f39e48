"""Searches that are kept on the server, for oneself or shared, and templates of searches: ``interface.manage.search``.

A search goes by its name, which may be any text. Its ID on the server is the name where that can stand in a URI as it is, else made from it. XNAT has
no templates: they are searches whose names begin with ``template_`` and whose values are keys (:mod:`pyxnat.query.templates`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from ... import errors
from ...model import uris
from ...query import search_xml, templates
from ...query.criteria import Field, Group, Saved, parse, spell
from ...query.criteria_text import read
from ...query.search_xml import Bundle
from ...resources.host import Host
from ...tables.table import JsonTable, Row

__all__ = ['SearchManager']

_LIST = f'{uris.ENTRY}/search/saved'
_TEMPLATE = 'template_'
_FORMATS = ('results', 'xml', 'query')


class SearchManager:
    """The saved searches that this login may use."""

    def __init__(self, interface: Host) -> None:
        self._host = interface

    def __repr__(self) -> str:
        return f'<SearchManager of {self._host.connection.server}>'

    # -- searches

    def save(
        self,
        name: str,
        row: str,
        columns: Sequence[str],
        constraints: Any,
        sharing: str | Iterable[str] = 'private',
        description: str = '',
        *,
        overwrite: bool = False,
    ) -> None:
        """Keep a search on the server.

        Parameters
        ----------
        name : str
            Any text that does not begin with ``template_``.
        row : str
            The type that makes a row.
        columns : list of str
            Fields; all of the type where there are none (one request more).
        constraints : list, str or None
            Criteria as :mod:`pyxnat.query.criteria` has them; `None` for all rows.
        sharing : {'private', 'public'} or list of str
            Who may use it besides: nobody, everybody, or these logins.
        overwrite : bool
            Whether it may take the place of another search of the name.

        Raises
        ------
        DuplicateError
            When there is another search of the name. The same search once more is no error.
        PermissionDenied
            When the name belongs to a search of somebody else.
        IntegrityError
            When it took the place of one that was shared with more people, and the server left them the right to it.

        Notes
        -----
        Three requests; XNAT lets anybody put a search over that of another, so it is looked for first.
        """
        _check(name)
        criteria = None if constraints is None else parse(constraints, row)
        self._store(name, row, columns, criteria, sharing, description, overwrite)

    def saved(self, with_description: bool = False) -> list[Any]:
        """Names of the searches, sorted; with descriptions, pairs. One request."""
        return self._names('', with_description)

    def get(self, name: str, out_format: str = 'results') -> Any:
        """A saved search.

        Parameters
        ----------
        name : str
            Its name, or its ID on the server.
        out_format : {'results', 'xml', 'query'}
            What it finds now, its document, or a dictionary with ``row``, ``columns``, ``constraints``, ``sharing`` and ``description``:
            what `save` takes.

        Returns
        -------
        JsonTable, bytes or dict

        Raises
        ------
        NotFoundError
            When there is none of the name; it names those there are.

        Notes
        -----
        Two requests.
        """
        if out_format not in _FORMATS:
            raise errors.ProgrammingError(f'a search cannot be had as {out_format!r}', remedy=f'Use one of: {", ".join(_FORMATS)}.')
        identity = self._identity(name)
        if out_format == 'results':
            return self._host.search.saved(identity)
        document = self._document(identity)
        return document if out_format == 'xml' else _query(search_xml.read(document))

    def delete(self, name: str) -> None:
        """Remove a search. One that is shared with others only an administrator removes. Two requests."""
        self._delete(self._identity(name))

    # -- templates

    def save_template(
        self,
        name: str,
        row: str,
        columns: Sequence[str],
        constraints: Any,
        sharing: str | Iterable[str] = 'private',
        description: str = '',
        *,
        overwrite: bool = False,
    ) -> None:
        """Keep a search with keys in place of values; the rest is as in `save`.

        Parameters
        ----------
        constraints : list or str
            Criteria whose values are names of keys: ``('xnat:subjectData/GENDER', '=', 'gender')``. Numbers, dates and `None` stay as they are, and
            so does every text beside a key that is written as one, ``'%(gender)s'``.
        """
        criteria = parse(templates.keyed(constraints), row)
        self._store(_TEMPLATE + name, row, columns, criteria, sharing, description, overwrite)

    def saved_templates(self, with_description: bool = False) -> list[Any]:
        """Names of the templates, sorted; with descriptions, pairs. One request."""
        return self._names(_TEMPLATE, with_description)

    def get_template(self, name: str, as_xml: bool = False) -> Any:
        """Row, columns, criteria and description of a template, or its document. Two requests.

        Returns
        -------
        tuple or bytes
            The criteria with keys as ``'%(gender)s'``.
        """
        document = self._document(self._identity(name, _TEMPLATE))
        if as_xml:
            return document
        query = _query(search_xml.read(document))
        return query['row'], query['columns'], query['constraints'], query['description']

    def use_template(self, name: str, values: Mapping[str, Any]) -> JsonTable:
        """What a template finds with values for its keys. Three requests.

        Raises
        ------
        ProgrammingError
            When a key has no value, or a value no key.
        NotFoundError
            When there is none of the name.
        """
        bundle = search_xml.read(self._document(self._identity(name, _TEMPLATE)))
        return self._host.search.table(bundle.root, list(map(str, bundle.fields)), _filled(bundle, values))

    def delete_template(self, name: str) -> None:
        """Remove a template. Two requests."""
        self._delete(self._identity(name, _TEMPLATE))

    # -- criteria

    def criteria(self, saved: Saved) -> Group | None:
        """The criteria of a saved search, or of a template with its values. Two requests."""
        if saved.values is None:
            return search_xml.read(self._document(self._identity(saved.name))).criteria
        return _filled(search_xml.read(self._document(self._identity(saved.name, _TEMPLATE))), dict(saved.values))

    @staticmethod
    def eval_rpn_exp(rpn_exp: str) -> list[Any]:
        """The list of tuples that criteria in one text stand for (:mod:`pyxnat.query.criteria_text`). No request.

        >>> SearchManager.eval_rpn_exp('xnat:mrSessionData/AGE > 80 AND')
        [('xnat:mrSessionData/AGE', '>', '80')]
        """
        return read(rpn_exp)

    # -- on the server

    def _store(self, name: str, row: str, columns: Sequence[str], criteria: Group | None, sharing: Any, description: str, overwrite: bool) -> None:
        fields = [Field.parse(column, row) for column in self._host.search.fields(row, columns)]
        users = _users(sharing)
        bundle = Bundle(row, fields, criteria, name, description, users is None, users or [])
        found = self._find(name)
        if found and not overwrite:
            self._need_same(found[0]['id'], bundle)
            return
        identity = found[0]['id'] if found else _new_id(name)
        self._need_own(identity, name, found[0] if found else None)
        self._put(identity, bundle)
        if found:
            self._verify(identity, bundle)

    def _need_same(self, identity: str, bundle: Bundle) -> None:
        with _owned(bundle.name):
            there = search_xml.read(self._document(identity))
        if not _is_same(there, bundle):
            what = f'there is another search {bundle.name!r}' + (f' of {", ".join(there.users)}' if there.users else '')
            raise errors.DuplicateError(what, uri=self._host.connection.server + _uri(identity), remedy='Use another name, or overwrite=True.')

    def _need_own(self, identity: str, name: str, row: Row | None) -> None:
        """See that nobody else's search is put over: XNAT lets anybody do that, without a word."""
        if row is not None:
            users = [login for login in row.get('users', '').strip('{}').split(',') if login and login != 'NULL']
            if users and self._host.connection.user and self._host.connection.user not in users:
                raise errors.PermissionDenied(f'the search {name!r} is of {", ".join(users)}', remedy='Use another name.')
            return
        with suppress(errors.NotFoundError), _owned(name):
            if self._document(identity):
                what = f'there is a search with the ID {identity!r} that is not listed for you'
                raise errors.DuplicateError(what, uri=self._host.connection.server + _uri(identity), remedy='Use another name.')

    def _put(self, identity: str, bundle: Bundle) -> None:
        with _owned(bundle.name):
            self._host.connection.request(
                uris.with_query(_uri(identity), {'inbody': True}), 'PUT', search_xml.write(bundle, identity), search_xml.HEADERS
            )

    def _delete(self, identity: str) -> None:
        with _owned(identity):
            self._host.connection.request(_uri(identity), 'DELETE')

    def _verify(self, identity: str, bundle: Bundle) -> None:
        """See that nothing is left of a search that another took the place of: XNAT adds users, and takes none away."""
        there = search_xml.read(self._document(identity))
        if not _is_same(there, bundle):
            what = f'{bundle.name!r} was saved, but it is still shared with {", ".join(there.users)}'
            remedy = 'Delete it, and use another name for what the others are not to see.'
            raise errors.IntegrityError(what, uri=self._host.connection.server + _uri(identity), remedy=remedy)

    def _document(self, identity: str) -> bytes:
        document: bytes = self._host.connection.request(_uri(identity))
        return document

    def _rows(self) -> list[Row]:
        rows: list[Row] = self._host.connection.rows(_LIST)
        return rows

    def _names(self, prefix: str, with_description: bool) -> list[Any]:
        found = sorted((_name(row).removeprefix(prefix), row.get('description', '')) for row in self._rows() if _is_template(row) == bool(prefix))
        return found if with_description else [name for name, _ in found]

    def _find(self, name: str) -> list[Row]:
        """The searches of a name; one whose ID it is goes before others."""
        rows = self._rows()
        return [row for row in rows if row['id'] == name] or [row for row in rows if _name(row) == name]

    def _identity(self, name: str, prefix: str = '') -> str:
        found = self._find(prefix + name)
        what = 'template' if prefix else 'search'
        if not found:
            there = ', '.join(self._names(prefix, False))
            raise errors.NotFoundError(
                f'there is no {what} {name!r}', uri=self._host.connection.server + _LIST, remedy=f'There are: {there or "none"}.'
            )
        if len(found) > 1:
            identities = ', '.join(row['id'] for row in found)
            raise errors.ProgrammingError(f'there are several searches {name!r}', remedy=f'Use an ID in place of the name: {identities}.')
        return found[0]['id']


@contextmanager
def _owned(name: str) -> Iterator[None]:
    """What one may not do with a search is said to be so because of whose it is."""
    try:
        yield
    except errors.PermissionDenied as error:
        error.remedy = f'{name!r} is of somebody else, or not of one user alone, and only an administrator changes it: use another name.'
        raise


def _check(name: str) -> None:
    if not isinstance(name, str) or not name.strip() or name.startswith(_TEMPLATE):
        remedy = f'Use save_template({name.removeprefix(_TEMPLATE)!r}, …).' if isinstance(name, str) and name.strip() else 'Give a text.'
        raise errors.ProgrammingError(f'{name!r} is not the name of a search', remedy=remedy)


def _uri(identity: str) -> str:
    return f'{_LIST}/{uris.quote(identity)}'


def _new_id(name: str) -> str:
    """The name, where any server takes it in a URI; else its letters, and a digest that tells it from others."""
    if re.fullmatch(r'[A-Za-z0-9_-]{1,80}', name):
        return name
    return f'{re.sub("[^A-Za-z0-9]+", "_", name)[:60]}_{hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]}'


def _name(row: Row) -> str:
    return row.get('brief_description') or row['id']


def _is_template(row: Row) -> bool:
    return _name(row).startswith(_TEMPLATE)


def _users(sharing: Any) -> list[str] | None:
    """Logins that a search is shared with; `None` for everybody."""
    if sharing == 'public':
        return None
    if sharing == 'private':
        return []
    if isinstance(sharing, str) or not all(isinstance(login, str) for login in sharing):
        raise errors.ProgrammingError(f'{sharing!r} does not say who may use a search', remedy="Use 'private', 'public' or a list of logins.")
    return list(sharing)


def _filled(bundle: Bundle, values: Mapping[str, Any]) -> Group | None:
    criteria = spell(bundle.criteria) if bundle.criteria else []
    full = templates.filled(criteria, values)
    return parse(full, bundle.root) if full else None


def _query(bundle: Bundle) -> dict[str, Any]:
    return {
        'row': bundle.root,
        'columns': list(map(str, bundle.fields)),
        'constraints': spell(bundle.criteria) if bundle.criteria else None,
        'sharing': 'public' if bundle.is_public else list(bundle.users) if len(bundle.users) > 1 else 'private',
        'description': bundle.description,
    }


def _is_same(there: Bundle, bundle: Bundle) -> bool:
    """Whether a search on the server is the one that is to be saved: the server has its creator among the users."""
    users, creator = set(there.users), set(there.users) - set(bundle.users)
    return there._replace(users=()) == bundle._replace(users=()) and users >= set(bundle.users) and (bundle.is_public or len(creator) <= 1)
