"""Intended differences between the archive and the recorded server, with their reasons."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from .comparing import Difference
from .recordings import Exchange


class Meant(NamedTuple):
    """Patterns of recording, place and request (``METHOD path``), kinds of difference, reason."""

    recording: str
    place: str
    request: str
    kinds: frozenset[str]
    reason: str


ANY_KIND = frozenset(
    {'status', 'type', 'body', 'text', 'rows', 'columns', 'keys', 'fields', 'elements'}
)
STATUS = frozenset({'status'})

TABLE: tuple[Meant, ...] = (
    # -- stricter than XNAT
    Meant(
        'section1|E-users-tokens',
        '',
        r'GET /data/services/tokens/show',
        frozenset({'columns', 'rows'}),
        'the secret of a token is shown once, when it is issued: the archive stores its hash',
    ),
    Meant(
        'E-users-tokens',
        r'E-users-tokens/(135|136|138)',
        'GET /data/projects/',
        STATUS,
        'disabling a user ends the sessions and tokens of the user',
    ),
    Meant(
        'E-users-tokens',
        r'E-users-tokens/(128|129|132|133)',
        'GET /data/',
        STATUS,
        'a new password ends the sessions and tokens of the user',
    ),
    Meant(
        'E-users-tokens',
        'E-users-tokens/144',
        'GET /data/JSESSION',
        STATUS,
        'a user who is not verified cannot log in',
    ),
    Meant(
        'E-users-tokens|section5|questions',
        '',
        r'GET (/data/users|/data/projects/\w+/users|/xapi/users/(profiles|current))(\?|$)',
        frozenset({'rows'}),
        'email addresses are shown to administrators, and to owners of a project of the user',
    ),
    Meant(
        'E-users-tokens',
        'E-users-tokens/007',
        'POST /xapi/users',
        STATUS,
        'two users cannot have one email address, in whatever case',
    ),
    Meant(
        'section1',
        '1.8/14#1',
        'PUT /xapi/users/update',
        STATUS,
        'a user needs the current password to change the email address',
    ),
    Meant(
        'section2',
        r'2\.1/13#1[3-5]',
        '(PUT /data/pars/1|GET /data/projects/F0129/users)',
        frozenset({'status', 'rows'}),
        'an invitation needs the secret of its link, as its number can be guessed',
    ),
    Meant(
        'section4',
        '4.8/4#3',
        'PUT /data/search/saved/',
        STATUS,
        'other users cannot overwrite a saved search',
    ),
    Meant(
        'A[34]-.*',
        r'.*(outsider|by-an-outsider)',
        'POST /data/search',
        frozenset({'rows', 'columns', 'status'}),
        'XNAT shows workflows of private projects of others; the archive shows a workflow to users '
        'who may read its project',
    ),
    Meant(
        'A[34]-.*',
        'A3-changes-and-deletions/01[79]|A4-workflows-and-rights/005',
        'POST /data/search',
        frozenset({'rows'}),
        'workflows name groups and scans by the numbers of their database rows',
    ),
    Meant(
        'A3-.*',
        'A3-changes-and-deletions/002',
        'PUT ',
        STATUS,
        'the recorded server answered with an error, but had stored the session',
    ),
    Meant(
        'questions',
        r'01-sharing/(031|033|04[234]|05[35])|09-matrix/037',
        'GET ',
        frozenset({'fields'}),
        'XNAT shows shares into projects that the user may not read; the archive shows a share to '
        'users who may read its project',
    ),
    # -- not implemented
    Meant(
        'section6',
        r'6\.1/7|6\.4/1',
        'GET ',
        frozenset({'rows'}),
        "a file that was put on the recorded server's disk",
    ),
    Meant(
        'section6',
        r'6\.4/6',
        r'GET /data/services/features\?tag',
        frozenset({'rows', 'text'}),
        'the archive has no features of users',
    ),
    Meant(
        'E-users-tokens',
        '',
        r'GET /xapi/access/(\w+/)?displays',
        STATUS,
        'lists for menus of the web application, which the archive lacks',
    ),
    Meant(
        'E-users-tokens',
        '',
        'GET /xapi/(access/(cache/status|permissions/group/.*)|role/projects)',
        STATUS,
        "state of XNAT's caches of access rights, which the archive lacks",
    ),
    Meant(
        'E-users-tokens',
        '',
        'GET /xapi/siteConfig/maxFailedLogins',
        STATUS,
        'the archive slows logins after wrong passwords, and locks no user',
    ),
    Meant(
        'section1',
        '1.2.9',
        'GET /xapi/siteConfig/passwordExpirationInterval',
        STATUS,
        'passwords of the archive do not expire',
    ),
    Meant(
        'section1',
        '1.2.5',
        'GET /app/',
        STATUS,
        'the archive lacks the pages of the web application',
    ),
    Meant(
        'section1',
        '1.1.9',
        'GET /xapi/siteConfig',
        frozenset({'fields'}),
        'the archive lists only the preferences that it supports',
    ),
    Meant(
        'section1',
        '1.1.3',
        'GET /data/user/cache/resources',
        frozenset({'body'}),
        'defect of that build: it inverts the test for a path in the request (fact 3.7)',
    ),
    Meant(
        'C2?-many-at-once',
        r'C-many-at-once/(066|138|140)|C2-many-at-once/0(3[679]|40|43)',
        '',
        frozenset({'status', 'rows'}),
        'the archive does not import XAR files, and lacks the session from one',
    ),
    Meant(
        'C-many-at-once',
        r'C-many-at-once/057',
        r'POST /data/services/import\?import-handler=automation',
        STATUS,
        'the archive has no automation',
    ),
    Meant(
        'section2',
        r'2\.4/1#16|2\.6\.1/6#5',
        r'GET /data/projects\?format=search_xml',
        frozenset({'elements'}),
        'the search document of the archive has the projects as a criterion, so that it returns '
        'them; that of XNAT has all columns and no criterion',
    ),
    # -- statements about the server itself
    Meant(
        'section1',
        '',
        r'GET /xapi/siteConfig/(buildInfo|uptime)',
        frozenset({'fields', 'text'}),
        'build and uptime differ',
    ),
    Meant(
        'section1',
        '1.4.3',
        'GET /xapi/siteConfig/concurrentMaxSessions',
        frozenset({'fields'}),
        'the limit was raised on the recorded server; the default is 1000',
    ),
    Meant(
        'section1',
        '1.3/7',
        r'GET /data/user/\w+/sessions',
        frozenset({'fields'}),
        'login sessions of earlier recordings',
    ),
    Meant(
        'E-users-tokens',
        '',
        r'GET /xapi/users/(active|rolemap)',
        frozenset({'fields'}),
        'login sessions and roles of earlier recordings',
    ),
    Meant(
        'section1',
        r'1\.8/(6|a|1)|1\.7/3',
        'GET ',
        frozenset({'rows', 'fields'}),
        'the recording is sorted by fact, and a fact that was recorded earlier changed the value',
    ),
    # -- items of other recordings
    Meant(
        'B[23]-.*',
        r'B2-documents-elsewhere/0(27|28|35)|B3-copying/01[236]',
        'GET ',
        frozenset({'elements'}),
        'IDs of reconstructions are unique on a site: R1 and its files came from a session of '
        'another recording',
    ),
    Meant(
        'observed',
        '7-age-of-subjects/00[89]',
        'GET /data/projects/CJPRIV/',
        STATUS,
        'a project of another recording',
    ),
    Meant(
        'A2-.*',
        r'A2-marks-of-types/676',
        'GET /data/projects/A2LM/',
        STATUS,
        'a project of another recording',
    ),
    Meant(
        'A-.*',
        r'A-last-modified/514',
        r'GET /data/projects\?activeSince',
        frozenset({'rows'}),
        'projects that other recordings changed',
    ),
    Meant(
        'section2',
        '2.4/15#[23]',
        'GET /data/search/',
        frozenset({'rows'}),
        'pages of a listing of the whole site, with rows of other facts',
    ),
    Meant(
        'section2',
        '2.4/4#3',
        r'GET /data/subjects\?',
        frozenset({'rows'}),
        'IDs of subjects of other facts, which were recorded in another order',
    ),
    Meant(
        'section2',
        '2.4/21#11',
        'GET ',
        frozenset({'rows'}),
        'depends on a document that was not sent, as the recording truncated it',
    ),
    Meant(
        'section2',
        r'2\.9\.3#4',
        r'PUT /data/projects/\w+/subjects/C\?ID=',
        STATUS,
        'the ID was free on the recorded server, and belongs to a subject of another fact here',
    ),
    # -- defects of the recorded build
    Meant(
        'section2',
        r'2\.6/26#[12]',
        '(PUT|GET) /data/user/cache/resources/',
        frozenset({'body', 'status'}),
        'defect of that build: it inverts the test for a path in the request (fact 3.7)',
    ),
    Meant(
        'section2',
        r'2\.11\.2#5',
        'PUT ',
        STATUS,
        'two recordings ran at once: the recorded server refused this one request',
    ),
    Meant(
        'A2?-.*',
        '.*-CHANGE-label-of-subject-back',
        'PUT ',
        STATUS,
        'defect of that build: a subject cannot be given its former label again',
    ),
    Meant(
        'A2?-.*',
        r'A-last-modified/(550|553|556|559|562)|A2-marks-of-types/(667|673)',
        'PUT ',
        STATUS,
        'defect of that build: such a subject cannot be changed afterwards',
    ),
    # -- files
    Meant(
        'section3',
        r'3\.1\.1[24]',
        '(PUT|GET) .*/resources/R/files',
        frozenset({'status', 'rows'}),
        'only administrators may import files from the disk of the server, from its inbox',
    ),
    Meant(
        'section3',
        r'3\.1\.16#[56]',
        'PUT .*/resources/123',
        STATUS,
        'no resource has this number here; one had it on the recorded server',
    ),
    Meant(
        'section3',
        r'3\.1\.7#1[1245]',
        'GET ',
        frozenset({'rows'}),
        'the recording lacks the tar that was sent',
    ),
    Meant(
        'section3',
        r'3\.4\.14#7',
        'GET .*format=xcat',
        frozenset({'elements'}),
        'defect of that build: the path has the type of the scan three times',
    ),
    Meant(
        'section3',
        r'3\.4\.14#8',
        'GET ',
        STATUS,
        'the recording lacks the number of the resource',
    ),
    Meant(
        'section2',
        r'2\.1/28#(2[689]|37|4[28])',
        '(POST|PUT) .*/resources',
        frozenset({'text'}),
        'defect of that build: resources without a label that are created within a second are one, '
        'as their catalogues are named by the second',
    ),
    Meant(
        'section2',
        r'2\.1/29#(52|60)',
        'POST .*/in/resources/',
        STATUS,
        'defect of that build: it does not find a resource that it just created on the in side',
    ),
    Meant(
        'section2',
        r'2\.1/32#1',
        'GET .*/DIR',
        frozenset({'members'}),
        'defect of that build: the zip has no members',
    ),
    Meant(
        'section2',
        r'2\.1/32#4',
        'GET .*/DIR',
        frozenset({'rows'}),
        'the size of a folder depends on the file system',
    ),
    Meant(
        'section2',
        r'2\.(10\.7|4/20)#10',
        'PUT ',
        frozenset({'type', 'body'}),
        'the archive deletes the files of a deleted session',
    ),
    Meant(
        'section2',
        r'2\.2\.5#2[89]',
        'GET .*/scans/NULL/',
        frozenset({'rows'}),
        'a type that was set to the empty text counts as missing here',
    ),
    Meant(
        'section2',
        r'2\.2\.5#30',
        r'GET .*a\[COMMA\]b',
        STATUS,
        'the servlet container refuses brackets that are not encoded',
    ),
    Meant(
        'section2|questions',
        r'2\.4/1#11|10-zips/019',
        'GET .*format=xcat',
        frozenset({'elements'}),
        'defect of that build: the path has the type of the scan several times',
    ),
    Meant(
        'questions',
        r'09-matrix/(018|052|086|120)',
        'GET ',
        frozenset({'fields'}),
        'the folder of a resource without a label is named by its number, not by the second',
    ),
    Meant(
        'questions',
        '05-upload/(021|037|040)',
        '',
        frozenset({'rows', 'status'}),
        'the recording lacks the zip that was sent',
    ),
    Meant(
        'questions',
        '03-comma-lists/027',
        'GET ',
        frozenset({'columns', 'rows'}),
        'defect of that build: a path of 7000 characters returns the listing of all experiments',
    ),
    Meant(
        'B4-.*',
        r'.*/01[12]',
        'GET .*/reconstructions/SAME',
        frozenset({'fields'}),
        'defect of that build: the files of a moved reconstruction stay in the folder of the '
        'former session; here they are moved, too',
    ),
    Meant(
        'A2?-.*',
        r'A-last-modified/5(1[5-9]|2\d)|A2-marks-of-types/556',
        'GET ',
        frozenset({'fields', 'elements'}),
        'defect of that build: scans of an unshared session stay shared, and files of a renamed '
        'subject stay below arc001',
    ),
    Meant(
        'H-names',
        r'H-names/(847|906|907)',
        'GET ',
        frozenset({'rows'}),
        'defect of that build: files with names of 250 bytes or more have no digest and are not '
        'counted',
    ),
    Meant(
        'H-names',
        r'H-names/787',
        'GET ',
        STATUS,
        'the number belongs to a resource here, and belonged to another item there',
    ),
    Meant(
        'K-more.*',
        r'.*/0(1[0-9]|2[0-9]|30|44)',
        'GET ',
        STATUS,
        'the recording truncated the listing with the IDs of the request',
    ),
    Meant(
        'K-more.*',
        r'.*/[0-9]+-q[24]-',
        'PUT ',
        STATUS,
        'the archive carries out simultaneous uploads one after the other',
    ),
    Meant(
        'H2-.*',
        r'.*/0(67|69|72|74)',
        'PUT ',
        STATUS,
        'defect of that build: a renamed subject with files accepts no fields, and answers another '
        'label with an error, but stores it',
    ),
    Meant(
        'H2-.*',
        r'.*/0(68|73)',
        'GET ',
        frozenset({'elements'}),
        'as above: it has no fields, and its files are below arc001',
    ),
    Meant('H2-.*', r'.*/0(75|80)', 'GET ', frozenset({'rows'}), 'as above: it kept the label T3'),
    Meant(
        'H2-.*',
        r'.*/0(76|79|81)',
        '',
        STATUS,
        'as above: it kept the label T3, and requests to T and T2 created new subjects',
    ),
    Meant(
        'H2-.*',
        r'.*/0(78|83)',
        'GET ',
        frozenset({'elements'}),
        'as above: T and T2 are new subjects with only the fields of these requests',
    ),
    Meant(
        'F-downloads',
        r'F-downloads/(09[2-57]|10[1-8])',
        '',
        frozenset({'status', 'rows', 'members'}),
        "a file was removed from, or put on, the recorded server's disk",
    ),
    Meant(
        'F-downloads',
        r'F-downloads/08[01]',
        'GET .*format=tar',
        frozenset({'text', 'bytes'}),
        'dates and owners in the headers of a tar',
    ),
)


def reason(recording: str, exchange: Exchange, differences: Sequence[Difference]) -> str:
    """Return the reason of all these differences; empty if one of them is not intended."""
    request = f'{exchange.method} {exchange.path}'
    kinds = {difference.kind for difference in differences}
    for row in TABLE:
        if (
            kinds <= row.kinds
            and re.fullmatch(row.recording, recording)
            and re.match(row.place, exchange.place)
            and re.match(row.request, request)
        ):
            return row.reason
    return ''
