"""Import of many files: scanned and checked before the first is sent."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from ... import errors
from ...http.progress import progress_bar
from ...resources.host import Host
from ..bulk.manifest import lock_folder
from .headers import DIRECTORY, need_pydicom
from .journal import Journal
from .report import ImportReport
from .sending import BatchImport, Order

__all__ = ['Batches', 'Files', 'import_in_batches']

_JOBS = 4
_SHOWN = 5


class Files(NamedTuple):
    """Files to import."""

    name: str
    """Names their source in the journal."""
    paths: Iterable[Path]


class Batches(NamedTuple):
    """Way in which files are sent."""

    jobs: int | None = None
    """Number of threads; None for 4."""
    state: str | os.PathLike[str] | None = None
    """Folder of the journal; None for a temporary one."""
    size: int = 500
    """Most files of a batch."""
    ignore_unparsable: bool = False
    """Whether files that are no DICOM are skipped, instead of refused."""


def import_in_batches(
    interface: Host, files: Files, order: Order, batches: Batches
) -> ImportReport:
    """Import files, going on where an earlier run of the same state ended.

    Parameters
    ----------
    interface : Interface
        The Interface that it makes its requests with.
    files : Files
        The files.
    order : Order
        Destination and options.
    batches : Batches
        Threads, state and size of batches.

    Raises
    ------
    ConfigurationError
        pydicom is not installed.
    DataError
        The files cannot all be sent to this destination, or the state is another's; nothing is
        sent.
    """
    need_pydicom()
    if batches.size < 1:
        raise errors.ProgrammingError(
            f'batch={batches.size!r} is no number of files', remedy='Give 1 or more.'
        )
    belongs_to = {
        'server': interface.connection.server,
        'source': files.name,
        'project': order.project or '',
        'subject': order.subject or '',
        'session': order.session or '',
    }
    jobs = _JOBS if batches.jobs is None else batches.jobs
    with ExitStack() as stack:
        folder = _locked_folder(batches.state, stack)
        journal = stack.enter_context(closing(Journal(folder, belongs_to)))
        with progress_bar(None, 'file', name='read') as bar:
            journal.scan(_counted(bar, files.paths))
        _check(journal, order, batches.ignore_unparsable)
        return BatchImport(interface, journal, order, jobs, batches.size).run()


def _locked_folder(state: str | os.PathLike[str] | None, stack: ExitStack) -> Path:
    """Return the folder of the journal, for this run alone until the stack is closed."""
    if state is None:
        return Path(stack.enter_context(TemporaryDirectory(prefix='pyxnat-import-')))
    folder = Path(state).expanduser()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not stack.enter_context(lock_folder(folder)):
        raise errors.DataError(
            f'another import uses {folder}, or its disk has no locks',
            remedy='Wait for its end, or give another folder.',
        )
    return folder


def _counted(bar: Any, paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        yield path
        bar.update(1)


def _check(journal: Journal, order: Order, ignore_unparsable: bool) -> None:
    """Check all files before the first is sent.

    Raises
    ------
    DataError
        There are none; some are no DICOM images; or several studies would get one label.
    """
    others = [one for one in journal.others() if one.why_not != DIRECTORY]
    if others and not ignore_unparsable:
        shown = ', '.join(f'{one.path.name!r} ({one.why_not})' for one in others[:_SHOWN])
        raise errors.DataError(
            f'{len(others)} files are no DICOM images: {shown}; nothing was sent',
            remedy='Skip them with ignore_unparsable=True (--skip-others).',
        )
    studies = journal.studies()
    if not studies:
        raise errors.DataError(
            'there are no DICOM images to import', remedy='Give a folder with DICOM files.'
        )
    if order.session and len(studies) > 1:
        shown = ', '.join(studies[:_SHOWN])
        raise errors.DataError(
            f'{len(studies)} studies would get the label {order.session!r}: {shown}; nothing was '
            'sent',
            remedy='Leave out session=, or import one study at a time.',
        )
