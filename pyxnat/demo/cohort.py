"""Invented people of the demo with their sessions and scans.

The cohort is the same for the same seed. Fixed proportions are shuffled rather than drawn
independently: every seed has a dozen subjects over 80, one of them scanned at 79 and at 82, and
enough left-handed women for a search to find some.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

__all__ = [
    'AGING',
    'CT',
    'PET',
    'PROJECTS',
    'SEED',
    'Project',
    'Scan',
    'Session',
    'Subject',
    'cohort',
]

SEED = 2012
"""Year of the paper on pyxnat."""

_T = TypeVar('_T')


@dataclass(frozen=True)
class Project:
    """Project to create.

    XNAT requires ID, running title and title to be unique on a site.
    """

    id: str
    name: str
    description: str


@dataclass(frozen=True)
class Scan:
    """Scan of a session.

    ``kinds`` are keys of :data:`pyxnat.demo.images.KINDS`; each gets a resource of its own.
    """

    id: str
    datatype: str
    type: str
    description: str
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Session:
    """Visit to a scanner on ``date`` (ISO) at ``age`` (years)."""

    label: str
    datatype: str
    date: str
    age: int
    scanner: str
    scans: tuple[Scan, ...]


@dataclass(frozen=True)
class Subject:
    """Invented person; ``age`` is that of the first visit, in years."""

    project: str
    label: str
    age: int
    gender: str
    handedness: str
    group: str
    sessions: tuple[Session, ...]


AGING = Project(
    'DEMO_AGING',
    'Demo: aging cohort',
    'Invented subjects; MR images made from a head that nibabel ships',
)
PET = Project(
    'DEMO_PET',
    'Demo: PET',
    'Invented subjects; PET series made from a map that nibabel ships, and its small ECAT file',
)
CT = Project(
    'DEMO_CT',
    'Demo: CT',
    'Invented subjects; the CT slice that pydicom ships, and series made from it',
)
PROJECTS = (AGING, PET, CT)

_PEOPLE = {
    'gender': {'female': 5, 'male': 4},
    'handedness': {'right': 7, 'left': 3, 'ambidextrous': 1},
    'group': {'control': 3, 'patient': 2},
}
"""Shares of each value in a project."""

_PT_SERIES = Scan(
    '2',
    'xnat:petScanData',
    'PET',
    'made: slices of AFNI scaled+tlrc, not an activity',
    ('pt_series',),
)
_ECAT = Scan('1', 'xnat:petScanData', 'PET ECAT', 'tinypet.v as nibabel ships it', ('ecat',))
_CT_SLICE = Scan(
    '1', 'xnat:ctScanData', 'CT SLICE', 'CT_small.dcm as pydicom ships it', ('ct_small',)
)
_CT_SERIES = Scan(
    '2', 'xnat:ctScanData', 'CT', 'made: slices varied from CT_small.dcm', ('ct_series',)
)


def cohort(seed: int = SEED) -> list[Subject]:
    """Return all subjects of the demo.

    They are 44 subjects of `AGING` with 49 MR sessions, 4 of `PET` with one PET and one MR session
    each, and 3 of `CT` with one CT session each.
    """
    rng = Random(seed)
    return [*_aging(rng), *_pet(rng), *_ct(rng)]


def _aging(rng: Random) -> list[Subject]:
    """Return the main cohort.

    Visits are shuffled first, so that properties assigned by position are spread over the ages.
    """
    over80 = [(age,) for age in _ages(rng, 81, 95, 11)]
    twice = [(age, age + 2) for age in _ages(rng, 55, 75, 4)]
    once = [(age,) for age in _ages(rng, 18, 78, 28)]
    visits = _shuffled(rng, [*over80, (79, 82), *twice, *once])
    analyze = next(n for n, ages in enumerate(visits) if ages[0] > 80)
    holdings = [
        _mr_scans(analyze=n == analyze, gz=n % 5 == 1, series=n % 15 == 2)
        for n in range(len(visits))
    ]
    years = [[(2004 + age - ages[0], age) for age in ages] for ages in visits]
    sessions = [
        tuple(
            _session(rng, f'AG{n:02d}_MR{k}', 'mr', year, age, scans)
            for k, (year, age) in enumerate(seen, 1)
        )
        for n, (seen, scans) in enumerate(zip(years, holdings, strict=True), 1)
    ]
    return _subjects(rng, AGING, 'AG', sessions)


def _pet(rng: Random) -> list[Subject]:
    """Return four subjects with a PET and an MR session each.

    One is over 80, in a project that a search for `AGING` must not reach.
    """
    ages = _shuffled(rng, [84, *_ages(rng, 50, 79, 3)])
    sessions = [
        (
            _session(rng, f'PT{n:02d}_PET1', 'pet', 2009, age, (_ECAT, _PT_SERIES)),
            _session(rng, f'PT{n:02d}_MR1', 'mr', 2009, age, _mr_scans()),
        )
        for n, age in enumerate(ages, 1)
    ]
    return _subjects(rng, PET, 'PT', sessions)


def _ct(rng: Random) -> list[Subject]:
    sessions = [
        (_session(rng, f'CT{n:02d}_CT1', 'ct', 2010, age, (_CT_SLICE, _CT_SERIES)),)
        for n, age in enumerate(_ages(rng, 40, 79, 3), 1)
    ]
    return _subjects(rng, CT, 'CT', sessions)


def _mr_scans(analyze: bool = False, gz: bool = False, series: bool = False) -> tuple[Scan, ...]:
    """Return a T1 and an EPI scan; the latter is one volume in DICOM with `series`."""
    kinds = ('analyze',) if analyze else ('pair', 'gz') if gz else ('pair',)
    t1 = Scan('1', 'xnat:mrScanData', 'T1', 'made: contrast of nibabel example4d turned', kinds)
    epi = ('mr_series', 'example4d') if series else ('epi', 'functional')
    return t1, Scan('2', 'xnat:mrScanData', 'EPI', f'made: varied from nibabel {epi[1]}', epi[:1])


def _session(
    rng: Random, label: str, modality: str, year: int, age: int, scans: tuple[Scan, ...]
) -> Session:
    date = f'{year}-{_between(rng, 1, 12):02d}-{_between(rng, 1, 28):02d}'
    return Session(
        label, f'xnat:{modality}SessionData', date, age, f'Demo {modality.upper()} scanner', scans
    )


def _subjects(
    rng: Random, project: Project, prefix: str, sessions: Sequence[tuple[Session, ...]]
) -> list[Subject]:
    """Return one subject for each tuple of sessions.

    The values of each field have the shares of `_PEOPLE`.
    """
    values = zip(*(_dealt(rng, shares, len(sessions)) for shares in _PEOPLE.values()), strict=True)
    people = enumerate(zip(sessions, values, strict=True), 1)
    return [
        Subject(
            project.id,
            f'{prefix}{n:02d}',
            seen[0].age,
            sessions=seen,
            **dict(zip(_PEOPLE, value, strict=True)),
        )
        for n, (seen, value) in people
    ]


def _dealt(rng: Random, shares: Mapping[str, int], count: int) -> list[str]:
    """Return `count` values in the given shares, in random order."""
    deck = [value for value, share in shares.items() for _ in range(share)]
    return _shuffled(rng, [deck[k * len(deck) // count] for k in range(count)])


def _ages(rng: Random, lowest: int, highest: int, count: int) -> list[int]:
    return [_between(rng, lowest, highest) for _ in range(count)]


def _between(rng: Random, low: int, high: int) -> int:
    """Return an integer from `low` to `high`.

    Only ``Random.random`` gives the same numbers in every version of Python.
    """
    return low + int(rng.random() * (high - low + 1))


def _shuffled(rng: Random, items: Iterable[_T]) -> list[_T]:
    return [
        item
        for _, item in sorted(((rng.random(), item) for item in items), key=lambda pair: pair[0])
    ]
