"""Downloads of many files in one zip."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from .. import errors
from ..files import zips
from ..files.disk import publish, safe_name
from ..http.download import fetch
from ..model import uris
from ..query.row_owner import own_rows
from ..resources.host import Host
from .isolation import some_names
from .offline import CachedFiles, check_cached
from .placed import Placed

__all__ = ['ZipDownloads']


class ZipDownloads:
    """Downloads of zips of one Interface.

    Parameters
    ----------
    interface : Interface
        Connection and cache.
    placed : Placed
        Files that were downloaded so far; none replaces one of another source.
    """

    def __init__(self, interface: Host, placed: Placed) -> None:
        self._host = interface
        self._placed = placed

    def of_resource(self, resource: Any, dest: Path, extract: bool) -> Any:
        """Download all files of a resource as a zip, verified by its listing.

        Parameters
        ----------
        resource : Resource
            Source.
        dest : Path
            Folder; created if missing.
        extract : bool
            Whether to unpack the zip into a folder named as the resource.

        Returns
        -------
        str or list
            Path of the zip, or the results of `pyxnat.files.zips.unpack`.

        Raises
        ------
        NotFoundError
            If there is no such resource.
        TransferError
            If the zip lacks files of the listing; all others are kept.
        DataError
            If it would replace files that were downloaded from another resource.
        """
        label = safe_name(resource.label() if resource.path_name.isdigit() else resource.path_name)
        target, uri = dest / f'{label}.zip', f'{resource.uri}/files'
        dest.mkdir(parents=True, exist_ok=True)
        with self._fetched_zip(uri, target) as part:
            listed = own_rows(resource.steps, self._host.connection.rows(uri))
            # XNAT responds for an empty resource as for a missing one.
            if not listed and not resource.exists():
                raise errors.NotFoundError(
                    'there is no such resource',
                    uri=self._host.connection.server + resource.uri,
                    remedy='Check the spelling.',
                )
            paths = self._keep_resource(part, target, dest / label if extract else None, uri)
            missing = zips.missing(
                [row['path'] for row in listed], part, self._host.connection.server + uri
            )
        self._check_complete(missing, uri, dest / label if extract else target)
        return paths if extract else str(target)

    def _keep_resource(
        self, part: Path | None, target: Path, folder: Path | None, uri: str
    ) -> list[str]:
        """Unpack a zip into a folder, or repack it to its target.

        Return the unpacked files.
        """
        if folder is not None:
            return self._unpack(part, folder, zips.inner_path, uri) if part else []
        self._placed.check([target], uri, partial(zips.have_same_files, part))
        if part:
            zips.repack(part, target, self._host.connection.server + uri)
        else:
            with publish(target) as file, zipfile.ZipFile(file, 'w'):
                pass
        self._placed.add([target], uri)
        return []

    def _unpack(self, part: Path, folder: Path, place: Callable[[str], str], uri: str) -> list[str]:
        """Unpack a zip unless that replaces files of another source."""
        paths = zips.unpack(
            part,
            folder,
            place,
            self._host.connection.server + uri,
            before=lambda targets: self._placed.check(
                targets, uri, lambda path: zips.has_content(path, targets[path])
            ),
        )
        self._placed.add(map(Path, paths), uri)
        return paths

    def of_files(
        self, uri: str, target: Path, extract: bool, keep: bool, *, is_listed: bool = True
    ) -> Any:
        """Download the files of several elements as a zip in XNAT's layout.

        Parameters
        ----------
        uri : str
            URI of the files; its last name may be a list of IDs or types.
        target : Path
            Path of the zip; its folder is created if missing.
        extract : bool
            Whether to unpack the zip beside it.
        keep : bool
            Whether to keep the zip.
        is_listed : bool
            Whether the URI has a listing, to which the zip is compared.

        Raises
        ------
        NotFoundError
            If there are no files.
        TransferError
            If the zip lacks files of the listing; all others are kept.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._fetched_zip(uri, target) as part:
            if part is None:
                raise errors.NotFoundError(
                    'there are no such files',
                    uri=self._host.connection.server + uri,
                    remedy='Check the IDs or types.',
                )
            paths = self._unpack(part, target.parent, str, uri) if extract else []
            if keep:
                self._placed.check([target], uri, partial(zips.have_same_files, part))
            rows = self._host.connection.rows(uri) if is_listed else []
            listed = [zips.inner_path(row['URI']) for row in rows]
            missing = zips.missing(listed, part, self._host.connection.server + uri)
            if keep:
                os.replace(part, target)
                self._placed.add([target], uri)
        self._check_complete(missing, uri, target.parent if extract else target)
        return paths if extract else str(target)

    def _check_complete(self, missing: list[str], uri: str, place: Path) -> None:
        """Raise `TransferError` if a zip lacks files of the listing."""
        if missing:
            problem = (
                f'the server lists {some_names(missing)}, but does not send it: it is gone from '
                f'its disk. All other files are in {place}'
            )
            raise errors.TransferError(
                problem,
                uri=self._host.connection.server + uri,
                remedy='Tell the administrators of the server.',
            )

    @contextmanager
    def _fetched_zip(self, uri: str, target: Path) -> Iterator[Path | None]:
        """Download a zip beside its target; delete it after the block.

        Yield `None` if the server has no files.
        """
        part = target.with_name(f'.{target.name}.{os.getpid()}.part')
        try:
            try:
                if self._host.cache.is_offline:
                    self._pack_cached(uri, part)
                    yield part
                    return
                fetch(
                    self._host.connection.transport,
                    uris.with_query(uri, {'format': 'zip'}),
                    lambda headers: publish(part),
                )
            except errors.NotFoundError:
                yield None
            else:
                zips.check(part, self._host.connection.server + uri)
                yield part
        finally:
            part.unlink(missing_ok=True)

    def _pack_cached(self, uri: str, target: Path) -> None:
        """Write a zip of the files of a resource in the cache."""
        cached = CachedFiles(self._host.cache)
        rows = self._host.connection.rows(uri)
        found = {
            row['path']: cached.find(f'{uri}/{uris.quote_path(row["path"])}', row.get('digest', ''))
            for row in rows
        }
        check_cached(
            [name for name, path in found.items() if path is None],
            self._host.connection.server + uri,
        )
        members = [(name, path) for name, path in found.items() if path is not None]
        with zips.pack(members, 0) as packed, publish(target) as file:
            shutil.copyfileobj(packed, file)
