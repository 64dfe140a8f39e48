"""Classes of ``pyxnat.core.help`` of pyxnat 1.x, under their old names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from ..model.levels import children, level
from ..query.criteria import Field
from ..services.draw import Draw, drawing_libraries
from ..services.inspector import *  # noqa: F403 - the names of the new module
from ..services.inspector import SchemaInspector
from .jsonutil import get_column

__all__ = ['GraphData', 'PaintGraph', 'SchemasInspector', 'get_column']

PaintGraph = Draw
SchemasInspector = SchemaInspector

_ROOT_WEIGHT, _GROUP_WEIGHT, _LEAF_WEIGHT = 100.0, 70.0, 40.0


class GraphData:
    """Graphs of types, levels and values, as networkx has them.

    Needs the extra ``draw``. Each graph has ``weights``, a dict from node to size; directed ones
    have ``labels``, too.

    Parameters
    ----------
    interface : Interface
        The Interface that it makes its requests with.
    """

    def __init__(self, interface: Any) -> None:
        self._host = interface

    def datatypes(self, pattern: str = '*') -> Any:
        """Return a graph of the types that can be searched. One request."""
        return _grouped('datatypes', self._host.inspect.datatypes(pattern))

    def rest_resource(self, name: str) -> Any:
        """Return a graph of the types in use at a level, such as ``scans``. One request."""
        types = getattr(self._host.inspect, f'{level(name).singular}_types')
        return _grouped(name, types())

    def field_values(self, field_name: str) -> Any:
        """Return a graph of the values of a field. One request."""
        datatype = Field.parse(field_name).datatype
        table = self._host.search.table(datatype, [field_name], None)
        counts = Counter(value for row in table for value in row.values() if value)
        graph = drawing_libraries()[0].Graph()
        graph.add_edges_from((field_name, value) for value in counts)
        graph.add_node(field_name)
        graph.weights = {**counts, field_name: _ROOT_WEIGHT}
        return graph

    def architecture(self, with_datatypes: bool = True) -> Any:
        """Return a graph of the levels, and of the types in use below them.

        Parameters
        ----------
        with_datatypes : bool
            Add the types: six requests. Without them none.
        """
        graph = drawing_libraries()[0].DiGraph()
        graph.add_node('projects')
        graph.labels, graph.weights = {'projects': 'projects'}, {'projects': _ROOT_WEIGHT}
        types: dict[str, set[str]] = {}
        for row in self._host.inspect.summary() if with_datatypes else ():
            types.setdefault(row['level'], set()).add(row['type'])
        _add_levels(graph, 'projects', 'projects', types)
        return graph


def _add_levels(graph: Any, plural: str, node: str, types: dict[str, set[str]]) -> None:
    """Add the levels and types below a node."""
    for row in children(plural):
        below = f'{node}_{row.plural}'
        graph.add_edge(node, below)
        graph.labels[below], graph.weights[below] = row.plural, _GROUP_WEIGHT
        for kind in sorted(types.get(row.plural, ())):
            graph.add_edge(below, kind)
            graph.labels[kind], graph.weights[kind] = kind, _LEAF_WEIGHT
        _add_levels(graph, row.plural, below, types)


def _grouped(root: str, names: Iterable[str]) -> Any:
    """Return a graph of types by their prefixes."""
    graph = drawing_libraries()[0].DiGraph()
    graph.add_node(root)
    graph.labels, graph.weights = {root: root}, {root: _ROOT_WEIGHT}
    for name in names:
        prefix = name.partition(':')[0]
        graph.add_edge(root, prefix)
        graph.add_edge(prefix, name)
        graph.weights[prefix], graph.weights[name] = _GROUP_WEIGHT, _LEAF_WEIGHT
    return graph
