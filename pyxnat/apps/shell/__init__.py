"""The command ``pyxnat``.

Verbs on paths of an archive, like those of a file system. It uses the public methods of
:class:`pyxnat.Interface` only. ``pip install 'pyxnat[cli]'`` installs its libraries; without them
`main` prints that line.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

__all__ = ['main']


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status (:mod:`.exit_codes`).

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of the process.
    """
    if find_spec('click') is None:
        sys.stderr.write("pyxnat: the command needs click: pip install 'pyxnat[cli]'\n")
        return 2
    try:
        status: int = import_module('.command_line', __package__).run(arguments)
    except KeyboardInterrupt:
        sys.stderr.write('Interrupted. The same command does the rest.\n')
        return 130
    return status
