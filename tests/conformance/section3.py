"""Section 3: resources and files."""

from __future__ import annotations

import hashlib
import time
import zipfile
from email.utils import formatdate
from io import BytesIO
from urllib.parse import quote

from lxml import etree

from tests.support.plain import image, multipart, tarred, zipped

from .facts import Ask, Facts, delete, get, head, made, post, put
from .world import Case

facts = Facts()
P = '/data/projects/P'
M1 = f'{P}/subjects/S1/experiments/M1'
ONE = f'{M1}/resources/DATA/files/a/one.txt'
R = '{e}/resources/R/files'
HIDDEN = (403, 404)
OCTETS = {'Content-Type': 'application/octet-stream'}


def inner(case: Case, path: str) -> list[str]:
    """Return the paths of the files of a listing, in their resources."""
    return sorted(row['URI'].partition('/files/')[2] for row in case.admin.get(path).rows)


def names(path: str, *wanted: str) -> Ask:
    """Return the names in a listing of files."""
    return get(path, rows={'Name': list(wanted)})


# -- 3.1 upload


@facts.shown(
    '3.1.1', 'STM', 'a form, the body with inbody=true, or a body of a type other than forms'
)
def ways_to_upload(case: Case) -> None:
    base = f'{case.e}/resources/R/files'
    body, headers = multipart(('mine.txt', b'form'))
    assert case.admin('POST', f'{base}/a', body, headers).status == 200
    assert case.admin.put(f'{base}/b?inbody=true', b'inbody').status == 200
    for number, kind in enumerate(
        ('application/octet-stream', 'application/zip', 'image/png', 'application/dicom')
    ):
        assert case.admin('PUT', f'{base}/c{number}', b'raw', {'Content-Type': kind}).status == 200
    assert [case.admin.get(f'{base}/{name}').body for name in ('a', 'b', 'c0', 'c3')] == [
        b'form',
        b'inbody',
        b'raw',
        b'raw',
    ]


@facts.shown(
    '3.1.2',
    'SM',
    'the path after files/ is the name, even if it ends in a slash; without one that of the part',
)
def names_of_uploads(case: Case) -> None:
    base = f'{case.e}/resources/R/files'
    body, headers = multipart(('one.txt', b'1'), ('two.txt', b'22'))
    assert case.admin('POST', base, body, headers).status == 200
    body, headers = multipart(('part.txt', b'333'))
    assert case.admin('PUT', f'{base}/named.txt', body, headers).status == 200
    assert case.admin('PUT', f'{base}/sub/', body, headers).status == 200
    assert case.admin.put(f'{base}/d/e/f.txt?inbody=true', b'x').status == 200
    assert inner(case, base) == ['d/e/f.txt', 'named.txt', 'one.txt', 'sub/', 'two.txt']


facts.row(
    '3.1.3',
    'SM',
    'a missing resource is created; without a name, a resource without a label',
    put(f'{R}/f?inbody=true', send=b'x'),
    get('{e}/resources', rows={'label': ['R']}),
    put('{s}/files/loose.txt?inbody=true', send=b'loose'),
    get('{s}/files', rows={'Name': ['loose.txt'], 'collection': ['']}),
    get('{s}/files/loose.txt', body=b'loose'),
)
facts.row(
    '3.1.4',
    'STM',
    'success: 200 and nothing',
    put(f'{R}/f?inbody=true', text='', send=b'x'),
    post(f'{R}/g?inbody=true', text='', send=b'x'),
)


@facts.shown(
    '3.1.5',
    'SM',
    'an existing file: 200, its path among the duplicates, unchanged; the others are stored',
)
def duplicates(case: Case) -> None:
    base = f'{case.e}/resources/R/files'
    case.admin.ok('PUT', f'{base}/d/one.txt?inbody=true', b'first')
    answer = case.admin.put(f'{base}/d/one.txt?inbody=true', b'second')
    assert (
        answer.status == 200
        and answer.headers['Content-Type'].startswith('text/html')
        and answer.json == {'duplicates': ['d/one.txt']}
    )
    body, headers = multipart(('one.txt', b'again'), ('new.txt', b'4'))
    assert case.admin('POST', f'{base}/d/', body, headers).json == {'duplicates': ['d/', 'd/']}
    case.admin.ok('PUT', f'{base}/one.txt?inbody=true', b'first')
    assert case.admin('POST', base, body, headers).json == {'duplicates': ['one.txt']}
    assert [
        case.admin.get(f'{base}/{name}').body for name in ('d/one.txt', 'one.txt', 'new.txt')
    ] == [b'first', b'first', b'4']


@facts.shown(
    '3.1.6',
    'ST',
    'overwrite=true replaces; the old file is added to the history if the site has one',
)
def overwriting(case: Case) -> None:
    archive = case.world.closed.archive
    for keep in (False, True):
        archive.prefer('maintainFileHistory', keep)
        try:
            base = f'{case.e}/resources/R{keep}/files'
            case.admin.ok('PUT', f'{base}/f.txt?inbody=true', b'first')
            assert case.admin.put(f'{base}/f.txt?inbody=true&overwrite=true', b'second').body == b''
        finally:
            archive.prefer('maintainFileHistory', False)
        assert case.admin.get(f'{base}/f.txt').body == b'second' and inner(case, base) == ['f.txt']
        found = [
            path.read_bytes()
            for path in archive.folder.rglob(f'{case.p_id}*/**/*f.txt')
            if 'history' in path.parts
        ]
        assert found == ([b'first'] if keep else [])


@facts.shown(
    '3.1.7',
    'STM',
    'extract=true unpacks zip, tar, tar.gz and tgz at the root of the resource, for any path',
)
def extracting(case: Case) -> None:
    members = {'a.txt': b'a', 'b/c.txt': b'c'}
    bodies = {
        'x.zip': zipped(members),
        'x.tar': tarred(members, 'w'),
        'x.tar.gz': tarred(members),
        'x.tgz': tarred(members),
    }
    for number, (name, body) in enumerate(bodies.items()):
        for below in ('', 'deep/er/'):
            base = f'{case.e}/resources/X{number}{len(below)}/files'
            case.admin.ok(
                'PUT', f'{base}/{below}{name}?inbody=true&extract=true&format=TXT&content=EX', body
            )
            assert inner(case, base) == ['a.txt', 'b/c.txt'], name
            assert {row['file_format'] for row in case.admin.get(base).rows} == {'TXT'}
    case.admin.ok('PUT', f'{case.e}/resources/KEPT/files/x.zip?inbody=true', bodies['x.zip'])
    assert inner(case, f'{case.e}/resources/KEPT/files') == ['x.zip']


facts.row(
    '3.1.8',
    'STM',
    'format, content, description and tags, as one text: stored for the file, and for a new '
    'resource',
    put(f'{R}/f?inbody=true&format=NIFTI&content=T1&tags=c,site=3,k:v&description=d', send=b'x'),
    get(
        '{e}/resources?file_stats=true',
        rows={'format': ['NIFTI'], 'content': ['T1'], 'tags': ['c,site=3,k:v'], 'file_size': ['1']},
    ),
    get(R, rows={'file_format': ['NIFTI'], 'file_content': ['T1'], 'file_tags': ['c,site=3,k:v']}),
    get(
        '{e}/resources/R',
        like='<cat:tag>c,site=3,k:v</cat:tag>',
        unlike='metaField name="(site|k)"',
    ),
    get('{e}/resources/R', like='description="d"'),
)
facts.row(
    '3.1.9',
    'SM',
    'no file: 400, an empty body with inbody an error; a form despite inbody: 400',
    put(f'{R}/f?inbody=true', (400, 500), send=b''),
    put(f'{R}/f', 400),
    put(f'{R}/f?inbody=true', 400, send=multipart(('f', b'x'))[0], headers=multipart()[1]),
)
facts.row(
    '3.1.10',
    'STM',
    'no such holder: 404',
    *(
        put(f'{path}/resources/R/files/f?inbody=true', 404, send=b'x')
        for path in (
            '{p}/subjects/NONE',
            '{s}/experiments/NONE',
            '{e}/scans/NONE',
            '/data/projects/NONE',
        )
    ),
)
facts.row(
    '3.1.11',
    'S',
    'no edit right: 200 and nothing is stored; 404 where the holder may not be read',
    put(
        '/data/projects/public/resources/R/files/{new}?inbody=true',
        by='open outsider',
        send=b'x',
        text='',
        header={'Content-Type': None},
    ),
    get('/data/projects/public/resources/R/files/{new}', 404, by='open admin'),
    put(
        '/data/projects/public/resources/R/files/{new}?inbody=true',
        by='open admin',
        send=b'x',
        text='',
        header={'Content-Type': r'text/plain;\s?charset=ISO-8859-1'},
    ),
    put(
        '/data/projects/private/resources/R/files/{new}?inbody=true',
        404,
        by='open outsider',
        send=b'x',
    ),
    put(
        '{p}/resources/R/files/f?inbody=true', 403, by='collaborator', send=b'x'
    ),  # if the archive is not opened in the strict mode of XNAT
)


@facts.shown(
    '3.1.12',
    'SM',
    "reference: a file on the server's disk, or a folder with all files in it; XNAT checks no "
    'right, the archive requires an administrator',
)
@facts.shown('3.1.14', 'SM', 'async, notify and delete go with reference')
def references(case: Case) -> None:
    folder = case.world.closed.archive.folder / 'inbox' / case.new
    (folder / 'sub').mkdir(parents=True)
    (folder / 'a.txt').write_bytes(b'a')
    (folder / 'sub' / 'b.txt').write_bytes(b'b')
    (folder / 'c.txt').write_bytes(b'c')
    base = f'{case.e}/resources/R/files'
    assert case.member.put(f'{base}?reference={folder}/a.txt').status == 403
    assert case.admin.put(f'{base}?reference={folder}/a.txt,{folder}/sub').status >= 400
    assert [
        case.admin.put(f'{base}?reference={folder}/{name}').status for name in ('a.txt', 'sub')
    ] == [200, 200]
    assert sorted(inner(case, base)) == ['a.txt', 'b.txt']
    assert (
        case.admin.put(
            f'{base}/d/c.txt?reference={folder}/c.txt&delete=true&async=true&notify=a@example.org'
        ).status
        == 200
    )
    assert (
        case.admin.get(f'{base}/d/c.txt').body == b'c'
        and not (folder / 'c.txt').exists()
        and (folder / 'a.txt').exists()
    )
    assert case.admin.put(f'{base}?reference={folder}/none').status == 404
    assert case.admin.put(f'{base}?reference=/etc/hostname').status in (400, 403)


facts.row(
    '3.1.13',
    'SM',
    'update-stats=false is accepted; counts and sizes are shown',
    put(f'{R}/f?inbody=true&update-stats=false', send=b'xyz'),
    get('{e}/resources?file_stats=true', rows={'file_count': ['1'], 'file_size': ['3']}),
)
_REFUSED = ('../x', 'a/../../x', '%2e%2e/x', 'a//b', 'a/./b', 'a%25b', 'a;b', 'a%3Bb')
facts.row(
    '3.1.15',
    'SM',
    'names with .. or empty steps: 405 and nothing, also quoted; with an encoded slash: 400',
    *(put(f'{R}/{name}?inbody=true', 405, send=b'x', body=b'') for name in _REFUSED),
    *(put(f'{R}/{name}?inbody=true', 400, send=b'x') for name in ('%2Fabs', 'a%5Cb', '%00')),
    *(get(f'{R}/{name}', 500) for name in ('a%25b', 'a;b')),
)
facts.row(
    '3.1.16',
    'SM',
    'a label is stored as it was sent, percent-encoded; NULL is none; 100 characters are too many',
    put("{e}/resources/it's"),
    put('{e}/resources/my%20res'),
    put('{e}/resources/a%2Cb'),
    put('{e}/resources/c,d'),
    put('{e}/resources/NULL'),
    get('{e}/resources', values={'label': ['it&apos;s', 'my%20res', 'a%2Cb', 'c', '']}),
    get('{e}/resources/my%20res/files', count=0),
    put('{e}/resources/' + 'Q' * 100, (400, 500)),
)
facts.row(
    '3.1.17',
    'BM',
    'a body of unknown length is an error, and nothing is stored',
    put(f'{R}/f?inbody=true', 500, send=(b'ab', b'c')),
    get(f'{R}/f', 404),
)

# -- 3.2 download

TYPES = {
    'bmp': 'image/bmp',
    'gif': 'image/gif',
    'html': 'text/html',
    'jpg': 'image/jpeg',
    'jpeg': 'image/jpeg',
    'pdf': 'application/pdf',
    'png': 'image/png',
    'svg': 'image/svg+xml',
    'tiff': 'image/tiff',
    'txt': 'text/plain',
    'xml': 'text/xml',
    'nii.gz': 'application/octet-stream',
    'dcm': 'application/octet-stream',
    'zip': 'application/octet-stream',
}
facts.row(
    '3.2.1',
    'SM',
    '200 and a type by the extension',
    *(
        ask
        for name, kind in TYPES.items()
        for ask in (
            put(f'{R}/f.{name}?inbody=true', send=b'x'),
            get(f'{R}/f.{name}', type=kind, body=b'x'),
        )
    ),
)
facts.row('3.2.2', 'SBM', 'Content-Length', get(ONE, header={'Content-Length': '3$'}))


@facts.shown('3.2.3', 'SM', 'Last-Modified is the time of the file; must-revalidate')
def time_of_a_file(case: Case) -> None:
    answer = case.admin.get(ONE)
    path = case.world.closed.archive.folder / 'archive/P/arc001/M1/RESOURCES/DATA/a/one.txt'
    assert answer.headers['Last-Modified'] == formatdate(int(path.stat().st_mtime), usegmt=True)
    assert 'must-revalidate' in answer.headers['Cache-Control']


facts.row(
    '3.2.4',
    'SBM',
    'no ETag; one range is served, with any If-Range, also beyond the end; several are not',
    get(ONE, header={'ETag': None, 'Accept-Ranges': 'bytes'}),
    get(
        ONE,
        206,
        headers={'Range': 'bytes=0-0'},
        body=b'o',
        header={'Content-Range': 'bytes 0-0/3', 'Content-Length': '1$'},
    ),
    get(
        ONE,
        206,
        headers={'Range': 'bytes=1-', 'If-Range': formatdate(0, usegmt=True)},
        body=b'ne',
        header={'Content-Range': 'bytes 1-2/3'},
    ),
    get(ONE, 206, headers={'Range': 'bytes=-2'}, body=b'ne'),
    get(ONE, 206, headers={'Range': 'bytes=9-'}, body=b''),
    get(ONE, 501, headers={'Range': 'bytes=0-0,2-2'}),
)
facts.row(
    '3.2.5',
    'SM',
    'If-Modified-Since: 304 if the file is not newer; a time in the future is ignored',
    get(
        ONE,
        200,
        headers={'If-Modified-Since': formatdate(time.time() + 86400, usegmt=True)},
        body=b'one',
    ),
    get(ONE, 200, headers={'If-Modified-Since': formatdate(0, usegmt=True)}, body=b'one'),
)


@facts.shown('3.2.6', 'STM', 'every file is sent as an attachment, with any preference of the site')
def attachments(case: Case) -> None:
    admin, archive, base = (
        case.client('open admin'),
        case.world.open.archive,
        '/data/projects/public/resources/D/files',
    )
    for name in ('a.html', 'a.xml', 'a.svg', 'a.txt'):
        admin.put(f'{base}/{name}?inbody=true', b'x')
    forced = [
        admin.get(f'{base}/{name}').headers['Content-Disposition']
        for name in ('a.html', 'a.xml', 'a.svg', 'a.txt')
    ]
    assert forced == [
        f'attachment; filename="{name}";' for name in ('a.html', 'a.xml', 'a.svg', 'a.txt')
    ]
    archive.prefer('allowHtmlResourceRendering', True)
    try:
        assert (
            admin.get(f'{base}/a.html').headers['Content-Disposition']
            == 'attachment; filename="a.html";'
        )
    finally:
        archive.prefer('allowHtmlResourceRendering', False)


facts.row(
    '3.2.7',
    'BM',
    'HEAD: the headers only',
    head(ONE, header={'Content-Length': '3$', 'Last-Modified': '.'}, body=b''),
)
facts.row(
    '3.2.8',
    'S',
    'no such file: 404, or 204 with accept-not-found',
    get(f'{M1}/resources/DATA/files/none', 404, like='Unable to find file'),
    get(f'{M1}/resources/DATA/files/none?accept-not-found=true', 204, body=b''),
)
facts.row('3.2.9', 'TM', 'no read right: 403 or 404', get(ONE, HIDDEN, by='outsider'))
facts.row(
    '3.2.10',
    'SM',
    'a path is decoded where it holds %20 or %2B, else stored as it was sent; a GET finds the '
    'decoded one, too',
    put(f'{R}/a*?inbody=true', send=b'a*'),
    put(f'{R}/ab?inbody=true', send=b'ab'),
    put(f'{R}/d/%C3%A9%20%2B.txt?inbody=true', send=b'e'),
    put(f'{R}/x%28y%29?inbody=true', send=b'quoted'),
    put(f'{R}/x(y)?inbody=true', send=b'plain'),
    put(f'{R}/r+s%20t?inbody=true', send=b'plus'),
    get(R, values={'Name': ['a*', 'ab', 'é +.txt', 'x%28y%29', 'x(y)', 'r s t']}),
    get(f'{R}/a*', body=b'a*'),
    get(f'{R}/d/%C3%A9%20%2B.txt', body=b'e'),
    get(f'{R}/AB', 404),
    get(f'{R}/x%28y%29', body=b'quoted'),
    get(f'{R}/d%2F%C3%A9%20+.txt', 400),
    get(f'{R}/%61b', body=b'ab'),
    delete(f'{R}/%61b', 404),
)


@facts.shown('3.2.11', 'SM', 'a path with / at its end lists a folder; GET accepts no patterns')
@facts.shown('3.6.1', 'STM', 'DELETE of a file, a folder/ or a pattern*: 200')
@facts.shown('3.6.3', 'SM', 'the resource stays when its last file is deleted')
def folders_and_patterns(case: Case) -> None:
    base = f'{case.e}/resources/W/files'
    for name in ('d/a1', 'd/a2', 'd/e/a3', 'b1', 'c1'):
        case.admin.ok('PUT', f'{base}/{name}?inbody=true', b'x')
    assert inner(case, f'{base}/d/') == ['d/a1', 'd/a2', 'd/e/a3']
    assert [case.admin.get(f'{base}/{pattern}').status for pattern in ('d/a*', '*')] == [404, 404]
    folder = case.world.closed.archive.folder / f'archive/{case.p_id}/arc001/E/RESOURCES/W'
    for asked, left in (
        ('c1', ['b1', 'd/a1', 'd/a2', 'd/e/a3']),
        ('d/a*', ['b1', 'd/e/a3']),
        ('d/', ['b1']),
        ('*', []),
    ):
        assert case.admin.delete(f'{base}/{asked}').status == 200
        assert inner(case, base) == left
        assert (
            sorted(
                path.relative_to(folder).as_posix() for path in folder.rglob('*') if path.is_file()
            )
            == left
        )
    assert case.admin.get(f'{case.e}/resources').rows[0]['label'] == 'W'


@facts.shown('3.2.12', 'SM', 'x.zip/entry: an entry of a stored zip; listContents: its entries')
def entries_of_a_zip(case: Case) -> None:
    base = f'{case.e}/resources/R/files'
    case.admin.ok(
        'PUT', f'{base}/bag.zip?inbody=true', zipped({'in/one.txt': b'one', 'two.txt': b'two'})
    )
    case.admin.ok('PUT', f'{base}/plain.txt?inbody=true', b'plain')
    assert case.admin.get(f'{base}/bag.zip/in/one.txt').body == b'one'
    assert [
        case.admin.get(f'{base}/{entry}').status
        for entry in ('bag.zip!/in/one.txt', 'bag.zip%21/in/one.txt')
    ] == [404, 404]
    assert case.admin.get(f'{base}/bag.zip?listContents=true').rows == [
        {'File Name': 'in/one.txt', 'Size': '3'},
        {'File Name': 'two.txt', 'Size': '3'},
    ]
    assert (
        case.admin.get(f'{base}/bag.zip!/none').status == 404
        and case.admin.get(f'{base}/plain.txt!/none').status == 404
    )


facts.row(
    '3.2.13',
    'SM',
    'format=zip wraps a file, unless it is a zip',
    put(f'{R}/plain.txt?inbody=true', send=b'plain'),
    put(f'{R}/bag.zip?inbody=true', send=zipped({'one': b'1'})),
    get(f'{R}/plain.txt?format=zip', names=['plain.txt']),
    get(f'{R}/bag.zip?format=zip', names=['one']),
)
facts.row(
    '3.2.14',
    'SM',
    'index: the file at that place of the filtered listing',
    put(f'{R}/a?inbody=true&format=A', send=b'a'),
    put(f'{R}/b?inbody=true&format=B', send=b'b'),
    put(f'{R}/c?inbody=true&format=B', send=b'c'),
    get(f'{R}?file_format=B&index=1', body=b'c'),
    get(f'{R}?index=99', 404),
)
facts.row(
    '3.2.15',
    'S',
    'an image of a DICOM file as JPEG',
    put(f'{R}/1.dcm?inbody=true', send=image()),
    get(f'{R}/1.dcm?format=image/jpeg', type='image/jpeg'),
    left_out='pixels are not decoded: that needs libraries which the archive does without',
)
facts.row(
    '3.2.16',
    'BM',
    'answers are not compressed',
    get('/data/projects', headers={'Accept-Encoding': 'gzip'}, header={'Content-Encoding': None}),
)

# -- 3.3 filters

FILTERED = [
    made('{n}/resources/DICOM/files/1.dcm?inbody=true&format=DICOM&content=RAW', send=b'1'),
    made('{n}/resources/NIFTI/files/sub/1.nii?inbody=true&format=NIFTI', send=b'2'),
    made('{n}/resources/OTHER/files/x?inbody=true', send=b'3'),
]
facts.row(
    '3.3/1',
    'STM',
    'file_content: any of those given; NULL is none',
    *FILTERED,
    names('{n}/files?file_content=RAW', '1.dcm'),
    names('{n}/files?file_content=NULL', '1.nii', 'x'),
    names('{n}/files?file_content=RAW&file_content=NULL', '1.dcm', '1.nii', 'x'),
    names('{n}/files?file_content=other'),
)
facts.row(
    '3.3/2',
    'ST',
    'file_format: the same, but files without format are never found',
    *FILTERED,
    names('{n}/files?file_format=DICOM', '1.dcm'),
    names('{n}/files?file_format=DICOM&file_format=NIFTI', '1.dcm', '1.nii'),
    names('{n}/files?file_format=NULL'),
    names('{n}/files?file_content=RAW&file_format=NIFTI'),
)
facts.row(
    '3.3/3',
    'SM',
    'locator: path of a file on the server or in the project, instead of its URI',
    *FILTERED,
    get(
        '{n}/resources/DICOM/files?locator=absolutePath',
        like=r'"absolutePath": ?"[^"]+1\.dcm"',
        unlike='"URI": ?"/data',
    ),
    get(
        '{n}/resources/DICOM/files?locator=projectPath',
        rows={'projectPath': ['arc001/E/SCANS/1/DICOM/1.dcm']},
    ),
)
facts.row(
    '3.3/4',
    'SM',
    'recursive=false on a folder lists files further down, and not those in it (a defect)',
    put(f'{R}/d/a?inbody=true', send=b'1'),
    put(f'{R}/d/e/b?inbody=true', send=b'1'),
    names(f'{R}/d/', 'a', 'b'),
    names(f'{R}/d/?recursive=false', 'b'),
)
facts.row(
    '3.3/5',
    'SM',
    'sortBy and format as elsewhere; columns has no effect',
    *FILTERED,
    get(
        '{n}/files?sortBy=Name&sortOrder=DESC&format=csv&columns=Name',
        columns='Name,Size,URI,collection,file_tags,file_format,file_content,cat_ID,digest',
        rows={'Name': ['x', '1.nii', '1.dcm']},
    ),
)

# -- 3.4 archives

ZIPS = [
    made('{n}/resources/DICOM/files/d/x.dcm?inbody=true', send=b'1'),
    made('{e}/resources/TEST/files/1.dcm?inbody=true', send=b'2'),
    made('{e}/scans/3?xsiType=xnat:mrScanData&type=a%20b/c'),
    made('{e}/scans/3/resources/DICOM/files/y?inbody=true', send=b'3'),
    made('{e}/scans/4?xsiType=xnat:mrScanData'),
    made('{e}/scans/4/resources/DICOM/files/z?inbody=true', send=b'4'),
]
facts.row(
    '3.4.1',
    'SM',
    'streamed, under the label of the session, subject or project; of several sessions, of the '
    'first',
    *ZIPS,
    made('{s}/experiments/F?xsiType=xnat:mrSessionData'),
    put('{s}/experiments/F/resources/TEST/files/f?inbody=true', send=b'x'),
    get('{e}/files?format=zip', header={'Content-Disposition': 'attachment; filename="E.zip";$'}),
    get(
        '{e}/files?format=tar.gz',
        header={'Content-Disposition': 'attachment; filename="E.tar.gz";$'},
    ),
    get(
        '{s}/experiments/E,F/resources/TEST/files?format=zip',
        header={'Content-Disposition': 'attachment; filename="E.zip";$'},
    ),
)
facts.row(
    '3.4.2',
    'SM',
    'a scan by ID and type, other characters as _; by ID alone without a type',
    *ZIPS,
    get(
        '{e}/scans/ALL/files?format=zip',
        names=[
            'E/scans/1-T1/resources/DICOM/files/d/x.dcm',
            'E/scans/3-a_b_c/resources/DICOM/files/y',
            'E/scans/4/resources/DICOM/files/z',
        ],
    ),
)
facts.row(
    '3.4.3',
    'STM',
    'a resource of the session',
    *ZIPS,
    get('{e}/resources/TEST/files?format=zip', names=['E/resources/TEST/files/1.dcm']),
)
facts.row(
    '3.4.4',
    'SBM',
    'an assessor by its label only, with the side: resources stored without a side are out',
    made('{e}/assessors/A?{qc}'),
    put('{e}/assessors/A/out/resources/O/files/f?inbody=true', send=b'x'),
    put('{e}/assessors/A/resources/L/files/g?inbody=true', send=b'x'),
    get('{e}/assessors/A/out/files?format=zip', named=r'A/out/resources/O/files/f'),
    get('{e}/assessors/A/files?format=zip', named=r'A/out/resources/L/files/g'),
)
facts.row(
    '3.4.5',
    'SM',
    'projects and subjects by ID and label',
    put('{p}/resources/R/files/f?inbody=true', send=b'x'),
    put('{s}/resources/R/files/g?inbody=true', send=b'x'),
    get('{p}/files?format=zip', names=['{p_id}/resources/R/files/f']),
    get('{s}/files?format=zip', names=['S/resources/R/files/g']),
)
facts.row(
    '3.4.6',
    'SM',
    'simplified: no type, no /resources, no /files',
    *ZIPS,
    get(
        '{e}/scans/1,3/files?format=zip&structure=simplified',
        names=['E/scans/1/DICOM/d/x.dcm', 'E/scans/3/DICOM/y'],
    ),
    put('{e}/resources/TEST/files/files/resources/f?inbody=true', send=b'x'),
    get('{e}/files?format=zip&structure=simplified', names=['E/TEST/1.dcm', 'E/TEST/f']),
)
facts.row(
    '3.4.7',
    'SM',
    'legacy: the path on disk, with the session',
    *ZIPS,
    get('{n}/files?format=zip&structure=legacy', names=['E/SCANS/1/DICOM/d/x.dcm']),
)
facts.row(
    '3.4.8',
    'SM',
    'improved: category, ID and type, label; no session; no type in a tar',
    *ZIPS,
    get(
        '{e}/scans/1,3/files?format=zip&structure=improved',
        names=['scans/1_T1/DICOM/d/x.dcm', 'scans/3_a b_c/DICOM/y'],
    ),
    get('{n}/files?format=tar&structure=improved', names=['scans/1/DICOM/d/x.dcm']),
    get('{e}/files?format=zip&structure=improved', named='resources/XNAT_E[0-9]+_ /TEST/1.dcm'),
)
facts.row(
    '3.4.9',
    'SM',
    'projectIncludedInPath, subjectIncludedInPath',
    *ZIPS,
    get(
        '{n}/files?format=zip&projectIncludedInPath=true&subjectIncludedInPath=true',
        names=['{p_id}/S/E/scans/1-T1/resources/DICOM/files/d/x.dcm'],
    ),
)


@facts.shown('3.4.10', 'SM', 'compression: the method, 0 or 8; others are an error')
def compression(case: Case) -> None:
    case.admin.ok('PUT', f'{case.e}/resources/R/files/f?inbody=true', bytes(100_000))
    sizes = [
        len(case.admin.get(f'{case.e}/files?format=zip&compression={effort}').body)
        for effort in (0, 8)
    ]
    assert sizes[0] > 100_000 > 2_000 > sizes[1]
    assert all(
        case.admin.get(f'{case.e}/files?format=zip&compression={effort}').status >= 400
        for effort in (1, 7, 9)
    )
    with zipfile.ZipFile(
        BytesIO(case.admin.get(f'{case.e}/files?format=zip&compression=8').body)
    ) as found:
        assert found.read('E/resources/R/files/f') == bytes(100_000)


facts.row(
    '3.4.11',
    'SM',
    'nothing matches: 404',
    get('{e}/files?format=zip', 404),
    *ZIPS,
    get('{e}/files?format=zip&file_format=none', 404),
)
facts.row(
    '3.4.12',
    'STM',
    'sets of scans: all, listed, of a type',
    *ZIPS,
    *(
        get(f'{{e}}/scans/{asked}/files?format=zip', names=wanted)
        for asked, wanted in (
            (
                '1,4',
                ['E/scans/1-T1/resources/DICOM/files/d/x.dcm', 'E/scans/4/resources/DICOM/files/z'],
            ),
            ('T1', ['E/scans/1-T1/resources/DICOM/files/d/x.dcm']),
        )
    ),
    get('{e}/scans/ALL/resources/DICOM/files?format=zip', named='1-T1/resources'),
)
facts.row(
    '3.4.13',
    'SM',
    'the catalogues themselves are left out',
    *ZIPS,
    get('{e}/scans/ALL/files?format=zip', named=r'\A(?!(?s:.*)_catalog\.xml)'),
)


@facts.shown(
    '3.4.14',
    'SM',
    'xcat: a catalogue with whole URIs; xar: the document of the session and its files',
)
def other_archives(case: Case) -> None:
    session = case.admin.ok('PUT', case.e)
    case.admin.ok('PUT', f'{case.n}/resources/DICOM/files/d/x%20y.dcm?inbody=true', b'1')
    root = etree.fromstring(case.admin.get(f'{case.e}/scans/ALL/files?format=xcat').body)
    assert root.tag == '{http://nrg.wustl.edu/catalog}Catalog'
    uri = root.find('.//{*}entry').get('URI')  # type: ignore[union-attr]
    assert uri.startswith('http://') and uri.endswith('/files/d/x y.dcm')
    assert case.admin.get('/' + quote(uri.partition('//')[2].partition('/')[2])).body == b'1'
    found = case.admin.get(f'/data/experiments/{session}/XAR')
    assert (
        found.headers['Content-Type'].startswith('application/xar')
        and 'attachment' in found.headers['Content-Disposition']
    )
    assert sorted(found.names) == [
        'E/SCANS/1/DICOM/DICOM_catalog.xml',
        'E/SCANS/1/DICOM/d/x y.dcm',
        f'{session}.xml',
    ]
    with zipfile.ZipFile(BytesIO(found.body)) as archive:
        assert (
            etree.fromstring(archive.read(f'{session}.xml')).tag
            == '{http://nrg.wustl.edu/xnat}MRSession'
        )


# -- 3.5 the catalogue of a resource

CATALOGUE = put(f'{R}/d/f.txt?inbody=true&format=F&content=C&description=D&tags=t', send=b'one')


@facts.shown(
    '3.5.1', 'SM', 'text/xml: a cat:Catalog with an ID, its project, its changes, and entries'
)
@facts.shown(
    '3.5.2',
    'SM',
    'an entry: path and description of the file, creator and time, MD5; its size as a metaField',
)
def catalogue(case: Case) -> None:
    CATALOGUE.verify(case)
    answer = case.admin.get(f'{case.e}/resources/R')
    assert answer.headers['Content-Type'].startswith('text/xml')
    root, space = etree.fromstring(answer.body), '{http://nrg.wustl.edu/catalog}'
    assert (root.tag, root.get('ID')) == (f'{space}Catalog', 'R')
    told = {
        node.get('name'): node.text for node in root.iterfind(f'{space}metaFields/{space}metaField')
    }
    assert told['PROJECT'] == case.p_id and told['AUDIT'].endswith('=Added:1')
    entry = root.find(f'{space}entries/{space}entry')
    assert entry is not None
    told = {
        'URI': 'd/f.txt',
        'ID': 'd/f.txt',
        'name': 'f.txt',
        'cachePath': 'd/f.txt',
        'format': 'F',
        'content': 'C',
        'description': 'D',
        'createdBy': 'admin',
        'digest': hashlib.md5(b'one').hexdigest(),
    }
    assert {name: entry.get(name) for name in told} == told
    assert 'T' in entry.get('createdTime', '') and entry.get('createdEventId')
    assert {node.get('name'): node.text for node in entry.iter(f'{space}metaField')} == {
        'SIZE': '3'
    }
    assert [node.text for node in entry.iter(f'{space}tag')] == ['t']
    case.admin.ok('PUT', f'{case.e}/resources/R/files/d/f.txt?inbody=true&overwrite=true', b'two')
    entry = etree.fromstring(case.admin.get(f'{case.e}/resources/R').body).find(
        f'{space}entries/{space}entry'
    )
    assert entry is not None and entry.get('modifiedTime') and entry.get('modifiedBy') == 'admin'


facts.row('3.5.3', 'SM', 'no such resource: 404', get('{e}/resources/NONE', 404))
facts.row(
    '3.5.4',
    'STM',
    'DELETE: 200, with its files; 403 without the right; 200 for none',
    CATALOGUE,
    delete('{e}/resources/R', 403, by='member'),
    delete('{e}/resources/R', text=''),
    get(f'{R}/d/f.txt', 404),
    get('{e}/resources', count=0),
    delete('{e}/resources/R', 200),
    CATALOGUE,
    put('{e}?_lock=true'),
    delete('{e}/resources/R', 403),
)
facts.row(
    '3.5.5',
    'SM',
    'PUT: 409 if it exists, 400 with a sub-path, 404 without a holder, 403 without the right',
    put('{e}/resources/R'),
    put('{e}/resources/R', 409),
    put('{e}/resources/X/more', 400),
    put('{s}/experiments/NONE/resources/X', 404),
    put('{e}/resources/X', 403, by='collaborator'),
)


@facts.shown('3.5.6', 'SM', 'MD5 if the site computes checksums, else empty')
def checksums(case: Case) -> None:
    archive, path = case.world.closed.archive, f'{case.e}/resources/R/files'
    for name, keep in (('with', True), ('without', False)):
        archive.prefer('checksums', keep)
        try:
            case.admin.ok('PUT', f'{path}/{name}?inbody=true', b'one')
        finally:
            archive.prefer('checksums', True)
    assert [row['digest'] for row in case.admin.get(path).rows] == [
        hashlib.md5(b'one').hexdigest(),
        '',
    ]


# -- 3.6 DELETE of files

facts.row(
    '3.6.2',
    'SM',
    'the delete right is needed; locked: 403; nothing matches: 404 or 204; no resource named: 400',
    put(f'{R}/f?inbody=true', by='member', send=b'm'),
    delete(f'{R}/f', 403, by='member'),
    delete(f'{R}/none', 404),
    delete(f'{R}/none?accept-not-found=true', 204),
    put('{s}/files/loose?inbody=true', send=b'x'),
    delete('{s}/files/loose', 400),
    put('{e}?_lock=true'),
    delete(f'{R}/f', 403),
    put('{e}?_unlock=true'),
    delete(f'{R}/f', 200),
)

# -- 3.7 the cache of a user

CACHE = '/data/user/cache/resources'


@facts.shown('3.7/1', 'S', 'the table of resources')
def caches(case: Case) -> None:
    assert case.member.put(f'{CACHE}/{case.new}').status == 200
    assert {'Resource': case.new, 'URI': f'{CACHE}/{case.new}'} in case.member.get(CACHE).rows
    assert (
        case.new not in case.outsider.get(CACHE).text
        and case.outsider.get(f'{CACHE}/{case.new}/files').status == 404
    )


facts.row(
    '3.7/2',
    'S',
    'PUT creates one: a message; 412 if it exists',
    put(f'{CACHE}/{{new}}', type='text/html'),
    put(f'{CACHE}/{{new}}', 412),
)
facts.row(
    '3.7/3',
    'ST',
    'files: PUT 200, POST 201 and a message; unpacked with extract; PUT without a name 400',
    put(f'{CACHE}/{{new}}'),
    put(f'{CACHE}/{{new}}/files?inbody=true', 400, send=b'x'),
    put(f'{CACHE}/{{new}}/files/d/a%20b.txt?inbody=true', 200, send=b'abc'),
    post(
        f'{CACHE}/{{new}}/files/z.zip?inbody=true&extract=true',
        201,
        send=zipped({'one': b'1'}),
        like='successfully uploaded',
    ),
    post(f'{CACHE}/{{new}}/files', 201, send=multipart(('two', b'2'))[0], headers=multipart()[1]),
    get(
        f'{CACHE}/{{new}}/files', rows={'Name': ['a b.txt', 'one', 'two'], 'Size': ['3', '1', '1']}
    ),
    *(
        put(f'{CACHE}/{{new}}/files/{name}?inbody=true', 405, send=b'x')
        for name in ('../../../f', '%2e%2e/f')
    ),
)
facts.row(
    '3.7/4',
    'S',
    'the table of files, their bytes, a zip of them',
    put(f'{CACHE}/{{new}}'),
    put(f'{CACHE}/{{new}}/files/d/a?inbody=true', send=b'abc'),
    get(f'{CACHE}/{{new}}/files', keys='Name,Size,URI'),
    get(f'{CACHE}/{{new}}/files/d/a', body=b'abc'),
    get(f'{CACHE}/{{new}}/files?format=zip', names=['d/a']),
)
facts.row(
    '3.7/5',
    'S',
    'DELETE of files or of the resource: 200; 404 for none',
    put(f'{CACHE}/{{new}}'),
    *(put(f'{CACHE}/{{new}}/files/{name}?inbody=true', send=b'x') for name in 'abc'),
    delete(f'{CACHE}/{{new}}/files/a,b'),
    names(f'{CACHE}/{{new}}/files', 'c'),
    delete(f'{CACHE}/{{new}}'),
    delete(f'{CACHE}/{{new}}', 404),
)
