"""What XNAT's REST API does, fact by fact, and whether the archive server does it: ``python -m tests.conformance`` counts."""

import pytest

pytest.register_assert_rewrite(*(f'{__name__}.{name}' for name in ('facts', *(f'section{number}' for number in range(1, 8)))))
