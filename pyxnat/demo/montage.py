"""Picture of brain masks: slices of each head, with the outline of its mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ['Row', 'draw']

SLICES = 6
SCALE = 2
"""Pixels of the picture for each voxel."""
COLOUR = (255, 122, 61)
CAPTION = 24
"""Pixels above each row."""
MARGIN = 2
"""Voxels around the head."""


class Row(NamedTuple):
    """Head of the picture: a caption, and the paths of image and mask."""

    caption: str
    image: str
    mask: str


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write a PNG with a row of slices for each head.

    Parameters
    ----------
    rows : sequence of Row
        Heads, from top to bottom; each mask has the shape of its image.
    path : Path
        File to write.
    """
    import nibabel
    import numpy as np
    from PIL import Image, ImageDraw

    load: Any = nibabel.load  # typed as any kind of image
    heads = [np.squeeze(np.asarray(load(row.image).dataobj)) for row in rows]
    masks = [np.asarray(load(row.mask).dataobj) > 0 for row in rows]
    box = _box(np.max(heads, axis=0))
    strips = [_strip(head[box], mask[box]) for head, mask in zip(heads, masks, strict=True)]
    height, width = strips[0].shape[:2]
    picture = Image.new('RGB', (width, len(rows) * (height + CAPTION)))
    pen = ImageDraw.Draw(picture)
    for number, (row, strip) in enumerate(zip(rows, strips, strict=True)):
        top = number * (height + CAPTION)
        pen.text((8, top + 5), row.caption, fill='white', font_size=14)
        picture.paste(Image.fromarray(strip), (0, top + CAPTION))
    picture.quantize(48).save(path, optimize=True)


def _strip(head: Any, mask: Any) -> Any:
    """Return slices of a head side by side, as pixels of red, green and blue."""
    import numpy as np

    bright = (head / np.percentile(head, 99.95)).clip(0, 1)
    grey = (255 * bright**1.5).astype(np.uint8)  # darker, so that the folds of the brain show
    inside = np.flatnonzero(mask.any(axis=(0, 1)))
    chosen = inside[np.linspace(0, len(inside) - 1, SLICES + 2).astype(int)[1:-1]]
    return np.concatenate([_tile(grey[:, :, k], mask[:, :, k]) for k in chosen], axis=1)


def _box(head: Any) -> tuple[slice, slice, slice]:
    """Return the part of the image that has the head, with a margin in the slice."""
    import numpy as np

    bright = head > 0.2 * np.percentile(head, 99.5)
    ends = [np.flatnonzero(bright.any(axis=axes))[[0, -1]] for axes in ((1, 2), (0, 2))]
    x, y = (slice(max(first - MARGIN, 0), last + MARGIN + 1) for first, last in ends)
    return x, y, slice(None)


def _tile(grey: Any, mask: Any) -> Any:
    """Return one slice, the front of the head above, with the outline of the mask."""
    import numpy as np
    from PIL import Image

    turned = Image.fromarray(np.rot90(grey).copy())
    size = (turned.width * SCALE, turned.height * SCALE)
    pixels = np.stack([np.asarray(turned.resize(size, Image.Resampling.BICUBIC))] * 3, axis=2)
    large = np.kron(np.rot90(mask), np.ones((SCALE, SCALE), bool))
    steps = [(step, axis) for axis in (0, 1) for step in (-2, -1, 1, 2)]
    inner = np.all([np.roll(large, step, axis) for step, axis in steps], axis=0)
    pixels[large & ~inner] = COLOUR
    return pixels
