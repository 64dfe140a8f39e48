"""Which responses are what their requests asked for: the table of kinds, and pages."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyxnat import errors
from pyxnat.http.pages import begins_page, has_login_form
from pyxnat.http.validation import ANY, KINDS, PART, file_kind, find_fault, kind_of

BODIES = {
    'json': b'{"ResultSet": {"Result": []}}',
    'csv': b'ID,label\n',
    'search': b'{"ResultSet": {"Result": []}}',
    'xml': b'<?xml version="1.0"?>\n<xnat:Project ID="P"/>',
    'zip': b'PK\x05\x06' + bytes(18),
    'tar': b'folder/file' + bytes(512),
    'file': bytes(range(256)),
    'id': b'XNAT_S00001',
    'text': b'',
    '': b'value',
}
"""A right body for each content."""


@pytest.mark.parametrize(
    ('method', 'uri', 'name'),
    [
        ('GET', '/data/projects?format=json', 'json'),
        ('GET', '/data/projects?columns=ID&format=csv', 'csv'),
        ('GET', '/data/projects/P?format=xml', 'xml'),
        ('GET', '/data/projects/P/resources/R/files?format=zip&compression=0', 'zip'),
        ('GET', '/data/projects/P/resources/R/files/a.zip?format=zip', 'zip'),
        ('GET', '/data/projects/P/files?format=tar.gz', 'tar'),
        ('GET', '/data/projects/P/resources/R/files/a.nii', 'file'),
        ('GET', '/data/version', 'value'),
        ('GET', '/data/user/cache/resources?format=json', 'value'),
        ('GET', '/xapi/users?format=html', 'value'),
        ('HEAD', '/data/projects?format=json', 'head'),
        ('POST', '/data/search?format=json', 'search'),
        ('PUT', '/data/projects/P', 'write'),
        ('PUT', '/data/projects/P/subjects/S', 'create'),
        ('PUT', '/data/projects/P/subjects/S/experiments/E?xsiType=xnat:mrSessionData', 'create'),
        ('PUT', '/data/projects/P/subjects/S/experiments/E/assessors/A', 'create'),
        ('PUT', '/data/experiments/E?label=NEW', 'write'),
        ('PUT', '/data/projects/P/subjects/S/experiments/E/scans/1', 'write'),
        ('PUT', '/data/projects/P/resources/R/files/a?inbody=true', 'write'),
        ('DELETE', '/data/projects/P/subjects/S', 'write'),
        ('POST', '/data/services/import', 'write'),
        ('PUT', '/xapi/users/u', 'xapi write'),
    ],
)
def test_the_kind_of_a_request_follows_from_its_method_and_uri(
    method: str, uri: str, name: str
) -> None:
    assert kind_of(method, uri) == KINDS[name]


def test_a_missing_thing_may_be_answered_by_204_where_that_was_asked() -> None:
    for method in ('GET', 'DELETE'):
        kind = kind_of(method, '/data/projects/P/resources/R/files/f?accept-not-found=true')
        assert find_fault(kind, 204, {}, b'') is None


@pytest.mark.parametrize('name', KINDS)
def test_each_kind_takes_its_own_response_and_no_other_status(name: str) -> None:
    kind = KINDS[name]
    for status in range(100, 600):
        fault = find_fault(kind, status, {}, BODIES[kind.content])
        assert (fault is None) is (status in kind.statuses), status
        if fault is not None:
            assert fault.error is errors.UnexpectedAnswer and fault.remedy


@pytest.mark.parametrize('status', [202, 203, 204, 205, 206, 304])
@pytest.mark.parametrize('name', sorted(set(KINDS) - {'xapi write'}))
def test_no_body_counts_with_a_status_of_gateways(name: str, status: int) -> None:
    kind = KINDS[name]
    for body in (b'', BODIES[kind.content]):
        assert find_fault(kind, status, {}, body) is not None


@pytest.mark.parametrize(
    ('name', 'is_right'),
    [('json', False), ('csv', False), ('search', False), ('xml', False), ('zip', False),
     ('tar', False), ('create', False), ('login', False), ('write', True), ('xapi write', True),
     ('value', True), ('head', True)],
)  # fmt: skip
def test_an_empty_body_is_right_only_where_xnat_sends_one(name: str, is_right: bool) -> None:
    for headers in ({}, {'content-length': '0'}):
        fault = find_fault(KINDS[name], 200, headers, b'')
        assert (fault is None) is is_right


@pytest.mark.parametrize(
    ('size', 'length', 'is_right'),
    [(None, '0', True), (None, None, False), (None, '', False), (None, '00', False),
     (0, None, True), (0, '0', True), (5, '0', True), (5, None, False)],
)  # fmt: skip
def test_an_empty_file_is_announced_or_listed(
    size: int | None, length: str | None, is_right: bool
) -> None:
    """A listed size is compared with the file afterwards."""
    headers = {} if length is None else {'content-length': length}
    fault = find_fault(file_kind('a.txt', size), 200, headers, b'')
    assert (fault is None) is is_right


@pytest.mark.parametrize('name', ['write', 'create', 'value', 'file'])
def test_a_response_without_the_cookie_of_the_session_is_not_from_xnat(name: str) -> None:
    kind = KINDS[name]
    fault = find_fault(kind, 200, {'content-length': '0'}, b'', is_foreign=True)
    assert fault is not None
    if name in ('write', 'create'):
        fault = find_fault(kind, 200, {}, b'{"status": "queued"}', is_foreign=True)
        assert fault is not None and fault.error is errors.UnexpectedAnswer


@pytest.mark.parametrize('name', ['json', 'csv', 'xml', 'zip', 'create', 'write', 'value', 'file'])
@pytest.mark.parametrize('page', ['page', 'login'])
def test_a_page_is_no_response(name: str, page: str) -> None:
    fault = find_fault(KINDS[name], 200, {}, b'<html>', page)
    assert fault is not None and fault.is_page
    wanted = errors.AuthenticationError if page == 'login' else errors.UnexpectedAnswer
    assert fault.error is wanted


@pytest.mark.parametrize(
    ('name', 'size', 'headers', 'page', 'is_right'),
    [
        ('a.html', None, {'content-type': 'text/html'}, 'page', True),
        ('a.HTM', None, {}, 'page', True),
        ('a.html', None, {'content-type': 'text/html'}, 'login', False),
        ('a.html', 300, {'content-length': '300'}, 'login', True),
        ('a.html', 300, {'content-length': '301'}, 'login', False),
        ('a.html', 300, {'content-length': '301'}, 'page', False),
        ('a.html', 300, {}, 'page', True),
        ('a.html', 300, {'content-length': '9', 'content-type': 'text/html'}, '', False),
        ('a.nii', 300, {'content-length': '9', 'content-type': 'text/html'}, '', False),
        ('a.nii', None, {'content-type': 'text/html; charset=utf-8'}, '', False),
        ('a.nii', None, {'content-type': 'application/xhtml+xml'}, '', False),
        ('a.nii', None, {'content-type': 'application/octet-stream'}, 'page', False),
        ('a.txt', 300, {'content-length': '300', 'content-type': 'text/html'}, 'page', True),
        ('a.txt', 300, {'content-length': '299'}, 'page', False),
        ('a.txt', None, {'content-type': 'text/plain'}, '', True),
    ],
)
def test_a_page_is_a_file_only_if_name_or_listing_say_so(
    name: str, size: int | None, headers: dict[str, str], page: str, is_right: bool
) -> None:
    fault = find_fault(file_kind(name, size), 200, headers, b'<html>', page)
    assert (fault is None) is is_right


@pytest.mark.parametrize(
    ('name', 'body'),
    [('json', b'ID,label'), ('json', b'<x/>'), ('json', b'PK\x03\x04'), ('json', b'null'),
     ('xml', b'{}'), ('xml', b'PK'), ('zip', b'{}'), ('zip', b'%PDF'), ('zip', bytes(4)),
     ('login', bytes(9)), ('create', b'PK\x03\x04'), ('create', b'\x1f\x8b\x08')],
)  # fmt: skip
def test_a_body_of_another_format_is_an_error(name: str, body: bytes) -> None:
    fault = find_fault(KINDS[name], 200, {}, body)
    wanted = errors.TransferError if name == 'zip' else errors.UnexpectedAnswer
    assert fault is not None and fault.error is wanted


@given(st.binary(max_size=40), st.sampled_from([200, 201, 206, 304, 404]))
def test_callers_that_look_themselves_get_everything(body: bytes, status: int) -> None:
    assert find_fault(ANY, status, {}, body, 'page') is None
    assert (find_fault(PART, status, {}, body) is None) is (status in (200, 206))


def test_a_decision_costs_microseconds() -> None:
    headers = {'content-type': 'application/json', 'content-length': '30'}
    started = time.process_time()
    for _ in range(1000):
        begins_page(BODIES['json'])
        find_fault(kind_of('GET', '/data/projects?format=json'), 200, headers, BODIES['json'])
    assert time.process_time() - started < 0.1


# -- pages -----------------------------------------------------------------------------------------

LEADING = [
    '',
    ' \r\n\t',
    '\n' * 3000,
    '<!-- proxy 1.2 -->',
    '<!-- a --> <!-- b -->\n',
    '<?xml version="1.0"?>\n',
    '<!DOCTYPE html>',
    '<?xml version="1.0"?><!-- x -->',
]
TAGS = ['<html>', '<HTML lang="en">', '<html\n class="x">']
LOOSE = ['<head>', '<body class="x">', '<script>', '<SCRIPT src="a.js">', '<title>Log in</title>',
         '<meta http-equiv="refresh" content="0; url=/login">', '<style>', '<link rel="x">',
         '<noscript>', '<base href="/"/>']  # fmt: skip
ENCODINGS = ['utf-8', 'utf-8-sig', 'utf-16', 'utf-16-le', 'utf-16-be', 'utf-32']


@pytest.mark.parametrize('encoding', ENCODINGS)
@pytest.mark.parametrize('tag', TAGS)
def test_a_page_is_recognized_behind_anything_that_may_stand_before_it(
    tag: str, encoding: str
) -> None:
    for leading in LEADING:
        assert begins_page(f'{leading}{tag}<p>Welcome</p>'.encode(encoding)) is True, leading


@pytest.mark.parametrize('tag', LOOSE)
def test_a_page_needs_no_html_tag(tag: str) -> None:
    for leading in LEADING[:5]:
        assert begins_page(f'{leading}{tag} more'.encode()) is True, leading


@pytest.mark.parametrize(
    'body',
    [
        b'{"ResultSet": 1}',
        b'PK\x03\x04<html>',
        b'<?xml version="1.0"?><xnat:Project>',
        b'<?xml version="1.0"?><meta><head/></meta>',
        b'<!DOCTYPE svg PUBLIC "x"><svg>',
        b'<svg xmlns="http://www.w3.org/2000/svg">',
        b'<htmlish>',
        b'<header>',
        b'a < b',
        b'\x00\x01\x02binary',
        b'\xff\xd8\xff\xe0JFIF of an image',
        b'%PDF-1.4 <html>',
        b'plain words',
        b'  5 7 9',
    ],
)
def test_other_bodies_are_no_pages(body: bytes) -> None:
    assert begins_page(body) is False


@pytest.mark.parametrize('body', [b'', b' \n', b'<', b'<!-- long', b'<?xml ', b'<ht', b'<html'])
def test_a_begin_that_says_nothing_needs_more(body: bytes) -> None:
    assert begins_page(body) is None


@given(st.binary(max_size=60))
def test_any_bytes_can_be_asked(body: bytes) -> None:
    assert begins_page(body) in (True, False, None)


def test_forms_that_ask_for_a_password() -> None:
    for kind, quote in itertools.product(['password', 'PASSWORD'], ['"', "'", '']):
        page = f'<html><form action="x">\n<input type={quote}{kind}{quote}></form>'
        for encoding in ('utf-8', 'utf-16'):
            assert has_login_form(page.encode(encoding))
    assert has_login_form(b'<form><input name="j_username"></form>')
    assert not has_login_form(b'<html>password</html><form><input type="text"></form>')
