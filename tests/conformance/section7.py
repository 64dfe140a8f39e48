"""Section 7: HTTP."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime

from tests.support.plain import XML, multipart

from .facts import Ask, Facts, get, head, post, put
from .section1 import LOGIN
from .section4 import no_table, of_another_user
from .world import BROWSER, Case

facts = Facts()
P = '/data/projects/P'
M1 = f'{P}/subjects/S1/experiments/M1'
ONE = f'{M1}/resources/DATA/files/a/one.txt'
UNDATED = {'Last-Modified': None, 'ETag': None, 'Expires': None}
FUTURE = {'If-Modified-Since': 'Fri, 01 Jan 2100 00:00:00 GMT'}

facts.row(
    '7.1', 'SM', 'files alone have Last-Modified, and must-revalidate',
    get(ONE, header={'Last-Modified': r'\w{3}, \d\d', 'Cache-Control': '.*must-revalidate'}),
)  # fmt: skip
facts.row(
    '7.2',
    'SM',
    'tables, items and texts have no date to revalidate',
    *(
        get(path, header=UNDATED)
        for path in (
            '/data/projects',
            f'{M1}?format=xml',
            f'{M1}?format=json',
            '/data/JSESSION',
            f'{P}/accessibility',
        )
    ),
)


@facts.shown('7.3', 'SM', 'a listing without a table: nothing, out of date at once')
def listings_without_a_table(case: Case) -> None:
    no_table(case)
    answer = of_another_user(case)
    moments = [parsedate_to_datetime(answer.headers[name] or '') for name in ('Expires', 'Date')]
    assert abs((moments[0] - moments[1]).total_seconds()) <= 1


facts.row(
    '7.4',
    'SM',
    'If-Modified-Since does nothing for tables and items',
    *(
        get(path, headers=FUTURE, like='.')
        for path in ('/data/projects', f'{M1}?format=json', f'{M1}/files')
    ),
)


@facts.shown('7.5', 'SM', 'for files: 304 and nothing')
def unchanged_files(case: Case) -> None:
    answer = case.admin(
        'GET', ONE, None, {'If-Modified-Since': case.admin.get(ONE).headers['Last-Modified']}
    )
    assert (answer.status, answer.body, answer.headers['Last-Modified']) == (304, b'', None)


facts.row(
    '7.6',
    'SM',
    'redirects: browsers to the login page of a closed site; prearchive and archive services; no '
    'others',
    get('/data/projects', 302, by='nobody', headers=BROWSER, header=dict([LOGIN])),
    get('/data/projects/private', 404, by='guest', headers=BROWSER, header={'Location': None}),
    get('/data/projects', header={'Location': None}),
)


@facts.shown('7.7', 'BM', 'connections are kept alive; Content-Length for files')
def kept_connections(case: Case) -> None:
    client = case.world.connect(case.world.closed, 'admin')
    assert client.get('/data/projects').status == 200
    socket = client._connection.sock
    assert client.get(ONE).headers['Content-Length'] == '3' and client._connection.sock is socket
    client.close()


facts.row(
    '7.8',
    'BM',
    'nothing is compressed',
    get(
        '/data/projects',
        headers={'Accept-Encoding': 'gzip, deflate'},
        header={'Content-Encoding': None},
    ),
)


@facts.shown(
    '7.9',
    'SBM',
    "errors: a small page with the message in <h3>, or the container's with it after "
    '<b>Message</b>; no reason phrase',
)
def error_pages(case: Case) -> None:
    answer = case.admin.get('/data/projects/NONE')
    assert answer.status == 404 and answer.headers['Content-Type'].startswith('text/html')
    assert (
        re.search('<h3>Unable to find the specified .*</h3>', answer.text) and answer.reason == ''
    )
    answer = case.client('wrong').get('/data/projects')
    assert re.search('<b>Message</b> .*login.*</p>', answer.text) and answer.reason == ''
    assert case.admin.get('/data/projects').reason == ''


facts.row(
    '7.10',
    'SM',
    'errors of xapi: a text or JSON, with its status',
    get('/xapi/users/nobody', (404, 500), unlike='<html'),
    get('/xapi/siteConfig/nonsense', 404, unlike='<html'),
)
facts.row('7.11', 'BM', '401: a page', get('/data/projects', 401, by='nobody', type='text/html'))
facts.row(
    '7.12',
    'SM',
    '405 for verbs a route lacks, 404 for no route',
    *(
        Ask(method, path, 405)
        for method, path in (
            ('PUT', '/data/projects'),
            ('DELETE', '/data/projects'),
            ('POST', P),
            ('POST', '/data/experiments'),
            ('GET', '/data/search'),
            ('PUT', '/data/users'),
        )
    ),
    *(
        get(path, 404)
        for path in ('/nothing', '/data', '/data/nothing', '/data/version', '/xapi/nothing')
    ),
)
facts.row(
    '7.13',
    'SM',
    'a body of a wrong type: 400, 406 or 422, never 415',
    put('{s}', (400, 422), send='{"a": 1}', headers=XML),
    put(
        '{e}/resources/R/files/f?inbody=true',
        400,
        send=multipart(('f', b'x'))[0],
        headers=multipart()[1],
    ),
    post('/data/search', (400, 422), send='nonsense', headers={'Content-Type': 'application/json'}),
)


@facts.shown('7.14', 'SM', 'the codes in use')
def codes(case: Case) -> None:
    known = {
        200,
        201,
        204,
        206,
        301,
        302,
        303,
        304,
        307,
        400,
        401,
        403,
        404,
        405,
        406,
        409,
        410,
        412,
        413,
        417,
        422,
        500,
        501,
        503,
    }
    assert {
        status for _, path, status in case.world.closed.requests if path.startswith('/data')
    } <= known


facts.unseen(
    '7.15',
    'S',
    'while starting: redirected, or 503',
    'the archive accepts requests as soon as it is started; it has no set-up to wait for',
)
facts.row(
    '7.16',
    'BM',
    'texts: text/plain in ISO-8859-1; tables in UTF-8, without a charset in the header',
    get('/data/JSESSION', header={'Content-Type': '(?i)text/plain; ?charset=iso-8859-1$'}),
    get('/data/projects?format=csv', header={'Content-Type': '(?i)text/csv$'}),
)
facts.row(
    '7.17',
    'BM',
    'method=PUT on a POST counts as PUT',
    post('{p}/subjects/X?method=PUT', 201),
    post('{p}/subjects/X?method=DELETE'),
    get('{p}/subjects/X?format=json', 404),
)
facts.row(
    '7.18',
    'BM',
    'HEAD on listings: GET without the body',
    head('/data/projects', body=b'', type='application/json'),
    get('/data/projects'),
    head(f'{M1}?format=json', body=b''),
)
