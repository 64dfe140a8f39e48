"""XPath queries over the XML documents of many subjects: ``interface.xpath``.

The document of a subject holds its fields, its sessions with their scans, and their assessors.
After the documents of a study are fetched, queries make no request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lxml import etree

from .. import errors
from ..model import uris
from ..model.xml import Node, parse_xml
from ..resources.host import Host

__all__ = ['XpathStore']


class XpathStore:
    """XML documents of subjects, kept in memory until `clear`.

    Names of elements and attributes have the prefix of the documents: ``xnat:Subject``,
    ``xsi:type``.

    Examples
    --------
    ::

        interface.xpath.checkout(project='OASIS3')
        interface.xpath('//xnat:scan[@type="T1"]/@ID')
        interface.xpath.element_text('xnat:quality')
    """

    def __init__(self, interface: Host, roots: Mapping[str, Node] | None = None) -> None:
        self._host = interface
        self._roots = dict(roots or {})

    def __repr__(self) -> str:
        return f'<XpathStore of {len(self._roots)} subjects>'

    def __len__(self) -> int:
        return len(self._roots)

    def checkout(
        self, project: str | None = None, subjects: Iterable[str] | None = None
    ) -> list[str]:
        """Fetch documents, and add them to the store.

        Parameters
        ----------
        project : str, optional
            ID of a project. Without `subjects`, all of its subjects are fetched.
        subjects : iterable of str, optional
            Accession IDs; with `project`, IDs or labels.

        Returns
        -------
        list of str
            Accession IDs of the subjects fetched.

        Raises
        ------
        NotFoundError
            If there is no such subject; documents fetched before it are kept.
        ProgrammingError
            If neither argument is given.

        Notes
        -----
        One request for each subject, and one for the list of a whole project.
        """
        if project is None and subjects is None:
            raise errors.ProgrammingError(
                'nothing to check out', remedy='Give project= or subjects=.'
            )
        root = (
            uris.ENTRY
            if project is None
            else uris.join(uris.ENTRY, 'projects', uris.quote(project))
        )
        if subjects is None:
            subjects = [row['ID'] for row in self._host.connection.rows(f'{root}/subjects')]
        names = [subjects] if isinstance(subjects, str) else subjects
        return [self._fetch(uris.join(root, 'subjects', uris.quote(name))) for name in names]

    def update(self) -> list[str]:
        """Fetch all documents again, and return the subjects' IDs.

        One request for each, bypassing the cache: XNAT does not tell which documents have changed.
        """
        return [
            self._fetch(uris.join(uris.ENTRY, 'subjects', uris.quote(subject)), expiration=0)
            for subject in self.subjects()
        ]

    def clear(self) -> None:
        """Remove all documents. No request."""
        self._roots.clear()

    def _fetch(self, uri: str, **options: Any) -> str:
        uri = uris.with_query(uri, {'format': 'xml'})
        try:
            root = parse_xml(self._host.connection.request(uri, **options))
        except ValueError as error:
            raise errors.UnexpectedAnswer(
                f'not an XML document: {error}',
                uri=self._host.connection.server + uri,
                remedy='Check the ID.',
            ) from error
        identity = root.get('ID', '')
        self._roots[identity] = root
        return identity

    def subjects(self) -> list[str]:
        """Return the accession IDs of the subjects in the store. No request."""
        return list(self._roots)

    def subject(self, subject_id: str) -> XpathStore:
        """Return a store with the document of one subject only. No request.

        Raises
        ------
        NotFoundError
            If the subject was not checked out.
        """
        if subject_id not in self._roots:
            raise errors.NotFoundError(
                f'subject {subject_id!r} was not checked out',
                remedy='checkout(subjects=[…]) fetches it.',
            )
        return XpathStore(self._host, {subject_id: self._roots[subject_id]})

    def __call__(self, xpath: str) -> list[Any]:
        """Evaluate an XPath on each document, and join the results.

        Parameters
        ----------
        xpath : str
            XPath with the prefixes of the documents.

        Returns
        -------
        list
            Elements of lxml, text or numbers.

        Raises
        ------
        ProgrammingError
            If it is not a valid XPath, or has a prefix that no document has.
        """
        results: list[Any] = []
        prefixes = {
            prefix: uri
            for root in self._roots.values()
            for prefix, uri in root.nsmap.items()
            if prefix
        }
        for root in self._roots.values():
            try:
                result: Any = root.xpath(xpath, namespaces=prefixes)
            except etree.XPathError as error:
                remedy = f'The prefixes of the documents are: {", ".join(sorted(prefixes))}.'
                raise errors.ProgrammingError(f'{xpath!r}: {error}', remedy=remedy) from error
            results += result if isinstance(result, list) else [result]
        return results

    def keys(self) -> list[str]:
        """Return the names of the subjects' attributes, sorted.

        Such as ``ID`` and ``label``.
        """
        return sorted({name for attributes in self.attrs() for name in attributes})

    def values(self, key: str) -> list[str]:
        """Return the values of an attribute, for the subjects that have it."""
        return [attributes[key] for attributes in self.attrs() if key in attributes]

    def attrs(self) -> list[dict[str, str]]:
        """Return the attributes of each subject."""
        return [_attributes(root) for root in self._roots.values()]

    def elements(self) -> list[str]:
        """Return the names of all elements in the documents, sorted."""
        return sorted({_name(node) for node in self._nodes()})

    def element_attrs(self, name: str) -> list[dict[str, str]]:
        """Return the attributes of each element with a name."""
        return [_attributes(node) for node in self._named(name)]

    def element_keys(self, name: str) -> list[str]:
        """Return the names of the attributes of elements with a name, sorted."""
        return sorted({key for attributes in self.element_attrs(name) for key in attributes})

    def element_values(self, name: str, key: str | None = None) -> list[str]:
        """Return the distinct values of attributes of elements, sorted.

        Parameters
        ----------
        name : str
            Name of the elements, with prefix.
        key : str, optional
            Name of the attribute. Default: all attributes.
        """
        return sorted(
            {
                value
                for attributes in self.element_attrs(name)
                for attribute, value in attributes.items()
                if key in (None, attribute)
            }
        )

    def element_text(self, name: str) -> list[str]:
        """Return the text of each element with a name, if it has text."""
        return [node.text.strip() for node in self._named(name) if node.text and node.text.strip()]

    def _nodes(self) -> Iterator[Node]:
        for root in self._roots.values():
            yield from root.iter(etree.Element)

    def _named(self, name: str) -> Iterator[Node]:
        return (node for node in self._nodes() if _name(node) == name)


def _name(node: Node) -> str:
    return _prefixed(node, str(node.tag))


def _attributes(node: Node) -> dict[str, str]:
    return {_prefixed(node, str(name)): str(value) for name, value in node.attrib.items()}


def _prefixed(node: Node, name: str) -> str:
    """Return a name with the prefix that its namespace has in the document.

    >>> _prefixed(parse_xml('<a:b xmlns:a="u"/>'), '{u}b')
    'a:b'
    """
    parts = etree.QName(name)
    prefix = next(
        (prefix for prefix, uri in node.nsmap.items() if uri == parts.namespace and prefix), None
    )
    return f'{prefix}:{parts.localname}' if prefix else parts.localname
