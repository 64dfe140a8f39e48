"""Rules that say which scan is which image of BIDS, and the file that holds them.

The file is JSON: the standard library reads it on every Python, and its errors have lines::

    {
      "rules": [
        {"type": "T1*", "suffix": "T1w", "entities": {"acq": "mprage"}},
        {"scan": ["*nback*"], "suffix": "bold", "entities": {"task": "nback"}},
        {"description": "*localizer*", "skip": "localizer"}
      ],
      "resources": ["NIFTI", "BIDS"],
      "participants": {"sex": "subject/gender"},
      "sessions": {"scanner": "experiment/scanner"},
      "defaults": true
    }
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from .... import errors
from ....patterns import pattern
from .names import DATATYPES, ENTITIES, SUFFIXES, plain

__all__ = ['DEFAULT', 'Mapped', 'Rules', 'Scan', 'read_rules']

_CONDITIONS = ('scan', 'type', 'description', 'quality', 'session')
_RULE_KEYS = (*_CONDITIONS, 'suffix', 'datatype', 'entities', 'skip')
_FILE_KEYS = ('rules', 'resources', 'participants', 'sessions', 'defaults')
_FILLED = pattern(r'\{(type|description|scan)\}')
_OWN_ENTITIES = ('sub', 'ses')

DEFAULT: dict[str, Any] = {
    'rules': [
        {'scan': ['*locali[sz]er*', '*scout*', 'survey*', 'loc'], 'skip': 'localizer'},
        {'scan': ['*flair*'], 'suffix': 'FLAIR'},
        {'scan': ['t1', 't1w*', 't1[ _-]*', '*mprage*', '*[_ ]t1w*'], 'suffix': 'T1w'},
        {'scan': ['*t2star*', '*t2_star*', 't2[*]*'], 'suffix': 'T2starw'},
        {'scan': ['t2', 't2w*', 't2[ _-]*', '*[_ ]t2w*'], 'suffix': 'T2w'},
        {'scan': ['pd', 'pdw*', 'pd[ _-]*'], 'suffix': 'PDw'},
        {'scan': ['*dti*', '*dwi*', '*diffusion*'], 'suffix': 'dwi'},
        {'scan': ['*sbref*'], 'skip': 'a reference image: name its task in a rule'},
        {'scan': ['*rest*', 'rsfmri*'], 'suffix': 'bold', 'entities': {'task': 'rest'}},
        {
            'scan': ['*bold*', '*fmri*', 'epi', 'epi[ _-]*'],
            'suffix': 'bold',
            'entities': {'task': '{description}'},
        },
    ],
    'resources': ['BIDS', 'NIFTI', 'NIFTI_GZ', 'NII', 'NIFTI_RAW', 'JSON', 'BVAL', 'BVEC'],
    'participants': {
        'age': 'subject/age',
        'sex': 'subject/gender',
        'handedness': 'subject/handedness',
        'group': 'subject/group',
    },
    'sessions': {'acq_time': 'experiment/date'},
}
"""The mapping that is used without one of your own, and after it."""


class Scan(NamedTuple):
    """The fields of a scan that rules look at."""

    id: str
    type: str = ''
    description: str = ''
    quality: str = ''
    session: str = ''


class Mapped(NamedTuple):
    """Image that a rule makes of a scan."""

    datatype: str = ''
    suffix: str = ''
    entities: Mapping[str, str] = {}
    skip: str = ''
    """Reason why it is none; empty if it is one."""


class _Rule(NamedTuple):
    """A rule of a mapping, checked."""

    patterns: Mapping[str, tuple[str, ...]]
    image: Mapped

    def fits(self, scan: Scan) -> bool:
        """Whether all conditions of the rule hold."""
        return all(self._holds(name, scan) for name in self.patterns)

    def _holds(self, name: str, scan: Scan) -> bool:
        texts = (scan.type, scan.description) if name == 'scan' else (getattr(scan, name),)
        return any(
            fnmatchcase(text.casefold(), pattern)
            for text in texts
            for pattern in self.patterns[name]
        )


class Rules(NamedTuple):
    """A mapping, checked."""

    rules: tuple[_Rule, ...]
    resources: tuple[str, ...]
    """Labels of the resources that have images, in capitals; the first that a scan has counts."""
    participants: Mapping[str, str]
    """Column of ``participants.tsv`` -> column of a listing."""
    sessions: Mapping[str, str]
    """The same for ``sessions.tsv``."""

    def image_of(self, scan: Scan) -> Mapped | None:
        """Return the image of the first rule that fits a scan, None if no rule does."""
        rule = next((rule for rule in self.rules if rule.fits(scan)), None)
        if rule is None or rule.image.skip:
            return rule and rule.image
        filled = {key: plain(_fill(value, scan)) for key, value in rule.image.entities.items()}
        empty = next((key for key, value in filled.items() if not value), None)
        if empty is not None:
            return Mapped(skip=f'the entity {empty} would be empty: the scan lacks the field')
        return rule.image._replace(entities=filled)


def _fill(value: str, scan: Scan) -> str:
    texts = {
        'type': scan.type,
        'description': scan.description or scan.type,
        'scan': scan.id,
    }
    return _FILLED.sub(lambda match: texts[match.group(1)], value)


def read_rules(source: str | os.PathLike[str] | Mapping[str, Any] | None = None) -> Rules:
    """Return the rules of a mapping file, before those of `DEFAULT`.

    Parameters
    ----------
    source : path, mapping or None
        The file, or its content; None for `DEFAULT` alone.

    Raises
    ------
    DataError
        The file is no mapping; the message has the line.
    """
    default = _Reader('the default mapping', '').read(DEFAULT)
    if source is None:
        return default
    if isinstance(source, Mapping):
        reader, values = _Reader('the mapping', ''), dict(source)
    else:
        path = Path(source).expanduser()
        reader, values = _loaded(path)
    own = reader.read(values)
    return Rules(
        own.rules + (default.rules if values.get('defaults', True) else ()),
        own.resources or default.resources,
        own.participants if 'participants' in values else default.participants,
        own.sessions if 'sessions' in values else default.sessions,
    )


def _loaded(path: Path) -> tuple[_Reader, Any]:
    try:
        text = path.read_text(encoding='utf-8-sig')
        return _Reader(str(path), text), json.loads(text)
    except FileNotFoundError as error:
        raise errors.DataError(
            f'there is no mapping file {path}', remedy='Give the path of a JSON file.'
        ) from error
    except UnicodeDecodeError as error:
        raise errors.DataError(f'{path} is not UTF-8', remedy='Save it as UTF-8.') from error
    except json.JSONDecodeError as error:
        raise errors.DataError(
            f'{path}, line {error.lineno}: {error.msg}',
            remedy='The mapping is JSON: names in double quotes, no comma before ] or }.',
        ) from error


class _Reader:
    """Checks a mapping; errors name the file, the rule and its line."""

    def __init__(self, name: str, text: str) -> None:
        self._name, self._text = name, text

    def read(self, values: Any) -> Rules:
        """Return the mapping of parsed JSON."""
        values = self._dict(values, self._name)
        self._check_keys(values, _FILE_KEYS, self._name)
        rules = values.get('rules', [])
        if not isinstance(rules, list):
            raise self._error(self._name, f'"rules" is {rules!r:.60}', 'Write a list of rules.')
        lines = _lines_of_rules(self._text)
        places = [
            f'{self._name}, {f"line {lines[at]}, " if at < len(lines) else ""}rule {at + 1}'
            for at in range(len(rules))
        ]
        return Rules(
            tuple(self._rule(rule, place) for rule, place in zip(rules, places, strict=True)),
            tuple(label.upper() for label in self._texts(values, 'resources', self._name)),
            self._columns(values, 'participants'),
            self._columns(values, 'sessions'),
        )

    def _rule(self, rule: Any, place: str) -> _Rule:
        rule = self._dict(rule, place)
        self._check_keys(rule, _RULE_KEYS, place)
        patterns = {
            name: tuple(pattern.casefold() for pattern in self._texts(rule, name, place))
            for name in _CONDITIONS
            if name in rule
        }
        if not patterns:
            raise self._error(
                place, 'the rule fits every scan', f'Give one of {", ".join(_CONDITIONS)}.'
            )
        if rule.get('skip'):
            reason = rule['skip'] if isinstance(rule['skip'], str) else 'skipped by a rule'
            return _Rule(patterns, Mapped(skip=reason))
        return _Rule(patterns, self._image(rule, place))

    def _image(self, rule: dict[str, Any], place: str) -> Mapped:
        suffix = rule.get('suffix', '')
        if not isinstance(suffix, str) or not re.fullmatch('[0-9A-Za-z]+', suffix):
            raise self._error(
                place, f'"suffix" is {suffix!r}', 'Give one such as T1w, or "skip": true.'
            )
        datatype = rule.get('datatype') or SUFFIXES.get(suffix)
        if datatype is None:
            raise self._error(
                place,
                f'the suffix {suffix!r} is not known{_like(suffix, SUFFIXES)}',
                'Correct it, or give its "datatype" such as anat.',
            )
        if datatype not in DATATYPES:
            raise self._error(
                place,
                f'there is no datatype {datatype!r}',
                f'Give one of {", ".join(sorted(DATATYPES))}.',
            )
        entities = self._dict(rule.get('entities', {}), f'{place}, "entities"')
        self._check_keys(entities, ENTITIES, f'{place}, "entities"')
        own = [key for key in entities if key in _OWN_ENTITIES]
        if own:
            raise self._error(
                place, f'{own[0]} comes from the labels on the server', 'Leave it out.'
            )
        if datatype == 'func' and 'task' not in entities:
            raise self._error(
                place, f'{suffix} needs the entity "task"', 'Add "entities": {"task": "rest"}.'
            )
        return Mapped(datatype, suffix, {key: str(value) for key, value in entities.items()})

    def _columns(self, values: dict[str, Any], key: str) -> dict[str, str]:
        columns = self._dict(values.get(key, {}), f'{self._name}, {key!r}')
        level = 'subject' if key == 'participants' else 'experiment'
        for name, column in columns.items():
            if not isinstance(column, str) or ('/' not in column and ':' not in column):
                raise self._error(
                    f'{self._name}, "{key}"',
                    f'{name} is {column!r}',
                    f'Give a column such as {level}/note.',
                )
        return dict(columns)

    def _texts(self, values: dict[str, Any], key: str, place: str) -> list[str]:
        value = values.get(key, [])
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise self._error(
                place, f'"{key}" is {value!r:.60}', 'Write a text, or a list of them.'
            )
        return texts

    def _dict(self, value: Any, place: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._error(place, f'{value!r:.60} has no names', 'Write {"name": value, …}.')
        return value

    def _check_keys(self, values: dict[str, Any], known: Collection[str], place: str) -> None:
        wrong = next((key for key in values if key not in known), None)
        if wrong is not None:
            raise self._error(
                place,
                f'there is no key {wrong!r}{_like(wrong, known)}',
                f'Known are {", ".join(known)}.',
            )

    def _error(self, place: str, problem: str, remedy: str) -> errors.DataError:
        return errors.DataError(f'{place}: {problem}', remedy=remedy)


def _like(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f'; perhaps {near[0]}' if near else ''


def _lines_of_rules(text: str) -> list[int]:
    """Return the line of each rule in the text of a mapping."""
    start = re.search(r'"rules"\s*:\s*\[', text)
    lines: list[int] = []
    position = start.end() if start else len(text)
    while (rule := re.compile(r'[\s,]*(?=[^\s,\]])').match(text, position)) is not None:
        lines.append(text.count('\n', 0, rule.end()) + 1)
        _, position = json.JSONDecoder().raw_decode(text, rule.end())
    return lines
