"""Section 4: the search engine."""

from __future__ import annotations

from typing import Any

from lxml import etree

from tests.server.searches import QC, SCAN, M, P, S, T, criterion, document
from tests.support.plain import XML, Answer, Client, multipart

from .facts import Ask, Facts, delete, get, post, put
from .world import Case

facts = Facts()
OF_SEED = {P: f'{P}/ID', SCAN: f'{M}/PROJECT'}
"""Root element -> field with the seed's project, if that is not ``<root>/PROJECT``."""
BAD = (400, 500)


def search(
    root: str,
    columns: str,
    *criteria: str,
    status: Any = 200,
    by: str = 'admin',
    extra: str = '',
    query: str = '',
    **wanted: Any,
) -> Ask:
    """Search the seed's project; columns are field IDs in one text, criteria are joined by AND."""
    body = document(
        root,
        columns.split(),
        criterion(OF_SEED.get(root, f'{root}/PROJECT'), '=', 'P'),
        *criteria,
        extra=extra,
    ).decode()
    return post(f'/data/search?format=json{query}', status, by=by, send=body, headers=XML, **wanted)


def labels(root: str, where: tuple[Any, ...], *wanted: str, query: str = '') -> Ask:
    """Search with one criterion, and compare the labels of the rows."""
    column, key = (
        ('SUBJECT_LABEL', 'subject_label')
        if root == S
        else ('ID', 'id')
        if root in (P, SCAN)
        else ('LABEL', 'label')
    )
    return search(root, column, criterion(*where), query=query, rows={key: list(wanted)})


# -- 4.1 the request

ALL = document(M, ['LABEL'], criterion(f'{M}/PROJECT', '=', 'P')).decode()
facts.row(
    '4.1.1',
    'SM',
    'POST only; the body is XML, or a form with an XML part',
    get('/data/search', 405),
    put('/data/search', 405),
    *(
        post('/data/search', send=ALL, headers={'Content-Type': kind}, count=2)
        for kind in ('text/xml', 'application/xml')
    ),
    post(
        '/data/search',
        send=multipart(('search.xml', ALL.encode()), mime='text/xml')[0],
        headers=multipart()[1],
        count=2,
    ),
)
facts.row(
    '4.1.2',
    'SRM',
    'json, csv, xml, html; json by default',
    post('/data/search', send=ALL, headers=XML, type='application/json'),
    *(
        post(f'/data/search?format={form}', send=ALL, headers=XML, type=kind)
        for form, kind in (
            ('json', 'application/json'),
            ('csv', 'text/csv'),
            ('xml', 'text/xml'),
            ('html', 'text/html'),
        )
    ),
)
facts.row(
    '4.1.3',
    'STM',
    '200 and the table',
    post('/data/search', 200, send=ALL, headers=XML, rows={'label': ['M1', 'M2']}),
)
facts.row(
    '4.1.4',
    'STM',
    'no XML, or no search: 422',
    *(
        post('/data/search', 422, send=body, headers=XML)
        for body in (
            'nonsense',
            '<other/>',
            '<xnat:Subject xmlns:xnat="http://nrg.wustl.edu/xnat"/>',
        )
    ),
)
facts.row(
    '4.1.5',
    'SBM',
    'no such root: 403; no such field: ignored, an error in a criterion; a bad value, BETWEEN '
    'without AND: an error',
    post('/data/search', 403, send=document('xnat:nothing', ['X']).decode(), headers=XML),
    search(S, 'SUBJECT_LABEL NOTHING', count=2, unlike='(?i)nothing'),
    labels(M, (f'{M}/AGE', '>', '0'), 'M1', 'M2'),
    search(S, 'SUBJECT_LABEL', criterion(f'{S}/AGE', '>', '0'), status=BAD),
    *(
        search(M, 'LABEL', criterion(f'{M}/AGE', *how), status=BAD)
        for how in (('>', 'old'), ('BETWEEN', '1'))
    ),
)


@facts.shown('4.1.6', 'STM', 'a root that may be read in no project: no rows')
@facts.shown('4.4.19', 'TM', 'a user without rights anywhere: no rows')
def nothing_to_read(case: Case) -> None:
    case.world.below.add_user(case.new, 'word')
    nobody = Client(case.world.below, case.new, 'word')  # there is no public project there
    for root in (M, T, S, P):
        answer = nobody(
            'POST',
            '/xnat/data/search',
            document(root, ['ID'] if root == P else ['INSERT_USER']),
            XML,
        )
        assert answer.status == 200 and (root == P or answer.rows == []), (root, answer.body)
    nobody.close()


facts.row(
    '4.1.7',
    'SM',
    'values that look like SQL: 500, but for those with a semicolon',
    *(
        search(S, 'SUBJECT_LABEL', criterion(f'{S}.SUBJECT_LABEL', '=', value), status=500)
        for value in ("x' SELECT 1", 'end\\')
    ),
    search(S, 'SUBJECT_LABEL', criterion(f'{S}.SUBJECT_LABEL', '=', 'DROP TABLE;'), count=0),
)
facts.row(
    '4.1.8',
    'SM',
    'sortBy and sortOrder: an ID of a display field, as it is written',
    search(M, 'LABEL DATE', query='&sortBy=DATE&sortOrder=DESC', ordered={'label': ['M2', 'M1']}),
    search(M, 'LABEL DATE', query='&sortBy=LABEL', ordered={'label': ['M1', 'M2']}),
    search(M, 'LABEL', query='&cache=true', meta={'Result': []}),
    *(
        search(M, 'LABEL DATE', query=f'&sortBy={name}', status=500)
        for name in ('date', 'label', 'nothing')
    ),
)

# -- 4.2 the document


def raw(inner: str, root: str = 'bundle', attributes: str = '') -> str:
    """Return a document of these parts."""
    return (
        f'<xdat:{root} xmlns:xdat="http://nrg.wustl.edu/security" '
        f'{attributes}>{inner}</xdat:{root}>'
    )


ROOT = f'<xdat:root_element_name>{M}</xdat:root_element_name>'
LABEL = (
    f'<xdat:search_field><xdat:element_name>{M}</xdat:element_name><xdat:field_ID>LABEL</'
    'xdat:field_ID></xdat:search_field>'
)
SEED = f'<xdat:search_where method="AND">{criterion(f"{M}/PROJECT", "=", "P")}</xdat:search_where>'


def asked(body: str, **wanted: Any) -> Ask:
    return post('/data/search?format=json', send=body, headers=XML, **wanted)


facts.row(
    '4.2/1',
    'STM',
    'attributes of the root; it is a bundle or a search',
    asked(
        raw(
            ROOT + LABEL + SEED,
            'bundle',
            'ID="" description="d" layered_sequence="" allow-diff-columns="0" secure="0" '
            'brief-description="b"',
        ),
        count=2,
    ),
    asked(raw(ROOT + LABEL + SEED, 'search', 'ID="" secure="false" tag="P"'), count=2),
)
facts.row(
    '4.2/2',
    'STRM',
    'root_element_name',
    asked(raw(ROOT + LABEL + SEED), meta={'rootElementName': M}),
)


@facts.shown(
    '4.2/3',
    'STRM',
    'search_field: of an element, visible or not, in their sequence, with any header and type, '
    'with a value',
)
def search_fields(case: Case) -> None:
    fields = ''.join(
        f'<xdat:search_field><xdat:element_name>{element}</'
        f'xdat:element_name><xdat:field_ID>{name}</xdat:field_ID><xdat:sequence>{place}</'
        'xdat:sequence>'
        f'<xdat:type>None</xdat:type><xdat:header>{header}</xdat:header>{value}</xdat:search_field>'
        for element, name, place, header, value in (
            (M, 'DATE', 2, 'When', ''),
            (M, 'LABEL', 1, 'What', ''),
            (S, 'SUB_PROJECT_IDENTIFIER', 3, 'Who', '<xdat:value>P</xdat:value>'),
        )
    )
    found = case.admin('POST', '/data/search?format=json', raw(ROOT + fields + SEED), XML).result
    told = [column for column in found['Columns'] if 'id' in column]
    assert [one['key'] for one in told] == [
        'label',
        'date',
        'xnat_subjectdata_sub_project_identifier_p',
    ]
    assert [one['header'] for one in told] == ['What', 'When', 'Who']
    assert found['Result'][0]['xnat_subjectdata_sub_project_identifier_p'] == 'S1'


ONE, TWO, NONE = (criterion(f'{M}/label', '=', label) for label in ('M1', 'M2', 'M3'))
facts.row(
    '4.2/4',
    'STRM',
    'search_where: its criteria by AND or OR',
    asked(
        raw(f'{ROOT}{LABEL}{SEED}<xdat:search_where method="OR">{ONE}{NONE}</xdat:search_where>'),
        rows={'label': ['M1']},
    ),
    asked(
        raw(f'{ROOT}{LABEL}{SEED}<xdat:search_where method="AND">{ONE}{TWO}</xdat:search_where>'),
        count=0,
    ),
)
OLD = criterion(f'{M}/AGE', '>', '80')
EITHER = f'<xdat:child_set method="OR">{ONE}{TWO}</xdat:child_set>'
facts.row(
    '4.2/5',
    'STRM',
    'child_set: sets in sets',
    asked(
        raw(
            f'{ROOT}{LABEL}{SEED}<xdat:search_where method="AND">{OLD}{EITHER}</xdat:search_where>'
        ),
        rows={'label': ['M2']},
    ),
    asked(
        raw(
            f'{ROOT}{LABEL}{SEED}<xdat:search_where method="AND"><xdat:child_set '
            f'method="OR">{OLD}<xdat:child_set method="AND">{ONE}{TWO}'
            '</xdat:child_set></xdat:child_set></xdat:search_where>'
        ),
        rows={'label': ['M2']},
    ),
)
facts.row(
    '4.2/6',
    'STRM',
    'criteria: field, comparison, value, and whether the value is raw (which counts for paths)',
    labels(M, (f'{M}/label', '=', 'M1'), 'M1'),
    labels(M, (f'{M}/label', '=', "'M1'", 1), 'M1'),
    search(M, 'LABEL', criterion(f'{M}.LABEL', '=', "'M1'", 1), status=BAD),
)
SORT = (
    f'<xdat:sort_by><xdat:element_name>{M}</xdat:element_name><xdat:field_ID>AGE</xdat:field_ID></'
    'xdat:sort_by>'
)
facts.row(
    '4.2/7', 'SM', 'sort_by', asked(raw(ROOT + LABEL + SEED + SORT), rows={'label': ['M1', 'M2']})
)
ALLOWED = '<xdat:allowed_user><xdat:login>member</xdat:login></xdat:allowed_user>'
SHARED = '<xdat:allowed_groups><xdat:groupID>P_owner</xdat:groupID></xdat:allowed_groups>'
for number, who, inner in (('4.2/8', 'member', ALLOWED), ('4.2/9', 'owner', SHARED)):
    facts.row(
        number,
        'SM',
        'who a saved search is for: users'
        if who == 'member'
        else 'groups that are named let nobody in',
        put(
            '/data/search/saved/{new}',
            send=raw(ROOT + LABEL + SEED + inner, attributes='secure="1"'),
            headers=XML,
        ),
        get('/data/search/saved/{new}', by=who, like=M)
        if who == 'member'
        else get('/data/search/saved/{new}', 403, by=who),
        get('/data/search/saved/{new}', 403, by='outsider'),
        delete('/data/search/saved/{new}'),
    )
facts.row(
    '4.2.1',
    'STRM',
    'a field is named by its ID, a full path, or with its value',
    search(
        M,
        f'LABEL {M}/label {S}.SUB_PROJECT_IDENTIFIER=P',
        rows={
            'label': ['M1', 'M2'],
            'xnat_col_mrsessiondatalabel': ['M1', 'M2'],
            'xnat_subjectdata_sub_project_identifier_p': ['S1', 'S1'],
        },
    ),
)
facts.row(
    '4.2.2',
    'STM',
    'a criterion: type/path, type.FIELD, type/FIELD, type.FIELD=VALUE',
    *(
        labels(M, (field, '=', 'M1'), 'M1')
        for field in (f'{M}/label', f'{M}.LABEL', f'{M}/LABEL', f'{M}.MR_PROJECT_IDENTIFIER=P')
    ),
    labels(M, (f'{M}/scans/scan/quality', '=', 'questionable'), 'M1'),
    labels(M, (f'{M}.SCAN_COUNT_TYPE=T2', '=', '1'), 'M1'),
)
facts.row(
    '4.2.3',
    'SM',
    'several search_where: AND',
    asked(
        raw(
            f'{ROOT}{LABEL}{SEED}<xdat:search_where method="OR">{ONE}{TWO}</xdat:search_where>'
            f'<xdat:search_where method="OR">{OLD}</xdat:search_where>'
        ),
        rows={'label': ['M2']},
    ),
)
facts.row(
    '4.2.4',
    'BM',
    'no search_field: those of the default listing, an error for MR sessions',
    asked(raw(ROOT + SEED), status=BAD),
    post(
        '/data/search?format=json',
        send=document(S, [], criterion(f'{S}/PROJECT', '=', 'P')).decode(),
        headers=XML,
        like='"subject_label"',
    ),
)
facts.row(
    '4.2.5',
    'STM',
    'fields and criteria of other elements',
    labels(S, (f'{M}/AGE', '>', '80'), 'S1'),
    labels(S, (f'{T}/TRACER_NAME', '=', 'FDG'), 'S2'),
    labels(M, (f'{S}/GENDER', '=', 'female'), 'M1', 'M2'),
    labels(M, (f'{SCAN}/parameters/tr', '>', '2'), 'M1'),
    labels(QC, (f'{M}/label', '=', 'M1'), 'A1'),
    search(M, f'LABEL {S}.GENDER', rows={'xnat_subjectdata_gender': ['female', 'female']}),
)


@facts.shown('4.2.6', 'STM', 'for a project: its own items, and those shared into it')
def of_a_project(case: Case) -> None:
    case.admin.ok('PUT', case.e)
    case.admin.ok('PUT', f'{case.e}/projects/{case.q_id}')
    for project in (case.p_id, case.q_id):
        either = (
            criterion(f'{M}/sharing/share/project', '=', project),
            criterion(f'{M}/PROJECT', '=', project),
        )
        assert [
            row['label']
            for row in case.admin(
                'POST', '/data/search', document(M, ['LABEL'], *either, method='OR'), XML
            ).rows
        ] == ['E']
    owned = document(M, ['LABEL'], criterion(f'{M}/PROJECT', '=', case.q_id))
    assert case.admin('POST', '/data/search', owned, XML).rows == []


facts.shown('4.2.7', 'RM', 'type None and any header are taken, and the header comes back')(
    search_fields
)

# -- 4.3 comparisons


def in_a_child(field: str, values: str) -> str:
    listed = f'<xdat:child_set method="AND">{criterion(field, "IN", values)}</xdat:child_set>'
    return document(S, ['SUBJECT_LABEL'], criterion(f'{S}/PROJECT', '=', 'P'), listed).decode()


G = f'{S}/demographics[@xsi:type=xnat:demographicData]/gender'
facts.row(
    '4.3/1',
    'STM',
    '=: with case; nothing is NULL or empty',
    labels(S, (f'{S}/SUBJECT_LABEL', '=', 'S1'), 'S1'),
    labels(S, (f'{S}.SUBJECT_LABEL', '=', 's1')),
    labels(S, (f'{S}.SUB_GROUP', '=', ''), 'S2'),
    labels(M, (f'{M}.AGE', '=', '79'), 'M1'),
    search(S, 'SUBJECT_LABEL', criterion(f'{S}.AGE', '=', '81'), status=BAD),
)
facts.row(
    '4.3/2',
    'TM',
    '!=: NULL counts as different on display fields, not on schema fields',
    labels(S, (f'{S}.SUBJECT_LABEL', '!=', 'S1'), 'S2'),
    labels(S, (f'{S}.SUB_GROUP', '!=', 'control'), 'S2'),
    labels(S, (f'{S}/group', '!=', 'control')),
)
facts.row(
    '4.3/3',
    'STM',
    '<, <=, >, >=: numbers, dates, texts',
    labels(M, (f'{M}/AGE', '>', '79'), 'M2'),
    labels(M, (f'{M}/AGE', '>=', '79'), 'M1', 'M2'),
    labels(M, (f'{M}/date', '<', '2023-02-19'), 'M1'),
    labels(M, (f'{M}/date', '<=', '2023-02-19'), 'M1', 'M2'),
    labels(S, (f'{S}.SUBJECT_LABEL', '>', 'S1'), 'S2'),
)
facts.row(
    '4.3/4',
    'STM',
    'LIKE ignores case; as given on display fields, contains on schema fields, also with *',
    labels(S, (f'{S}.SUBJECT_LABEL', 'LIKE', 's%'), 'S1', 'S2'),
    labels(S, (f'{S}.GENDER', 'LIKE', 'ale')),
    labels(S, (G, 'LIKE', 'EMA'), 'S1'),
    labels(S, (G, 'LIKE', 'f*le'), 'S1'),
)
facts.row(
    '4.3/5',
    'STM',
    'NOT LIKE: not that',
    labels(S, (f'{S}.GENDER', 'NOT LIKE', 'f%'), 'S2'),
    labels(S, (G, 'NOT LIKE', 'EMA'), 'S2'),
)
facts.row(
    '4.3/6',
    'STM',
    'IN, of a display field in a child_set: a list, with quotes around parts that hold commas',
    *(
        asked(in_a_child(f'{S}.SUBJECT_LABEL', value), rows={'subject_label': list(wanted)})
        for value, *wanted in (('S1,"S2"', 'S1', 'S2'), ('S2', 'S2'))
    ),
    search(S, 'SUBJECT_LABEL', criterion(f'{S}.SUBJECT_LABEL', 'IN', 'S1,S2'), status=BAD),
    asked(in_a_child(f'{S}/label', 'S1'), status=BAD),
)
facts.row(
    '4.3/7',
    'SM',
    'NOT IN: not understood',
    search(S, 'SUBJECT_LABEL', criterion(f'{S}.SUBJECT_LABEL', 'NOT IN', 'S1'), status=BAD),
)
facts.row(
    '4.3/8',
    'STM',
    'BETWEEN: a AND b, both included; without AND an error',
    labels(M, (f'{M}/AGE', 'BETWEEN', '79 AND 80'), 'M1'),
    labels(M, (f'{M}.AGE', 'BETWEEN', '79 AND 80'), 'M1'),
    labels(M, (f'{M}.DATE', 'BETWEEN', '2020-01-31 AND 2022-01-01'), 'M1'),
    search(M, 'LABEL', criterion(f'{M}/AGE', 'BETWEEN', '81'), status=BAD),
)
facts.row(
    '4.3/9',
    'STM',
    'IS NULL, or IS with NULL, raw',
    labels(S, (f'{S}.SUB_GROUP', 'IS NULL', 'NULL', 1), 'S2'),
    labels(S, (f'{S}/group', 'IS', 'NULL', 1), 'S2'),
)
facts.row(
    '4.3/10',
    'STM',
    'IS NOT NULL, IS NOT with NULL, IS with NOT NULL, raw',
    *(
        labels(S, (f'{S}.SUB_GROUP', *how, 1), 'S1')
        for how in (('IS NOT NULL', 'NULL'), ('IS NOT', 'NULL'), ('IS', 'NOT NULL'))
    ),
)
facts.row(
    '4.3/11',
    'SM',
    'raw values: texts need quotes on paths; on display fields they are quoted in any case',
    labels(S, (f'{S}/group', '=', "'control'", 1), 'S1'),
    search(S, 'SUBJECT_LABEL', criterion(f'{S}.SUB_GROUP', '=', "'control'", 1), status=BAD),
    labels(M, (f'{M}/AGE', '>', '80', 1), 'M2'),
)
facts.row('4.3/12', 'SM', '*: any value', labels(S, (f'{S}.SUB_GROUP', '=', '*'), 'S1'))
facts.row(
    '4.3.1',
    'TRM',
    'dates as yyyy-MM-dd and MM/dd/yyyy, moments with a time',
    *(labels(M, (f'{M}/DATE', '=', day), 'M1') for day in ('2020-01-31', '01/31/2020')),
    labels(M, (f'{M}/meta/insert_date', '>', '2001-01-01 10:00:00'), 'M1', 'M2'),
    labels(M, (f'{M}/meta/insert_date', '>', '01/01/2001 10:00:00'), 'M1', 'M2'),
)


@facts.shown('4.3.2', 'STM', 'INSERT_DATE is a time, which never equals a day')
def the_day_of_insertion(case: Case) -> None:
    day = case.admin.get('/data/projects/P/subjects').rows[0]['insert_date'][:10]
    labels(S, (f'{S}.INSERT_DATE', '=', day)).verify(case)
    labels(M, (f'{M}.INSERT_DATE', '=', day)).verify(case)
    labels(M, (f'{M}.INSERT_DATE', '<', day)).verify(case)


facts.row(
    '4.3.3', 'SM', 'values are plain text', labels(S, (f'{S}.SUBJECT_LABEL', '=', "x' OR '1'='1")),
    labels(S, (f'{S}.SUBJECT_LABEL', '!=', '<&"\'>'), 'S1', 'S2'),
)  # fmt: skip
facts.unseen(
    '4.3.4',
    'T',
    'LIKE and BETWEEN on some schema fields are broken',
    'defects of XNAT that its test suite expects; 4.3/4 and 4.3/8 have the forms that work',
)
facts.row(
    '4.3.5',
    'BM',
    'booleans: 1 and 0, true and false',
    put('{p}?xnat:projectData/active=1'),
    *(
        post(
            '/data/search',
            send=document(P, ['ID'], criterion(f'{P}/active', '=', value)).decode(),
            headers=XML,
            like='"{p_id}"',
        )
        for value in ('1', 'true')
    ),
)

# -- 4.4 the result

DESCRIBED = [
    'label',
    'xnat_subjectdata_subject_label',
    'xnat_col_mrsessiondatalabel',
    'xnat_subjectdata_sub_project_identifier_p',
]


def found(case: Case) -> dict[str, Any]:
    body = document(
        M,
        ['LABEL', f'{S}.SUBJECT_LABEL', f'{M}/label', f'{S}.SUB_PROJECT_IDENTIFIER=P'],
        criterion(f'{M}/label', '=', 'M1'),
        criterion(f'{M}/PROJECT', '=', 'P'),
    )
    return case.admin('POST', '/data/search?format=json', body, XML).result


@facts.shown('4.4.1', 'RM', 'ResultSet: Columns, Result, rootElementName, totalRecords')
@facts.shown('4.4.2', 'SRM', 'a column: key, type, xPATH, element_name, header, id')
@facts.shown('4.4.3', 'SRM', 'quarantine_status: the last column, described by its key only')
@facts.shown('4.4.4', 'SRM', 'key of a field of the root: its ID in lower case')
@facts.shown('4.4.5', 'STRM', 'of another element: after the name of its table')
@facts.shown('4.4.6', 'RM', 'of a full path: with _col_ for the colon and nothing for the slash')
@facts.shown('4.4.8', 'STM', 'of a field with a value: after a _')
@facts.shown('4.4.14', 'SRM', 'meta: rootElementName and totalRecords')
@facts.shown('4.4.15', 'SRM', 'all values are texts')
def result(case: Case) -> None:
    answer = found(case)
    assert {'Columns', 'Result', 'rootElementName', 'totalRecords'} <= set(
        answer
    ) and 'title' not in answer
    shown = [column for column in answer['Columns'] if 'id' in column]
    assert [column['key'] for column in shown] == DESCRIBED and {
        'key': 'quarantine_status'
    } in answer['Columns']
    assert all(
        {'key', 'type', 'xPATH', 'element_name', 'header', 'id'} <= set(column) for column in shown
    )
    assert {column['key'] for column in answer['Columns']} - set(DESCRIBED) >= {
        'session_id',
        'insert_user',
        'insert_date',
    }
    assert (shown[0]['xPATH'], shown[0]['element_name'], shown[0]['id']) == (
        f'{M}.LABEL',
        M,
        'LABEL',
    )
    assert shown[2]['xPATH'] == f'{M}.XNAT_COL_MRSESSIONDATALABEL'
    assert [
        [row[name] for name in [*DESCRIBED, 'quarantine_status']] for row in answer['Result']
    ] == [['M1', 'S1', 'M1', 'S1', 'active']]
    assert (answer['rootElementName'], answer['totalRecords']) == (M, '1')
    assert all(isinstance(value, str) for row in answer['Result'] for value in row.values())
    table = search(M, f'LABEL {M}.COIL', query='').send
    root = etree.fromstring(
        case.admin(
            'POST', '/data/search?format=xml', table.replace(f'{M}.COIL', f'{M}.SCANNER'), XML
        ).body
    )
    assert root.get('rootElementName') == M


facts.row(
    '4.4.7',
    'SM',
    'a comma in a name: _com_',
    search(M, 'LABEL SCAN_COUNT_TYPE=a,b', like='scan_count_type_a_com_b'),
)


@facts.shown('4.4.9', 'STM', 'keys of more than 63 characters: df_alias_N')
def long_keys(case: Case) -> None:
    name = 'x' * 70
    case.admin.ok('PUT', f'{case.s}?{S}/fields/field%5Bname%3D{name}%5D/field=1')
    body = document(
        S,
        ['SUBJECT_LABEL', f'XNAT_SUBJECTDATA_FIELD_MAP={name}'],
        criterion(f'{S}/PROJECT', '=', case.p_id),
    )
    row = case.admin('POST', '/data/search', body, XML).rows[0]
    assert [value for key, value in row.items() if key.startswith('df_alias_')] == ['1'] and all(
        len(key) <= 63 for key in row
    )


facts.row(
    '4.4.10', 'SM', 'columns for links are added, described by key and path', search(M, 'LABEL',
           like='\\{"key": ?"session_id", ?"xPATH": ?"session_id"\\}'),
)  # fmt: skip
facts.row(
    '4.4.11',
    'SM',
    'cached results have a column key',
    search(M, 'LABEL', query='&cache=true&limit=5', like='"key": ?"XNAT_E'),
)


@facts.shown('4.4.12', 'RM', 'CSV: the same keys, with those that links need')
def result_in_csv(case: Case) -> None:
    ask = search(M, f'LABEL {S}.SUBJECT_LABEL DATE')
    answer = case.admin('POST', '/data/search?format=csv', ask.send, XML)
    assert answer.header[:6] == [
        'label',
        'session_id',
        'insert_user',
        'insert_date',
        'projects',
        'project',
    ]
    told = ('label', 'xnat_subjectdata_subject_label', 'date', 'projects', 'quarantine_status')
    assert [answer.csv[0][name] for name in told] == ['M1', 'S1', '2020-01-31', '<P>', 'active']
    assert sorted(answer.header.index(name) for name in told[:3]) == [
        answer.header.index(name) for name in told[:3]
    ]


facts.shown('4.4.13', 'RM', 'CSV has quotes where they are needed')(result_in_csv)


@facts.shown('4.4.16', 'STM', 'one row for a root item, with allow-diff-columns too')
def rows_of_a_root_item(case: Case) -> None:
    for flag, count in (('0', 1), ('1', 1)):
        body = document(
            S,
            ['SUBJECT_LABEL', f'{M}.LABEL'],
            criterion(f'{S}/SUBJECT_LABEL', '=', 'S1'),
            criterion(f'{S}/PROJECT', '=', 'P'),
            allow_diff_columns=flag,
        )
        rows = case.admin('POST', '/data/search', body, XML).rows
        assert len(rows) == count and {row['subject_label'] for row in rows} == {'S1'}


@facts.shown(
    '4.4.17',
    'SM',
    'in the order of the first field, days from the newest, unless the site does not sort or '
    'sort_by names another',
)
def order_of_rows(case: Case) -> None:
    columns = search(M, 'DATE LABEL').send
    assert [row['label'] for row in case.admin('POST', '/data/search', columns, XML).rows] == [
        'M2',
        'M1',
    ]
    columns = search(S, 'GENDER SUBJECT_LABEL').send
    assert [
        row['subject_label'] for row in case.admin('POST', '/data/search', columns, XML).rows
    ] == ['S1', 'S2']
    columns = search(S, 'HANDEDNESS SUBJECT_LABEL').send
    assert [
        row['subject_label'] for row in case.admin('POST', '/data/search', columns, XML).rows
    ] == ['S1', 'S2']


@facts.shown(
    '4.4.18', 'STM', 'only rows that the caller may read, shared ones too, and quarantined ones'
)
def rows_that_may_be_read(case: Case) -> None:
    identifier = case.admin.ok('PUT', case.s)
    body = document(S, ['SUBJECT_LABEL'], criterion(f'{S}/SUBJECT_ID', '=', identifier))

    def seen(login: str) -> int:
        answer = case.client(login)('POST', '/data/search', body, XML)
        return len(answer.rows) if answer.status == 200 else 0

    assert (seen('collaborator'), seen('outsider')) == (1, 0)
    case.admin.ok('PUT', f'{case.s}/projects/{case.q_id}')
    case.admin.ok('PUT', f'{case.q}/users/collaborator/outsider')
    assert seen('outsider') == 1
    case.admin.ok('PUT', f'{case.s}?quarantine=true')
    assert (seen('collaborator'), seen('outsider'), seen('owner')) == (1, 1, 1)


facts.row(
    '4.4.20',
    'SRM',
    'PROJECTS: all projects of an item in angle brackets',
    search(S, 'SUBJECT_LABEL PROJECTS', rows={'projects': [',<P>', ',<P>']}),
)

# -- 4.5 what can be searched

facts.row(
    '4.5.1', 'SM', 'elements: names, whether secured, counts',
    get('/data/search/elements?format=csv', columns='ELEMENT_NAME,SINGULAR,PLURAL,SECURED,COUNT',
        like='xnat:mrSessionData,MR Session,MR Sessions,true,'),
    get('/data/search/elements', meta={'title': 'Data-Types'}),
)  # fmt: skip
facts.row(
    '4.5.2',
    'SM',
    'secured, used, readable ones only',
    get('/data/search/elements?secured=true', unlike='"SECURED": ?"false"'),
    get('/data/search/elements?used=true', unlike='xnat:megSessionData'),
    get('/data/search/elements?readable=true', by='collaborator', like=M),
)
facts.row(
    '4.5.3',
    'SM',
    'the data types',
    *(
        get('/data/search/elements', like=f'"{name}"')
        for name in (P, S, M, T, 'xnat:ctSessionData')
    ),
)
FIELDS = f'/data/search/elements/{M}'
facts.row(
    '4.5.4',
    'SM',
    'of one type: XML by default',
    get(FIELDS, type='text/xml'),
    get(f'{FIELDS}?format=json', type='application/json'),
)
facts.row(
    '4.5.5',
    'SM',
    'columns',
    get(
        f'{FIELDS}?format=csv',
        columns='FIELD_ID,HEADER,SUMMARY,TYPE,REQUIRES_VALUE,DESC,ELEMENT_NAME,SRC',
    ),
)


@facts.shown(
    '4.5.6', 'SM', 'their description of a field; those of projects are listed for each project'
)
def what_is_told_of_fields(case: Case) -> None:
    rows = {row['FIELD_ID']: row for row in case.admin.get(f'{FIELDS}?format=json').rows}
    assert (
        rows['AGE']['TYPE'],
        rows['AGE']['REQUIRES_VALUE'],
        rows['AGE']['SRC'],
        rows['AGE']['ELEMENT_NAME'],
    ) == ('float', 'false', '0', M)
    assert 'MR_PROJECT_IDENTIFIER' not in rows and rows['MR_PROJECT_IDENTIFIER=P']['SRC'] == '2'
    assert all(row['DESC'] and row['SUMMARY'] for row in rows.values() if row['SRC'] == '0')


facts.row(
    '4.5.7',
    'SM',
    'meta: title, element_name, versions; no totalRecords',
    get(
        f'{FIELDS}?format=json',
        meta={'title': 'Search Fields', 'element_name': M, 'totalRecords': None},
        like='"versions"',
    ),
)
facts.row(
    '4.5.8',
    'SM',
    'several types',
    get(f'/data/search/elements/{M},{T}?format=json', like=f'(?s)"{M}".*"{T}"'),
)
facts.row('4.5.9', 'SM', 'no such type: 400', get('/data/search/elements/xnat:nothing', 400))


@facts.shown('4.5.10', 'ST', 'custom variables and labels in projects are fields with a value')
@facts.shown('4.5.12', 'SM', 'projectScope: custom variables of one project, and labels in all')
def fields_with_values(case: Case) -> None:
    protocol = (
        '<xnat:datatypeProtocol xmlns:xnat="http://nrg.wustl.edu/xnat" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        f' ID="{case.p_id}_xnat_subjectData" data-type="{S}" name="Subjects" '
        'xsi:type="xnat:datatypeProtocol"><xnat:definitions>'
        f'<xnat:definition ID="g" data-type="{S}" project-specific="1"><xnat:fields><xnat:field '
        f'name="Foo{case.p_id}" datatype="string" type="custom"'
        f' xmlPath="{S}/fields/field[name=foo]/field"/></xnat:fields></xnat:definition></'
        'xnat:definitions></xnat:datatypeProtocol>'
    )
    assert (
        case.admin('PUT', f'{case.p}/protocols/{case.p_id}_xnat_subjectData', protocol, XML).status
        == 200
    )
    path, variable = (
        f'/data/search/elements/{S}?format=json',
        f'XNAT_SUBJECTDATA_FIELD_MAP=foo{case.p_id.lower()}',
    )
    for query in ('', f'&projectScope={case.p_id}'):
        names = {row['FIELD_ID']: row['SRC'] for row in case.admin.get(path + query).rows}
        assert (names[variable], names[f'SUB_PROJECT_IDENTIFIER={case.p_id}']) == ('1', '2')
    names = {row['FIELD_ID'] for row in case.admin.get(f'{path}&projectScope=P').rows}
    assert (
        variable not in names
        and {f'SUB_PROJECT_IDENTIFIER={case.p_id}', 'SUB_PROJECT_IDENTIFIER=P'} <= names
    )


facts.row(
    '4.5.11',
    'SM',
    'links and pictures are left out',
    get(f'{FIELDS}?format=json', unlike='"FIELD_ID": ?"(URI|RPT|VIEW)"'),
)
facts.row(
    '4.5.13',
    'SM',
    'versions: JSON, with all',
    get(f'{FIELDS}/versions', like='(?s)"listing".*"all"|"all".*"listing"'),
)

# -- 4.6 schemas

facts.row('4.6/1', 'STM', 'the names of the schemas', get('/xapi/schemas', like='"xnat'))
facts.row(
    '4.6/2',
    'STM',
    'a schema',
    get('/xapi/schemas/xnat', like='targetNamespace="http://nrg.wustl.edu/xnat"'),
    get('/xapi/schemas/xnat/xnat', like='<xs:schema'),
)
facts.row(
    '4.6/3',
    'STM',
    'data types and their elements',
    get('/xapi/schemas/datatypes', like=f'"{M}"'),
    *(
        get(f'/xapi/schemas/datatypes/{what}', type='application/json')
        for what in ('elements/all', f'elements/{M}', 'names/all', f'names/{M}')
    ),
    get(
        f'/xapi/schemas/datatypes/elements/{M}',
        like='"coil": ?{"prefix": ?"xnat", ?"xmlPath": ?"coil", ?"xmlType": ?"xs:string"}',
    ),
)
facts.row(
    '4.6/4',
    'STM',
    'XSD files, with and without their folder',
    *(get(f'/schemas/{path}', like='<xs:schema') for path in ('xnat/xnat.xsd', 'xnat.xsd')),
)

# -- 4.7 cached searches

FIVE = document(M, ['LABEL', 'AGE'], criterion(f'{M}/PROJECT', '=', 'P')).decode()


def cached(case: Case, query: str = '', body: str = FIVE, by: str = 'admin') -> dict[str, Any]:
    return case.client(by)('POST', f'/data/search?cache=true&format=json{query}', body, XML).result


@facts.shown(
    '4.7.1',
    'STM',
    'cache=true: the name of the cached table, its number of rows, its columns, no rows yet',
)
def keeping(case: Case) -> None:
    kept = cached(case)
    assert (
        kept['ID']
        and kept['totalRecords'] == '2'
        and kept['Result'] == []
        and 'label' in [column['key'] for column in kept['Columns']]
    )


def of_another_user(case: Case) -> Answer:
    """Return the response to a page of a search that belongs to another user."""
    return case.owner.get(f'/data/search/{cached(case)["ID"]}')


def no_table(case: Case) -> None:
    answer = of_another_user(case)
    assert (answer.status, answer.body) == (200, b'')


@facts.shown('4.7.2', 'STM', 'GET pages it, sorted as wanted; for others: 200 and nothing')
def paging(case: Case) -> None:
    path = f'/data/search/{cached(case)["ID"]}'
    assert [
        row['label'] for row in case.admin.get(f'{path}?offset=1&limit=1&format=json').rows
    ] == ['M2']
    assert [row['label'] for row in case.admin.get(f'{path}?sortBy=age&sortOrder=DESC').rows] == [
        'M2',
        'M1',
    ]
    no_table(case)


@facts.shown('4.7.3', 'SM', 'unknown or expired: 410 or 500; bad limits: 422; bad sort keys: 500')
def bad_pages(case: Case) -> None:
    assert case.admin.get('/data/search/xs_nothing').status in (410, 500)
    path = f'/data/search/{cached(case)["ID"]}'
    for query, status in (('limit=x', 422), ('offset=x', 422), ('sortBy=nothing', 500)):
        assert case.admin.get(f'{path}?{query}').status == status, query


@facts.shown('4.7.4', 'SBM', 'ID/COLUMN: its values, counted')
def counted_values(case: Case) -> None:
    answer = case.admin.get(f'/data/search/{cached(case)["ID"]}/label?format=csv')
    assert [name.lower() for name in answer.header] == ['values', 'count'] and len(answer.csv) == 2


@facts.shown('4.7.5', 'SM', 'refresh=true: computed again')
@facts.shown(
    '4.7.6',
    'STM',
    'a document with an ID returns the result cached for it, even if the document differs',
)
def kept_under_an_id(case: Case) -> None:
    first = document(M, ['LABEL'], criterion(f'{M}/PROJECT', '=', 'P'), ID=case.new).decode()
    other = document(
        M,
        ['LABEL'],
        criterion(f'{M}/PROJECT', '=', 'P'),
        criterion(f'{M}/label', '=', 'M2'),
        ID=case.new,
    ).decode()
    assert cached(case, body=first)['totalRecords'] == '2'
    assert cached(case, body=other)['totalRecords'] == '2'
    assert case.admin('POST', '/data/search?format=json', other, XML).result['totalRecords'] == '2'
    assert cached(case, '&refresh=true', other)['totalRecords'] == '1'
    assert case.owner('POST', '/data/search?format=json', other, XML).result['totalRecords'] == '1'


# -- 4.8 saved searches

SAVED = '/data/search/saved'
MINE = document(
    M,
    ['LABEL'],
    criterion(f'{M}/PROJECT', '=', 'P'),
    criterion(f'{M}/label', '=', 'M2'),
    description='d',
    brief_description='b',
).decode()
TAGGED = document(M, ['LABEL'], criterion(f'{M}/PROJECT', '=', 'P'), tag='P', secure='0').decode()


@facts.shown(
    '4.8/1',
    'SM',
    'the table: those for all and those of the caller, tagged ones on request, all for '
    'administrators',
)
def saved_searches(case: Case) -> None:
    for name, body in (
        (f'{case.new}a', MINE.replace('<xdat:bundle ', '<xdat:bundle secure="0" ')),
        (f'{case.new}b', TAGGED),
        (f'{case.new}c', MINE.replace('<xdat:bundle ', '<xdat:bundle secure="1" ')),
    ):
        assert case.owner('PUT', f'{SAVED}/{name}', body, XML).status == 200

    def listed(login: str, query: str = '') -> str:
        return ''.join(
            sorted(
                row['id'][-1]
                for row in case.client(login).get(SAVED + query).rows
                if row['id'].startswith(case.new)
            )
        )

    answer = case.owner.get(SAVED).result
    assert answer['title'] == 'Stored Searches' and {
        'id',
        'description',
        'root_element_name',
        'brief_description',
        'tag',
        'secure',
    } <= set(answer['Result'][0])
    assert (listed('owner'), listed('outsider')) == ('ac', 'a') and 'b' in listed(
        'owner', '?includeTag=true'
    )
    assert listed('admin', '?all=true') in ('ac', 'abc')
    for letter in 'abc':
        assert case.owner.delete(f'{SAVED}/{case.new}{letter}').status == 200


facts.row(
    '4.8/2',
    'STM',
    'one: its XML; @TYPE, not quoted, is the listing of a type; not allowed: 403; unknown: 404',
    put(
        f'{SAVED}/{{new}}',
        send=MINE.replace('<xdat:bundle ', '<xdat:bundle secure="1" '),
        headers=XML,
        by='owner',
    ),
    get(f'{SAVED}/{{new}}', by='owner', like=M, type='text/xml'),
    get(f'{SAVED}/{{new}}', 403, by='outsider'),
    get(f'{SAVED}/@{M}', like=M),
    get(f'{SAVED}/%40{M.replace(":", "%3A")}', 404),
    get(f'{SAVED}/NOTHING_{{new}}', 404),
    delete(f'{SAVED}/{{new}}', by='owner'),
)
facts.row(
    '4.8/3',
    'STM',
    'results: executed',
    put(f'{SAVED}/{{new}}', send=MINE, headers=XML),
    get(f'{SAVED}/{{new}}/results?format=json', rows={'label': ['M2']}),
    delete(f'{SAVED}/{{new}}'),
)


@facts.shown(
    '4.8/4',
    'STM',
    'PUT: 200; who saves it may use it; the same name is overwritten, with saveAs too; bad XML: '
    '422',
)
def saving(case: Case) -> None:
    mine = MINE.replace('brief-description="b"', f'brief-description="{case.new}"').replace(
        '<xdat:bundle ', '<xdat:bundle secure="1" '
    )
    answer = case.owner('PUT', f'{SAVED}/{case.new}', mine, XML)
    assert (answer.status, answer.body) == (200, b'')
    assert '<xdat:login>owner</xdat:login>' in case.owner.get(f'{SAVED}/{case.new}').text
    assert case.owner('PUT', f'{SAVED}/{case.new}', '<a', XML).status == 422
    assert case.owner('PUT', f'{SAVED}/{case.new}?saveAs=true', mine, XML).status == 200
    assert (
        len(
            [
                row
                for row in case.owner.get(SAVED).rows
                if row['brief_description'].startswith(case.new)
            ]
        )
        == 1
    )
    for row in case.owner.get(SAVED).rows:
        if row['brief_description'].startswith(case.new):
            case.owner.delete(f'{SAVED}/{row["id"]}')


facts.row(
    '4.8/b',
    'M',
    'another user overwrites a saved search by PUT of its ID',
    put(
        f'{SAVED}/{{new}}',
        send=MINE.replace('<xdat:bundle ', '<xdat:bundle secure="1" '),
        headers=XML,
        by='owner',
    ),
    put(f'{SAVED}/{{new}}', send=MINE, headers=XML, by='outsider'),
    left_out='a saved search is changed by its users alone',
)

facts.row(
    '4.8/5',
    'SM',
    'DELETE: 200; not allowed: 403; unknown: 200',
    put(
        f'{SAVED}/{{new}}',
        send=MINE.replace('<xdat:bundle ', '<xdat:bundle secure="1" '),
        headers=XML,
        by='owner',
    ),
    delete(f'{SAVED}/{{new}}', 403, by='outsider'),
    delete(f'{SAVED}/{{new}}', by='owner'),
    delete(f'{SAVED}/NOTHING_{{new}}', 200),
)
facts.row(
    '4.8/6',
    'SM',
    'of a project: the listing of a type as XML only, stored ones executed, too',
    get(f'/data/projects/P/searches/@{S}', like=S, type='text/xml'),
    *(get(f'/data/projects/P/searches/@{S}?format={form}', 404) for form in ('json', 'csv')),
)
facts.row(
    '4.8/a',
    'TM',
    'the listing of a project: limited to it, tagged by it',
    get(f'/data/projects/P/searches/@{S}', like='ID="P_xnat:subjectData"'),
    get(f'/data/projects/P/searches/@{S}', like='tag="P"'),
    get(f'/data/projects/P/searches/@{S}', like='sharing/share/project'),
    get(f'/data/projects/P/searches/@{S}', like='brief-description="Subjects"'),
)

# -- 4.9 fields

ASKED = {
    'SUB_PROJECT_IDENTIFIER': 'P',
    'SUB_EXPT_COUNT': M,
    'CNT_XNAT_MRSESSIONDATA': 'P',
    'MR_PROJECT_IDENTIFIER': 'P',
    'MR_EXPT_COUNT': QC,
    'XNAT_PETSESSIONDATA_PROJECT_IDENTIFIER': 'P',
    'XNAT_CTSESSIONDATA_PROJECT_IDENTIFIER': 'P',
    'PROJ_EXPT_COUNT': M,
    'USER_ROLE': '1',
    'LAST_ACCESSED': '1',
}
"""Fields that need a value, and a value for each; the others get T2."""
COUNTS = 'SCAN_COUNT_TYPE SCAN_COUNT_DESC SCAN_COUNT_CLASS'
LIKE_COUNTS = 'SCAN_COUNT_L_TYPE SCAN_COUNT_L_DESC SCAN_COUNT_L_CLASS'
TRACER = (
    'TRACER_NAME TRACER_STARTTIME TRACER_DOSE TRACER_DOSE_UNITS TRACER_SPECIFICACTIVITY '
    'TRACER_TOTALMASS TRACER_TOTALMASS_UNITS '
    'TRACER_INTERMEDIATE TRACER_INTERMEDIATE_UNITS TRACER_ISOTOPE TRACER_ISOTOPE_HALF_LIFE '
    'TRACER_TRANSMISSIONS '
    'TRACER_TRANSMISSIONS_STARTTIME'
)
OWN = 'SESSION_ID EXPT_ID LABEL PROJECT PROJECTS SUBJECT_ID'
# Names; type ('' for that of the schema, 'any' if the reference does not name it, 'n/s' for fields
# that cannot be searched), followed by 'sub' for fields that need a value; the value of the
# seed's first subject, session or project, if it is known.
ROWS: dict[str, tuple[tuple[str, str, str | None], ...]] = {
    S: (
        ('SUBJECT_ID', 'string', '{S1}'),
        ('SUBJECTID', 'string', '{S1}'),
        ('SUBJECT_LABEL', 'string', 'S1'),
        ('SHARED_LABEL', 'n/s', None),
        ('SUB_PROJECT_IDENTIFIER', 'string sub', 'S1'),
        ('URI', 'n/s', None),
        ('PROJECT', 'string', 'P'),
        ('PROJECTS', 'string', ',<P>'),
        ('INSERT_DATE', 'date', None),
        ('INSERT_USER', 'string', 'admin'),
        ('GENDER', 'string', 'female'),
        ('GENDER_TEXT', 'string', 'F'),
        ('HANDEDNESS', 'string', 'left'),
        ('HANDEDNESS_TEXT', 'string', 'L'),
        ('DOB', 'integer', ''),
        ('AGE', 'integer', '81'),
        ('AGE_BRACKET', 'string', None),
        ('EDUC', 'integer', ''),
        ('SES', 'integer', ''),
        ('RACE ETHNICITY', 'string', ''),
        ('SUB_GROUP', 'string', 'control'),
        ('ADD_IDS', 'string', ''),
        ('INVEST_CSV', 'string', ''),
        ('MR_COUNT', 'integer', '2'),
        ('SUB_EXPT_COUNT', 'integer sub', '2'),
        ('CNT_XNAT_MRSESSIONDATA', 'integer sub', '2'),
        ('XNAT_SUBJECTDATA_FIELD_MAP', 'string sub', ''),
    ),
    M: (
        ('SESSION_ID', 'string', '{M1}'),
        ('LABEL', 'string', 'M1'),
        ('MR_PROJECT_IDENTIFIER', 'string sub', 'M1'),
        ('URI VIEW RPT', 'n/s', None),
        ('SUBJECT_ID', 'string', '{S1}'),
        ('SUBJECT_LABEL', 'string', 'S1'),
        ('PROJECT', 'string', 'P'),
        ('PROJECTS', 'string', '<P>'),
        ('DATE', 'date', '2020-01-31'),
        ('DATE_CHAR', 'string', None),
        ('VISIT', 'string', ''),
        ('TYPE', 'string', ''),
        ('SCANNER OPERATOR MARKER STABILIZATION', 'string', None),
        ('INVEST INVEST_ID INVEST_SEARCH INVEST_CSV', '', None),
        ('MR_NOTES MR_NOTES_CSV', 'string', ''),
        ('AGE', 'float', '79'),
        ('GEN_AGE', 'float', None),
        ('DTI_COUNT', 'integer', None),
        ('MR_SCAN_COUNT_AGG', 'string', 'T1 w(1), T2(1)'),
        (COUNTS, 'integer sub', None),
        (LIKE_COUNTS, 'integer sub', None),
        ('MR_EXPT_COUNT', 'integer sub', '1'),
        ('INSERT_DATE LAST_MODIFIED', 'date', None),
        ('INSERT_USER', 'string', 'admin'),
        ('WORKFLOW_STATUS', 'string', None),
        ('XNAT_MRSESSIONDATA_FIELD_MAP', 'string sub', ''),
    ),
    T: (
        (OWN, 'string', None),
        ('XNAT_PETSESSIONDATA_PROJECT_IDENTIFIER', 'string sub', 'T1'),
        ('DATE', 'date', '2021-05-05'),
        ('AGE', 'float', None),
        ('INSERT_DATE', 'string', None),
        ('INSERT_USER STABILIZATION STUDYTYPE PATIENTID PATIENTNAME UID', 'string', None),
        (TRACER, '', None),
        ('PET_SCAN_COUNT_AGG', 'string', None),
        (f'{COUNTS} {LIKE_COUNTS}', 'integer sub', None),
        ('XNAT_PETSESSIONDATA_FIELD_MAP', 'string sub', ''),
        ('URI RPT', 'n/s', None),
    ),
    'xnat:ctSessionData': (
        (OWN, 'string', None),
        ('XNAT_CTSESSIONDATA_PROJECT_IDENTIFIER', 'string sub', None),
        ('DATE', 'date', None),
        ('AGE', 'integer', None),
        (
            'INSERT_DATE INSERT_USER DCMACCESSIONNUMBER DCMPATIENTID DCMPATIENTNAME UID',
            'string',
            None,
        ),
        ('CT_SCAN_COUNT_AGG', 'string', None),
        (f'{COUNTS} {LIKE_COUNTS}', 'integer sub', None),
        ('XNAT_CTSESSIONDATA_FIELD_MAP', 'string sub', None),
        ('URI RPT', 'n/s', None),
    ),
    P: (
        ('ID', 'string', 'P'),
        ('NAME NAME_CSV', 'string', 'P'),
        ('SECONDARY_ID', 'string', 'P'),
        ('DESCRIPTION DESCRIPTION_CSV', 'string', 'a study'),
        ('KEYWORDS PI PROJECT_INVS', 'string', None),
        ('PROJECT_ACCESS', 'string', 'protected'),
        ('PROJECT_ACCESS_IMG URI', 'n/s', None),
        ('PROJECT_USERS PROJECT_OWNERS PROJECT_MEMBERS PROJECT_COLLABS', 'string', None),
        (
            'PROJECT_LAST_WORKFLOW PROJECT_LAST_ACCESS PROJECT_FAV USER_ROLE LAST_ACCESSED',
            'any',
            None,
        ),
        ('INSERT_DATE INSERT_USER', 'string', None),
        ('PROJ_EXPT_COUNT', 'integer sub', '2'),
        ('PROJ_MR_COUNT PROJ_CT_COUNT PROJ_PET_COUNT PROJ_UT_COUNT', 'integer', None),
        ('PROJ_QUARANTINE PROJ_PREARCHIVE_CODE', 'integer', None),
    ),
}
"""The fields of the reference's tables 4.9, in its order."""


UNTOLD = {
    S: {
        'SUBJECT_ID',
        'SUBJECTID',
        'SUBJECT_LABEL',
        'GENDER',
        'HANDEDNESS',
        'MR_COUNT',
        'SUB_EXPT_COUNT',
        'XNAT_SUBJECTDATA_FIELD_MAP',
    },
    M: {
        'LABEL',
        'PROJECTS',
        'DATE_CHAR',
        'SCANNER',
        'OPERATOR',
        'MARKER',
        'STABILIZATION',
        'INVEST_ID',
        'INVEST_CSV',
        'MR_NOTES',
        'MR_NOTES_CSV',
        'MR_EXPT_COUNT',
        'WORKFLOW_STATUS',
        'XNAT_MRSESSIONDATA_FIELD_MAP',
    },
    T: {'LABEL', 'PROJECTS', 'XNAT_PETSESSIONDATA_FIELD_MAP'},
    'xnat:ctSessionData': {'LABEL', 'PROJECTS', 'XNAT_CTSESSIONDATA_FIELD_MAP'},
    P: {'USER_ROLE', 'LAST_ACCESSED', 'PROJ_EXPT_COUNT', 'PROJ_QUARANTINE', 'PROJ_PREARCHIVE_CODE'},
}
"""Fields that the archive does not list, because its display documents do not mark them; searches
accept them."""
ABSENT = {'AGE', 'AGE_BRACKET', 'CNT_XNAT_MRSESSIONDATA'}
"""Fields of subjects in the reference that the display documents of 1.8.3 do not have."""


def field_row(number: str, root: str, names: str, kind: str, value: str | None) -> None:
    plain, _, sub = kind.partition(' ')
    absent = root == S and names in ABSENT

    @facts.shown(
        number,
        'SM',
        f'{root.partition(":")[2]}: {", ".join(names.split())}{": not there" if absent else ""}',
    )
    def check(case: Case) -> None:
        known = case.world.fields(root)
        told = [name for name in names.split() if name in known or f'{name}=P' in known]
        assert told == [
            name
            for name in names.split()
            if plain != 'n/s' and not absent and name not in UNTOLD[root]
        ]
        if plain == 'n/s' or absent:
            return
        bare = [known[name] for name in told if name in known]
        assert plain == 'any' or {field['REQUIRES_VALUE'] for field in bare} <= {
            'true' if sub else 'false'
        }
        assert plain in ('any', '') or {field['TYPE'] for field in bare} <= {plain}
        wanted = [
            f'{name}={ASKED.get(name, "T2")}' if sub or name in ASKED else name
            for name in names.split()
        ]
        rows = search(root, ' '.join(wanted), extra=sorted_by(root))
        answer = case.admin('POST', '/data/search?format=json', rows.send, XML)
        assert answer.status == 200, answer.body
        keys = [column['key'] for column in answer.result['Columns'] if 'id' in column]
        assert len(keys) == len(wanted), keys
        if value is not None:
            assert {row[key] for row in answer.rows[:1] for key in keys} == {case.fill(value)}, (
                answer.rows
            )


def sorted_by(root: str) -> str:
    key = {S: 'SUBJECT_LABEL', P: 'ID'}.get(root, 'LABEL')
    return (
        f'<xdat:sort_by><xdat:element_name>{root}</xdat:element_name><xdat:field_ID>{key}</'
        'xdat:field_ID></xdat:sort_by>'
    )


for place, (kind_of_item, row) in enumerate(
    ((root, row) for root, rows in ROWS.items() for row in rows), 1
):
    field_row(f'4.9/{place}', kind_of_item, *row)
