"""URLs ``xnat://HOST[:PORT][/CONTEXT]/P/S/E/SCAN/RESOURCE/path``.

Nothing here makes a request. The path is that of a download with the default layout: names below
the project, down to the path of a file in its resource. A REST path (``/data/projects/P/…``) stands
for the same.
"""

from __future__ import annotations

import os
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from ...errors import InvalidArgument

__all__ = ['PROTOCOL', 'Address']

PROTOCOL = 'xnat'
_LEVELS = ('projects', 'subjects', 'experiments', 'scans', 'assessors', 'reconstructions')
_ENTRIES = (['data'], ['REST'])
_FIRST = (['archive'], ['projects'], ['subjects'], ['experiments'])
_SIDES = ('in', 'out')
_THIS_MACHINE = ('localhost', '127.0.0.1', '[::1]')


class Address(NamedTuple):
    """A parsed URL or path."""

    server: str
    """URL of the server; empty for a path without a host."""
    parts: tuple[str, ...]
    """Names below the server: project, subject, …, path of a file."""

    @classmethod
    def parse(cls, text: str) -> Address:
        """Parse a URL or a path.

        The server of ``XNAT_HOST`` gives the scheme and the context path of its host. Otherwise it
        is https without a context path, and http for this machine; a REST path shows the context
        path itself.

        Parameters
        ----------
        text : str
            Such as ``xnat://host/P/S`` or ``P/S``. ``%20`` and the like stand for characters only
            in a REST path.

        Raises
        ------
        InvalidArgument
            The path has ``.`` or ``..``.

        Examples
        --------
        >>> Address.parse('xnat://central.xnat.org/P/S/E/1/NIFTI/a/b.nii').parts
        ('P', 'S', 'E', '1', 'NIFTI', 'a', 'b.nii')
        >>> Address.parse('xnat://h.org/xnat/data/projects/P/subjects/S')
        Address(server='https://h.org/xnat', parts=('P', 'S'))
        """
        text = text.removeprefix(f'{PROTOCOL}::')
        if not text.startswith(f'{PROTOCOL}://'):
            return cls('', _parts(_names(text)))
        host, _, path = text.removeprefix(f'{PROTOCOL}://').partition('/')
        names = _names(path)
        if not host:
            return cls('', _parts(names))
        known = urlsplit(os.environ.get('XNAT_HOST', '').rstrip('/'))
        if known.netloc == host:
            scheme, context = known.scheme, _names(known.path)
            context = context if names[: len(context)] == context else []
        else:
            scheme = 'http' if host.rpartition(':')[0] in _THIS_MACHINE else 'https'
            context = names[: _entry(names)]
        server = '/'.join((f'{scheme}://{host}', *context))
        return cls(server, _parts(names[len(context) :]))

    @property
    def path(self) -> str:
        """The names joined by slashes."""
        return '/'.join(self.parts)


def _names(path: str) -> list[str]:
    names = [name for name in path.split('/') if name]
    if {'.', '..'} & {*names}:
        raise InvalidArgument(f'{path!r} has . or ..', remedy='Write the full path.')
    return names


def _entry(names: list[str]) -> int:
    """Return the number of names before a REST path; 0 without one."""
    return next((number for number in range(len(names)) if _is_rest(names[number:])), 0)


def _is_rest(names: list[str]) -> bool:
    """Whether names begin as a REST path does."""
    return names[:1] in _ENTRIES and names[1:2] in _FIRST


def _parts(names: list[str]) -> tuple[str, ...]:
    """Return the names of elements, without the words of a REST path."""
    if not _is_rest(names):
        return tuple(names)
    rest = names[2 if names[1] == 'archive' else 1 :]
    if rest[:1] != ['projects']:
        raise InvalidArgument(
            f'/{"/".join(names)} is not below a project', remedy='Write the path from its project.'
        )
    found: list[str] = []
    while rest:
        word = rest.pop(0)
        if word == 'files':
            return (*found, *map(unquote, rest))
        if word in _SIDES:
            continue
        if word not in (*_LEVELS, 'resources'):
            raise InvalidArgument(
                f'{word!r} is no level of /{"/".join(names)}', remedy='Write such as P/S/E.'
            )
        found += map(unquote, rest[:1])
        del rest[:1]
    return tuple(found)
