"""Tests of documents that a real XNAT wrote: a folder that has them differs in no value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lxml import etree

import pyxnat
from pyxnat.apps.sync.folder_side import FolderSide
from pyxnat.apps.sync.parts import SHARE, Part, parts_of, values_of
from pyxnat.apps.sync.state import Unit
from tests.replay.recordings import read

XNAT = 'http://nrg.wustl.edu/xnat'
TYPE = '{http://www.w3.org/2001/XMLSchema-instance}type'
TYPES = {
    'MRSession': 'xnat:mrSessionData',
    'PETSession': 'xnat:petSessionData',
    'CTSession': 'xnat:ctSessionData',
    'OtherDicomSession': 'xnat:otherDicomSessionData',
}


def documents(folder: Path) -> Iterator[etree._Element]:
    """Yield the recorded subjects, and the sessions as parts of a subject."""
    for path in sorted(folder.rglob('*.jsonl')):
        for exchange in read(path):
            body = exchange.body or b''
            if exchange.method != 'GET' or exchange.status != 200 or not body.startswith(b'<?xml'):
                continue
            try:
                root = etree.fromstring(body)
            except etree.XMLSyntaxError:  # shortened
                continue
            name = etree.QName(root).localname
            if name in TYPES:
                subject = etree.Element(f'{{{XNAT}}}Subject', nsmap=root.nsmap)
                subject.set('ID', root.findtext(f'{{{XNAT}}}subject_ID') or 'XNAT_S99999')
                subject.set('project', root.get('project', 'P'))
                subject.set('label', 'S')
                root.tag = f'{{{XNAT}}}experiment'
                root.set(TYPE, TYPES[name])
                etree.SubElement(subject, f'{{{XNAT}}}experiments').append(root)
                yield subject
            elif name == 'Subject' and root.get('project'):
                yield root


def stored(parts: dict[str, Part], folder: Path) -> dict[str, dict[str, str]]:
    """Return the values of items after their documents were put into a new folder."""
    top = next(iter(parts.values()))
    with pyxnat.open(folder, create=True) as local:
        for project in sorted({part.project for part in parts.values()}):
            local.put(f'/data/projects/{project}').raise_for_status()
        side = FolderSide(local)
        side.create(parts.values(), top.project)
        return values_of(side.parts(Unit(top.key, top.project, top.id, top.label)))


def without_shares(values: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Leave out the shares, which requests of their own create."""
    return {
        key: {name: text for name, text in one.items() if not name.startswith(SHARE)}
        for key, one in values.items()
    }


def test_the_documents_of_a_real_server_are_the_same_in_a_folder(
    reference: Path, tmp_path: Path
) -> None:
    seen: set[str] = set()
    for number, root in enumerate(documents(reference / 'recorded' / 'xnat-1.8.11')):
        text = etree.tostring(root, encoding='unicode')
        parts = parts_of(text.encode(), 'subjects', root.get('project', ''))
        shape = re.sub(r'\d+', '', text)
        if shape in seen or not parts:
            continue
        seen.add(shape)
        found = stored(parts, tmp_path / str(number))
        assert without_shares(found) == without_shares(values_of(parts))
    assert len(seen) > 30


def test_a_custom_variable_that_was_cleared_is_no_difference(tmp_path: Path) -> None:
    """XNAT keeps the name of a variable that was set to ``NULL``."""
    document = f"""<xnat:Subject xmlns:xnat="{XNAT}" ID="XNAT_S1" project="P" label="S">
      <xnat:fields>
      <xnat:field name="kept"><!--hidden_fields[a="1"]-->1</xnat:field>
      <xnat:field name="cleared"><!--hidden_fields[a="2"]-->
      </xnat:field></xnat:fields></xnat:Subject>"""
    parts = parts_of(document.encode(), 'subjects', 'P')
    found = values_of(parts)
    assert [name for name in found['subjects/XNAT_S1'] if 'cleared' in name] == []
    assert stored(parts, tmp_path / 'archive') == found
