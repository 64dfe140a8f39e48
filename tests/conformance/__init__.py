"""What XNAT's REST API does, fact by fact, and whether the archive server does it:

``python -m tests.conformance`` counts.
"""

from pathlib import Path

import pytest

pytest.register_assert_rewrite(
    *(f'{__name__}.{path.stem}' for path in Path(__file__).parent.glob('[fs]*.py'))
)
