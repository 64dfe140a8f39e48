"""How to fetch files that are wanted: which singly, which as zips. Pure.

A zip brings a whole resource, several scans, or one resource of several scans. So a resource of which nothing is there comes in a zip, with others up
to a bound; one of which little is missing file by file. Big files come singly: they can be taken up where they broke, and pack badly.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ...files.zips import inner_path
from ...model import uris
from .wanted import Scope, Wanted

__all__ = ['BIG', 'FEW', 'MOST_ZIPPED', 'Finder', 'Single', 'Zipped', 'plan_pieces']

BIG = 16 * 2**20
"""Bytes from which on a file is fetched singly."""
FEW = 50
"""With fewer holes than that in a session, or in what else has resources, its files are fetched singly."""
MOST_ZIPPED = 64 * 2**20
"""Bytes, as listed, up to which resources share a zip."""
_LEAST_ZIPPED = 16 * 2**20
_MOST_IDS = 50

_SCAN_ENTRY = re.compile(r'(?:^|/)scans/([^/]+)/resources/([^/]+)/files/(.+)', re.DOTALL)


class Single(NamedTuple):
    """One file by itself."""

    file: Wanted

    @property
    def size(self) -> int:
        """Bytes."""
        return self.file.size or 0


class Zipped(NamedTuple):
    """Files that come as one zip."""

    uri: str
    files: tuple[Wanted, ...]
    others: tuple[Wanted, ...] = ()
    """Files that are there already, and come all the same."""

    @property
    def size(self) -> int:
        """Bytes, unpacked."""
        return sum(file.size or 0 for file in self.files)

    def finder(self) -> Finder:
        """What tells the files by their names in the zip."""
        return Finder((*self.files, *self.others))


class Finder:
    """Tells which file an entry of a zip is, in XNAT's own layout: ``S1_MR/scans/4-T1_w/resources/DICOM/files/a.dcm``.

    What stands behind a scan's ID is its type; of several IDs that fit, the longest is taken. Should that be wrong, the digest tells.
    """

    def __init__(self, files: Iterable[Wanted]) -> None:
        self._by_path: dict[tuple[str, str], list[Wanted]] = defaultdict(list)
        for file in files:
            self._by_path[file.label if file.scan else '', file.path].append(file)

    def find(self, entry: str) -> Wanted | None:
        """The file; `None` for one that is not wanted."""
        found = _SCAN_ENTRY.search(entry)
        if found:
            folder, label, path = found.groups()
            fitting = [file for file in self._by_path.get((label, path), ()) if folder == file.scan or folder.startswith(f'{file.scan}-')]
            if fitting:
                return max(fitting, key=lambda file: len(file.scan))
        return next(iter(self._by_path.get(('', inner_path(entry)), ())), None)


class _Resource:
    """A resource of which something is missing."""

    def __init__(self, holes: list[Wanted], listed: int, scope: Scope) -> None:
        self.holes = holes
        self.first = holes[0]
        self.is_whole = scope.whole_resources and len(holes) == listed
        self.size = sum(file.size or 0 for file in holes)
        big = sum(1 for file in holes if (file.size or 0) >= BIG)
        self.is_zippable = big == 0 or len(holes) - big >= FEW

    @property
    def holder(self) -> str:
        """What has it, or has its scan."""
        return self.first.session or uris.parent(uris.parent(self.first.resource))


def plan_pieces(holes: Sequence[Wanted], listed: Sequence[Wanted], scope: Scope, jobs: int = 1) -> list[Single | Zipped]:
    """The requests for the files that are missing, the largest first.

    Parameters
    ----------
    holes : sequence of Wanted
        What is missing.
    listed : sequence of Wanted
        All that is wanted, missing or not.
    jobs : int
        How many there will be at a time: much is divided among them.
    """
    everything, missing = _by_resource(listed), _by_resource(holes)
    resources = [_Resource(files, len(everything[uri]), scope) for uri, files in missing.items()]
    few = _with_few_holes(resources)
    zipped: list[_Resource] = []
    singly: list[Single] = []
    for one in resources:
        if one.is_zippable and (one.is_whole or one.holder not in few):
            zipped.append(one)
        else:
            singly += map(Single, one.holes)
    most = min(MOST_ZIPPED, max(_LEAST_ZIPPED, sum(one.size for one in zipped) // jobs))
    pieces = [*singly, *(_one_or_zip(uri, files, everything) for uri, files in _zips(zipped, listed, scope, most))]
    return sorted(pieces, key=lambda piece: -piece.size)


def _with_few_holes(resources: Iterable[_Resource]) -> set[str]:
    """The holders whose incomplete resources lack only a few files."""
    holes: dict[str, int] = defaultdict(int)
    for one in resources:
        holes[one.holder] += 0 if one.is_whole else len(one.holes)
    return {holder for holder, count in holes.items() if count < FEW}


def _by_resource(files: Iterable[Wanted]) -> dict[str, list[Wanted]]:
    grouped: dict[str, list[Wanted]] = defaultdict(list)
    for file in files:
        grouped[file.resource].append(file)
    return grouped


def _one_or_zip(uri: str, files: list[Wanted], everything: Mapping[str, list[Wanted]]) -> Single | Zipped:
    if len(files) == 1:
        return Single(files[0])
    wanted = {file.uri for file in files}
    others = [file for resource in {file.resource for file in files} for file in everything[resource] if file.uri not in wanted]
    return Zipped(uri, tuple(files), tuple(others))


def _zips(zipped: list[_Resource], listed: Sequence[Wanted], scope: Scope, most: int) -> Iterator[tuple[str, list[Wanted]]]:
    """URI and files of each zip."""
    sessions: dict[str, list[_Resource]] = defaultdict(list)
    for one in zipped:
        if one.first.session and ',' not in one.first.scan and one.is_whole:
            sessions[one.first.session].append(one)
        else:
            yield uris.join(one.first.resource, 'files'), one.holes
    all_scans: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for file in listed:
        all_scans[file.session][file.scan].add(file.resource)
    for session, resources in sessions.items():
        yield from _zips_of_session(session, resources, all_scans[session], scope, most)


def _zips_of_session(
    session: str, resources: list[_Resource], all_scans: dict[str, set[str]], scope: Scope, most: int
) -> Iterator[tuple[str, list[Wanted]]]:
    """Scans that are wanted whole share zips; of the others, resources of one label do."""
    scans: dict[str, list[_Resource]] = defaultdict(list)
    for one in resources:
        scans[one.first.scan].append(one)
    alike = _alike(all_scans)
    groups: dict[tuple[str, bool], list[tuple[str, list[_Resource]]]] = defaultdict(list)
    for scan, found in scans.items():
        if scope.whole_scans and len(found) == len(all_scans[scan]):
            groups['', scan in alike].append((scan, found))
        else:
            for one in found:
                groups[one.first.label, scan in alike].append((scan, [one]))
    for (label, _), members in groups.items():
        inner = ('resources', uris.quote(label)) if label else ()
        everything = not label and scope.whole_sessions and len(members) == len(all_scans)
        for bundle in _bundles(members, most, len(members) if everything else _MOST_IDS):
            names = 'ALL' if everything and len(bundle) == len(members) else ','.join(uris.quote(scan) for scan, _ in bundle)
            yield uris.join(session, 'scans', names, *inner, 'files'), [file for _, found in bundle for one in found for file in one.holes]


def _alike(scans: Iterable[str]) -> set[str]:
    """Those that look in a zip as another does with its type behind it: ``1-MR1`` beside ``1``. They come in zips of their own."""
    known = set(scans)
    return {scan for scan in known for end, char in enumerate(scan) if char == '-' and scan[:end] in known}


def _bundles(members: list[tuple[str, list[_Resource]]], most: int, most_ids: int) -> Iterator[list[tuple[str, list[_Resource]]]]:
    """Scans in their order, as many at a time as stay within the bounds."""
    bundle: list[tuple[str, list[_Resource]]] = []
    size = 0
    for member in members:
        added = sum(one.size for one in member[1])
        if bundle and (size + added > most or len(bundle) >= most_ids):
            yield bundle
            bundle, size = [], 0
        bundle.append(member)
        size += added
    if bundle:
        yield bundle
