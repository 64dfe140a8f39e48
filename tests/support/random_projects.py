"""Random projects with items of all kinds, and the comparison of a project with its copy.

Two archives are compared by their listings, documents and files, in which accession IDs are
replaced by labels; what belongs to an archive alone (numbers, dates, users, paths on its disk) is
left out.
"""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

from hypothesis import strategies as st
from lxml import etree

import pyxnat
from pyxnat import errors

__all__ = ['NUMBERS', 'build', 'differences', 'projects', 'state']

NUMBERS = itertools.count(1)
KINDS = ('mr', 'pet', 'ct')
JSON = {'content-type': 'application/json'}
OWN = {'URI', 'insert_date', 'insert_user', 'xnat_abstractresource_id', 'cat_id', 'cat_ID'}
OWN |= {'xnat_imagescandata_id', 'xnat_reconstructedimagedata_id', 'quarantine_status'}
COLUMNS = {
    'subjects': 'ID,label,project,gender,yob,handedness,group,src',
    'experiments': 'ID,label,project,date,time,note,xsiType,subject_label',
}


# -- comparison ------------------------------------------------------------------------------------


def ids_of(interface: pyxnat.Interface, project: str) -> dict[str, str]:
    """Accession ID -> label of all items of a project."""
    found = {}
    for query in (
        'subjects?columns=ID,label',
        'experiments?columns=ID,label',
        'experiments?xsiType=xnat:imageAssessorData&columns=ID,label',
    ):
        for row in interface.connection.rows(f'/data/projects/{project}/{query}'):
            found[row['ID']] = row['label']
    return found


def plain(text: str, ids: dict[str, str]) -> str:
    """A text with labels for accession IDs."""
    return re.sub(r'XNAT_[SE]\d+', lambda match: ids.get(match.group(), match.group()), text)


def document(element: Any, ids: dict[str, str]) -> list[str]:
    """The lines of an item's document, without what belongs to its archive."""
    root = etree.fromstring(element.get())
    for node in list(root.iter(etree.Comment)):
        node.tail = (node.tail or '').strip()
    etree.strip_tags(root, etree.Comment)
    for node in root.iter():
        node.attrib.pop('URI', None)
        if node.tag.endswith('}scan'):
            node.attrib.pop('project', None)  # XNAT sets it for scans that a path created alone
        for name in [name for name in node.attrib if 'schemaLocation' in str(name)]:
            del node.attrib[name]
        node.text = (node.text or '').strip()
        node.tail = None
    nested = etree.strip_elements
    nested(root, '{http://nrg.wustl.edu/xnat}experiments', with_tail=False)
    for holder in root.iter('{*}scans', '{*}assessors', '{*}reconstructions', '{*}sharing'):
        holder[:] = sorted(holder, key=lambda node: plain(etree.tostring(node).decode(), ids))
    for holder in root.iter('{*}resources', '{*}in', '{*}out', '{*}fields'):
        holder[:] = sorted(holder, key=etree.tostring)
    for scan in root.iter('{*}scan'):  # its resources have no element around them
        if files := scan.findall('{*}file'):
            first = scan.index(files[0])
            scan[first : first + len(files)] = sorted(files, key=etree.tostring)
    return plain(etree.tostring(root, encoding='unicode'), ids).replace('><', '>\n<').split('\n')


def rows(interface: pyxnat.Interface, uri: str, ids: dict[str, str]) -> list[str]:
    """A listing, in no order, without the columns of an archive."""
    try:
        found = interface.connection.rows(uri)
    except errors.NotFoundError:
        return []
    return sorted(
        plain(json.dumps({k: v for k, v in row.items() if k not in OWN}, sort_keys=True), ids)
        for row in found
    )


def state(interface: pyxnat.Interface, project: str) -> dict[str, Any]:
    """All that an archive answers about a project."""
    ids = ids_of(interface, project)
    top = interface.select.project(project)
    found: dict[str, Any] = {
        '': document(top, ids),
        'access': top.accessibility(),
        'resources': rows(interface, f'{top.uri}/resources', ids),
    }
    for level, columns in COLUMNS.items():
        found[level] = rows(interface, f'{top.uri}/{level}?columns={columns}', ids)
    holders = [top]
    for subject in top.subjects():
        holders.append(subject)
        found[f'subject {subject.label()}'] = document(subject, ids)
    for session in top.experiments():
        holders.append(session)
        found[f'session {session.label()}'] = document(session, ids)
        for level in ('scans', 'assessors', 'reconstructions'):
            uri = f'/data/experiments/{session.id()}/{level}'
            found[f'{session.label()} {level}'] = rows(interface, uri, ids)
        holders += [*session.scans(), *session.assessors(), *session.reconstructions()]
    for holder in holders:
        name = plain(holder.uri, ids)
        for level in ('resources', 'in_resources', 'out_resources'):
            if hasattr(holder, level):
                found[f'{level} of {name}'] = sorted(
                    plain(f'{resource.label()} {resource.attributes()}', ids).partition('{')[0]
                    for resource in getattr(holder, level)()
                )
    found['files'] = sorted(
        (
            plain('/'.join(file.parent().parent().uri.split('/')), ids),
            file.parent().level.plural,
            file.row.get('collection', ''),
            file.row['path'],
            file.row['digest'],
            file.row.get('file_format', ''),
            file.row.get('file_content', ''),
            file.row.get('file_tags', ''),
        )
        for file in interface.select(f'/projects/{project}//files')
    )
    return found


def differences(copy: dict[str, Any], original: dict[str, Any]) -> dict[str, Any]:
    """The answers that differ, as the parts that only one side has."""
    found = {}
    for name in sorted({*copy, *original}):
        one, two = copy.get(name), original.get(name)
        if one != two and isinstance(one, list) and isinstance(two, list):
            found[name] = ([x for x in one if x not in two], [x for x in two if x not in one])
        elif one != two:
            found[name] = (one, two)
    return found


# -- projects --------------------------------------------------------------------------------------

words = st.text('abcXYZ019', min_size=1, max_size=6)
texts = st.text('aB3 äß&<>"\'.,;:()[]\u4e2d', min_size=1, max_size=12).map(str.strip).filter(bool)
file_names = st.one_of(
    words.map('{}.dcm'.format),
    st.sampled_from(['a b.txt', 'sub/x.txt', 'ä (1).nii.gz', 'a+b=c.txt', '.hidden', 'A.TXT']),
)
files = st.dictionaries(file_names, st.binary(max_size=20).map(b'.'.__add__), max_size=3)
notes = st.fixed_dictionaries({}, optional={'format': words, 'content': words, 'tags': words})
resources = st.dictionaries(words.map('R_{}'.format), st.tuples(files, notes), max_size=2)
scans = st.dictionaries(
    st.sampled_from(['1', '2', '10', '3-MR1']),
    st.fixed_dictionaries({'type': texts, 'resources': resources}, optional={'quality': words}),
    max_size=2,
)
sessions = st.fixed_dictionaries(
    {
        'kind': st.sampled_from(KINDS),
        'note': texts,
        'date': st.dates().map(str),
        'fields': st.dictionaries(words.map(str.lower), words, max_size=2),
        'custom': st.dictionaries(words, st.one_of(st.integers(), words), max_size=2),
        'scans': scans,
        'resources': resources,
        'assessors': st.dictionaries(words.map('QC_{}'.format), resources, max_size=1),
        'reconstructions': st.dictionaries(words, resources, max_size=1),
        'shared': st.booleans(),
    }
)
subjects = st.fixed_dictionaries(
    {
        'gender': st.sampled_from(['male', 'female', '']),
        'group': st.one_of(st.just(''), words),
        'custom': st.dictionaries(words, words, max_size=1),
        'resources': resources,
        'sessions': st.dictionaries(words.map('E_{}'.format), sessions, max_size=2),
    }
)
projects = st.fixed_dictionaries(
    {
        'description': texts,
        'access': st.sampled_from(['private', 'protected', 'public']),
        'resources': resources,
        'subjects': st.dictionaries(words.map('S_{}'.format), subjects, min_size=1, max_size=2),
    }
)


def set_custom(element: Any, place: str, values: dict[str, Any]) -> None:
    if values:
        element.connection.request(
            f'/xapi/custom-fields/{place}/fields', 'PUT', json.dumps(values).encode(), JSON
        )


def fill(element: Any, wanted: dict[str, Any], side: str = 'resource') -> None:
    for label, (contents, about) in wanted.items():
        resource = getattr(element, side)(label)
        if not contents:
            resource.create(params=about)
        for name, content in contents.items():
            resource.file(name).put(content, **about)


def build(interface: pyxnat.Interface, name: str, wanted: dict[str, Any], other: Any) -> Any:
    """Create a project in an archive."""
    project = interface.select.project(name).create(description=wanted['description'])
    project.set_accessibility(wanted['access'])
    fill(project, wanted['resources'])
    for number, (label, subject) in enumerate(wanted['subjects'].items()):
        filled = {key: subject[key] for key in ('gender', 'group') if subject[key]}
        person = project.subject(label).create(**filled)
        set_custom(person, f'subjects/{person.id()}', subject['custom'])
        fill(person, subject['resources'])
        for title, session in subject['sessions'].items():
            build_session(person.experiment(f'{title}_{number}'), session, other)
    return project


def build_session(session: Any, wanted: dict[str, Any], other: Any) -> None:
    kind = wanted['kind']
    session.create(experiments=f'xnat:{kind}SessionData', note=wanted['note'], date=wanted['date'])
    for name, value in wanted['fields'].items():
        session.attrs.set(f'xnat:{kind}SessionData/fields/field[name={name}]/field', value)
    place = f'experiments/{session.id()}'
    set_custom(session, place, wanted['custom'])
    fill(session, wanted['resources'])
    for name, scan in wanted['scans'].items():
        fields = {key: scan[key] for key in ('type', 'quality') if key in scan}
        made = session.scan(name).create(scans=f'xnat:{kind}ScanData', **fields)
        set_custom(session, f'{place}/scans/{name}', wanted['custom'])
        fill(made, scan['resources'])
    for number, (label, inner) in enumerate(wanted['assessors'].items()):
        made = session.assessor(f'{label}_{session.path_name}').create(
            assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
        )
        fill(made, inner, 'out_resource' if number else 'in_resource')
    for label, inner in wanted['reconstructions'].items():
        made = session.reconstruction(f'{label}_{next(NUMBERS)}')
        made.create(type='x')
        fill(made, inner, 'out_resource')
    if wanted['shared']:
        session.share(other.path_name, f'SH_{session.label()}')
