"""Subjects that pulled projects show, and that other projects own."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping

from .file_rows import Files
from .selection import Selection, selected_projects
from .sides import Side
from .state import State

__all__ = ['SharedSubjects']

_NONE = Files.of('none')


class SharedSubjects:
    """Subjects of other projects that pulled ones share, or have sessions of.

    A pull brings these subjects, too. Of their projects it brings nothing else but the fields.

    Parameters
    ----------
    remote : Side
        The server.
    state : State
        State of the mirror.
    """

    def __init__(self, remote: Side, state: State) -> None:
        self._remote = remote
        self._state = state
        self._needed: dict[str, dict[str, Selection]] = {}
        self._pulled: set[str] = set()
        self.notes: list[str] = []
        """About assessors whose subjects cannot be pulled."""

    def add(
        self,
        selected: Selection,
        chosen: Container[str] | None,
        shared: Mapping[str, str],
        pulled: Iterable[str],
        *,
        asks: bool,
    ) -> None:
        """Add the subjects that a selection needs. One request, if it is a whole project.

        With `asks` one more, and three for each assessor that is not known yet.

        Parameters
        ----------
        selected : Selection
            The selection.
        chosen : container of str or None
            IDs of its subjects; None for all.
        shared : mapping
            Key of each subject that is shared into the project -> its project.
        pulled : iterable of str
            Keys of the units of the project itself, which are pulled with it.
        asks : bool
            Whether to ask for assessors that are shared without their sessions.
        """
        self._pulled.update(pulled)
        found = {
            key: owner
            for key, owner in shared.items()
            if chosen is None or key.partition('/')[2] in chosen
        }
        if chosen is None:
            found |= self._remote.subjects_of_sessions(selected.project)
            found |= self._subjects_of_assessors(selected.project) if asks else {}
        for key, owner in found.items():
            if owner != selected.project:
                self._needed.setdefault(owner, {}).setdefault(key, selected)

    def _subjects_of_assessors(self, project: str) -> dict[str, str]:
        """Return the subjects of the assessors of a project, with their projects."""
        known, found = self._state.assessors(), dict[str, str]()
        for name in sorted(self._remote.experiments(project, 'xnat:imageAssessorData')):
            if name in known:
                key, owner = known[name]
                found[key] = owner
            elif (home := self._remote.home_of_assessor(name, project)) is not None:
                found[home.key] = home.project
            else:
                self.notes.append(
                    f'the assessor {name} of {project}, which has not its session, was not pulled: '
                    'the login cannot read the session, or another project does not share it'
                )
        return found

    def shown_by(self, project: str) -> str:
        """Return the path of a selection that shows subjects of a project."""
        needed = self._needed.get(project, {}).values()
        return next((one.path for one in needed), f'/projects/{project}')

    def selections(self, *, is_all: bool) -> Iterator[Selection]:
        """Yield what to pull of each project of such subjects.

        Each after those before were pulled: its fields, and subjects, those known included. If it
        has a selection of its own, only subjects that this did not bring.

        Parameters
        ----------
        is_all : bool
            Whether all that the mirror has is pulled: then also the projects of subjects that were
            shared in an earlier pull.
        """
        selected = selected_projects(self._state)
        before = {unit.project for unit in self._state.units().values()} if is_all else set()
        for project in sorted(self._needed.keys() | (before - selected)):
            yield self._selection(project, is_selected=project in selected)

    def _selection(self, project: str, *, is_selected: bool) -> Selection:
        known = self._state.units(project)
        wanted = {key: one.files for key, one in self._needed.get(project, {}).items()}
        if is_selected:
            wanted = {key: files for key, files in wanted.items() if key not in known}
        else:
            before = {key: Files.of(unit.files) for key, unit in known.items()}
            wanted = {**before, **wanted, f'projects/{project}': _NONE}
        each = {
            key.partition('/')[2]: files for key, files in wanted.items() if key not in self._pulled
        }
        files = next((some for some in each.values() if not some.is_none), _NONE)
        return Selection(project, '', None, files, is_whole=False, each=each)

    def note(self, project: str, there: Container[str], reason: str) -> str:
        """Return the note for subjects that cannot be pulled; empty if there are none.

        Parameters
        ----------
        project : str
            ID of their project; empty if it is not known.
        there : container of str
            Keys of the subjects that can be.
        reason : str
            Why the others cannot.
        """
        known = self._state.units()
        needed = self._needed.get(project, {})
        lacking = [key for key in needed if key not in known and key not in there]
        if not lacking:
            return ''
        projects = ', '.join(sorted({needed[key].project for key in lacking}))
        return (
            f'{len(lacking)} subjects of {project or "an unknown project"}, which are shared into '
            f'{projects} or have sessions of it, were not pulled: {reason}'
        )
