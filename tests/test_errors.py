"""Tests of the error classes, of the tables that choose them, and of their messages."""

from __future__ import annotations

import copy
import http.client
import inspect
import pickle
import re
import socket
import ssl
from typing import Any

import httplib2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyxnat import errors
from pyxnat.errors import STATUS_TABLE, DatabaseError, from_status, server_message
from pyxnat.http.connection import EXCEPTIONS, NETWORK_EXCEPTIONS, is_lasting, network_error


def descendants(cls: type[Any]) -> list[type[Any]]:
    found = [cls]
    for below in cls.__subclasses__():
        found += [one for one in descendants(below) if one.__module__ == 'pyxnat.errors']
    return list(dict.fromkeys(found))


TREE = descendants(errors.Error)
ANSWERS = descendants(DatabaseError)
each_error = pytest.mark.parametrize('cls', TREE, ids=lambda cls: cls.__name__)
each_answer = pytest.mark.parametrize('cls', ANSWERS, ids=lambda cls: cls.__name__)


# -- the tree --------------------------------------------------------------------------------------


def drawn() -> dict[str, str]:
    """Class -> its base, as the docstring of the module draws them."""
    found: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or '').splitlines():
        entry = re.match(r'    ([│├└─ ]*)([A-Z]\w+)', line)
        if entry:
            depth = len(entry.group(1)) // 4
            above = [one for one in above if one[0] < depth]
            found[entry.group(2)] = above[-1][1] if above else 'Exception'
            above.append((depth, entry.group(2)))
    return found


def test_the_docstring_draws_the_tree() -> None:
    classes = [*TREE, errors.Warning]
    assert {cls.__name__: cls.__bases__[0].__name__ for cls in classes} == drawn()


def test_the_docstring_names_the_builtin_bases() -> None:
    text = errors.__doc__ or ''
    said = dict(re.findall(r'─ (\w+) .*\(also (\w+)\)', text))
    assert said == {
        cls.__name__: cls.__bases__[1].__name__ for cls in TREE if len(cls.__bases__) > 1
    }


@pytest.mark.parametrize(
    ('cls', 'builtin'),
    [
        (errors.NetworkError, ConnectionError),
        (errors.TransferError, ConnectionError),
        (errors.NetworkTimeout, ConnectionError),
        (errors.NetworkTimeout, TimeoutError),
        (errors.PermissionDenied, PermissionError),
    ],
)
def test_errors_are_caught_by_the_usual_builtin_classes(
    cls: type[DatabaseError], builtin: type[Exception]
) -> None:
    with pytest.raises(builtin):
        raise cls('broke', uri='/data/projects')


@each_error
def test_every_error_has_a_docstring_of_one_sentence(cls: type[Any]) -> None:
    assert cls.__doc__ and cls.__doc__.splitlines()[0].endswith('.')


def test_the_names_are_those_of_the_python_database_api() -> None:
    assert [cls.__name__ for cls in errors.Error.__subclasses__()] == [
        'InterfaceError',
        'DatabaseError',
    ]
    names = {cls.__name__ for cls in DatabaseError.__subclasses__()}
    assert names == {
        'DataError',
        'OperationalError',
        'IntegrityError',
        'InternalError',
        'ProgrammingError',
        'NotSupportedError',
    }
    assert not issubclass(errors.Warning, errors.Error)


# -- one error -------------------------------------------------------------------------------------


@each_answer
def test_an_error_of_the_server_survives_pickling_and_copying(cls: type[DatabaseError]) -> None:
    error = cls(
        'no such thing',
        uri='https://host/data/projects/P',
        method='GET',
        status=404,
        remedy='Look elsewhere.',
    )
    error.add_note('a note') if hasattr(error, 'add_note') else None
    for twin in (
        *(
            pickle.loads(pickle.dumps(error, protocol))
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
        ),
        copy.copy(error),
        copy.deepcopy(error),
    ):
        assert type(twin) is cls
        assert str(twin) == str(error) and twin.args == error.args == ('no such thing',)
        assert vars(twin) == vars(error)


@pytest.mark.parametrize(
    'cls', [cls for cls in TREE if cls not in ANSWERS], ids=lambda cls: cls.__name__
)
def test_any_other_error_survives_pickling_and_copying(cls: type[Exception]) -> None:
    for twin in (pickle.loads(pickle.dumps(cls('wrong', 1))), copy.copy(cls('wrong', 1))):
        assert type(twin) is cls and twin.args == ('wrong', 1)


@pytest.mark.parametrize(
    ('about', 'text'),
    [
        ({}, 'no such thing'),
        ({'remedy': 'Look elsewhere.'}, 'no such thing. Look elsewhere.'),
        ({'uri': 'https://host/u'}, 'https://host/u: no such thing'),
        (
            {'method': 'GET', 'uri': 'https://host/u', 'status': 404},
            'GET https://host/u answered 404: no such thing',
        ),
        ({'status': 404}, 'status 404: no such thing'),
        (
            {'method': 'GET', 'uri': 'https://host/u', 'status': 404, 'remedy': 'Look elsewhere.'},
            'GET https://host/u answered 404: no such thing. Look elsewhere.',
        ),
    ],
)
def test_the_message_of_an_error_has_all_its_attributes(about: dict[str, Any], text: str) -> None:
    assert str(DatabaseError('no such thing', **about)) == text
    assert 'no such thing' in repr(DatabaseError('no such thing', **about))


def test_the_message_of_a_network_error_is_not_that_of_the_system() -> None:
    assert str(errors.NetworkError('broke', uri='https://host')) == 'https://host: broke'


# -- statuses --------------------------------------------------------------------------------------


@pytest.mark.parametrize('status', range(100, 600))
def test_every_status_has_its_error(status: int) -> None:
    error = from_status(status, 'said the server', method='GET', uri='https://host/u')
    assert (error.status, error.message, error.method, error.uri) == (
        status,
        'said the server',
        'GET',
        'https://host/u',
    )
    rows = [row for row in STATUS_TABLE if row.first <= status <= row.last and not row.pattern]
    assert bool(rows) == (status >= 300), 'answers of 1xx and 2xx are no refusals'
    assert type(error) is (rows[0].error if rows else errors.UnexpectedAnswer)
    assert error.remedy or not rows


WORDS = {
    r'password .*expired|expired .*password': ['Your password has expired', 'expired\npassword'],
    r'exists.*overwrite': ['Session already exists, retry with overwrite enabled'],
    r'previously deleted project': [
        "Project 'T1' was used in a previously deleted project and cannot be reused."
    ],
    r'InvalidCsrf|CSRF': ['org.nrg.xdat.exceptions.InvalidCsrfException: PUT on URL'],
    r'insufficient privileges': [
        'This user has insufficient privileges for the data type wrk:workflowData'
    ],
}
"""Messages that match the patterns of the table."""


def test_every_row_of_the_table_is_reached() -> None:
    reached = set()
    for status in range(100, 600):
        for message in ('', *(message for messages in WORDS.values() for message in messages)):
            for method in (None, 'GET', 'PUT'):
                error = from_status(status, message, method=method)
                reached.add((type(error), error.remedy))
    assert {(row.error, row.remedy) for row in STATUS_TABLE} - reached == set()
    assert {row.pattern for row in STATUS_TABLE} - {''} == set(WORDS)


@pytest.mark.parametrize(
    ('status', 'message', 'cls'),
    [
        (302, '', errors.UnexpectedAnswer),
        (400, 'Invalid label', errors.ProgrammingError),
        (400, 'Session already exists, retry with overwrite enabled', errors.DuplicateError),
        (401, '', errors.AuthenticationError),
        (403, 'no', errors.PermissionDenied),
        (403, 'Your PASSWORD has expired', errors.AuthenticationError),
        (404, '', errors.NotFoundError),
        (405, '', errors.NotSupportedError),
        (407, '', errors.AuthenticationError),
        (408, '', errors.NetworkTimeout),
        (409, '', errors.DuplicateError),
        (410, '', errors.NotFoundError),
        (413, '', errors.ProgrammingError),
        (416, '', errors.TransferError),
        (417, '', errors.ProgrammingError),
        (429, '', errors.BusyError),
        (500, '', errors.InternalError),
        (501, '', errors.NotSupportedError),
        (502, '', errors.BusyError),
        (503, '', errors.BusyError),
        (504, '', errors.BusyError),
        (507, '', errors.InternalError),
        (99, '', errors.UnexpectedAnswer),
        (600, '', errors.UnexpectedAnswer),
    ],
)
def test_these_statuses_give_these_errors(
    status: int, message: str, cls: type[DatabaseError]
) -> None:
    assert type(from_status(status, message)) is cls


# -- messages of the server ------------------------------------------------------------------------

XNAT_PAGE = b"""<html>
<head>
   <title>Status page</title>
</head>
<body style="font-family: sans-serif;">
<h3>Unable to identify subject &quot;S1&quot;</h3>
<p>You can get technical details <a href="http://www.w3.org/Protocols/rfc2616/rfc2616-sec10.html#sec10.4.5">here</a>.<br>
Please continue your visit at our <a href="/">home page</a>.
</p>
</body>
</html>
"""
TOMCAT_PAGE = (
    b'<!doctype html><html lang="en"><head><title>HTTP Status 404 \xe2\x80\x93 Not Found</title>'
    b'<style type="text/css">body {color:black;}</style></head>'
    b'<body><h1>HTTP Status 404 \xe2\x80\x93 Not Found</h1><hr class="line" /><p><b>Type</b> '
    b'Status Report</p>'
    b'<p><b>Message</b> /data/nope</p></body></html>'
)


@pytest.mark.parametrize(
    ('page', 'reason', 'words'),
    [
        (TOMCAT_PAGE, '', 'Not Found: /data/nope'),
        (
            b'<html><head><title>t</title></head><body><h3>Invalid '
            b'<b>ID</b></h3><p>more</p></body></html>',
            'Bad',
            'Invalid ID',
        ),
        (b'<h3> </h3>the rest', '', 'the rest'),
        (b'plain words\n of it', '', 'plain words of it'),
        (b'', 'Not Found', 'Not Found'),
        (b'<html><body></body></html>', 'Not Found', 'Not Found'),
        (b'', '', ''),
        (b'\xff\xfe', '', '\ufffd\ufffd'),
    ],
)
def test_the_message_is_extracted_from_the_page(page: bytes, reason: str, words: str) -> None:
    assert server_message(page, reason) == words


def test_the_message_of_xnats_page_has_no_character_references() -> None:
    assert server_message(XNAT_PAGE) == 'Unable to identify subject "S1"'


@given(st.binary(max_size=3000))
def test_any_response_gives_a_short_message(body: bytes) -> None:
    words = server_message(body, 'reason')
    assert len(words) <= errors.MESSAGE_LENGTH and '\n' not in words and words


def test_a_long_message_is_shortened() -> None:
    assert len(server_message(b'x' * 10**6)) == errors.MESSAGE_LENGTH


# -- exceptions below HTTP -------------------------------------------------------------------------


def exceptions_of(module: Any) -> list[type[BaseException]]:
    found = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Exception)
    ]
    return [cls for cls in dict.fromkeys(found) if not issubclass(cls, Warning)]


RAISED = [
    *exceptions_of(httplib2.error),
    *exceptions_of(ssl),
    *exceptions_of(http.client),
    *(cls for cls in exceptions_of(socket) if issubclass(cls, OSError)),
    *(
        cls
        for cls in vars(__import__('builtins')).values()
        if inspect.isclass(cls) and issubclass(cls, OSError)
    ),
]


def made(cls: type[BaseException]) -> BaseException:
    """Create an instance without knowing the arguments of its constructor."""
    error = cls.__new__(cls)
    error.args = ('what it says',)
    return error


@pytest.mark.parametrize(
    'cls', dict.fromkeys(RAISED), ids=lambda cls: f'{cls.__module__}.{cls.__name__}'
)
def test_every_exception_of_a_connection_has_its_error(cls: type[BaseException]) -> None:
    if cls in (http.client.IncompleteRead, http.client.BadStatusLine, http.client.UnknownProtocol):
        cause: BaseException = cls('what it says')
    else:
        cause = made(cls)
    assert isinstance(cause, NETWORK_EXCEPTIONS)
    error = network_error(cause, 'GET', 'https://host/data/projects')
    assert isinstance(error, errors.NetworkError)
    assert (error.method, error.uri, error.status) == ('GET', 'https://host/data/projects', None)
    assert error.remedy and error.message
    assert isinstance(is_lasting(cause), bool)


def test_every_row_of_the_table_of_exceptions_is_reached() -> None:
    for number, row in enumerate(EXCEPTIONS):
        assert not any(
            issubclass(row.exception, earlier.exception) for earlier in EXCEPTIONS[:number]
        ), row


@pytest.mark.parametrize(
    ('cause', 'cls', 'what', 'lasting'),
    [
        (ssl.SSLCertVerificationError('self-signed'), errors.NetworkError, 'certificate', True),
        (ssl.SSLError('wrong version'), errors.NetworkError, 'secure', True),
        (TimeoutError('timed out'), errors.NetworkTimeout, 'in time', True),
        (ConnectionRefusedError(111, 'refused'), errors.NetworkError, 'nothing answers', True),
        (ConnectionResetError(104, 'reset'), errors.NetworkError, 'broke', False),
        (http.client.RemoteDisconnected('closed'), errors.NetworkError, 'broke', False),
        (socket.gaierror(-2, 'unknown'), errors.NetworkError, 'not known', True),
        (httplib2.ServerNotFoundError('unknown'), errors.NetworkError, 'not known', True),
        (http.client.BadStatusLine('x'), errors.NetworkError, 'not HTTP', False),
        (OSError(113, 'no route'), errors.NetworkError, 'no connection', False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_these_exceptions_give_these_errors(
    cause: Exception, cls: type[Exception], what: str, lasting: bool
) -> None:
    error = network_error(cause, 'GET', 'https://host')
    assert type(error) is cls and what in str(error)
    assert is_lasting(cause) is lasting


def test_an_error_of_the_library_is_unchanged() -> None:
    error = errors.DataError('the file grew')
    assert network_error(error, 'PUT', 'https://host') is error
    assert is_lasting(error) and not is_lasting(errors.NetworkError('broke'))
