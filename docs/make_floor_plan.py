"""Draw ``docs/design/layers.svg``, the layers of client and server, from the tables of layers.

::

    python docs/make_floor_plan.py            # write the picture
    python docs/make_floor_plan.py --check    # exit with 1 if the picture is out of date

The tables are those that ``tests/test_layers.py`` enforces (``tests/support/layers.py``).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.layers import CLIENT, SERVER, SHARED  # noqa: E402 - needs the path above

PICTURE = Path(__file__).with_name('design') / 'layers.svg'

COLUMN, GUTTER, MARGIN = 480, 30, 15
"""Width of a column of layers, the space between the two, and the space around them, in pixels."""
TITLE, LINE, PADDING, GAP = 40, 20, 8, 6
"""Heights in pixels: title, line of text, padding of a box, space between boxes."""
NAME = 90
"""Width of the name of a part, in pixels."""
PLAIN, IMPORTABLE = '#eef2f7', '#dcefdc'
"""Colours of a part of one side, and of a part that both sides import."""

Layers = Sequence[dict[str, str]]


def picture() -> str:
    """Return the picture as SVG: the client on the left, the server on the right."""
    height = TITLE + max(_height(CLIENT), _height(SERVER)) + 2 * MARGIN + LINE
    width = 2 * (MARGIN + COLUMN) + GUTTER
    legend = 'A module imports only from boxes below its own. Green: the server imports these, too.'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        *_column('pyxnat', CLIENT, MARGIN, height, SHARED),
        *_column('pyxnat.server', SERVER, MARGIN + COLUMN + GUTTER, height, set()),
        _text(MARGIN, height - MARGIN, legend, 'fill="#555555"'),
        '</svg>',
    ]
    return '\n'.join(parts) + '\n'


def _height(layers: Layers) -> int:
    return sum(_box_height(layer) + GAP for layer in layers)


def _box_height(layer: dict[str, str]) -> int:
    return len(layer) * LINE + PADDING


def _column(title: str, layers: Layers, left: int, height: int, shared: set[str]) -> Iterator[str]:
    """Draw the layers of one side, the highest on top."""
    yield _text(left, MARGIN + 16, title, 'font-size="16" font-weight="bold"')
    top = height - LINE - MARGIN - _height(layers)
    for layer in reversed(layers):
        yield (
            f'<rect x="{left}" y="{top}" width="{COLUMN}" height="{_box_height(layer)}" rx="4" '
            f'fill="{PLAIN}" stroke="#8899aa"/>'
        )
        for number, (name, task) in enumerate(layer.items()):
            line = top + PADDING // 2 + number * LINE
            if name in shared:
                yield (
                    f'<rect x="{left + 2}" y="{line + 1}" width="{COLUMN - 4}" height="{LINE - 2}" '
                    f'fill="{IMPORTABLE}"/>'
                )
            yield _text(left + 10, line + 15, name, 'font-weight="bold"')
            yield _text(left + 10 + NAME, line + 15, task)
        top += _box_height(layer) + GAP


def _text(x: int, y: int, text: str, style: str = '') -> str:
    return f'<text x="{x}" y="{y}" {style}>{escape(text)}</text>'


def main(arguments: Sequence[str]) -> None:
    """Write the picture; with ``--check``, exit with 1 if it is out of date."""
    new = picture()
    if '--check' not in arguments:
        PICTURE.parent.mkdir(exist_ok=True)
        PICTURE.write_text(new, encoding='utf-8')
    elif not PICTURE.exists() or PICTURE.read_text(encoding='utf-8') != new:
        sys.exit(f'{PICTURE} is out of date: run python docs/make_floor_plan.py')


if __name__ == '__main__':
    main(sys.argv[1:])
