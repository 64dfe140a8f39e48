"""Study protocols: custom variables of a project for a data type.

They are stored in the fields of the project.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lxml import etree

from ...model.schemas import canonical
from ...model.xml import Node, parse_xml
from ..db.types import Model
from ..errors import NotAcceptable, UnprocessableEntity
from .edit import TYPE_LEAF, Document, part_of, validated
from .xml import XSI, write_part

__all__ = ['find_protocol', 'put_protocol', 'without_protocol', 'write_protocol']

_HOLDER = 'studyProtocol'
_TYPE = 'xnat:datatypeProtocol'


def write_protocol(model: Model, fields: Mapping[str, str], pick: str, site_url: str) -> bytes:
    """Return the document of a protocol.

    Parameters
    ----------
    model : Model
        The data types.
    fields : Mapping[str, str]
        Fields of the project, by storage key.
    pick : str
        Instance of the protocol.
    site_url : str
        URL of the site.
    """
    return write_part(model, _TYPE, f'{_HOLDER}[{pick}]', dict(fields), site_url)


def without_protocol(fields: Mapping[str, str], pick: str) -> dict[str, str]:
    """Return the fields of a project without a protocol.

    Parameters
    ----------
    fields : Mapping[str, str]
        Fields of the project, by storage key.
    pick : str
        Instance of the protocol.
    """
    return {
        key: value for key, value in fields.items() if not key.startswith(f'{_HOLDER}[{pick}]/')
    }


def find_protocol(fields: Mapping[str, str], name: str, datatype: str) -> str | None:
    """Return the instance of a project's protocol; None if there is none.

    Parameters
    ----------
    fields : Mapping[str, str]
        Fields of the project, by storage key.
    name : str
        ID of the protocol.
    datatype : str
        Data type of the protocol, as an alternative to the ID; may be empty.
    """
    for key, value in fields.items():
        holder, _, leaf = key.rpartition('/')
        if holder.startswith(f'{_HOLDER}[') and (
            (leaf == 'ID' and value == name)
            or (datatype and leaf == 'data-type' and value == datatype)
        ):
            return holder[len(_HOLDER) + 1 : -1]
    return None


def put_protocol(
    model: Model, fields: Mapping[str, str], pick: str | None, name: str, body: bytes
) -> tuple[str, dict[str, str]]:
    """Merge the document of a protocol into the fields of a project.

    Parameters
    ----------
    model : Model
        The data types.
    fields : Mapping[str, str]
        Fields of the project, by storage key.
    pick : str | None
        Instance of the existing protocol, if any.
    name : str
        ID of the protocol.
    body : bytes
        The document.

    Returns
    -------
    tuple[str, dict[str, str]]
        Instance of the protocol, and the fields.

    Raises
    ------
    UnprocessableEntity
        For invalid XML, and for unknown attributes.
    NotAcceptable
        For another document, if the protocol does not exist.
    """
    try:
        root = parse_xml(body)
    except ValueError as error:
        raise UnprocessableEntity(f'The document is not valid XML: {error}') from error
    kind = root.get(f'{{{XSI}}}type', '') or f'xnat:{etree.QName(root).localname}'
    if etree.QName(root).localname == _HOLDER:
        _check_study(model, root)
    if not model.registry.is_a(kind, _TYPE):
        if pick is None:
            raise NotAcceptable(f'{kind} is not a protocol.')
        return pick, dict(fields)  # as in XNAT: the protocol is unchanged, and the response has it
    used = {
        key.partition('[')[2].partition(']')[0] for key in fields if key.startswith(f'{_HOLDER}[')
    }
    wanted = pick or next(str(number) for number in range(len(used) + 1) if str(number) not in used)
    document: Document = part_of(model, root, 'xnat:projectData', f'{_HOLDER}[{wanted}]')
    values: dict[str, Any] = validated(model, document)
    values.setdefault(f'{_HOLDER}[{wanted}]/ID', name)
    values[f'{_HOLDER}[{wanted}]/{TYPE_LEAF}'] = _TYPE
    kept = {
        key: value for key, value in fields.items() if not key.startswith(f'{_HOLDER}[{wanted}]/')
    }
    return wanted, {**kept, **values}


def _check_study(model: Model, root: Node) -> None:
    """Refuse attributes that a study protocol does not have.

    XNAT decides by the name of the root, not by its type.
    """
    known = [canonical(found.path) for found in model.registry.fields(f'xnat:{_HOLDER}')]
    for node in root.iterdescendants(etree.Element):
        names = [
            etree.QName(one).localname for one in (*reversed([*node.iterancestors()][:-1]), node)
        ]
        path = '/'.join(names)
        wrong = next(
            (
                name
                for name in map(str, node.attrib)
                if not name.startswith('{') and f'{path}/{name}' not in known
            ),
            None,
        )
        if wrong is not None:
            raise UnprocessableEntity(
                f"org.xml.sax.SAXException: Invalid attribute '{wrong}' of 'xnat:{_HOLDER}/{path}'"
            )
