"""Open files: one in the cache, one that is written to a server."""

from __future__ import annotations

import io
import os
import tempfile
from typing import Any

from ...errors import DuplicateError

__all__ = ['CachedFile', 'XnatUpload']

_IN_MEMORY = 1_000_000
"""Bytes that are kept in memory; more go to a temporary file."""


class CachedFile(io.BufferedReader):
    """A downloaded file, open for reading.

    Parameters
    ----------
    path : str
        Its place in the cache.

    Attributes
    ----------
    size : int
        Its size in bytes.
    """

    def __init__(self, path: str) -> None:
        super().__init__(io.FileIO(path))
        self.size = os.fstat(self.fileno()).st_size


class XnatUpload(io.RawIOBase):
    """A file that is uploaded and verified when it is closed.

    Parameters
    ----------
    file : File
        Element of the file.
    is_new : bool
        Whether an existing file is an error.
    autocommit : bool
        Whether closing uploads it; otherwise `commit` does.
    options : dict
        ``format``, ``content`` and ``tags`` of the file.
    """

    def __init__(self, file: Any, is_new: bool, autocommit: bool, options: dict[str, Any]) -> None:
        self._file = file
        self._is_new = is_new
        self._autocommit = autocommit
        self._options = options
        self._spool = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed later

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any) -> int:
        """Write bytes; nothing is sent before the file is closed."""
        return self._spool.write(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Change the position.

        Parameters
        ----------
        offset, whence : int
            As of `io.IOBase.seek`.
        """
        return self._spool.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._spool.tell()

    def close(self) -> None:
        """Upload the file, unless a transaction does so."""
        if self.closed:
            return
        try:
            if self._autocommit:
                self.commit()
        finally:
            super().close()

    def commit(self) -> None:
        """Upload the file, and verify it.

        Raises
        ------
        FileExistsError
            It must be new, and exists.
        """
        self._spool.seek(0)
        try:
            self._file.put(self._spool, overwrite=not self._is_new, **self._options)
        except DuplicateError as error:
            raise FileExistsError(str(error)) from error
        self._spool.close()

    def discard(self) -> None:
        """Forget the content; nothing is sent."""
        self._spool.close()
