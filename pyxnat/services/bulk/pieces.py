"""Division of a download into requests for single files and zips. No I/O.

A zip can hold a whole resource, several scans, or one resource of several scans. Resources that are
missing completely are fetched in zips, up to a size; resources that lack only a few files, file by
file, unless one has a name that XNAT takes in no path. Big files are fetched singly, since such a
download can be resumed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ...files.zips import inner_path
from ...model import uris
from ...patterns import pattern
from .wanted import RemoteFile, Scope

__all__ = ['BIG', 'FEW', 'MOST_ZIPPED', 'Finder', 'Single', 'Zipped', 'plan_pieces']

BIG = 16 * 2**20
"""Bytes from which a file is fetched singly."""
FEW = 50
"""With fewer missing files in a session or other holder, no zip is used."""
MOST_ZIPPED = 64 * 2**20
"""Bytes, by the listing, up to which resources share a zip."""
_LEAST_ZIPPED = 16 * 2**20
_MOST_IDS = 50

_SCAN_ENTRY = pattern(r'(?:^|/)scans/([^/]+)/resources/([^/]+)/files/(.+)', re.DOTALL)


class Single(NamedTuple):
    """Request for a single file, or its copy from this machine."""

    file: RemoteFile
    source: Path | None = None
    """Its path on this machine; `None` if it is fetched from the server."""

    @property
    def size(self) -> int:
        """Bytes."""
        return self.file.size or 0


class Zipped(NamedTuple):
    """Request for several files as one zip."""

    uri: str
    files: tuple[RemoteFile, ...]
    others: tuple[RemoteFile, ...] = ()
    """Files of the zip that are not missing."""

    @property
    def size(self) -> int:
        """Bytes, unpacked."""
        return sum(file.size or 0 for file in self.files)

    def finder(self) -> Finder:
        """Return a finder for the files of the zip."""
        return Finder((*self.files, *self.others))


class Finder:
    """Finds the file of an entry in a zip with XNAT's layout.

    Such as ``S1_MR/scans/4-T1_w/resources/DICOM/files/a.dcm``, where the type follows the ID of the
    scan. If several IDs match, the longest is used; the digest detects a wrong match.
    """

    def __init__(self, files: Iterable[RemoteFile]) -> None:
        self._by_path: dict[tuple[str, str], list[RemoteFile]] = defaultdict(list)
        for file in files:
            self._by_path[file.label if file.scan else '', file.path].append(file)

    def find(self, entry: str) -> RemoteFile | None:
        """Return the file of an entry, or `None` if it is not among the files."""
        match = _SCAN_ENTRY.search(entry)
        if match:
            folder, label, path = match.groups()
            candidates = [
                file
                for file in self._by_path.get((label, path), ())
                if folder == file.scan or folder.startswith(f'{file.scan}-')
            ]
            if candidates:
                return max(candidates, key=lambda file: len(file.scan))
        return next(iter(self._by_path.get(('', inner_path(entry)), ())), None)


class _Resource:
    """A resource with missing files."""

    def __init__(self, missing: list[RemoteFile], listed: int, scope: Scope) -> None:
        self.missing = missing
        self.first = missing[0]
        self.is_whole = scope.whole_resources and len(missing) == listed
        self.size = sum(file.size or 0 for file in missing)
        big = sum(1 for file in missing if (file.size or 0) >= BIG)
        self.is_unnamed = any(uris.why_unreachable(file.path) for file in missing)
        """Whether a file has a name that XNAT takes in no path, so that only zips hold it."""
        self.is_zippable = big == 0 or len(missing) - big >= FEW

    @property
    def holder(self) -> str:
        """URI of the session, or of the parent if it belongs to no scan."""
        return self.first.session or uris.parent(uris.parent(self.first.resource))


def plan_pieces(
    missing: Sequence[RemoteFile], listed: Sequence[RemoteFile], scope: Scope, jobs: int = 1
) -> list[Single | Zipped]:
    """Return the requests for missing files, the largest first.

    Parameters
    ----------
    missing : sequence of RemoteFile
        Missing files.
    listed : sequence of RemoteFile
        All files of the download, missing or not.
    scope : Scope
        Completeness of the selection.
    jobs : int
        Concurrent requests; zips are made small enough to occupy all of them.
    """
    everything, missing_of = _by_resource(listed), _by_resource(missing)
    resources = [_Resource(files, len(everything[uri]), scope) for uri, files in missing_of.items()]
    few = _lacking_few(resources)
    zipped: list[_Resource] = []
    singly: list[Single] = []
    for resource in resources:
        is_better = resource.is_zippable and (resource.is_whole or resource.holder not in few)
        if is_better or resource.is_unnamed:
            zipped.append(resource)
        else:
            singly += map(Single, resource.missing)
    most = min(MOST_ZIPPED, max(_LEAST_ZIPPED, sum(resource.size for resource in zipped) // jobs))
    pieces = [
        *singly,
        *(_one_or_zip(uri, files, everything) for uri, files in _zips(zipped, listed, scope, most)),
    ]
    return sorted(pieces, key=lambda piece: -piece.size)


def _lacking_few(resources: Iterable[_Resource]) -> set[str]:
    """Return the holders whose incomplete resources lack only a few files."""
    counts: dict[str, int] = defaultdict(int)
    for resource in resources:
        counts[resource.holder] += 0 if resource.is_whole else len(resource.missing)
    return {holder for holder, count in counts.items() if count < FEW}


def _by_resource(files: Iterable[RemoteFile]) -> dict[str, list[RemoteFile]]:
    grouped: dict[str, list[RemoteFile]] = defaultdict(list)
    for file in files:
        grouped[file.resource].append(file)
    return grouped


def _one_or_zip(
    uri: str, files: list[RemoteFile], everything: Mapping[str, list[RemoteFile]]
) -> Single | Zipped:
    if len(files) == 1 and not uris.why_unreachable(files[0].path):
        return Single(files[0])
    missing = {file.uri for file in files}
    others = [
        file
        for resource in {file.resource for file in files}
        for file in everything[resource]
        if file.uri not in missing
    ]
    return Zipped(uri, tuple(files), tuple(others))


def _zips(
    zipped: list[_Resource], listed: Sequence[RemoteFile], scope: Scope, most: int
) -> Iterator[tuple[str, list[RemoteFile]]]:
    """Yield URI and files of each zip."""
    sessions: dict[str, list[_Resource]] = defaultdict(list)
    for resource in zipped:
        first = resource.first
        if first.session and ',' not in first.scan and resource.is_whole:
            sessions[first.session].append(resource)
        else:
            yield uris.join(first.resource, 'files'), resource.missing
    all_scans: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for file in listed:
        all_scans[file.session][file.scan].add(file.resource)
    for session, resources in sessions.items():
        yield from _zips_of_session(session, resources, all_scans[session], scope, most)


def _zips_of_session(
    session: str,
    resources: list[_Resource],
    all_scans: dict[str, set[str]],
    scope: Scope,
    most: int,
) -> Iterator[tuple[str, list[RemoteFile]]]:
    """Yield URI and files of each zip of a session.

    Whole scans share zips; of other scans, resources with the same label do.
    """
    scans: dict[str, list[_Resource]] = defaultdict(list)
    for resource in resources:
        scans[resource.first.scan].append(resource)
    ambiguous = _ambiguous(all_scans)
    groups: dict[tuple[str, bool], list[tuple[str, list[_Resource]]]] = defaultdict(list)
    for scan, members_of_scan in scans.items():
        if scope.whole_scans and len(members_of_scan) == len(all_scans[scan]):
            groups['', scan in ambiguous].append((scan, members_of_scan))
        else:
            for resource in members_of_scan:
                groups[resource.first.label, scan in ambiguous].append((scan, [resource]))
    for (label, _), members in groups.items():
        inner = ('resources', uris.quote(label)) if label else ()
        everything = not label and scope.whole_sessions and len(members) == len(all_scans)
        for bundle in _bundles(members, most, len(members) if everything else _MOST_IDS):
            names = (
                'ALL'
                if everything and len(bundle) == len(members)
                else ','.join(uris.quote(scan) for scan, _ in bundle)
            )
            yield (
                uris.join(session, 'scans', names, *inner, 'files'),
                [file for _, part in bundle for resource in part for file in resource.missing],
            )


def _ambiguous(scans: Iterable[str]) -> set[str]:
    """Return the scans that look in a zip like another scan with its type.

    Such as ``1-MR1`` beside ``1``. They are fetched in separate zips.
    """
    known = set(scans)
    return {
        scan
        for scan in known
        for end, char in enumerate(scan)
        if char == '-' and scan[:end] in known
    }


def _bundles(
    members: list[tuple[str, list[_Resource]]], most: int, most_ids: int
) -> Iterator[list[tuple[str, list[_Resource]]]]:
    """Divide scans, in order, into groups of limited size and number."""
    bundle: list[tuple[str, list[_Resource]]] = []
    size = 0
    for member in members:
        added = sum(resource.size for resource in member[1])
        if bundle and (size + added > most or len(bundle) >= most_ids):
            yield bundle
            bundle, size = [], 0
        bundle.append(member)
        size += added
    if bundle:
        yield bundle
