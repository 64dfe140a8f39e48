"""Create elements: checks before the request, and missing elements above."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any, NamedTuple

import six

from .. import errors
from ..model import labels, uris
from ..model.short_names import is_label
from ..model.xml import parse_xml
from .above import create_above, split_fields
from .forms import split_forms, write_forms
from .writable import Writable
from .writing import Fields, new_fields, split_parameters

__all__ = ['create', 'read_document']

_LONGEST_ID = 255


def create(
    element: Writable,
    types: Mapping[str, str],
    fields: Mapping[str, Any],
    document: bytes | None,
    inner: Sequence[Any],
    move: bool,
) -> None:
    """Check name, fields and owner, then create an element.

    If the server reports that an element above is missing, it is created, too.

    Parameters
    ----------
    element : Writable
        The element.
    types, fields, document, inner, move
        As for :meth:`pyxnat.resources.Element.create_with_parents`.
    """
    forms, fields = split_forms(element, fields)
    kind = str(types.get(element.level.plural) or fields.get('xsiType') or element.level.datatype)
    if document is not None:
        _check_document(element, document)
    query, above = split_fields(element, kind, types, fields, is_any_type=document is not None)
    own, parameters = split_parameters(element, query)
    values = None if document or not kind else new_fields(element, kind, own)
    lacks_session = (
        _check_new(element, query, move) is False and element.level.plural != 'experiments'
    )
    left = create_above(element, types, above, lacks_session)
    if values is not None:
        document, query = values.document(inner), {**values.query(), **parameters}
        if document is None and 'xsiType' in element.level.columns:
            query['xsiType'] = values.kind
    new = _New(element, values, query, document)
    parent = element.parent_on_path()
    if lacks_session and parent is not None:  # its session does not exist
        response = new.put_below(parent, types, left)
    else:
        try:
            response = new.put()
        except errors.DatabaseError as error:
            if parent is None or not _is_well_named(element) or not _lacks_parent(error, parent):
                raise
            response = new.put_below(parent, types, left)
    _store_accession_id(element, six.ensure_text(response or b'', errors='replace').strip())
    if forms:
        write_forms(element, forms)


def read_document(location: Any) -> bytes | None:
    """Read an XNAT document from a file, and check that it is well-formed."""
    if location is None:
        return None
    text = FilePath(location).expanduser().read_bytes()
    try:
        parse_xml(text)
    except ValueError as error:
        raise errors.DataError(
            f'{location}: {error}', remedy='Give the path of an XML document as get() returns it.'
        ) from error
    return text


class _New(NamedTuple):
    """A new element as it is sent."""

    element: Writable
    values: Fields | None
    """Its fields; None if the caller gave the document."""
    query: dict[str, Any]
    document: bytes | None

    def put(self) -> bytes:
        """Send the element; its parent exists."""
        if self.element.level.side == 'in':
            return self._leave_to_first_file()
        if self.document is not None:
            return self.element.put_document(self.document, self.query)
        uri = uris.with_query(self.element.uri, self.query)
        response: bytes = self.element.connection.request(uri, 'PUT')
        return response

    def _leave_to_first_file(self) -> bytes:
        """Create nothing: for an input without a file XNAT would create an output."""
        parent = self.element.parent_on_path()
        if parent is None or not parent.exists():
            raise errors.NotFoundError(
                'it has no element above', uri=self.element.url, method='PUT', remedy='Create it.'
            )
        warnings.warn(
            f'in_resource({self.element.path_name!r}) does not exist yet: XNAT creates it with its '
            'first file, so put() one',
            stacklevel=7,
        )
        return b''

    def put_below(
        self, parent: Writable, types: Mapping[str, str], above: Mapping[str, Any]
    ) -> bytes:
        """Create the parent, then the element unless its document holds it.

        Parameters
        ----------
        parent : Writable
            The element above.
        types : mapping
            Plural names of levels to data types.
        above : mapping
            Fields of the elements above.
        """
        within = (
            self.values.as_inner(self.element)
            if self.values is not None
            and not self.values.query()
            and self.query.keys() <= {'xsiType'}
            else []
        )
        parent.create_with_parents(dict(types), dict(above), inner=within)
        return b'' if within else self.put()


def _check_new(element: Writable, fields: Mapping[str, Any], move: bool) -> bool | None:
    """Reject an invalid name, and a place or ID of another element.

    Returns the result of `check_owner`.
    """
    plural, name = element.level.plural, element.path_name
    _check_label(element, fields)
    if plural in labels.CHECKED and labels.why_not_new(plural, name) and not element.exists():
        labels.check_new(plural, element.level.singular, name, element.url)
    element.host.owners.check_id(element, fields.get('ID'))
    return element.check_owner(move)


def _check_label(element: Writable, fields: Mapping[str, Any]) -> None:
    """Reject a label that is not the name on the path.

    XNAT would write to the other element.
    """
    for field, label in fields.items():
        if element.level.has_label and is_label(field) and label not in (element.path_name, None):
            singular, name = element.level.singular, element.path_name
            raise errors.ProgrammingError(
                f'{singular} {name!r} cannot be created with the label {label!r}',
                uri=element.url,
                method='PUT',
                remedy=f'Select {label!r} to create it, or use rename({label!r}) for an existing '
                f'{singular}.',
            )


def _check_document(element: Writable, document: bytes) -> None:
    """Reject a document of another element.

    XNAT prefers label, ID and project of a document to those of the path, so it would change or
    rename the other element.
    """
    root, names = parse_xml(document), {step.level: step.name for step in element.steps}
    is_by_id = root.get('ID') == element.path_name
    own = {'label' if element.level.has_label and not is_by_id else 'ID': element.path_name}
    if element.level.plural != 'projects' and 'projects' in names:
        own['project'] = names['projects']
    for attribute, name in own.items():
        given = root.get(attribute) or name
        if given != name:
            raise errors.IntegrityError(
                f'the document is of {attribute} {given!r}, not {name!r}',
                uri=element.url,
                method='PUT',
                remedy=f'Select {given!r}, or remove the attribute {attribute} of the document.',
            )
    if element.level.has_label:
        element.host.owners.check_id(element, root.get('ID'))


def _is_well_named(element: Writable) -> bool:
    """Whether XNAT accepts the name as the label of a new element.

    If not, an error of the server is about the name, not about the elements above.
    """
    plural = element.level.plural
    return plural not in labels.CHECKED or not labels.why_not_new(plural, element.path_name)


def _lacks_parent(error: errors.DatabaseError, parent: Writable) -> bool:
    """Whether an error reports a missing element above.

    XNAT uses many statuses for it. Ambiguous ones (400, 422, 500) cost one request.
    """
    if isinstance(error, errors.NotFoundError) or error.status in (404, 417):
        return True
    return error.status in (400, 422, 500) and not parent.exists()


def _store_accession_id(element: Writable, accession_id: str) -> None:
    """Store the accession ID from the response to a PUT.

    XNAT returns one for subjects, experiments and assessors.
    """
    if not element.level.has_label or not accession_id:
        return
    if len(accession_id) > _LONGEST_ID or not accession_id.isprintable():
        raise errors.UnexpectedAnswer(
            f'no accession ID: {accession_id[:60]!r}',
            uri=element.url,
            method='PUT',
            remedy='Check with exists() whether it was created.',
        )
    if '/' not in accession_id:
        element.row[element.level.id_column] = accession_id
        element.host.owners.store(element)
