"""Section 1: base paths, login, sessions, rights, users."""

from __future__ import annotations

import base64
import json
import re

from tests.support.plain import FORM, Client

from .facts import Facts, delete, get, made, post, put
from .world import BROWSER, Case

facts = Facts()
E = '/projects/P/subjects/S1/experiments/M1'
LOGIN = 'Location', r'.*/app/template/Login\.vm'
SESSION = r'^[0-9A-F]{32}$'
T = '/data/services/tokens'

# -- 1.1 base paths


@facts.shown(
    '1.1.1', 'SM', '/REST gives the same responses as /data, and URIs in them begin with /data'
)
@facts.shown('1.1.2', 'SM', 'data elements answer below /archive too')
def every_base_answers_alike(case: Case) -> None:
    for path in (
        '/projects',
        '/projects/P/subjects/S1/experiments',
        f'{E}/scans/1/resources/DATA/files',
    ):
        expected = case.admin.get(f'/data{path}?format=csv', **{'X': case.fill('{M1}')}).text
        assert '/data/' in expected and '/REST/' not in expected
        for base in ('/REST', '/data/archive', '/REST/archive'):
            assert case.admin.get(f'{base}{path}?format=csv').text == expected, base


@facts.shown(
    '1.1.3',
    'SM',
    'services, searches, users, the prearchive and sessions do not answer below /archive',
)
def no_archive_for_services(case: Case) -> None:
    assert case.admin(
        'PUT', '/data/config/tool/path?inbody=true', 'x', {'Content-Type': 'text/plain'}
    ).status in (200, 201)
    services = ('services/tokens/show', 'user/cache/resources', 'config', 'pars')
    for path in ('users', 'search/elements', 'JSESSION', 'auth', 'prearchive', *services):
        assert case.admin.get(f'/data/{path}').status == 200, path
        assert case.admin.get(f'/data/archive/{path}').status == 404, path


facts.row(
    '1.1.4', 'SM', '/xapi returns JSON, /schemas schema documents',
    get('/xapi/siteConfig/buildInfo', type='application/json'),
    get('/schemas/xnat/xnat.xsd', like='targetNamespace="http://nrg.wustl.edu/xnat"'),
)  # fmt: skip


@facts.shown('1.1.5', 'S', 'the application may be below a context path; URIs in listings lack it')
def context_path(case: Case) -> None:
    case.client('guest')
    admin = case.world.connect(case.world.below, 'admin')
    admin.ok('PUT', '/xnat/data/projects/CONTEXT')
    uris = [row['URI'] for row in admin.get('/xnat/data/projects').rows]
    assert '/data/projects/CONTEXT' in uris and all(uri.startswith('/data/') for uri in uris)
    assert admin.get('/data/projects').status == 404
    admin.close()


facts.row('1.1.6', 'SBM', 'there is no /data/version since 1.7', get('/data/version', 404))
facts.row(
    '1.1.7',
    'SM',
    'the version is in buildInfo, also for guests',
    get('/xapi/siteConfig/buildInfo', like='"version": ?"1.8'),
    *(
        get('/xapi/siteConfig/buildInfo', by='guest', like=f'"{name}"')
        for name in ('buildNumber', 'buildDate', 'commit', 'timestamp')
    ),
)
facts.row(
    '1.1.8', 'SM', 'single build values, build attributes, and how long the site is up',
    get('/xapi/siteConfig/buildInfo/version', like=r'^"?1\.8'),
    get('/xapi/siteConfig/buildInfo/attributes', type='application/json'),
    get('/xapi/siteConfig/uptime', like='"seconds"'),
    get('/xapi/siteConfig/uptime/display', like=r'\d'),
)  # fmt: skip
facts.row(
    '1.1.9',
    'SM',
    'site preferences: all for administrators, one, some',
    get('/xapi/siteConfig', like='"requireLogin": ?true'),
    get('/xapi/siteConfig', (200, 403), by='outsider', unlike='sessionTimeout'),
    get('/xapi/siteConfig/requireLogin', text='true'),
    get(
        '/xapi/siteConfig/values/requireLogin,sessionTimeout',
        json={'requireLogin': True, 'sessionTimeout': '15 minutes'},
    ),
)
facts.row(
    '1.1.10', 'SM', 'segments after an item are its sub-path, so they do not always give a 404',
    get('/data/projects/P/experiments/M1/nothing/at/all?format=json', item={'ID': '{M1}'}),
)  # fmt: skip

# -- 1.2 logging in


@facts.shown('1.2.1', 'SM', 'Basic on any request opens a session')
def basic_opens_a_session(case: Case) -> None:
    cookie = case.admin.get('/data/projects').headers['Set-Cookie']
    assert re.search(r'JSESSIONID=[0-9A-F]{32};.*HttpOnly', cookie)


@facts.shown('1.2.2', 'SM', 'the session of the same user has precedence over Basic')
def the_session_wins(case: Case) -> None:
    key = case.admin.get('/data/JSESSION').text
    wrong = {
        'Authorization': 'Basic ' + base64.b64encode(b'admin:not the password').decode(),
        'Cookie': f'JSESSIONID={key}',
    }
    assert case.client('nobody')('GET', '/data/JSESSION', headers=wrong).text == key


@facts.shown(
    '1.2.3',
    'SM',
    "wrong credentials: 401 with the container's page and without WWW-Authenticate, for browsers "
    'too',
)
def wrong_credentials(case: Case) -> None:
    for headers in ({}, BROWSER):
        answer = case.client('wrong').get('/data/projects', **headers)
        assert answer.status == 401 and answer.headers['WWW-Authenticate'] is None
        assert (
            answer.headers['Content-Type'].startswith('text/html')
            and '<b>Message</b>' in answer.text
        )
        assert 'maximum number of user sessions' in answer.text


facts.row(
    '1.2.4',
    'SM',
    'the realm is some text',
    get('/data/projects', 401, by='nobody', header={'WWW-Authenticate': r'Basic realm="[^"]+"'}),
)
facts.row(
    '1.2.5',
    'SM',
    'without credentials: 401 for scripts on data paths, else the login page; a guest where the '
    'site is open',
    get('/data/projects', 401, by='nobody'),
    get('/data/projects', 302, by='nobody', headers=BROWSER, header=dict([LOGIN])),
    get('/app/action/Nothing', 302, by='nobody', header=dict([LOGIN])),
    get('/data/auth', by='guest', text="User 'guest' is logged in"),
)
facts.row(
    '1.2.6',
    'SM',
    'data paths are those below /xapi, /data, /REST and /fs',
    *(get(f'/{base}/nothing', 401, by='nobody') for base in ('xapi', 'data', 'REST', 'fs')),
)
facts.row(
    '1.2.7',
    'SM',
    'a browser is recognized by its User-Agent',
    *(
        get('/data/projects', 302, by='nobody', headers={'User-Agent': f'x {name} y'})
        for name in ('MSIE', 'Mozilla', 'AppleWebKit', 'Opera')
    ),
    *(
        get('/data/projects', 401, by='nobody', headers={'User-Agent': name})
        for name in ('', 'Mozilla XNATDesktopClient', 'python-requests/2.31')
    ),
)


@facts.shown(
    '1.2.8',
    'SM',
    'a payload without user:password is an error; an empty one counts as none',
)
def malformed_basic(case: Case) -> None:
    for payload, statuses in ((b'admin', (400, 500)), (b'admin:se:cret', (401,)), (b'', (401,))):
        header = {'Authorization': 'Basic ' + base64.b64encode(payload).decode()}
        assert case.client('nobody')('GET', '/data/projects', headers=header).status in statuses, (
            payload
        )


facts.row(
    '1.2.9',
    'SM',
    'an expired password: 403',
    get('/xapi/siteConfig/passwordExpirationInterval', like='1 year'),
    left_out='passwords of this archive do not expire',
)
facts.row('1.2.10', 'TM', 'a bad password: 401', get('/data/projects', 401, by='wrong'))


@facts.shown('1.2.11', 'TM', 'the cookie of a closed session: 401')
def a_closed_session(case: Case) -> None:
    headers = {'Cookie': f'JSESSIONID={case.outsider.get("/data/JSESSION").text}'}
    nobody = case.client('nobody')
    assert nobody('DELETE', '/data/JSESSION', headers=headers).status == 200
    assert nobody('GET', '/data/projects', headers=headers).status == 401


@facts.shown('1.2.12', 'BM', 'a disabled user: 401')
def a_disabled_user(case: Case) -> None:
    login = f'u{case.world.number()}'
    case.world.closed.add_user(login, 'word')
    client = Client(case.world.closed, login, 'word')
    assert client.get('/data/projects').status == 200
    assert case.admin.put(f'/xapi/users/{login}/enabled/false').status == 200
    assert client.get('/data/projects').status == 401
    client.close()


facts.row(
    '1.2.13',
    'TM',
    'wrong credentials on a closed site: 401 for every method, with any accessibility',
    made('/data/projects/{new}?accessibility=public'),
    get('/data/projects/{new}', 401, by='wrong'),
    put('/data/projects/{new}/subjects/S', 401, by='wrong'),
    post('/data/projects/{new}/subjects', 401, by='wrong'),
    delete('/data/projects/{new}', 401, by='wrong'),
)

# -- 1.3 sessions

facts.row(
    '1.3/1',
    'STM',
    'GET JSESSION: only the ID',
    get('/data/JSESSION', type='text/plain', like=SESSION),
)
facts.row('1.3/2', 'SM', 'POST JSESSION: as GET', post('/data/JSESSION', like=SESSION))
facts.row(
    '1.3/3',
    'SM',
    'with CSRF=true a token follows',
    get('/data/JSESSION?CSRF=true', like=r'^[0-9A-F]{32}; XNAT_CSRF=\S+$'),
)
facts.shown('1.3/4', 'STM', 'DELETE JSESSION ends the session')(a_closed_session)
facts.row(
    '1.3/5',
    'STM',
    'GET auth: who is logged in, and a session',
    get(
        '/data/auth',
        text="User 'admin' is logged in",
        type='text/plain',
        header={'Set-Cookie': 'JSESSIONID='},
    ),
    get('/data/auth?CSRF=true', like=r"^User 'admin' is logged in\W+XNAT_CSRF=\S+$"),
)
facts.row(
    '1.3/6',
    'SM',
    'services/auth takes a form, and needs no login before',
    *(
        ask('/data/services/auth', by='nobody', send=body, headers=FORM, like=SESSION)
        for ask in (put, post)
        for body in ('username=member&password=m', 'j_username=member&j_password=m')
    ),
    put('/data/services/auth', 401, by='nobody', send='username=member&password=x', headers=FORM),
)
facts.row(
    '1.3/7', 'SM', 'how many sessions a user has', get('/data/user/admin/sessions', like=r'\d')
)


@facts.shown('1.3/8', 'STM', 'administrators see and end the sessions of a user')
def active_sessions(case: Case) -> None:
    key = case.outsider.get('/data/JSESSION').text
    assert key in case.admin.get('/xapi/users/active/outsider').text
    answer = case.admin.delete('/xapi/users/active/outsider')
    assert answer.status == 200 and key in answer.json
    assert (
        case.client('nobody')(
            'GET', '/data/projects', headers={'Cookie': f'JSESSIONID={key}'}
        ).status
        == 401
    )


facts.row(
    '1.3/a',
    'SM',
    'a guest of an open site has a session too',
    get('/data/JSESSION', by='guest', like=SESSION),
)

# -- 1.4 lifetime of a session


@facts.shown('1.4.1', 'SM', 'every response has a cookie with the time and the idle limit')
def the_expiration_cookie(case: Case) -> None:
    for path in ('/data/projects', '/xapi/siteConfig/buildInfo', '/data/nothing'):
        cookies = case.admin.get(path).headers.get_all('Set-Cookie') or []
        assert any(
            re.match(r'"?SESSION_EXPIRATION_TIME="?\d{13},900000"?; .*Path=/[\w/]*$', one)
            for one in cookies
        ), cookies


@facts.shown('1.4.2', 'SM', 'the idle limit is a site preference, 15 minutes by default')
def the_idle_limit(case: Case) -> None:
    archive = case.world.open.archive
    assert archive.preferences['sessionTimeout'] == '15 minutes'
    archive.prefer('sessionTimeout', '1 hour')
    cookies = ' '.join(case.guest.get('/data/JSESSION').headers.get_all('Set-Cookie') or [])
    archive.prefer('sessionTimeout', '15 minutes')
    assert ',3600000' in cookies


@facts.shown(
    '1.4.3',
    'SM',
    'a user has at most 1000 sessions, or the number set for the site: then each login is refused',
)
def most_sessions(case: Case) -> None:
    assert case.admin.get('/xapi/siteConfig/concurrentMaxSessions').json >= 1000
    archive, login = case.world.below.archive, f'u{case.world.number()}'
    assert archive.preferences['concurrentMaxSessions'] == 1000
    archive.users.add(login, 'word')
    archive.prefer('concurrentMaxSessions', 3)
    client = Client(case.world.below, login, 'word')
    answers = [client.get('/xnat/data/JSESSION') for _ in range(4)]
    client.close()
    archive.prefer('concurrentMaxSessions', 1000)
    assert [answer.status for answer in answers] == [200, 200, 200, 401]
    assert (
        'maximum number of user sessions' in answers[3].text
        and answers[3].headers['WWW-Authenticate'] is None
    )


@facts.shown('1.4.4', 'SM', 'logging in gives another JSESSIONID')
def a_login_gives_another_session(case: Case) -> None:
    key = case.guest.get('/data/JSESSION').text
    secret = base64.b64encode(b'admin:secret').decode()
    other = case.guest.get(
        '/data/JSESSION', Cookie=f'JSESSIONID={key}', Authorization=f'Basic {secret}'
    ).text
    assert re.match(SESSION, other) and other != key


facts.row(
    '1.4.5',
    'SM',
    'answers may not be framed elsewhere',
    get(
        '/data/projects',
        header={
            'X-Frame-Options': 'SAMEORIGIN',
            'Content-Security-Policy': "frame-ancestors 'self'",
            'Strict-Transport-Security': None,
        },
    ),
)
facts.row(
    '1.4/a',
    'SM',
    'responses have no headers about caching',
    get('/data/projects', header={'Cache-Control': None}),
    left_out='private data are stored in no cache of a browser or proxy',
)

# -- 1.5 CSRF


@facts.shown(
    '1.5.1',
    'SM',
    'a browser that writes needs the token of its session, whether it had one before or not',
)
@facts.shown('1.5.2', 'SM', 'programs need none')
@facts.shown(
    '1.5.3',
    'SBM',
    'the token is sent as XNAT_CSRF in the query only; without it the response is a server error',
)
@facts.shown('1.5.4', 'SM', 'so a Python client needs none unless it calls itself Mozilla')
def csrf_tokens(case: Case) -> None:
    key, _, token = case.admin.get('/data/JSESSION?CSRF=true').text.partition('; XNAT_CSRF=')
    nobody, cookie, path = case.client('nobody'), {'Cookie': f'JSESSIONID={key}'}, case.p
    browser = {**cookie, **BROWSER}
    assert nobody('PUT', f'{path}/subjects/B', headers=browser).status == 500
    assert nobody('PUT', f'{path}/subjects/B?XNAT_CSRF=wrong', headers=browser).status == 500
    assert nobody('PUT', f'{path}/subjects/B?XNAT_CSRF={token}', headers=browser).status == 201
    assert (
        nobody('PUT', f'{path}/subjects/C', f'XNAT_CSRF={token}', {**browser, **FORM}).status == 500
    )
    assert nobody('GET', f'{path}/subjects', headers=browser).status == 200
    for agent in ('', 'XNATDesktopClient Mozilla', 'python-requests/2.31', 'curl/8.0', 'Java/17'):
        assert nobody(
            'PUT', f'{path}/subjects/C', headers={**cookie, 'User-Agent': agent}
        ).status in (200, 201), agent
    assert case.admin.put(f'{path}/subjects/C', **BROWSER).status == 500  # Basic, no session yet


# -- 1.6 tokens


@facts.shown('1.6/1', 'STM', 'issue: an alias and a secret for a login')
def issue(case: Case) -> None:
    token = case.member.get(f'{T}/issue').json
    assert (
        token['xdatUserId'] == 'member' and len(token['secret']) == 64 and token['secret'].isalnum()
    )
    assert re.fullmatch(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', token['alias'])
    names = {
        'alias',
        'secret',
        'singleUse',
        'estimatedExpirationTime',
        'id',
        'enabled',
        'expired',
        'created',
        'timestamp',
        'disabled',
    }
    assert (
        names <= set(token)
        and 'validIPAddresses' not in token
        and token['estimatedExpirationTime'] - token['created'] == 2 * 86400 * 1000
    )


facts.row(
    '1.6/2', 'STM', 'for another user: administrators only',
    get(f'{T}/issue/user/outsider', 403, by='member'),
    get(f'{T}/issue/user/outsider', json={'xdatUserId': 'outsider'}),
)  # fmt: skip


@facts.shown('1.6/3', 'SM', 'show: the tokens of the caller')
def show(case: Case) -> None:
    token = case.member.get(f'{T}/issue').json
    assert token['alias'] in [one['alias'] for one in case.member.get(f'{T}/show').json]
    assert token['alias'] not in [one['alias'] for one in case.owner.get(f'{T}/show').json]


@facts.shown('1.6/4', 'STM', 'validate: whose a pair is')
def validate(case: Case) -> None:
    token = case.member.get(f'{T}/issue').json
    assert case.member.get(f'{T}/validate/{token["alias"]}/{token["secret"]}').json == {
        'valid': 'member'
    }
    assert case.member.get(f'{T}/validate/{token["alias"]}/wrong').json.get('valid') is None
    assert case.member.get(f'{T}/validate').status == 401


@facts.shown('1.6/5', 'STM', 'invalidate: the owner only')
@facts.shown(
    '1.6/a', 'STM', 'a token logs in like a user and a password; not after it is invalidated'
)
def invalidate(case: Case) -> None:
    token = case.member.get(f'{T}/issue').json
    alias = Client(case.world.closed, token['alias'], token['secret'])
    assert alias.get('/data/auth').text == "User 'member' is logged in"
    assert case.outsider.get(f'{T}/invalidate/{token["alias"]}').status == 403
    assert case.member.get(f'{T}/invalidate/nobody').status == 404
    assert case.member.get(f'{T}/invalidate/{token["alias"]}/{token["secret"]}').json == {
        'result': 'OK'
    }
    assert alias.get('/data/auth').status == 401
    alias.close()


facts.row('1.6/6', 'SM', 'another operation: 400', get(f'{T}/nonsense', 400))
facts.row(
    '1.6/7',
    'TM',
    'guests have no tokens',
    get(f'{T}/issue', 403, by='guest'),
    get(f'{T}/issue', 401, by='nobody'),
)

# -- 1.7 rights

SEEN_OR_NOT = (403, 404)

facts.row(
    '1.7/1',
    'STM',
    'wrong credentials, closed site: 401',
    *(
        get(f'/data/projects/P{more}', 401, by='wrong')
        for more in ('', '/accessibility', '/subjects/S1')
    ),
    *(
        put(f'/data/projects/P{more}', 401, by='wrong')
        for more in ('', '/accessibility/public', '/subjects/S1')
    ),
    *(delete(f'/data/projects/P{more}', 401, by='wrong') for more in ('', '/subjects/S1')),
)
facts.row(
    '1.7/2',
    'SM',
    'no credentials, closed site: 401',
    get('/data/projects', 401, by='nobody'),
    put('/data/projects/P', 401, by='nobody'),
    delete('/data/projects/P', 401, by='nobody'),
)
facts.row(
    '1.7/3',
    'SM',
    'a guest reads public data, and changes nothing',
    get('/data/projects/public/subjects/S?format=json', by='guest'),
    put('/data/projects/public?name=x', 403, by='guest'),
    put('/data/projects/public/subjects/S?group=g', 403, by='guest'),
    delete('/data/projects/public/subjects/S', (403, 500), by='guest'),
)
facts.row(
    '1.7/4',
    'SM',
    'a browser gets the same statuses for items that guests may not read',
    *(
        get(
            '/data/projects/private?format=json',
            404,
            by='guest',
            headers=headers,
            header={'Location': None},
        )
        for headers in ({}, BROWSER)
    ),
)
facts.row(
    '1.7/5', 'SM', 'a private project is hidden from a user without rights',
    made('/data/projects/{new}?accessibility=private'),
    get('/data/projects/{new}?format=json', 404, by='outsider'),
    put('/data/projects/{new}?name=x', SEEN_OR_NOT, by='outsider'),
    delete('/data/projects/{new}', 400, by='outsider'),
)  # fmt: skip
facts.row(
    '1.7/6', 'TM', 'a protected one shows its accessibility, which he may not set',
    get('/data/projects/P/accessibility', by='outsider', text='protected'),
    put('/data/projects/P/accessibility/public', 403, by='outsider'),
)  # fmt: skip
facts.row(
    '1.7/7', 'TM', 'a protected project is seen, and not to be changed',
    get('/data/projects/P?format=json', by='outsider'),
    put('/data/projects/P?alias=x', 403, by='outsider'),
    delete('/data/projects/P', 403, by='outsider'),
)  # fmt: skip
facts.row(
    '1.7/8', 'STM', 'its subjects are not listed, and none can be created',
    get('/data/projects/P/subjects', 403, by='outsider'),
    post('/data/projects/P/subjects?label=X', 403, by='outsider'),
    put('/data/projects/P/subjects/X', 403, by='outsider'),
)  # fmt: skip
facts.row(
    '1.7/9',
    'TM',
    'items in private projects of others: 404; a PUT there: 422',
    made('/data/projects/{new}?accessibility=private'),
    made('/data/projects/{new}/subjects/S/experiments/E?xsiType=xnat:mrSessionData', keep='id'),
    *(
        get(f'/data/projects/{{new}}/subjects/S{more}?format=json', 404, by='outsider')
        for more in ('', '/experiments/E')
    ),
    get('/data/experiments/{id}?format=json', 404, by='outsider'),
    put('/data/projects/{new}/subjects/S?label=X', 422, by='outsider'),
    delete('/data/projects/{new}/subjects/S/experiments/E', 404, by='outsider'),
)
facts.row(
    '1.7/10',
    'TM',
    'a reader by share cannot change items of the owning project; a share without a label is not '
    'found by label',
    made('/data/projects/{new}?accessibility=private'),
    made('/data/projects/{new}/subjects/X'),
    put('/data/projects/{new}/subjects/X/projects/Q'),
    put('/data/projects/Q/users/member/outsider'),
    get('/data/projects/Q/subjects/X?format=json', 404, by='outsider'),
    get('/data/projects/{new}/subjects/X?format=json', (200, 404), by='outsider'),
    delete('/data/projects/{new}/subjects/X', SEEN_OR_NOT, by='outsider'),
    put('/data/projects/Q/subjects/X?group=x', 201, by='outsider'),
    put('/data/projects/Q/subjects/X?label=NEW', by='outsider'),
    get('/data/projects/{new}/subjects/X?format=json', item={'label': 'X'}),
    put('/data/projects/Q/subjects/X/resources/R', SEEN_OR_NOT, by='outsider'),
    delete('/data/projects/Q/users/member/outsider'),
    delete('/data/projects/{new}/subjects/X/projects/Q'),
)
facts.row(
    '1.7/11',
    'SM',
    'the subjects of a project that is private or unknown: 404; nothing can be put there: 422',
    made('/data/projects/{new}?accessibility=private'),
    get('/data/projects/{new}/subjects', 404, by='outsider'),
    put('/data/projects/{new}/subjects/S', 422, by='outsider'),
    get('/data/projects/NOWHERE/subjects', 404),
    put('/data/projects/NOWHERE/subjects/S', 422),
)


@facts.shown('1.7/12', 'TM', 'a member reads, creates and changes, but does not delete')
def members(case: Case) -> None:
    case.admin.ok('PUT', f'{case.e}/reconstructions/{case.fill("{new}")}')
    reconstruction = f'{case.e}/reconstructions/{case.fill("{new}")}'
    for path in (case.s, case.e, case.n, reconstruction):
        assert case.member.get(f'{path}?format=json').status == 200, path
        assert case.member.put(f'{path}?note=n').status == 200, path
        assert case.member.delete(path).status == 403, path
    assert case.member.put(f'{case.p}/subjects/NEW').status == 201
    assert case.member.put(f'{case.e}/scans/9?xsiType=xnat:mrScanData').status == 200


facts.row(
    '1.7/13', 'STM', 'a collaborator reads only',
    get('{s}?format=json', by='collaborator'),
    put('{s}?group=g', 403, by='collaborator'),
    put('{s}?label=NEW', (403, 417), by='collaborator'),
    put('{p}/subjects/NEW', 403, by='collaborator'),
    delete('{s}', 403, by='collaborator'),
)  # fmt: skip
facts.row(
    '1.7/14', 'TM', 'an owner does everything',
    get('{e}?format=json', by='owner'),
    put('{s}?group=g', by='owner'),
    put('{p}/subjects/NEW', 201, by='owner'),
    delete('{e}', by='owner'),
    delete('{s}', by='owner'),
)  # fmt: skip
facts.row(
    '1.7/15',
    'TM',
    'deleted and unknown items: 404',
    made('{e}/assessors/A?{qc}'),
    *(
        ask(f'{{e}}{more}', status)
        for more in ('/assessors/A', '')
        for ask, status in ((delete, 200), (get, 404), (delete, 404))
    ),
    *(ask('{s}', status) for ask, status in ((delete, 200), (get, 404), (delete, 404))),
    delete('{p}'),
    get('{p}', 404),
    get('/data/projects/NEVER', 404),
)

# -- 1.8 users

facts.row(
    '1.8/1',
    'SM',
    'the table of users, by last name, the guest among them; guests see none',
    get(
        '/data/users?format=csv',
        by='outsider',
        columns='xdat_user_id,login,firstname,lastname,email',
    ),
    get('/data/users', meta={'title': 'Projects'}),
    get('/data/users', 403, by='guest'),
)
facts.row(
    '1.8/2', 'SM', 'the logins, for administrators: JSON that is called a text',
    get('/data/user', like='"member"', type='text/plain'), get('/data/user', 403, by='member'),
)  # fmt: skip
facts.row(
    '1.8/3',
    'SM',
    'one user, for administrators only',
    get('/data/user/member', like='"userAuths"', type='text/plain'),
    *(get(f'/data/user/{who}', 403, by='member') for who in ('member', 'owner')),
)
facts.row(
    '1.8/4',
    'SM',
    'his roles',
    get('/data/user/admin/roles', like='Administrator'),
    get('/data/user/admin/roles', 404, by='member'),
)


@facts.shown('1.8/5', 'STM', 'xapi: the logins')
def logins(case: Case) -> None:
    assert {'admin', 'collaborator', 'member', 'outsider', 'owner'} <= set(
        case.admin.get('/xapi/users').json
    )


@facts.shown('1.8/6', 'STM', 'xapi: profiles: all, the own one, and single ones')
@facts.shown('1.8/a', 'SM', 'fields of a profile')
def profiles(case: Case) -> None:
    names = {
        'id',
        'username',
        'firstName',
        'lastName',
        'email',
        'secured',
        'lastModified',
        'enabled',
        'verified',
        'authorization',
    }
    profile = case.admin.get('/xapi/users/profile/member').json
    assert (
        names - {'authorization'} <= set(profile)
        and 'password' not in profile
        and profile['username'] == 'member'
    )
    assert 'member' in [one['username'] for one in case.admin.get('/xapi/users/profiles').json]
    assert case.member.get('/xapi/users/profile').json['username'] == 'member'


facts.row(
    '1.8/7',
    'STM',
    'xapi: the login of the caller',
    get('/xapi/users/username', by='member', text='member', type='text/plain'),
)


@facts.shown('1.8/8', 'ST', 'xapi: administrators read, create and change users')
def users_are_made(case: Case) -> None:
    login = f'u{case.world.number()}'
    body = {
        'username': login,
        'password': 'word',
        'firstName': 'F',
        'lastName': 'L',
        'email': f'{login}@example.org',
        'enabled': True,
        'verified': True,
    }
    sent = {'Content-Type': 'application/json'}
    assert case.admin('POST', '/xapi/users', json.dumps(body), sent).status == 201
    assert case.admin.get(f'/xapi/users/{login}').json['lastName'] == 'L'
    assert (
        case.admin('PUT', f'/xapi/users/{login}', json.dumps({'lastName': 'M'}), sent).status == 200
    )
    assert case.admin.get(f'/xapi/users/{login}').json['lastName'] == 'M'
    assert (
        case.member(
            'POST', '/xapi/users', json.dumps({**body, 'username': login + 'x'}), sent
        ).status
        == 403
    )


facts.row(
    '1.8/9', 'SM', 'xapi: enabled and verified, set by administrators',
    get('/xapi/users/member/enabled', text='true'),
    get('/xapi/users/member/verified', text='true'),
    put('/xapi/users/member/enabled/true'),
    put('/xapi/users/member/verified/true'),
    put('/xapi/users/member/enabled/true', 403, by='outsider'),
)  # fmt: skip
facts.row(
    '1.8/10',
    'SM',
    'xapi: roles of a user',
    put('/xapi/users/outsider/roles/DataManager'),
    get('/xapi/users/outsider/roles', like='DataManager'),
    get('/xapi/users/admin/roles', like='Administrator'),
)


@facts.shown('1.8/11', 'STM', 'xapi: groups of a user')
def groups_of_a_user(case: Case) -> None:
    project = case.p.rpartition('/')[2]
    assert f'{project}_owner' in case.admin.get('/xapi/users/admin/groups').json
    assert case.admin.put(f'/xapi/users/outsider/groups/{project}_member').status == 200
    assert f'{project}_member' in case.admin.get('/xapi/users/outsider/groups').json
    assert case.admin.delete(f'/xapi/users/outsider/groups/{project}_member').status == 200
    assert f'{project}_member' not in case.admin.get('/xapi/users/outsider/groups').json


facts.row(
    '1.8/12',
    'SM',
    'xapi: who has a session',
    get('/xapi/users/current', like='admin'),
    get('/xapi/users/active', like='admin'),
)
facts.row(
    '1.8/13',
    'SM',
    'xapi: who has which role',
    get('/xapi/users/rolemap', like='Administrator'),
    get('/xapi/users/roles', like='Administrator'),
    get('/xapi/users/roles/Administrator', like='admin'),
    get('/xapi/users/rolemap', 403, by='member'),
)


@facts.shown('1.8/14', 'SM', 'xapi: users change their own email address and password')
def a_user_changes_himself(case: Case) -> None:
    sent = {'Content-Type': 'application/json'}
    assert (
        case.outsider(
            'PUT',
            '/xapi/users/update',
            json.dumps({'email': 'out@example.org', 'currentPassword': 'x'}),
            sent,
        ).status
        == 200
    )
    assert case.outsider.get('/xapi/users/profile').json['email'] == 'out@example.org'


facts.row(
    '1.8/15', 'SM', 'xapi: projects of the caller, and ways to log in',
    get('/xapi/users/projects', by='member', type='application/json'),
    get('/xapi/users/authProviders', type='application/json'),
)  # fmt: skip
