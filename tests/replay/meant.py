"""Intended differences between the archive and the recorded server, with their reasons."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from .comparing import Difference
from .recordings import Exchange


class Meant(NamedTuple):
    """A row: patterns of the recording, the place and the request (``METHOD path``), the kinds of
    difference, and the reason."""

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
        'the secret of a token is told once, by its issue: the archive keeps a hash of it',
    ),
    Meant(
        'E-users-tokens',
        r'E-users-tokens/(135|136|138)',
        'GET /data/projects/',
        STATUS,
        'a user who is disabled has no session and no token any more',
    ),
    Meant(
        'E-users-tokens',
        r'E-users-tokens/(128|129|132|133)',
        'GET /data/',
        STATUS,
        'another password ends the sessions and tokens of a user',
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
        'addresses of other users are for administrators and owners of a project of theirs',
    ),
    Meant(
        'E-users-tokens',
        'E-users-tokens/007',
        'POST /xapi/users',
        STATUS,
        'an address belongs to one user, whatever its case',
    ),
    Meant(
        'section1',
        '1.8/14#1',
        'PUT /xapi/users/update',
        STATUS,
        'users change their address with their present password only',
    ),
    Meant(
        'section2',
        r'2\.1/13#1[3-5]',
        '(PUT /data/pars/1|GET /data/projects/F0129/users)',
        frozenset({'status', 'rows'}),
        'an invitation is accepted with the secret of its link; its number can be guessed',
    ),
    Meant(
        'section4',
        '4.8/4#3',
        'PUT /data/search/saved/',
        STATUS,
        'a saved search is not overwritten by others',
    ),
    Meant(
        'A[34]-.*',
        r'.*(outsider|by-an-outsider)',
        'POST /data/search',
        frozenset({'rows', 'columns', 'status'}),
        "workflows tell of other people's private projects: each is for those who may see its "
        'project',
    ),
    Meant(
        'A[34]-.*',
        'A3-changes-and-deletions/01[79]|A4-workflows-and-rights/005',
        'POST /data/search',
        frozenset({'rows'}),
        'groups and scans go by numbers of the database in workflows',
    ),
    Meant(
        'A3-.*',
        'A3-changes-and-deletions/002',
        'PUT ',
        STATUS,
        'the recorded server failed after the session was stored: what follows has it',
    ),
    Meant(
        'questions',
        r'01-sharing/(031|033|04[234]|05[35])|09-matrix/037',
        'GET ',
        frozenset({'fields'}),
        'shares tell of projects that the reader may not see: each is for those who may see its '
        'project',
    ),
    # -- not implemented
    Meant(
        'section6',
        r'6\.1/7|6\.4/1',
        'GET ',
        frozenset({'rows'}),
        "a file that was laid on the recorded server's disk",
    ),
    Meant(
        'section6',
        r'6\.4/6',
        r'GET /data/services/features\?tag',
        frozenset({'rows', 'text'}),
        'the archive has no features',
    ),
    Meant(
        'E-users-tokens',
        '',
        r'GET /xapi/access/(\w+/)?displays',
        STATUS,
        'lists for the menus of the web application, which is not there',
    ),
    Meant(
        'E-users-tokens',
        '',
        'GET /xapi/(access/(cache/status|permissions/group/.*)|role/projects)',
        STATUS,
        "the state of XNAT's own caches of rights",
    ),
    Meant(
        'E-users-tokens',
        '',
        'GET /xapi/siteConfig/maxFailedLogins',
        STATUS,
        'the archive locks no user for wrong passwords',
    ),
    Meant(
        'section1',
        '1.2.9',
        'GET /xapi/siteConfig/passwordExpirationInterval',
        STATUS,
        'passwords of this archive do not expire',
    ),
    Meant(
        'section1', '1.2.5', 'GET /app/', STATUS, 'the pages of the web application are not there'
    ),
    Meant(
        'section1',
        '1.1.9',
        'GET /xapi/siteConfig',
        frozenset({'fields'}),
        'the archive has the preferences that it heeds',
    ),
    Meant(
        'section1',
        '1.1.3',
        'GET /data/user/cache/resources',
        frozenset({'body'}),
        'the recorded build tests the wrong way round whether a path was given (fact 3.7)',
    ),
    Meant(
        'C2?-many-at-once',
        r'C-many-at-once/(066|138|140)|C2-many-at-once/0(3[679]|40|43)',
        '',
        frozenset({'status', 'rows'}),
        'the archive takes in no XAR, and has no session that came in one',
    ),
    Meant(
        'C-many-at-once',
        r'C-many-at-once/057',
        r'POST /data/services/import\?import-handler=automation',
        STATUS,
        'the archive runs no automation',
    ),
    Meant(
        'section2',
        r'2\.4/1#16|2\.6\.1/6#5',
        r'GET /data/projects\?format=search_xml',
        frozenset({'elements'}),
        'the search that the archive tells names the projects, so that running it gives them; XNAT '
        'tells all its columns and no criterion',
    ),
    # -- statements about the server itself
    Meant(
        'section1',
        '',
        r'GET /xapi/siteConfig/(buildInfo|uptime)',
        frozenset({'fields', 'text'}),
        'another build, up for another time',
    ),
    Meant(
        'section1',
        '1.4.3',
        'GET /xapi/siteConfig/concurrentMaxSessions',
        frozenset({'fields'}),
        'raised on the recorded server, 1000 by default',
    ),
    Meant(
        'section1',
        '1.3/7',
        r'GET /data/user/\w+/sessions',
        frozenset({'fields'}),
        'sessions of earlier recordings',
    ),
    Meant(
        'E-users-tokens',
        '',
        r'GET /xapi/users/(active|rolemap)',
        frozenset({'fields'}),
        'sessions and roles of earlier recordings',
    ),
    Meant(
        'section1',
        r'1\.8/(6|a|1)|1\.7/3',
        'GET ',
        frozenset({'rows', 'fields'}),
        'the file is in the order of numbers: another fact changed it later',
    ),
    # -- items of other recordings
    Meant(
        'B[23]-.*',
        r'B2-documents-elsewhere/0(27|28|35)|B3-copying/01[236]',
        'GET ',
        frozenset({'elements'}),
        'IDs of reconstructions are those of the site: R1 came from a session of another '
        'recording, with its files',
    ),
    Meant(
        'observed',
        '7-age-of-subjects/00[89]',
        'GET /data/projects/CJPRIV/',
        STATUS,
        'a project that another recording made',
    ),
    Meant(
        'A2-.*',
        r'A2-marks-of-types/676',
        'GET /data/projects/A2LM/',
        STATUS,
        'a project that another recording made',
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
        'pages of a list of the whole site, with rows of other facts',
    ),
    Meant(
        'section2',
        '2.4/4#3',
        r'GET /data/subjects\?',
        frozenset({'rows'}),
        'IDs of subjects of other facts, which were asked in another order',
    ),
    Meant(
        'section2',
        '2.4/21#11',
        'GET ',
        frozenset({'rows'}),
        'follows a document that the recording cut, so it was not sent',
    ),
    Meant(
        'section2',
        r'2\.9\.3#4',
        r'PUT /data/projects/\w+/subjects/C\?ID=',
        STATUS,
        'an ID that was free there, and is of a subject of other facts here',
    ),
    # -- defects of the recorded build
    Meant(
        'section2',
        r'2\.6/26#[12]',
        '(PUT|GET) /data/user/cache/resources/',
        frozenset({'body', 'status'}),
        'the recorded build tests the wrong way round whether a path was given (fact 3.7)',
    ),
    Meant(
        'section2',
        r'2\.11\.2#5',
        'PUT ',
        STATUS,
        'two runs of the recording met: the recorded server refused what it took at all other times',  # noqa: E501
    ),
    Meant(
        'A2?-.*',
        '.*-CHANGE-label-of-subject-back',
        'PUT ',
        STATUS,
        'a subject could not get back a label that it had',
    ),
    Meant(
        'A2?-.*',
        r'A-last-modified/(550|553|556|559|562)|A2-marks-of-types/(667|673)',
        'PUT ',
        STATUS,
        'a subject that failed to get back its label takes no change any more',
    ),
    # -- files
    Meant(
        'section3',
        r'3\.1\.1[24]',
        '(PUT|GET) .*/resources/R/files',
        frozenset({'status', 'rows'}),
        'only administrators take in files that lie on the server, from its inbox',
    ),
    Meant(
        'section3',
        r'3\.1\.16#[56]',
        'PUT .*/resources/123',
        STATUS,
        'a number that no resource of the site has: on the recorded server one had it',
    ),
    Meant(
        'section3',
        r'3\.1\.7#1[1245]',
        'GET ',
        frozenset({'rows'}),
        'the recording has not the tar that was sent',
    ),
    Meant(
        'section3',
        r'3\.4\.14#7',
        'GET .*format=xcat',
        frozenset({'elements'}),
        'the type of the scan stands three times in the path that XNAT tells',
    ),
    Meant(
        'section3',
        r'3\.4\.14#8',
        'GET ',
        STATUS,
        'the number of the resource was not to be learned',
    ),
    Meant(
        'section2',
        r'2\.1/28#(2[689]|37|4[28])',
        '(POST|PUT) .*/resources',
        frozenset({'text'}),
        'resources without label that are made in one second are one on the recorded server, which '
        'names their catalogues by the second',
    ),
    Meant(
        'section2',
        r'2\.1/29#(52|60)',
        'POST .*/in/resources/',
        STATUS,
        'the recorded server does not find what it just made on the in side',
    ),
    Meant(
        'section2',
        r'2\.1/32#1',
        'GET .*/DIR',
        frozenset({'members'}),
        'the recorded server sends a zip without members',
    ),
    Meant(
        'section2',
        r'2\.1/32#4',
        'GET .*/DIR',
        frozenset({'rows'}),
        'the size of a folder is a matter of the file system',
    ),
    Meant(
        'section2',
        r'2\.(10\.7|4/20)#10',
        'PUT ',
        frozenset({'type', 'body'}),
        'files of a session that is deleted are deleted with it',
    ),
    Meant(
        'section2',
        r'2\.2\.5#2[89]',
        'GET .*/scans/NULL/',
        frozenset({'rows'}),
        'a type that is set to nothing is no type here',
    ),
    Meant(
        'section2',
        r'2\.2\.5#30',
        r'GET .*a\[COMMA\]b',
        STATUS,
        'brackets that are not encoded are refused by the servlet container',
    ),
    Meant(
        'section2|questions',
        r'2\.4/1#11|10-zips/019',
        'GET .*format=xcat',
        frozenset({'elements'}),
        'the type of the scan stands several times in the path that XNAT tells',
    ),
    Meant(
        'questions',
        r'09-matrix/(018|052|086|120)',
        'GET ',
        frozenset({'fields'}),
        'a resource without label has a folder by its number, so that no two of one second are one',
    ),
    Meant(
        'questions',
        '05-upload/(021|037|040)',
        '',
        frozenset({'rows', 'status'}),
        'the recording has not the zip that was sent',
    ),
    Meant(
        'questions',
        '03-comma-lists/027',
        'GET ',
        frozenset({'columns', 'rows'}),
        'of a path of 7000 characters the recorded server answers the list of all experiments',
    ),
    Meant(
        'B4-.*',
        r'.*/01[12]',
        'GET .*/reconstructions/SAME',
        frozenset({'fields'}),
        'a defect of that build: the files of a reconstruction that moved stay in the folder of '
        'the session that it left; here they go with it',
    ),
    Meant(
        'A2?-.*',
        r'A-last-modified/5(1[5-9]|2\d)|A2-marks-of-types/556',
        'GET ',
        frozenset({'fields', 'elements'}),
        'a defect of that build: scans keep shares of a session that was unshared, and files of a '
        'renamed subject stay below arc001',
    ),
    Meant(
        'H-names',
        r'H-names/(847|906|907)',
        'GET ',
        frozenset({'rows'}),
        'a defect of that build: files with names of 250 bytes and more get no digest and are not '
        'counted',
    ),
    Meant(
        'H-names',
        r'H-names/787',
        'GET ',
        STATUS,
        'the number of a resource that is here, and was of another item there',
    ),
    Meant(
        'K-more.*',
        r'.*/0(1[0-9]|2[0-9]|30|44)',
        'GET ',
        STATUS,
        'the recording cut the listing that tells the IDs that are asked for',
    ),
    Meant(
        'K-more.*',
        r'.*/[0-9]+-q[24]-',
        'PUT ',
        STATUS,
        'uploads that come at once wait for each other',
    ),
    Meant(
        'H2-.*',
        r'.*/0(67|69|72|74)',
        'PUT ',
        STATUS,
        'a defect of that build: a subject with files that was renamed takes no fields, and fails '
        'after another label, which it has then',
    ),
    Meant(
        'H2-.*',
        r'.*/0(68|73)',
        'GET ',
        frozenset({'elements'}),
        'as before: it took no fields, and its files went below arc001',
    ),
    Meant('H2-.*', r'.*/0(75|80)', 'GET ', frozenset({'rows'}), 'as before: it kept the label T3'),
    Meant(
        'H2-.*',
        r'.*/0(76|79|81)',
        '',
        STATUS,
        'as before: it kept the label T3, and what is written to T and T2 is of new subjects',
    ),
    Meant(
        'H2-.*',
        r'.*/0(78|83)',
        'GET ',
        frozenset({'elements'}),
        'as before: T and T2 are new subjects, which have nothing but what was written',
    ),
    Meant(
        'F-downloads',
        r'F-downloads/(09[2-57]|10[1-8])',
        '',
        frozenset({'status', 'rows', 'members'}),
        "a file was removed from, or laid on, the recorded server's disk",
    ),
    Meant(
        'F-downloads',
        r'F-downloads/08[01]',
        'GET .*format=tar',
        frozenset({'text', 'bytes'}),
        'dates and owners in the heads of a tar',
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
