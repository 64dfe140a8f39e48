"""Facts about XNAT's REST API, and checks that the archive server follows them.

``python -m tests.conformance`` counts them.
"""

from pathlib import Path

import pytest

pytest.register_assert_rewrite(
    *(f'{__name__}.{path.stem}' for path in Path(__file__).parent.glob('[fs]*.py'))
)
