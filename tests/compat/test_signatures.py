"""Tests of names and arguments of the public calls of pyxnat 1.6.4.

Each line of the list has a module below ``pyxnat.core``, a function or method, and its arguments.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from pyxnat.tables import JsonTable

CALLS = (Path(__file__).parent / 'signatures_of_1_6.txt').read_text(encoding='utf-8').splitlines()


@pytest.mark.parametrize('line', CALLS)
def test_a_call_takes_the_arguments_that_it_had(line: str) -> None:
    module, name, *arguments = line.split()
    call = attrgetter(name)(import_module(f'pyxnat.core.{module}'))
    names = [one for one in inspect.signature(call).parameters if one != 'self']
    assert [one for one in names if one in arguments] == arguments
    assert names[: len(arguments)] == arguments


def test_a_table_takes_its_rows_by_name() -> None:
    table = JsonTable(jdata=[{'a': '1'}], order_by=['a'])
    assert table.has_header(name='a') and table.get(col='a') == '1'


def test_some_calls_by_name(project: Any, scan: Any) -> None:
    xnat, subject = project.host, scan.parent().parent()
    assert xnat.select(datatype_or_path=f'/projects/{project.id()}') == project
    assert xnat.manage.project(project_id=project.id()) == project
    subject.attrs.mset(dict_attrs={'gender': 'female'})
    assert subject.xpath(xpath='//xnat:gender/text()') == ['female']
    assert xnat.inspect.field_values(field_name='xnat:subjectData/GENDER_TEXT') == ['F']
    assert xnat.manage.search.eval_rpn_exp(rpnexp='a/b = c AND') == [('a/b', '=', 'c')]
    xnat.manage.register_callback(func=lambda collection, element: None)
    xnat.manage.unregister_callback()
