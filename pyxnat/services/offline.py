"""Files of the cache for offline work, found by URI or by content."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .. import errors
from ..cache import Cache
from .isolation import some_names

__all__ = ['CachedFiles', 'check_cached']


class CachedFiles:
    """Finds files in the cache.

    One file has several URIs, by ID or label. A file that was fetched by another one is found by
    the MD5 of the listing; the index of the cache is read once for that.
    """

    def __init__(self, cache: Cache) -> None:
        self._store = cache.files
        self._by_md5: dict[str, Path] | None = None

    def find(self, uri: str, md5: str) -> Path | None:
        """Return the path of a file in the cache, None if it is not there. No request.

        Parameters
        ----------
        uri : str
            URI of the file.
        md5 : str
            Its digest in the listing; empty if unknown.
        """
        if self._store.record(uri) is not None and self._store.use(uri):
            return self._store.path(uri)
        if self._by_md5 is None:
            self._by_md5 = self._store.paths_by_md5()
        return self._by_md5.get(md5.lower())


def check_cached(missing: Sequence[str], uri: str) -> None:
    """Raise an error if files are not in the cache.

    Parameters
    ----------
    missing : sequence of str
        Names of the files that are not there.
    uri : str
        URI that was to be read.

    Raises
    ------
    OfflineError
        There are such files.
    """
    if missing:
        raise errors.OfflineError(
            f'{len(missing)} files are not in the cache: {some_names(list(missing))}',
            uri=uri,
            remedy='Fetch them while online with interface.prefetch(selection), or set '
            'interface.cache.mode to "online".',
        )
