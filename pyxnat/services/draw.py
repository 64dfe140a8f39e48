"""Figures of the levels, types and fields of an archive: ``interface.draw``.

They need the extra ``draw`` (networkx and matplotlib). Each is a tree, drawn from left to right;
the size of a dot shows the count.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from ..model.levels import chains, level
from ..model.rows import number_in
from ..model.wildcards import ANY
from ..query.criteria import Field
from ..resources.host import Host
from ..tables.table import Row

__all__ = ['Draw', 'drawing_libraries']

_Branch = tuple[str, ...]
"""A node of a tree: the names from the root to the node."""

_ROOT = 'archive'
_INCHES_A_LINE = 0.28
_INCHES_A_LEVEL = 2.4
_LARGEST = 250.0
_SMALLEST = 12.0
_BACKGROUND = {'facecolor': 'white', 'edgecolor': 'none', 'alpha': 0.7, 'pad': 0.5}


class Draw:
    """Draws trees of levels, types, fields and values.

    Every method returns the figure of matplotlib, which a notebook shows, and takes ``ax``, the
    axes to draw into (default: those of a new figure), and ``save``, the path of a file to write.

    Examples
    --------
    ::

        interface.draw.architecture(project='OASIS3', save='oasis.pdf')

        figure, ax = matplotlib.pyplot.subplots()
        interface.draw.field_values('xnat:subjectData/GENDER', ax=ax)
    """

    def __init__(self, interface: Host) -> None:
        self._host = interface

    def __repr__(self) -> str:
        return f'<Draw for {self._host.connection.server}>'

    def architecture(
        self,
        with_count: bool = True,
        project: str | None = None,
        *,
        ax: Any = None,
        save: Any = None,
    ) -> Any:
        """Draw the levels with the types in use and their counts.

        Parameters
        ----------
        with_count : bool
            Whether to show counts: five requests for a project, six for the archive
            (`inspect.summary`). Without them, all possible levels are drawn: no request.
        project : str, optional
            ID of a project. Default: the whole archive.
        ax : matplotlib.axes.Axes, optional
            Axes to draw into. Default: those of a new figure.
        save : path, optional
            File to write: PNG, PDF or SVG, by its suffix.
        """
        if not with_count:
            return self._picture({(_ROOT, *chain): 0 for chain in chains()}, ax, save)
        return self._picture(
            {_branch(row): number_in(row, 'count') for row in self._host.inspect.summary(project)},
            ax,
            save,
        )

    def datatypes(
        self,
        pattern: str = ANY,
        fields_pattern: str | None = None,
        *,
        ax: Any = None,
        save: Any = None,
    ) -> Any:
        """Draw the types that can be searched, or their fields.

        Parameters
        ----------
        pattern, fields_pattern : str, optional
            As in `inspect.datatypes`, which makes the requests.
        ax : matplotlib.axes.Axes, optional
            Axes to draw into. Default: those of a new figure.
        save : path, optional
            File to write: PNG, PDF or SVG, by its suffix.
        """
        names = self._host.inspect.datatypes(pattern, fields_pattern)
        return self._picture(
            {('types', *name.partition(':')[:1], *name.split('/')): 0 for name in names}, ax, save
        )

    def rest_resource(
        self, name: str, project: str | None = None, *, ax: Any = None, save: Any = None
    ) -> Any:
        """Draw the types in use at a level, with their counts.

        Resources and files have no types: the levels that can hold them are drawn.

        Parameters
        ----------
        name : str
            Name of the level, such as ``scans``. Five requests for a project, six for the archive;
            none for resources and files.
        project : str, optional
            ID of a project. Default: the whole archive.
        ax : matplotlib.axes.Axes, optional
            Axes to draw into. Default: those of a new figure.
        save : path, optional
            File to write: PNG, PDF or SVG, by its suffix.
        """
        plural = level(name).plural
        counts: Counter[_Branch] = Counter()
        if not level(name).is_item:
            counts.update(
                {(plural, *reversed(chain[:-1])): 0 for chain in chains() if chain[-1] == plural}
            )
        else:
            for row in self._host.inspect.summary(project):
                if row['level'] == plural:
                    counts[(plural, row['type'])] += number_in(row, 'count')
        return self._picture(counts or {(plural,): 0}, ax, save)

    def field_values(self, field_name: str, *, ax: Any = None, save: Any = None) -> Any:
        """Draw the values of a field, with their counts.

        One request, whose response has a row for each item of the type.

        Parameters
        ----------
        field_name : str
            Such as ``xnat:subjectData/GENDER``.
        ax : matplotlib.axes.Axes, optional
            Axes to draw into. Default: those of a new figure.
        save : path, optional
            File to write: PNG, PDF or SVG, by its suffix.
        """
        table = self._host.search.table(Field.parse(field_name).datatype, [field_name], None)
        counts = Counter((field_name, value) for row in table for value in row.values() if value)
        return self._picture(dict(sorted(counts.items())) or {(field_name,): 0}, ax, save)

    def _picture(
        self, counts: Mapping[_Branch, int], ax: Any, save: str | os.PathLike[str] | None
    ) -> Any:
        figure = _draw_tree(_tree_of(counts), ax)
        if save is not None:
            figure.savefig(os.fspath(save), bbox_inches='tight')
        return figure


def _branch(row: Row) -> _Branch:
    """Return the node of a row of the summary.

    Types of experiments are below subjects; types of scans and assessors are below the type of
    their session.
    """
    subjects = (_ROOT, 'projects', 'subjects')
    if row['level'] in ('projects', 'subjects'):
        return subjects[: 2 + (row['level'] == 'subjects')]
    if row['level'] == 'experiments':
        return (*subjects, 'experiments', row['type'])
    return (*subjects, 'experiments', row['within'] or '?', row['level'], row['type'])


def _tree_of(counts: Mapping[_Branch, int]) -> Any:
    """Return a networkx graph whose nodes have a ``label`` and a ``count``."""
    networkx = drawing_libraries()[0]
    tree = networkx.DiGraph()
    for branch, count in counts.items():
        for depth in range(1, len(branch) + 1):
            node = branch[:depth]
            if node not in tree:
                tree.add_node(node, label=node[-1], count=0)
            if depth > 1:
                tree.add_edge(node[:-1], node)
        tree.nodes[branch]['count'] = count
    return tree


def _positions(tree: Any) -> dict[_Branch, tuple[float, float]]:
    """Return the coordinates of the nodes of a tree.

    x is the depth. Leaves are one below the other; each parent is centred on its children.
    """
    positions: dict[_Branch, tuple[float, float]] = {}
    leaves = 0
    networkx = drawing_libraries()[0]
    for node in networkx.dfs_postorder_nodes(tree):
        below = [positions[child][1] for child in tree.successors(node)]
        if not below:
            leaves += 1
        positions[node] = (
            float(len(node)),
            (below[0] + below[-1]) / 2 if below else -float(leaves),
        )
    return positions


def _draw_tree(tree: Any, ax: Any = None) -> Any:
    """Draw a tree, and return the figure."""
    networkx, pictures = drawing_libraries()
    positions = _positions(tree)
    depth = max(len(node) for node in tree)
    height = -min(y for _, y in positions.values())
    if ax is None:
        figure = pictures.new_picture(
            _INCHES_A_LEVEL * (depth + 1), max(1.5, _INCHES_A_LINE * (height + 2))
        )
        ax = figure.add_subplot()
    counts = {node: tree.nodes[node]['count'] for node in tree}
    largest = max(counts.values()) or 1
    sizes = [_SMALLEST + _LARGEST * counts[node] / largest for node in tree]
    networkx.draw_networkx_edges(tree, positions, ax=ax, arrows=False, edge_color='0.7')
    networkx.draw_networkx_nodes(
        tree,
        positions,
        ax=ax,
        node_size=sizes,
        node_color=[len(node) for node in tree],
        cmap='viridis',
        alpha=0.6,
    )
    for node, size in zip(tree, sizes, strict=True):
        label = tree.nodes[node]['label'] + (f' ({counts[node]})' if counts[node] else '')
        offset = (size**0.5 / 2 + 3, 0)
        ax.annotate(
            label,
            positions[node],
            offset,
            textcoords='offset points',
            va='center',
            fontsize=9,
            bbox=_BACKGROUND,
        )
    ax.set_xlim(0.8, depth + 1.2)
    ax.set_ylim(-height - 0.8, -0.2)
    ax.set_axis_off()
    return ax.figure


def drawing_libraries() -> tuple[Any, Any]:
    """Import and return networkx and :mod:`pyxnat.services.picture`."""
    try:
        import networkx

        pictures = import_module('.picture', __package__)
    except ImportError as error:
        raise ImportError(
            f"{error.name} is missing: pip install 'pyxnat[draw]'", name=error.name
        ) from error
    return networkx, pictures
