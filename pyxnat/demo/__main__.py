"""Entry point of ``python -m pyxnat.demo``."""

import sys

from .run import main

sys.exit(main())
