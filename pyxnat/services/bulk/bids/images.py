"""Images of a scan, and their places. No I/O."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ....files.disk import safe_name
from ....patterns import pattern
from ..wanted import RemoteFile
from .mapping import Mapped, Rules, Scan
from .names import ECHOES, Name

__all__ = ['Image', 'Left', 'Placed', 'extension_of', 'images_of', 'place_images', 'variants']

_IMAGES = ('.nii.gz', '.nii')
_SIDECARS = ('.json', '.bval', '.bvec')
_DICOM = ('DICOM', 'DCM', 'SECONDARY')
_ECHO = pattern(r'_e(\d+)(?=_|$)')
_PART = pattern(r'_(ph|real|imaginary)(?=_|$)')
_PARTS = {'ph': 'phase', 'real': 'real', 'imaginary': 'imag'}


class Left(NamedTuple):
    """A scan, or a file of one, that is not in the data set."""

    scan: Scan
    reason: str
    file: str = ''
    """Resource and path of the file; empty for the whole scan."""
    session: tuple[str, ...] = ()
    """Project, subject and session."""

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells of its line in the table."""
        scan = self.scan
        return (*self.session, scan.id, scan.type, scan.description, self.file, self.reason)

    def __str__(self) -> str:
        name = f'/{self.file}' if self.file else f' ({self.scan.type or "no type"})'
        return f'{"/".join(self.session)}/{self.scan.id}{name}: {self.reason}'


class Image(NamedTuple):
    """An image with its side files, before it has a place."""

    scan: Scan
    name: Name
    files: Mapping[str, RemoteFile]
    """Extension -> file."""
    sources: tuple[RemoteFile, ...] = ()
    """DICOM files to make it of, if it has no files."""

    @property
    def order(self) -> tuple[list[tuple[int, str]], str]:
        """The key by which runs are numbered."""
        return _number(self.scan.id), min(map(_stem, self.files.values()), default='')


class Placed(NamedTuple):
    """An image whose name no other has."""

    image: Image
    name: Name

    def files(self) -> Iterator[tuple[RemoteFile, str]]:
        """Yield each file with its place."""
        for extension, file in self.image.files.items():
            yield file, f'{self.name.folder}/{self.name.stem}{extension}'
        for file in self.image.sources:
            parts = file.path.split('/')
            yield file, '/'.join([self.source, *(safe_name(part) for part in parts if part)])

    @property
    def source(self) -> str:
        """The folder of the DICOM files."""
        above = self.name.folder.rpartition('/')[0]
        return f'sourcedata/{above}/{safe_name(self.image.scan.id)}'

    @property
    def first(self) -> str:
        """The place of the image itself."""
        return f'{self.name.folder}/{self.name.stem}{next(iter(self.image.files), _IMAGES[0])}'


def extension_of(path: str) -> str:
    """Return the extension of an image or a side file, in small letters.

    Empty for others.
    """
    name = path.casefold()
    return next((ending for ending in (*_IMAGES, *_SIDECARS) if name.endswith(ending)), '')


def variants(stems: Iterable[str], suffix: str) -> dict[str, dict[str, str]]:
    """Return the entities ``echo`` and ``part`` of a scan's images, by file name.

    They are read as dcm2niix writes them (``_e2``, ``_ph``), for suffixes that may have them.

    Parameters
    ----------
    stems : iterable of str
        Names of the files, without extension.
    suffix : str
        Suffix of the images.
    """
    if suffix not in ECHOES:
        return {stem: {} for stem in stems}
    found = {}
    for stem in stems:
        echo, part = _ECHO.search(stem), _PART.search(stem)
        found[stem] = {
            **({'echo': str(int(echo.group(1)))} if echo else {}),
            **({'part': _PARTS[part.group(1)]} if part else {}),
        }
    return found


def images_of(
    scan: Scan,
    files: Sequence[RemoteFile],
    rules: Rules,
    own: Mapping[str, str],
    converts: bool = False,
) -> tuple[list[Image], list[Left]]:
    """Return the images of a scan, and its omissions.

    Parameters
    ----------
    scan : Scan
        Its fields.
    files : sequence of RemoteFile
        Its files, of all resources.
    rules : Rules
        The mapping.
    own : mapping
        The entities ``sub`` and ``ses``.
    converts : bool
        Whether DICOM files are converted if there are no others.
    """
    mapped = rules.image_of(scan)
    if mapped is None:
        return [], [Left(scan, 'no rule of the mapping fits')]
    if mapped.skip:
        return [], [Left(scan, mapped.skip)]
    ranked = [file for file in files if file.label.upper() in rules.resources]
    pixels = [file for file in ranked if extension_of(file.path) in _IMAGES]
    if not pixels:
        return _to_convert(scan, files, mapped, own, converts)
    best = min(pixels, key=lambda file: rules.resources.index(file.label.upper())).label
    groups: dict[str, dict[str, RemoteFile]] = {
        _stem(file): {} for file in pixels if file.label == best
    }
    left = []
    for file in sorted(
        ranked, key=lambda file: (file.label != best, not file.path.endswith('.gz'), file.path)
    ):
        reason = _join(groups, file, best)
        if reason:
            left.append(Left(scan, reason, f'{file.label}/{file.path}'))
    images, bare = _named(scan, groups, mapped, own)
    return images, left + bare


def _to_convert(
    scan: Scan,
    files: Sequence[RemoteFile],
    mapped: Mapped,
    own: Mapping[str, str],
    converts: bool,
) -> tuple[list[Image], list[Left]]:
    """Return the image that DICOM files of a scan will become."""
    sources = tuple(file for file in files if file.label.upper() in _DICOM)
    if converts and sources:
        entities = tuple({**own, **mapped.entities}.items())
        return [Image(scan, Name(mapped.datatype, mapped.suffix, entities), {}, sources)], []
    labels = ', '.join(sorted({file.label or 'without label' for file in files}))
    hint = "; converter='dcm2niix' converts DICOM" if sources else ''
    return [], [Left(scan, f'no .nii file in its resources ({labels}){hint}')]


def _join(groups: dict[str, dict[str, RemoteFile]], file: RemoteFile, best: str) -> str:
    """Add a file to its image; return the reason if there is none."""
    extension, stem = extension_of(file.path), _stem(file)
    if not extension:
        return 'no file of BIDS'
    if extension in _IMAGES and file.label != best:
        return f'the scan has its images in {best}'
    if stem not in groups:
        name = stem.rpartition('/')[2]
        alike = [key for key in groups if len(groups) == 1 or key.rpartition('/')[2] == name]
        if len(alike) != 1:
            return 'no image has its name' if not alike else 'several images have its name'
        (stem,) = alike
    if extension in groups[stem] or (extension in _IMAGES and groups[stem].keys() & {*_IMAGES}):
        return 'its image has such a file already'
    groups[stem][extension] = file
    return ''


def _named(
    scan: Scan,
    groups: Mapping[str, Mapping[str, RemoteFile]],
    mapped: Mapped,
    own: Mapping[str, str],
) -> tuple[list[Image], list[Left]]:
    """Return the images with their names.

    Those of diffusion need both tables of gradients.
    """
    more = variants(groups, mapped.suffix)
    images, left = [], []
    for stem in sorted(groups):
        endings = [ending for ending in (*_IMAGES, *_SIDECARS) if ending in groups[stem]]
        files = {ending: groups[stem][ending] for ending in endings}
        if mapped.suffix == 'dwi' and not {'.bval', '.bvec'} <= files.keys():
            left.append(Left(scan, 'an image of diffusion without .bval and .bvec'))
            continue
        entities = {**own, **mapped.entities, **more[stem]}
        name = Name(mapped.datatype, mapped.suffix, tuple(entities.items()))
        images.append(Image(scan, name, files))
    return images, left


def place_images(images: Iterable[Image]) -> tuple[list[Placed], list[Left]]:
    """Return images with unique names, and those whose rule allows no other.

    Images of a session with one name get the entity ``run``, from 1, in the order of the IDs of
    their scans (numbers as numbers), and of their files in a scan.
    """
    named: dict[str, list[Image]] = defaultdict(list)
    for image in images:
        named[f'{image.name.folder}/{image.name.stem}'.casefold()].append(image)
    placed, left = [], []
    for members in named.values():
        members.sort(key=lambda image: image.order)
        if len(members) == 1:
            placed.append(Placed(members[0], members[0].name))
        elif 'run' in dict(members[0].name.entities):
            placed.append(Placed(members[0], members[0].name))
            reason = f'scan {members[0].scan.id} has the name {members[0].name.stem} already'
            left += [Left(image.scan, f'{reason}: its rule has a run') for image in members[1:]]
        else:
            placed += [
                Placed(image, image.name.with_entities(run=str(run)))
                for run, image in enumerate(members, 1)
            ]
    return placed, left


def _number(text: str) -> list[tuple[int, str]]:
    """Return a key by which numbers in a text sort as numbers.

    >>> sorted(['10', '9', '9-MR1'], key=_number)
    ['9', '9-MR1', '10']
    """
    return [
        (int(part), '') if part.isdecimal() else (-1, part)
        for part in re.split(r'(\d+)', text)
        if part
    ]


def _stem(file: RemoteFile) -> str:
    """Return the path of a file in its resource, without extension."""
    return file.path[: len(file.path) - len(extension_of(file.path))]
