"""Demo of the main workflow, end to end, on the embedded archive.

``python -m pyxnat.demo [DIR] [--serve] [--port N]`` serves ``DIR/archive`` with
:mod:`pyxnat.server` on a free port of this machine, and fills it as any client would. It then
selects, processes in parallel, searches, lists types and values, and reads from the cache, and
prints each step with the number of requests that the library counted. It needs
``pip install pyxnat[demo]`` and the source checkout, whose ``examples/`` it runs.
"""

from __future__ import annotations
