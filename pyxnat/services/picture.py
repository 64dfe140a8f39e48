"""Figure that a notebook shows as a picture; needs matplotlib."""

from __future__ import annotations

import io

from matplotlib.figure import Figure

__all__ = ['Picture']


class Picture(Figure):
    """Figure that shows itself in a notebook, also before pyplot was imported."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format='png', bbox_inches='tight')
        return file.getvalue()
