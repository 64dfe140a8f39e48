"""Figures that a notebook shows as pictures; needs matplotlib."""

from __future__ import annotations

import io

from matplotlib.figure import Figure

__all__ = ['new_picture']


class _Picture(Figure):
    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format='png', bbox_inches='tight')
        return file.getvalue()


def new_picture(width: float, height: float) -> Figure:
    """Return an empty figure that a notebook shows, also before pyplot was imported.

    Parameters
    ----------
    width, height : float
        Inches.
    """
    return _Picture(figsize=(width, height))
