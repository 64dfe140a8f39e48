"""Conversion of DICOM to NIfTI by a program, for the images of a data set."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .... import errors
from ....files.disk import publish
from ..sidecar import SIDECAR
from .images import extension_of, variants
from .names import Name

__all__ = ['CONVERTERS', 'Converted', 'Converter']

CONVERTERS = ('dcm2niix',)
_STEM = 'image'
_SHOWN = 300


class Converter:
    """The program dcm2niix.

    Parameters
    ----------
    program : str
        Its name.

    Raises
    ------
    ConfigurationError
        It is not installed.
    ProgrammingError
        It is not known here.
    """

    def __init__(self, program: str) -> None:
        if program not in CONVERTERS:
            raise errors.ProgrammingError(
                f'converter={program!r} is not known', remedy=f'Use {", ".join(CONVERTERS)}.'
            )
        places = os.pathsep.join([os.environ.get('PATH', ''), str(Path(sys.executable).parent)])
        found = shutil.which(program, path=places)
        if found is None:
            raise errors.ConfigurationError(
                f'{program} is not installed: pip install {program}, or the package of your system'
            )
        self._program = found

    def convert(self, source: Path, folder: Path, name: Name) -> list[str]:
        """Convert the files of one scan, and move the results to their places.

        Parameters
        ----------
        source : Path
            Folder with the DICOM files.
        folder : Path
            Folder of the data set.
        name : Name
            Name of the image. Several echoes or parts get the entities ``echo`` and ``part``.

        Returns
        -------
        list of str
            Places of the files, below the folder.

        Raises
        ------
        DataError
            The program failed, or made images that nothing tells apart.
        """
        with tempfile.TemporaryDirectory(dir=folder / SIDECAR, prefix='convert-') as scratch:
            command = [self._program, '-b', 'y', '-z', 'y', '-f', _STEM, '-o', scratch, str(source)]
            done = subprocess.run(command, capture_output=True, text=True, errors='replace')
            made = [path for path in sorted(Path(scratch).iterdir()) if extension_of(path.name)]
            if done.returncode or not made:
                output = ' '.join((done.stdout + done.stderr).split())[-_SHOWN:]
                raise errors.DataError(
                    f'{Path(self._program).name} made no image of {source} '
                    f'(exit status {done.returncode}): {output}',
                    remedy='Check the DICOM files of the scan, or skip it by a rule.',
                )
            return _publish(made, folder, name)


def _publish(made: Sequence[Path], folder: Path, name: Name) -> list[str]:
    """Move converted files to their places.

    Images come last, since they tell that all is there.
    """
    stems = {path: path.name[: -len(extension_of(path.name))] for path in made}
    more = variants(set(stems.values()), name.suffix)
    names = {
        stem: name.with_entities(**entities) if len(more) > 1 else name
        for stem, entities in more.items()
    }
    if len(set(names.values())) < len(names):
        raise errors.DataError(
            f'the DICOM files became {len(names)} images with one name: {", ".join(sorted(names))}',
            remedy='Convert the scan by hand, and put the NIfTI files into a resource.',
        )
    places = []
    for path in sorted(made, key=lambda path: path.name.endswith('.gz')):
        own = names[stems[path]]
        places.append(f'{own.folder}/{own.stem}{extension_of(path.name)}')
        (folder / places[-1]).parent.mkdir(parents=True, exist_ok=True)
        path.replace(folder / places[-1])
    return places


class Converted:
    """Record of the converted scans of a data set: ``.xnat/converted.json``.

    Parameters
    ----------
    folder : Path
        Folder of the data set.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / SIDECAR / 'converted.json'

    def _read(self) -> dict[str, list[str]]:
        """Return folder of DICOM files -> name of the image, and the places of its files."""
        try:
            found: dict[str, list[str]] = json.loads(self._path.read_bytes())
        except (FileNotFoundError, ValueError):  # damaged: all is converted again
            return {}
        return found

    def has(self, source: str, name: Name) -> bool:
        """Whether a scan was converted under a name, and its images are there.

        Parameters
        ----------
        source : str
            Folder of its DICOM files.
        name : Name
            Name of its image.
        """
        stem, *places = self._read().get(source, [''])
        return stem == name.stem and all((self._folder / place).is_file() for place in places)

    def put(self, source: str, name: Name, places: list[str]) -> None:
        """Record a conversion, and remove images of an earlier one that are left over.

        Parameters
        ----------
        source, name
            As in `has`.
        places : list of str
            The files, below the folder.
        """
        known = self._read()
        earlier = known.pop(source, [])[1:]
        kept = {*places, *(place for _, *others in known.values() for place in others)}
        for place in earlier:
            if place not in kept:
                (self._folder / place).unlink(missing_ok=True)
        known[source] = [name.stem, *places]
        with publish(self._path) as file:
            file.write(json.dumps(known, indent=1).encode())
