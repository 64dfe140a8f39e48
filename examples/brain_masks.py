"""Brain masks of all people scanned above the age of 80: the example of the PyXNAT paper (2012).

::

    python brain_masks.py [PROJECT] [--over AGE] [--type TYPE] [--workers N] [--cachedir FOLDER]

Server and login come from XNAT_HOST, XNAT_USER and XNAT_PASS, from ``~/.netrc``, or, on a terminal,
from a prompt. Needs nibabel and numpy. FSL's BET makes the masks if it is installed; otherwise
Otsu's method.

Images are downloaded and processed in a pool of processes, in the login session that the selection
opened. Each mask goes to the resource BRAIN_MASK of its session, where it replaces that of an
earlier run. With PYXNAT_OFFLINE=1 all comes from the cache, and nothing is uploaded. The exit
status is 1 if any image failed; those are named.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from multiprocessing.pool import AsyncResult
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import nibabel
import numpy as np

import pyxnat

Array = np.ndarray[Any, Any]
BET = shutil.which('bet') or shutil.which('bet2')


class Mask(NamedTuple):
    """Result of a worker for one image."""

    method: str
    litres: float
    content: bytes
    """Bytes of the .nii.gz file."""
    requests: int
    received: int


def pairs(files: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Yield each .img with its .hdr, as soon as both were listed.

    Labels repeat from session to session, so the resource is part of the key.
    """
    waiting: dict[tuple[Any, str], dict[str, Any]] = {}
    for file in files:
        name = PurePosixPath(file.label())
        if name.suffix in ('.img', '.hdr'):
            pair = waiting.setdefault((file.parent(), str(name.with_suffix(''))), {})
            pair[name.suffix] = file
            if len(pair) == 2:
                yield pair['.img'], pair['.hdr']


def brain_mask(img: Any, hdr: Any) -> Mask:
    """Download a pair and compute its mask, in a worker with the login session of the files."""
    with img._intf.trace() as asked:
        hdr.get()  # the cache puts it beside its image
        image = img.get()
    with tempfile.TemporaryDirectory() as folder:
        mask = Path(folder, 'brain_mask.nii.gz')
        method = bet(image, mask) if BET else otsu_mask(image, mask)
        return Mask(method, volume(mask), mask.read_bytes(), asked.requests, asked.bytes_received)


def bet(image: str, mask: Path) -> str:
    """Run FSL's brain extraction; with -m it writes <out>_mask, with -n no brain image."""
    subprocess.run(
        [str(BET), image, str(mask.parent / 'brain'), '-m', '-n'],
        check=True,
        capture_output=True,
        env={**os.environ, 'FSLOUTPUTTYPE': 'NIFTI_GZ'},
    )
    return 'BET'


def otsu_mask(image: str, mask: Path) -> str:
    """Compute the mask with nibabel and numpy."""
    source = nibabel.load(image)
    nibabel.save(
        nibabel.Nifti1Image(
            mask_of(source.get_fdata(dtype=np.float32)).astype(np.uint8), source.affine
        ),
        mask,
    )
    return 'Otsu'


def volume(mask: Path) -> float:
    """Return the volume of a mask in litres."""
    image = nibabel.load(mask)
    return float(np.count_nonzero(image.dataobj) * np.prod(image.header.get_zooms()[:3]) / 1e6)


def mask_of(head: Array) -> Array:
    """Return the largest bright region.

    Voxels above Otsu's threshold, connected to the thickest part after two erosions, with holes
    filled.
    """
    bright = head > otsu(head)
    core = thickest = opened = eroded(eroded(bright))
    while core.any():
        thickest, core = core, eroded(core)
    brain = dilated(dilated(spread(thickest, opened))) & bright
    frame = np.ones_like(brain)
    frame[1:-1, 1:-1, :] = False
    return ~spread(frame & ~brain, ~brain)


def otsu(values: Array) -> float:
    """Return the threshold that best separates values into two classes (Otsu, 1979)."""
    counts, edges = np.histogram(values, 256)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above, total = below[-1] + counts[-1] - below, np.cumsum(counts * centres)
    between = (
        below
        * above
        * ((total[-1] - total[:-1]) / np.maximum(above, 1) - total[:-1] / np.maximum(below, 1)) ** 2
    )
    return float(edges[np.argmax(between) + 1])


def dilated(mask: Array) -> Array:
    """Add the six neighbours of each voxel."""
    padded = np.pad(mask, 1)
    shifted = (np.roll(padded, step, axis) for axis in range(3) for step in (-1, 1))
    return functools.reduce(np.logical_or, shifted, padded)[1:-1, 1:-1, 1:-1]


def eroded(mask: Array) -> Array:
    """Drop the voxels with a neighbour outside; the edge of the image is not outside."""
    return ~dilated(~mask)


def spread(seed: Array, within: Array) -> Array:
    """Return the part of `within` that is connected with the seed."""
    grown = dilated(seed) & within
    while np.count_nonzero(grown) > np.count_nonzero(seed):
        seed, grown = grown, dilated(grown) & within
    return grown


def finish(session: str, img: Any, job: AsyncResult[Mask]) -> Mask | None:
    """Wait for one image, upload its mask and print a line; return None after an error."""
    scan = img.parent().parent()
    name = f'scan_{scan._urn}_{PurePosixPath(img.label()).stem}_brain_mask.nii.gz'
    try:
        mask = job.get()
        if img._intf.cache.mode != 'offline':
            scan.parent().resource('BRAIN_MASK').file(name).put(
                mask.content, format='NIFTI_GZ', content='BRAIN_MASK', overwrite=True
            )
    except Exception as error:  # noqa: BLE001 - after any error of one image, the others continue
        print(
            f'FAILED {session} {img._uri}: {type(error).__name__}: {error}',
            getattr(error, 'stderr', None) or '',
            file=sys.stderr,
        )
        return None
    print(
        f'{session:<12} {img.label():<14} {mask.method:<5} {mask.litres:.3f} l  {mask.requests} '
        f'requests  {mask.received:,} bytes'
    )
    return mask


def options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description='Brain masks of everybody seen over an age.')
    parser.add_argument('project', nargs='?', default='DEMO_AGING')
    parser.add_argument('--over', default=80, type=int, metavar='AGE', help='years (default 80)')
    parser.add_argument('--type', default='T1', metavar='TYPE', help='of the scans (default T1)')
    parser.add_argument(
        '--workers',
        default=2 * (os.cpu_count() or 1),
        type=int,
        metavar='N',
        help='processes (default: two for each processor)',
    )
    parser.add_argument(
        '--cachedir', metavar='FOLDER', help="for downloads (default: the library's)"
    )
    return parser.parse_args()


def main() -> int:
    """Select here, download and process in the pool, upload results here as they arrive."""
    chosen = options()
    project, over = (
        f'/projects/{chosen.project}',
        [('xnat:mrSessionData/AGE', '>', str(chosen.over)), 'AND'],
    )
    with (
        multiprocessing.Pool(chosen.workers) as pool,
        pyxnat.Interface(cachedir=chosen.cachedir) as xnat,
    ):
        with xnat.trace() as asked:
            scans = xnat.select(f'{project}/subjects/*/experiments/*/scans').where(over)
            typed = list(scans.with_columns('type'))
            wanted = {scan for scan in typed if scan.attrs.get('type') == chosen.type}
            files = [f for f in list(scans.resources().files()) if f.parent().parent() in wanted]
            jobs = [(img, pool.apply_async(brain_mask, (img, hdr))) for img, hdr in pairs(files)]
            labels = dict(xnat.select(f'{project}/experiments').get('id', 'label'))
        with xnat.trace() as stored:
            masks = [
                finish(labels[img.parent().parent().parent()._urn], img, job) for img, job in jobs
            ]
        pool.close()
        pool.join()
    done = [mask for mask in masks if mask]
    print(f'selected   {len(jobs):3} images with {asked.requests} requests')
    print(
        f'processed  {len(done):3} images with {sum(mask.requests for mask in done)} requests in '
        f'{chosen.workers} processes'
    )
    if xnat.cache.mode == 'offline':
        print(f'offline: {len(done)} masks were not uploaded')
    else:
        print(f'uploaded   {len(done):3} masks with {stored.requests} requests')
    return 0 if jobs and len(done) == len(jobs) else 1


if __name__ == '__main__':
    sys.exit(main())
