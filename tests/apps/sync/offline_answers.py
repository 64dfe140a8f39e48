"""Program: the answers of a mirror to criteria and paths, with no network.

``python -m tests.apps.sync.offline_answers FOLDER QUESTIONS`` writes them as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyxnat
from pyxnat import errors
from pyxnat.resources.base import Element

__all__ = ['answer']


def answer(side: pyxnat.Interface, question: Any) -> Any:
    """Return what one side answers to criteria or to a path, in the order of values."""
    kind, text = question
    try:
        if kind == 'criteria':
            criteria = [tuple(one) if isinstance(one, list) else one for one in text[1]]
            return sorted(side.select(text[0]).where(criteria).get())
        selected = side.select(text)
        found = [selected] if isinstance(selected, Element) else list(selected)
        if found == [selected]:
            return bool(selected.exists())
    except errors.DatabaseError as error:
        return type(error).__name__
    if text.rstrip('/').endswith('files'):
        return sorted(f'{file.row["path"]} {file.row["digest"]}' for file in found)
    if text.endswith('resources/*'):
        return sorted(element.label() for element in found)
    return sorted(element.id() for element in found)


def forbid(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse to make or use a socket."""
    if event.startswith('socket.'):
        raise RuntimeError(f'{event} of a mirror')


if __name__ == '__main__':
    sys.addaudithook(forbid)
    questions = json.loads(Path(sys.argv[2]).read_text())
    with pyxnat.open(sys.argv[1]) as mirror:
        json.dump([answer(mirror, question) for question in questions], sys.stdout)
