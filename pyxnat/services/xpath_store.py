"""``interface.xpath``: questions to the XML documents of many subjects at once.

A subject's document holds all of it: its fields, its sessions with their scans, and their assessors. Those of a study, once fetched, answer any
XPath without asking the server again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from lxml import etree

from .. import errors
from ..model import uris
from ..model.xml import Node, parse_xml
from ..resources.host import Host

__all__ = ['XpathStore']


class XpathStore:
    """The documents of some subjects. They are kept in memory until they are checked out anew, `clear` or the end of the Interface.

    Names of elements and attributes are those of the documents, with their prefix: ``xnat:Subject``, ``xsi:type``.

    Examples
    --------
    ::

        interface.xpath.checkout(project='OASIS3')
        interface.xpath('//xnat:scan[@type="T1"]/@ID')
        interface.xpath.element_text('xnat:quality')
    """

    def __init__(self, interface: Host) -> None:
        self._host = interface
        self._roots: dict[str, Node] = {}

    def __repr__(self) -> str:
        return f'<XpathStore of {len(self._roots)} subjects>'

    def __len__(self) -> int:
        return len(self._roots)

    def checkout(self, project: str | None = None, subjects: Iterable[str] | None = None) -> list[str]:
        """Fetch documents, besides those that are there.

        Parameters
        ----------
        project : str, optional
            ID of a project: all of its subjects; with `subjects`, those of the project.
        subjects : iterable of str, optional
            Accession IDs; with `project`, IDs or labels.

        Returns
        -------
        list of str
            Accession IDs of those fetched.

        Raises
        ------
        NotFoundError
            There is no such subject; those before it are kept.
        ProgrammingError
            Neither was given.

        Notes
        -----
        One request for each subject, and one for the list of a whole project.
        """
        if project is None and subjects is None:
            raise errors.ProgrammingError('nothing to check out', remedy='Give project= or subjects=.')
        root = uris.ENTRY if project is None else uris.join(uris.ENTRY, 'projects', uris.quote(project))
        if subjects is None:
            subjects = [row['ID'] for row in self._host.connection.rows(f'{root}/subjects')]
        names = [subjects] if isinstance(subjects, str) else subjects
        return [self._fetch(uris.join(root, 'subjects', uris.quote(name))) for name in names]

    def update(self) -> list[str]:
        """Fetch those that are there again; their IDs. One request for each, whatever the cache holds: XNAT does not say which have changed."""
        return [self._fetch(uris.join(uris.ENTRY, 'subjects', uris.quote(subject)), expiration=0) for subject in self.subjects()]

    def clear(self) -> None:
        """Forget all of them. No request."""
        self._roots.clear()

    def _fetch(self, uri: str, **options: Any) -> str:
        uri = uris.with_query(uri, {'format': 'xml'})
        try:
            root = parse_xml(self._host.connection.request(uri, **options))
        except ValueError as error:
            raise errors.UnexpectedAnswer(f'not an XML document: {error}', uri=self._host.connection.server + uri, remedy='Check the ID.') from error
        identity = root.get('ID', '')
        self._roots[identity] = root
        return identity

    def subjects(self) -> list[str]:
        """Accession IDs of the subjects that are there. No request, as all below."""
        return list(self._roots)

    def subject(self, subject_id: str) -> XpathStore:
        """The store of one of them alone: asks its document in all the same ways.

        Raises
        ------
        NotFoundError
            It was not checked out.
        """
        if subject_id not in self._roots:
            raise errors.NotFoundError(f'subject {subject_id!r} was not checked out', remedy='checkout(subjects=[…]) fetches it.')
        one = XpathStore(self._host)
        one._roots = {subject_id: self._roots[subject_id]}
        return one

    def __call__(self, expression: str) -> list[Any]:
        """What an XPath finds in each of the documents, one after the other: elements of lxml, text, or numbers.

        Parameters
        ----------
        expression : str
            With the prefixes of the documents.

        Raises
        ------
        ProgrammingError
            It is no XPath, or has a prefix that no document has.
        """
        found: list[Any] = []
        prefixes = self._prefixes()
        for root in self._roots.values():
            try:
                result: Any = root.xpath(expression, namespaces=prefixes)
            except etree.XPathError as error:
                remedy = f'The prefixes of the documents are: {", ".join(sorted(prefixes))}.'
                raise errors.ProgrammingError(f'{expression!r}: {error}', remedy=remedy) from error
            found += result if isinstance(result, list) else [result]
        return found

    def keys(self) -> list[str]:
        """Names of the attributes that the subjects themselves have, sorted: ``ID``, ``label``, …"""
        return sorted({name for attributes in self.attrs() for name in attributes})

    def values(self, key: str) -> list[str]:
        """The values of an attribute of the subjects, of those that have it."""
        return [attributes[key] for attributes in self.attrs() if key in attributes]

    def attrs(self) -> list[dict[str, str]]:
        """The attributes of each subject."""
        return [_attributes(root) for root in self._roots.values()]

    def elements(self) -> list[str]:
        """Names of all elements in the documents, each once, sorted."""
        return sorted({_name(node) for node in self._nodes()})

    def element_attrs(self, name: str) -> list[dict[str, str]]:
        """The attributes of each element of a name."""
        return [_attributes(node) for node in self._named(name)]

    def element_keys(self, name: str) -> list[str]:
        """Names of the attributes that elements of a name have, each once, sorted."""
        return sorted({key for attributes in self.element_attrs(name) for key in attributes})

    def element_values(self, name: str, key: str | None = None) -> list[str]:
        """The different values of an attribute, or of all attributes, of the elements of a name, sorted."""
        found = {value for attributes in self.element_attrs(name) for one, value in attributes.items() if key in (None, one)}
        return sorted(found)

    def element_text(self, name: str) -> list[str]:
        """The text of each element of a name, of those that have one."""
        return [node.text.strip() for node in self._named(name) if node.text and node.text.strip()]

    def _nodes(self) -> Iterator[Node]:
        for root in self._roots.values():
            yield from root.iter(etree.Element)

    def _named(self, name: str) -> Iterator[Node]:
        return (node for node in self._nodes() if _name(node) == name)

    def _prefixes(self) -> dict[str, str]:
        return {prefix: uri for root in self._roots.values() for prefix, uri in root.nsmap.items() if prefix}


def _name(node: Node) -> str:
    return _prefixed(node, str(node.tag))


def _attributes(node: Node) -> dict[str, str]:
    return {_prefixed(node, str(name)): str(value) for name, value in node.attrib.items()}


def _prefixed(node: Node, name: str) -> str:
    """A name with the prefix that its namespace has in the document.

    >>> _prefixed(parse_xml('<a:b xmlns:a="u"/>'), '{u}b')
    'a:b'
    """
    parts = etree.QName(name)
    prefix = next((prefix for prefix, uri in node.nsmap.items() if uri == parts.namespace and prefix), None)
    return f'{prefix}:{parts.localname}' if prefix else parts.localname
