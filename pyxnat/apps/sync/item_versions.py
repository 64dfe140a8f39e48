"""Items of one unit in three versions: of the folder, the server and their base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .decisions import SHARE_NEEDED, Decision, Values, decide, is_retyped
from .parts import SHARE, Part, shares_of, values_of
from .state import Unit

__all__ = ['ItemVersions']


@dataclass
class ItemVersions:
    """Items of one unit in three versions, by key."""

    unit: Unit
    base: dict[str, Values]
    ours: dict[str, Part]
    theirs: dict[str, Part]
    changed_files: Mapping[str, str] = field(default_factory=dict)
    """Files that the folder changed, with the keys of their items: new things below these."""

    def is_retyped(self, key: str) -> bool:
        """Return whether both sides have an item, with different types."""
        is_on_both = key in self.ours and key in self.theirs
        return is_on_both and is_retyped(self.ours[key].values, self.theirs[key].values)

    def is_unlike(self, key: str) -> bool:
        """Return whether the server deleted an item of the folder, or made it again."""
        return key in self.ours and (key not in self.theirs or self.is_retyped(key))

    def is_gone(self, one: Decision) -> bool:
        """Return whether the folder deletes an item that the server deleted."""
        return one.action == 'take' and one.key in self.ours and one.key not in self.theirs

    def decide(self) -> list[Decision]:
        """Compare the items.

        The share of a subject counts as above the sessions of its project that the folder does not
        have: they are conflicts if the folder ended the share. If it has them, the subject is one.
        """
        files = self.changed_files
        above = {key: part.parent for key, part in {**self.ours, **self.theirs}.items()} | {**files}
        here: dict[str, Values] = {**values_of(self.ours), **{key: {} for key in files}}
        versions = {**self.base}, here, values_of(self.theirs)
        others = {*files}
        for key, part in self.theirs.items():
            name, subject = f'{SHARE}{part.project}', part.parent
            is_session_here = key in self.ours or part.level != 'experiments'
            if is_session_here or part.project == self.unit.project:
                continue
            if subject not in self.ours or name not in self.theirs[subject].values:
                continue  # not shared, or the subject itself is compared with them
            above[key] = share = f'{subject} {name}'
            others.add(share)
            for version in versions:
                if name in version.get(subject, {}):
                    version[share] = {}
        return [
            Decision(one.key, 'conflict', SHARE_NEEDED)
            if not one.is_conflict and self.needed_shares(one.key)
            else one
            for one in decide(*versions, above)
            if one.key not in others
        ]

    def needed_shares(self, key: str) -> dict[str, str]:
        """Return the shares of a subject that sessions of both sides need.

        Only those that were changed here. XNAT can neither end such a share nor change its label.
        """
        if key not in self.ours or key not in self.theirs:
            return {}
        projects = {
            part.project
            for name, part in self.theirs.items()
            if part.parent == key and name in self.ours
        }
        before, here = shares_of(self.base.get(key, {})), shares_of(self.ours[key].values)
        return {
            f'{SHARE}{name}': label
            for name, label in shares_of(self.theirs[key].values).items()
            if name in projects and name in before and here.get(name) not in (before[name], label)
        }

    def rebase(self, key: str) -> None:
        """Make the server's version of an item its base."""
        self.base.pop(key, None)
        if key in self.theirs:
            self.base[key] = self.theirs[key].values
