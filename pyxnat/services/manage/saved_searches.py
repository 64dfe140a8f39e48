"""Searches and search templates saved on the server: ``manage.search``.

A search is addressed by its name, which may be any text. Its ID on the server is the name if a URI
can contain it unquoted, else derived from it. XNAT has no templates: they are searches with names
that begin with ``template_`` and keys in place of values (:mod:`pyxnat.query.templates`).
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
from ...query.criteria_text import parse_text
from ...query.search_xml import Bundle
from ...resources.host import Host
from ...resources.repeated import accept_if_done
from ...tables.table import JsonTable, Row

__all__ = ['SearchManager']

_LIST = f'{uris.ENTRY}/search/saved'
_TEMPLATE = 'template_'
_FORMATS = ('results', 'xml', 'query')


class SearchManager:
    """Saved searches that this login may use."""

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
        """Save a search on the server.

        Parameters
        ----------
        name : str
            Any text that does not begin with ``template_``.
        row : str
            Data type that a row of the result stands for.
        columns : list of str
            Fields. Default if empty: all of the type, which takes one more request.
        constraints : list, str or None
            Criteria of :mod:`pyxnat.query.criteria`; `None` for all rows.
        sharing : {'private', 'public'} or list of str
            Who else may use it: nobody, everybody, or these logins.
        description : str
            Any text.
        overwrite : bool
            Whether to replace another search of the same name.

        Raises
        ------
        DuplicateError
            If there is a different search of this name. Saving an equal search is no error.
        PermissionDenied
            If the name belongs to a search of another user.
        IntegrityError
            If it replaced a search shared with more users, and the server kept them.

        Notes
        -----
        Three requests: XNAT lets anybody overwrite the search of another user, so the name is
        looked up first.
        """
        _check(name)
        criteria = None if constraints is None else parse(constraints, row)
        self._store(name, row, columns, criteria, sharing, description, overwrite)

    def saved(self, with_description: bool = False) -> list[Any]:
        """Return the names of the searches, sorted. One request.

        With descriptions, pairs of name and description.
        """
        return self._names('', with_description)

    def get(self, name: str, out_format: str = 'results') -> Any:
        """Return the result or the definition of a saved search. Two requests.

        Parameters
        ----------
        name : str
            Its name, or its ID on the server.
        out_format : {'results', 'xml', 'query'}
            The current result, the XML document, or the arguments of `save`: ``row``, ``columns``,
            ``constraints``, ``sharing`` and ``description``.

        Returns
        -------
        JsonTable, bytes or dict
            For ``results``, ``xml`` and ``query``.

        Raises
        ------
        NotFoundError
            If there is no such search; the text lists the existing ones.
        """
        if out_format not in _FORMATS:
            raise errors.ProgrammingError(
                f'out_format={out_format!r} is not known',
                remedy=f'Use one of: {", ".join(_FORMATS)}.',
            )
        identity = self._identity(name, is_run=out_format == 'results')
        if out_format == 'results':
            return self._host.search.saved(identity)
        document = self._document(identity)
        return document if out_format == 'xml' else _query(search_xml.read(document))

    def delete(self, name: str) -> None:
        """Delete a search. Two requests.

        A search that is shared with others can be deleted by administrators only.
        """
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
        """Save a search with keys in place of values.

        Parameters
        ----------
        constraints : list or str
            Criteria with names of keys as values: ``('xnat:subjectData/GENDER', '=', 'gender')``.
            Numbers, dates and `None` are kept. If any key is written ``'%(gender)s'``, other texts
            are kept, too.
        name, row, columns, sharing, description, overwrite
            As in `save`.
        """
        criteria = parse(templates.add_keys(constraints), row)
        self._store(_TEMPLATE + name, row, columns, criteria, sharing, description, overwrite)

    def saved_templates(self, with_description: bool = False) -> list[Any]:
        """Return the names of the templates, sorted. One request.

        With descriptions, pairs of name and description.
        """
        return self._names(_TEMPLATE, with_description)

    def get_template(self, name: str, as_xml: bool = False) -> Any:
        """Return the definition of a template. Two requests.

        Parameters
        ----------
        name : str
            Name of the template.
        as_xml : bool
            Whether to return the XML document.

        Returns
        -------
        tuple or bytes
            Row, columns, criteria (with keys as ``'%(gender)s'``) and description; or the document.
        """
        document = self._document(self._identity(name, _TEMPLATE))
        if as_xml:
            return document
        query = _query(search_xml.read(document))
        return query['row'], query['columns'], query['constraints'], query['description']

    def use_template(self, name: str, values: Mapping[str, Any]) -> JsonTable:
        """Run a template with values for its keys. Three requests.

        Parameters
        ----------
        name : str
            Name of the template.
        values : mapping
            Key -> value, for all keys.

        Returns
        -------
        JsonTable
            The rows found.

        Raises
        ------
        ProgrammingError
            If a key has no value, or a value no key.
        NotFoundError
            If there is no such template.
        """
        bundle = search_xml.read(self._document(self._identity(name, _TEMPLATE)))
        return self._host.search.table(
            bundle.root, list(map(str, bundle.fields)), _filled(bundle, values)
        )

    def delete_template(self, name: str) -> None:
        """Delete a template. Two requests."""
        self._delete(self._identity(name, _TEMPLATE))

    # -- criteria

    def criteria(self, saved: Saved) -> Group | None:
        """Return the criteria of a search or filled template. Two requests."""
        if saved.values is None:
            return search_xml.read(self._document(self._identity(saved.name, is_run=True))).criteria
        return _filled(
            search_xml.read(self._document(self._identity(saved.name, _TEMPLATE))),
            dict(saved.values),
        )

    @staticmethod
    def eval_rpn_exp(rpnexp: str) -> list[Any]:
        """Parse criteria written as text into a list of tuples. No request.

        :mod:`pyxnat.query.criteria_text` has the grammar.

        >>> SearchManager.eval_rpn_exp('xnat:mrSessionData/AGE > 80 AND')
        [('xnat:mrSessionData/AGE', '>', '80')]
        """
        return parse_text(rpnexp)

    # -- on the server

    def _store(
        self,
        name: str,
        row: str,
        columns: Sequence[str],
        criteria: Group | None,
        sharing: Any,
        description: str,
        overwrite: bool,
    ) -> None:
        search = self._host.search
        fields = search.known_fields(
            [Field.parse(column, row) for column in search.fields(row, columns)]
        )
        criteria = search.resolved(criteria)
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
            existing = search_xml.read(self._document(identity))
        if not _is_same(existing, bundle):
            problem = f'there is another search {bundle.name!r}' + (
                f' of {", ".join(existing.users)}' if existing.users else ''
            )
            raise errors.DuplicateError(
                problem,
                uri=self._host.connection.server + _uri(identity),
                remedy='Use another name, or overwrite=True.',
            )

    def _need_own(self, identity: str, name: str, row: Row | None) -> None:
        """Reject overwriting the search of another user, which XNAT allows."""
        if row is not None:
            users = [
                login
                for login in row.get('users', '').strip('{}').split(',')
                if login and login != 'NULL'
            ]
            if users and self._host.connection.user and self._host.connection.user not in users:
                raise errors.PermissionDenied(
                    f'the search {name!r} belongs to {", ".join(users)}', remedy='Use another name.'
                )
            return
        with suppress(errors.NotFoundError), _owned(name):
            if self._document(identity):
                problem = f'there is a search with the ID {identity!r} that is not listed for you'
                raise errors.DuplicateError(
                    problem,
                    uri=self._host.connection.server + _uri(identity),
                    remedy='Use another name.',
                )

    def _put(self, identity: str, bundle: Bundle) -> None:
        with _owned(bundle.name):
            self._host.connection.request(
                uris.with_query(_uri(identity), {'inbody': True}),
                'PUT',
                search_xml.write(bundle, identity),
                search_xml.HEADERS,
            )

    def _delete(self, identity: str) -> None:
        with _owned(identity), accept_if_done(lambda: self._is_gone(identity)):
            self._host.connection.request(_uri(identity), 'DELETE')

    def _is_gone(self, identity: str) -> bool:
        try:
            return not self._document(identity)
        except errors.NotFoundError:
            return True

    def _verify(self, identity: str, bundle: Bundle) -> None:
        """Check that a replaced search is not shared with its earlier users.

        XNAT adds users to a search and never removes any.
        """
        existing = search_xml.read(self._document(identity))
        if not _is_same(existing, bundle):
            problem = (
                f'{bundle.name!r} was saved, but it is still shared with '
                f'{", ".join(existing.users)}'
            )
            remedy = 'Delete it, and use another name for a search that the others are not to see.'
            raise errors.IntegrityError(
                problem, uri=self._host.connection.server + _uri(identity), remedy=remedy
            )

    def _document(self, identity: str) -> bytes:
        document: bytes = self._host.connection.request(_uri(identity))
        return document

    def _rows(self) -> list[Row]:
        rows: list[Row] = self._host.connection.rows(_LIST)
        return rows

    def _names(self, prefix: str, with_description: bool) -> list[Any]:
        found = sorted(
            (_name(row).removeprefix(prefix), row.get('description', ''))
            for row in self._rows()
            if _name(row).startswith(_TEMPLATE) == bool(prefix)
        )
        return found if with_description else [name for name, _ in found]

    def _find(self, name: str) -> list[Row]:
        """Return the searches with this ID, or else those with this name."""
        rows = self._rows()
        return [row for row in rows if row['id'] == name] or [
            row for row in rows if _name(row) == name
        ]

    def _identity(self, name: str, prefix: str = '', *, is_run: bool = False) -> str:
        """Return the ID of the search or template with a name or ID.

        With `is_run`, a template is an error, which names the values that are missing.
        """
        found = self._find(prefix + name)
        if is_run:
            self._check_is_search(found or self._find(_TEMPLATE + name))
        if not found:
            kind = 'template' if prefix else 'search'
            existing = ', '.join(self._names(prefix, False))
            raise errors.NotFoundError(
                f'there is no {kind} {name!r}',
                uri=self._host.connection.server + _LIST,
                remedy=f'There are: {existing or "none"}.',
            )
        if len(found) > 1:
            identities = ', '.join(row['id'] for row in found)
            raise errors.ProgrammingError(
                f'there are several searches {name!r}',
                remedy=f'Use an ID in place of the name: {identities}.',
            )
        return found[0]['id']

    def _check_is_search(self, rows: list[Row]) -> None:
        name = _name(rows[0]) if rows else ''
        if name.startswith(_TEMPLATE):
            bundle = search_xml.read(self._document(rows[0]['id']))
            missing = templates.keys(spell(bundle.criteria) if bundle.criteria else [])
            values = ', '.join(f'{key!r}: …' for key in missing)
            raise errors.ProgrammingError(
                f'{name!r} is a template, and has no value for {", ".join(map(repr, missing))}',
                remedy=f'Use use_template({name.removeprefix(_TEMPLATE)!r}, {{{values}}}).',
            )


@contextmanager
def _owned(name: str) -> Iterator[None]:
    """Add the owner as the reason to a PermissionDenied error."""
    try:
        yield
    except errors.PermissionDenied as error:
        error.remedy = (
            f'{name!r} belongs to another user, or not of one user alone, and only an '
            'administrator can change it: use another name.'
        )
        raise


def _check(name: str) -> None:
    if not isinstance(name, str) or not name.strip() or name.startswith(_TEMPLATE):
        remedy = (
            f'Use save_template({name.removeprefix(_TEMPLATE)!r}, …).'
            if isinstance(name, str) and name.strip()
            else 'Give a name.'
        )
        raise errors.ProgrammingError(f'{name!r} is not the name of a search', remedy=remedy)


def _uri(identity: str) -> str:
    return f'{_LIST}/{uris.quote(identity)}'


def _new_id(name: str) -> str:
    """Return the name if it is safe in a URI, else its letters and a digest."""
    if re.fullmatch(r'[A-Za-z0-9_-]{1,80}', name):
        return name
    letters = re.sub('[^A-Za-z0-9]+', '_', name)[:60]
    digest = hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:16]
    return f'{letters}_{digest}'


def _name(row: Row) -> str:
    return row.get('brief_description') or row['id']


def _users(sharing: Any) -> list[str] | None:
    """Return the logins that a search is shared with; `None` for everybody."""
    if sharing == 'public':
        return None
    if sharing == 'private':
        return []
    if isinstance(sharing, str) or not all(isinstance(login, str) for login in sharing):
        raise errors.ProgrammingError(
            f'sharing={sharing!r} is not valid',
            remedy="Use 'private', 'public' or a list of logins.",
        )
    return list(sharing)


def _filled(bundle: Bundle, values: Mapping[str, Any]) -> Group | None:
    criteria = spell(bundle.criteria) if bundle.criteria else []
    full = templates.fill_keys(criteria, values)
    return parse(full, bundle.root) if full else None


def _query(bundle: Bundle) -> dict[str, Any]:
    return {
        'row': bundle.root,
        'columns': list(map(str, bundle.fields)),
        'constraints': spell(bundle.criteria) if bundle.criteria else None,
        'sharing': 'public'
        if bundle.is_public
        else list(bundle.users)
        if len(bundle.users) > 1
        else 'private',
        'description': bundle.description,
    }


def _is_same(existing: Bundle, bundle: Bundle) -> bool:
    """Return whether a search on the server equals the one to save.

    The server adds the creator to the users.
    """
    users, creator = set(existing.users), set(existing.users) - set(bundle.users)
    return (
        existing._replace(users=()) == bundle._replace(users=())
        and users >= set(bundle.users)
        and (bundle.is_public or len(creator) <= 1)
    )
