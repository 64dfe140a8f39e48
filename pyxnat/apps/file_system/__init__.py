"""File system ``xnat://`` for fsspec (extra ``fsspec``).

fsspec finds it by its entry point, so that pandas, dask, zarr and others read ``xnat://`` paths::

    pandas.read_csv('xnat://central.xnat.org/PROJECT/SUBJECT/SESSION/RESOURCE/scores.csv')
"""

from __future__ import annotations

from .system import XnatFileSystem

__all__ = ['XnatFileSystem']
