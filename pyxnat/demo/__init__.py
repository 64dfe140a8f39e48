"""The main job, shown end to end: fill an archive, select, process in parallel, search, look, come back from the cache.

``python -m pyxnat.demo [DIR] [--serve] [--port N]`` starts :mod:`pyxnat.server` over ``DIR/archive`` on a free port of this machine, fills it as any
client would, and tells what it does, with the numbers of requests that the library counted. Needs ``pip install pyxnat[demo]`` and the source
checkout, whose ``examples/`` it runs.
"""

from __future__ import annotations
