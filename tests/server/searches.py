"""Search documents for tests."""

from __future__ import annotations

from xml.sax.saxutils import escape

from .conftest import Client

P, S, M, T = 'xnat:projectData', 'xnat:subjectData', 'xnat:mrSessionData', 'xnat:petSessionData'
SCAN, QC = 'xnat:mrScanData', 'xnat:qcManualAssessorData'


def criterion(field: str, comparison: str, value: str, override: int = 0) -> str:
    """Return one comparison."""
    return (
        '<xdat:criteria '
        f'override_value_formatting="{override}"><xdat:schema_field>{field}</xdat:schema_field>'
        f'<xdat:comparison_type>{escape(comparison)}</'
        f'xdat:comparison_type><xdat:value>{escape(value)}</xdat:value></xdat:criteria>'
    )


def inside(*criteria: str, method: str = 'AND') -> str:
    """Return a set inside the set of a search."""
    return f'<xdat:child_set method="{method}">{"".join(criteria)}</xdat:child_set>'


def document(
    root: str,
    columns: list[str],
    *criteria: str,
    method: str = 'AND',
    extra: str = '',
    **attributes: str,
) -> bytes:
    """Return a search document; columns are ``ID`` or ``type.ID``.

    Attributes are those of the root, with ``_`` for ``-``.
    """
    fields = ''.join(
        f'<xdat:search_field><xdat:element_name>{one.partition(".")[0] if "." in one else root}</'
        'xdat:element_name>'
        f'<xdat:field_ID>{one.partition(".")[2] if "." in one else one}</xdat:field_ID>'
        f'<xdat:sequence>{number}</xdat:sequence></xdat:search_field>'
        for number, one in enumerate(columns)
    )
    where = (
        f'<xdat:search_where method="{method}">{"".join(criteria)}</xdat:search_where>'
        if criteria
        else ''
    )
    given = ''.join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    start = (
        '<xdat:bundle '
        f'xmlns:xdat="http://nrg.wustl.edu/security"{given}><xdat:root_element_name>{root}</'
        'xdat:root_element_name>'
    )
    return f'{start}{fields}{where}{extra}</xdat:bundle>'.encode()


def run(client: Client, *args: object, **more: object) -> list[dict[str, str]]:
    """Return the rows of a search."""
    answer = client.post('/data/search?format=csv', document(*args, **more))  # type: ignore[arg-type]
    assert answer.status == 200, answer.body
    return answer.csv
