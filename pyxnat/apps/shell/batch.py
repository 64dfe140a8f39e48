"""Download of the sessions of a list, with a result for each row."""

from __future__ import annotations

from typing import Any

from ...errors import DatabaseError, Error, NotFoundError, PermissionDenied
from .exit_codes import Exit, exit_code
from .filters import Filter
from .id_lists import IdList
from .places import Place, place_of
from .session import Shell

__all__ = ['Batch']

_EXPLAINED = {
    'empty': 'The row has no ID.',
    'ambiguous': 'Several sessions have this label: give IDs, or a column project.',
    'not found': 'Logged in as {who}, which sees no session of this ID or label: check it, or ask '
    'for access to its project.',
    'no access': 'Logged in as {who}, which may not read it: ask for access to its project.',
}
"""Status of a row without a download -> its message."""


class Batch:
    """The download of the sessions of a list.

    Parameters
    ----------
    shell : Shell
        The run.
    ids : IdList
        The list.
    paths : tuple of str
        A project and the folder, the folder alone, or nothing: the current folder.
    options : dict
        Options of ``download``.
    chosen : Filter
        Files to download.
    """

    def __init__(
        self,
        shell: Shell,
        ids: IdList,
        paths: tuple[str, ...],
        options: dict[str, Any],
        chosen: Filter,
    ) -> None:
        self._shell = shell
        self._ids = ids
        self._base, self._dest = paths if len(paths) == 2 else ('', *(paths or ('.',)))
        self._options = options
        self._filter = chosen
        place = Place.read(self._base)
        self._interface = shell.connect(place.profile)
        self._path = place.path if self._base else '/projects/*'
        self._status_path = ids.path.with_name(f'{ids.path.stem}.status.csv')

    def run(self, dry_run: bool) -> int:
        """Download session after session; return the exit status."""
        known = self._known()
        results: list[list[str]] = []
        who = ''
        try:
            for number, name in enumerate(self._ids.names):
                found, problem = self._find(known, name, self._ids.project(number))
                if found is None:
                    who = who or self._interface.whoami()
                    results.append([problem, '0', '0', _EXPLAINED[problem].format(who=who)])
                elif dry_run:
                    results.append(['found', '', '', found])
                else:
                    results.append(self._fetch(found))
                self._shell.output.note(f'{name}: {results[-1][0]}')
        finally:
            if not dry_run:
                self._ids.write(self._status_path, results)
        return self._finish(results, dry_run)

    def _known(self) -> dict[str, list[tuple[str, str]]]:
        """Return project and URI of the sessions by ID and by label.

        The requests of a table.
        """
        known: dict[str, list[tuple[str, str]]] = {}
        for session in self._interface.select(f'{self._path}/subjects/*/experiments'):
            place = (session.steps[0].name, session.uri)
            for name in {session.id(), session.label()}:
                known.setdefault(name, []).append(place)
        return known

    def _find(
        self, known: dict[str, list[tuple[str, str]]], name: str, project: str
    ) -> tuple[str | None, str]:
        """Return the URI of a session, or the reason why there is none."""
        places = [place for place in known.get(name, []) if project in ('', place[0])]
        if not name:
            return None, 'empty'
        if len({uri for _, uri in places}) > 1:
            return None, 'ambiguous'
        if places:
            return places[0][1], ''
        try:
            self._interface.get(f'/data/experiments/{name}?format=json').raise_for_status()
        except PermissionDenied:
            return None, 'no access'
        except NotFoundError:
            return None, 'not found'
        except DatabaseError as error:
            return None, 'no access' if error.status in (401, 403) else 'not found'
        return None, 'not found'

    def _fetch(self, uri: str) -> list[str]:
        try:
            session = self._interface.select(uri.removeprefix('/data'))
            if self._filter:
                files = [
                    file
                    for file in self._interface.select(f'{uri.removeprefix("/data")}//files')
                    if self._filter(place_of(file))
                ]
                if not files:
                    return ['no files', '0', '0', 'No file matches the filters.']
                report = self._interface.bulk.download(files, self._dest, **self._options)
            else:
                report = session.download(self._dest, **self._options)
        except (Error, OSError) as error:
            if exit_code(error) in (Exit.LOGIN, Exit.NETWORK):
                raise
            return ['failed', '0', '0', str(error)]
        files_count = str(len(report.ok) + len(report.skipped))
        if report.failed:
            return ['failed', files_count, str(report.bytes), str(report.failed[0])]
        if files_count == '0':
            return ['no files', '0', '0', 'The session has no files.']
        return ['complete', files_count, str(report.bytes), '']

    def _finish(self, results: list[list[str]], dry_run: bool) -> int:
        rows = [
            {'name': name, 'status': result[0], 'files': result[1], 'message': result[3]}
            for name, result in zip(self._ids.names, results, strict=False)
        ]
        bad = [row for row in rows if row['status'] not in ('complete', 'found', 'no files')]
        self._shell.output.rows(rows, ['name', 'status', 'files', 'message'])
        if not dry_run:
            self._shell.output.note(f'The results are in {self._status_path}')
        return int(Exit.SOME_FAILED if bad else Exit.DONE)
