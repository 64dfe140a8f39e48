"""Demo of the whole library, on the embedded archive.

``python -m pyxnat.demo [DIR] [--serve] [--port N]`` serves ``DIR/archive`` with
:mod:`pyxnat.server` on a free port of this machine, and fills it as any client would. It then
selects and processes images in parallel, draws the result, searches, shares, and reads from the
cache without the server; each step has the number of requests that the library counted, and the
last chapter compares them with those of a script. It needs ``pip install 'pyxnat[demo]'``.
"""

from __future__ import annotations
