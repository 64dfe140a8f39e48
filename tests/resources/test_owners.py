"""Tests that an item is not written below another owner, unless a move is requested."""

from __future__ import annotations

import pytest

from pyxnat import Interface, errors
from pyxnat.server import serve
from tests.support.faults import FaultProxy, says

QC = {'assessors': 'xnat:qcManualAssessorData', 'xnat:qcManualAssessorData/pass': '1'}


@pytest.fixture
def filled(xnat, project):
    """Create subjects S1 and S2 with sessions E1 and E2.

    E1 has a scan, an assessor and a reconstruction.
    """
    session = project.subject('S1').experiment('E1').create()
    project.subject('S2').experiment('E2').create()
    session.scan('1').create()
    session.assessor('A').create(**QC)
    session.reconstruction(f'{project._urn}_R').create(type='first')
    session.resource('R').file('f').put(b'first')
    xnat.owners.invalidate()
    return project


def methods(trace):
    return [record.method for record in trace]


WRITES = {
    'create': lambda wrong: wrong.create(note='x'),
    'set': lambda wrong: wrong.attrs.set('note', 'x'),
    'scan': lambda wrong: wrong.scan('2').create(),
    'set of a scan': lambda wrong: wrong.scan('1').attrs.set('quality', 'x'),
    'assessor': lambda wrong: wrong.assessor('B').create(**QC),
    'reconstruction': lambda wrong: wrong.reconstruction('NEW').create(),
    'file': lambda wrong: wrong.resource('R').file('g').put(b'x'),
    'file of a scan': lambda wrong: wrong.scan('1').resource('R').file('g').put(b'x'),
    'resource': lambda wrong: wrong.resource('NEW').create(),
}


@pytest.mark.parametrize('write', WRITES)
@pytest.mark.parametrize('by', ['label', 'ID'])
def test_a_session_of_another_subject_is_not_written_to(xnat, filled, write, by):
    name = filled.subject('S1').experiment('E1').id() if by == 'ID' else 'E1'
    wrong = filled.subject('S2').experiment(name)
    with (
        xnat.trace() as trace,
        pytest.raises((errors.IntegrityError, errors.NotFoundError)) as raised,
    ):
        WRITES[write](wrong)
    assert set(methods(trace)) == {'GET'}
    if isinstance(raised.value, errors.IntegrityError):
        assert 'S1' in str(raised.value) and trace.requests <= 2
    assert filled.subject('S1').experiments().get('label') == ['E1']
    assert filled.subject('S1').experiment('E1').scans().get() == ['1']


CHANGES = {
    'delete': lambda wrong, other: wrong.delete(),
    'share': lambda wrong, other: wrong.share(other),
    'unshare': lambda wrong, other: wrong.unshare(other),
    'rename': lambda wrong, other: wrong.rename('NEW'),
    'trigger': lambda wrong, other: wrong.trigger(),
    'set': lambda wrong, other: wrong.attrs.set('note', 'x'),
    'mset': lambda wrong, other: wrong.attrs.mset({'note': 'x', 'date': '2020-01-01'}),
    'delete a scan': lambda wrong, other: wrong.scan('1').delete(),
    'set a parameter of a scan': lambda wrong, other: wrong.scan('1').set_param('k', 'v'),
    'delete an assessor': lambda wrong, other: wrong.assessor('A').delete(),
    'share an assessor': lambda wrong, other: wrong.assessor('A').share(other),
    'unshare an assessor': lambda wrong, other: wrong.assessor('A').unshare(other),
    'rename an assessor': lambda wrong, other: wrong.assessor('A').rename('NEW'),
    'set of an assessor': lambda wrong, other: wrong.assessor('A').attrs.set('note', 'x'),
    'provenance of an assessor': lambda wrong, other: wrong.assessor('A').provenance.set(
        {'program': 'x'}
    ),
    'delete a reconstruction': lambda wrong, other: wrong.reconstruction(
        f'{wrong.steps[0].name}_R'
    ).delete(),
    'set of a reconstruction': lambda wrong, other: wrong.reconstruction(
        f'{wrong.steps[0].name}_R'
    ).attrs.set('type', 'x'),
    'delete a resource': lambda wrong, other: wrong.resource('R').delete(),
    'delete a file': lambda wrong, other: wrong.resource('R').file('f').delete(),
    'put a folder': lambda wrong, other: wrong.resource('R').put_dir(_folder(wrong)),
    'upload': lambda wrong, other: wrong.resource('R').upload(_folder(wrong)).check(),
    'insert scans': lambda wrong, other: wrong.scans().insert([{'ID': '7'}, {'ID': '8'}]).check(),
    'insert assessors': lambda wrong, other: (
        wrong.assessors().insert([{'label': 'B', **QC}]).check()
    ),
}


def _folder(element):
    folder = element._intf.cache.folder.parent / 'sent'
    folder.mkdir(exist_ok=True)
    (folder / 'new.txt').write_text('new')
    return folder


def state(project):
    """Return the content of a project from XNAT's listings."""
    found = {}
    for session in project._intf.select(f'/projects/{project._urn}/subjects/*/experiments/*'):
        document = session.xpath(
            '//@*[not(starts-with(name(), "xsi"))] | //text()[normalize-space()]'
        )
        found[session.attrs.get('subject_label'), session.label()] = (
            sorted(map(str, document)),
            sorted(scan._urn for scan in session.scans()),
            sorted((one.label(), tuple(one.shares().get())) for one in session.assessors()),
            sorted(one._urn for one in session.reconstructions()),
            sorted(file._urn for file in session.resources().files()),
            tuple(session.shares().get()),
        )
    return found


@pytest.fixture
def other(xnat, filled):
    """Another project."""
    xnat.cache.expiration = 0
    return xnat.select.project(f'{filled._urn}_O').create()._urn


def check_refused(xnat, names, element, other):
    """Check that each of some changes is refused, and that only GET requests were sent."""
    for name in names:
        with xnat.trace() as trace:
            try:
                CHANGES[name](element, other)
            except errors.DatabaseError:
                pass
            else:
                pytest.fail(f'{name} is not refused')
        assert set(methods(trace)) == {'GET'}, name


@pytest.mark.parametrize('by', ['label', 'ID', 'known'])
def test_nothing_is_changed_below_a_wrong_subject(xnat, filled, other, by):
    right = filled.subject('S1').experiment('E1')
    wrong = filled.subject('S2').experiment(right.id() if by == 'ID' else 'E1')
    if by == 'known':
        wrong.row['ID'] = right.id()
    before = state(filled)
    check_refused(xnat, CHANGES, wrong, other)
    assert state(filled) == before


def test_nothing_is_changed_below_a_wrong_session(xnat, filled, other):
    before = state(filled)
    names = [
        name
        for name in CHANGES
        if ('assessor' in name and 'insert' not in name) or 'reconstruction' in name
    ]
    check_refused(xnat, names, filled.subject('S2').experiment('E2'), other)
    assert state(filled) == before


def test_a_session_below_a_shared_subject_is_written_to_by_the_label_there(xnat, filled, other):
    filled.subject('S1').share(other, 'S_THERE')
    own = xnat.select.project(other).subject('S_THERE').experiment('OWN')
    own.create()
    xnat.owners.invalidate()
    own.attrs.set('note', 'mine')
    assert own.attrs.get('note') == 'mine'


@pytest.mark.parametrize('by', ['created', 'known', 'named'])
def test_an_item_that_others_moved_is_left_alone(xnat, filled, server, other, by):
    """The owner is requested, whatever an earlier response says."""
    xnat.cache.expiration = 1
    session = filled.subject('S1').experiment('E1')
    if by == 'created':
        session.create(note='mine')
    elif by == 'known':
        assert session.id() and session.exists()
    session.attrs.set('note', 'mine')
    with type(xnat)(server.url, server.user, server.password) as another:
        another._exec(f'/data/projects/{filled._urn}/subjects/S2/experiments/E1', 'PUT')
    before = state(filled)
    names = [name for name in CHANGES if by == 'created' or 'assessor' not in name]
    check_refused(xnat, names, session, other)
    assert state(filled) == before


def test_a_session_can_be_moved_on_request(filled):
    filled.subject('S2').experiment('E1').create(move=True)
    assert filled.subject('S1').experiments().get('label') == []
    assert sorted(filled.subject('S2').experiments().get('label')) == ['E1', 'E2']
    assert (
        open(filled.subject('S2').experiment('E1').resource('R').file('f').get()).read() == 'first'
    )
    with pytest.raises(errors.IntegrityError, match=r'subject S2 \('):
        filled.subject('S1').experiment('E1').create()


@pytest.mark.parametrize('by', ['label', 'ID'])
def test_an_assessor_of_another_session_is_not_moved_by_default(xnat, filled, by):
    first = filled.subject('S1').experiment('E1').assessor('A')
    second = filled.subject('S2').experiment('E2').assessor('A' if by == 'label' else first.id())
    with (
        xnat.trace() as trace,
        pytest.raises(errors.IntegrityError, match=r'assessor .* belongs to session E1'),
    ):
        second.create(**QC)
    assert set(methods(trace)) == {'GET'} and first.exists(consistent=True)
    second.create(move=True, **QC)
    assert filled.subject('S2').experiment('E2').assessors().get('label') == [
        'A'
    ] and not first.exists(consistent=True)


def test_a_reconstruction_of_another_session_is_not_moved_by_default(xnat, filled):
    name = f'{filled._urn}_R'
    first, second = (
        filled.subject(subject).experiment(session).reconstruction(name)
        for subject, session in (('S1', 'E1'), ('S2', 'E2'))
    )
    with (
        xnat.trace() as trace,
        pytest.raises(
            errors.IntegrityError,
            match=f'reconstruction {name} belongs to session {first.parent().id()}',
        ),
    ):
        second.create(type='second')
    assert set(methods(trace)) == {'GET'} and first.attrs.get('type') == 'first'
    second.create(type='second', move=True)
    assert (
        second.attrs.get('type') == 'second'
        and filled.subject('S1').experiment('E1').reconstructions().get() == []
    )
    second.create(type='third')  # it has been moved
    assert second.attrs.get('type') == 'third'


@pytest.mark.parametrize(
    'body',
    [
        b'{}',
        b'[]',
        b'null',
        b'{"items": []}',
        b'{"items": [null]}',
        b'{"items": {"0": {"data_fields": {}}}}',
        b'{"items": [{"children": []}]}',
        b'{"items": [{"data_fields": []}]}',
        b'{"ResultSet": {"Result": []}}',
    ],
)
def test_nothing_is_written_if_the_owner_of_a_reconstruction_stays_unknown(
    server, filled, body, tmp_path
):
    with (
        FaultProxy(server.url) as proxy,
        Interface(proxy.url, server.user, server.password, tmp_path, retries=0) as interface,
    ):
        session = interface.select.project(filled.id()).subject('S2').experiment('E2')
        proxy.applies = lambda method, uri: 'reconstructions/' in uri
        proxy.faults.append(says(200, body, 'Content-Type: application/json'))
        with pytest.raises(errors.UnexpectedAnswer, match='/reconstructions/'):
            session.reconstruction(f'{filled.id()}_R').create(type='second')
        assert proxy.faults == [] == proxy.writes


@pytest.mark.parametrize('level', ['subject', 'experiment'])
def test_an_id_of_another_element_is_refused(xnat, filled, level):
    taken = filled.subject('S1') if level == 'subject' else filled.subject('S1').experiment('E1')
    new = filled.subject('NEW') if level == 'subject' else filled.subject('S1').experiment('NEW')
    identity = taken.id()
    with (
        xnat.trace() as trace,
        pytest.raises(errors.DuplicateError, match=f'{identity} is the ID of {level} {taken._urn}'),
    ):
        new.create(ID=identity)
    assert set(methods(trace)) == {'GET'} and taken.exists(consistent=True)
    new.create(ID=f'{filled._urn}_{level}')
    assert new.id() == f'{filled._urn}_{level}'


def test_writes_that_could_move_or_delete_check_the_owner_each_time_and_others_once_a_minute(
    xnat, project
):
    subject = project.subject('S').create()
    for number in range(2):
        session = subject.experiment(f'E{number}')
        for write, looks in (
            (session.create, 1),
            (session.scan('1').create, 0),
            (session.resource('R').create, 0),
            (session.scan('1').delete, 1),
        ):
            with xnat.trace() as trace:
                write()
            assert methods(trace)[:-1] == ['GET'] * looks and methods(trace)[-1] != 'GET'


def test_the_check_of_a_known_owner_takes_a_listing_of_one_row(xnat, filled):
    session = filled.subject('S1').experiment('E1')
    session.create(note='n')
    with xnat.trace() as trace:
        filled.subject('S1').experiment('E1').create(note='m')
    assert methods(trace) == ['GET', 'PUT'] and 'label=E1' in next(iter(trace)).uri


@pytest.mark.parametrize('jobs', [1, 3])
def test_one_check_serves_many_elements(xnat, project, jobs):
    for number in range(4):
        project.subject(f'S{number}').create()
    rows = [{'subject': f'S{number}', 'label': f'E{number}'} for number in range(4)]
    with xnat.trace() as trace:
        assert len(project.subjects().experiments().insert(rows, jobs=jobs).ok) == 4
    looks = [
        record
        for record in trace
        if f'/{project._urn}/experiments?columns=ID,label,subject_ID' in record.uri
    ]
    assert methods(trace).count('PUT') == 4 and len(looks) <= 2


def test_elements_of_a_listing_need_no_check(xnat, filled):
    (session,) = filled.subject('S1').experiments()
    scan = session.scan('1')
    with xnat.trace() as trace:
        session.create(note='n')
        session.scan('2').create()
        scan.create(quality='usable')
    assert methods(trace) == ['PUT'] * 3


def test_an_element_that_others_moved_is_checked_again(xnat, filled, server):
    filled.subject('S1').experiment('E1').scan('3').create()
    with type(xnat)(server.url, server.user, server.password) as other:
        other._exec(f'/data/projects/{filled._urn}/subjects/S2/experiments/E1', 'PUT')
    filled.subject('S2').experiment('E1').scan('4').create()  # the old response says S1


@pytest.mark.parametrize('there', ['', 'project', 'subject', 'session'])
@pytest.mark.parametrize('level', ['scan', 'assessor', 'reconstruction', 'session', 'subject'])
def test_missing_parents_are_created(xnat, project, there, level):
    home = xnat.select.project(f'{project._urn}_NEW')
    subject = home.subject('S')
    session = subject.experiment('E')
    for name, element in (('project', home), ('subject', subject), ('session', session)):
        if (
            there
            in ('project', 'subject', 'session')[('project', 'subject', 'session').index(name) :]
        ):
            element.create()
    xnat.owners.invalidate()
    made = {
        'scan': session.scan('1'),
        'assessor': session.assessor('A'),
        'reconstruction': session.reconstruction(f'{home._urn}_1'),
        'session': session,
        'subject': subject,
    }[level]
    with xnat.trace() as trace:
        made.create(**(QC if level == 'assessor' else {}))
    assert made.exists(consistent=True)
    assert len([method for method in methods(trace) if method == 'PUT']) <= {'': 7}.get(there, 3)
    home.delete()


def test_a_scan_with_a_new_session_and_subject_takes_few_requests(xnat, project):
    project.subject('FIRST').experiment('FIRST').create()
    with xnat.trace() as trace:
        project.subject('S').experiment('E').scan('1').create()
    assert trace.requests <= 3


@pytest.mark.parametrize('level', ['subject', 'experiment', 'scan', 'assessor'])
def test_nothing_is_created_in_a_project_of_others(tmp_path, level):
    with serve(tmp_path / 'archive', users={'stranger': 'pw'}) as server:
        with Interface(server.url, server.user, server.password) as owner:
            owner.select.project('PRIVATE').create()
            owner.select.project('PRIVATE').set_accessibility('private')
            owner.select.project('PRIVATE').subject('S').experiment('E').create()
        with Interface(server.url, 'stranger', 'pw') as stranger:
            session = stranger.select.project('PRIVATE').subject('S').experiment('E')
            made = {
                'subject': session.parent(),
                'experiment': session,
                'scan': session.scan('1'),
                'assessor': session.assessor('A'),
            }[level]
            with pytest.raises(
                (errors.PermissionDenied, errors.IntegrityError, errors.NotFoundError)
            ):
                made.create(**(QC if level == 'assessor' else {}))
