"""Options of one run of the command, and its connections."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

from ...errors import ConfigurationError, InvalidArgument, NotFoundError
from ...interface import Interface
from .output import Output
from .places import Place, is_collection
from .profiles import Profile, Profiles

__all__ = ['Shell', 'open_profile']


@dataclass
class Shell:
    """One run of the command."""

    output: Output
    profile: str = ''
    server: str | None = None
    user: str | None = None
    jobs: int = 4
    assume_yes: bool = False
    offline: bool = False
    profiles: Profiles = field(default_factory=Profiles)
    _open: dict[str, Interface] = field(default_factory=dict)

    def connect(self, profile: str = '') -> Interface:
        """Return the connection of a profile; it is made once. No request.

        Without a profile the login comes from the sources of :class:`pyxnat.Interface`: options,
        environment, ``~/.netrc``, ``~/.xnatPass``, a prompt on a terminal.

        Parameters
        ----------
        profile : str
            Name of the profile. Default: that of the options, else the current one.
        """
        name = profile or self.profile
        if name not in self._open:
            self._open[name] = self._made(name)
        return self._open[name]

    def _made(self, name: str) -> Interface:
        options: dict[str, Any] = {'jobs': self.jobs, 'offline': self.offline or None}
        stored = self.profiles.get(name) if name or self.server is None else None
        if stored is None:
            return Interface(self.server, self.user, **options)
        if warning := stored.warning():
            self.output.error(f'Warning: {warning}')
        return open_profile(stored, **options)

    def select(self, text: str) -> Any:
        """Return the element or collection of a place such as ``P/S/E`` or ``lab:P``.

        No request.

        Parameters
        ----------
        text : str
            The place (:mod:`.places`).
        """
        place = Place.read(text)
        return self.connect(place.profile).select(place.path)

    def element(self, text: str) -> Any:
        """Return the one element of a place. No request.

        Raises
        ------
        InvalidArgument
            The place names a collection.
        """
        found = self.select(text)
        if is_collection(found):
            raise InvalidArgument(
                f'{text!r} names a collection', remedy='Name one element; ls lists collections.'
            )
        return found

    def existing(self, text: str) -> Any:
        """Return a place as `select` does; an element is looked up.

        Raises
        ------
        NotFoundError
            There is no such element.
        """
        found = self.select(text)
        if not is_collection(found) and not found.exists():
            raise NotFoundError(
                f'There is no {found.level.singular} {found.path_name!r}',
                uri=found.url,
                remedy='Check the spelling; the server hides objects that this login may not read.',
            )
        return found

    def confirm(self, question: str) -> bool:
        """Ask on a terminal; without one only ``--yes`` confirms.

        Raises
        ------
        InvalidArgument
            There is no terminal, and ``--yes`` was not given.
        """
        if self.assume_yes:
            return True
        if not sys.stdin.isatty():
            raise InvalidArgument(question, remedy='Without a terminal, confirm it with --yes.')
        sys.stderr.write(f'{question} [y/N] ')
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in ('y', 'yes')

    def would(self, *actions: str) -> None:
        """Write the steps, for ``--dry-run``."""
        self.output.rows(({'would': action} for action in actions), ['would'])
        self.output.note('Nothing was done.')

    def close(self) -> None:
        """Log out of all servers."""
        for interface in self._open.values():
            interface.disconnect()


def open_profile(profile: Profile, **options: Any) -> Interface:
    """Return a connection with a stored login.

    Parameters
    ----------
    profile : Profile
        The stored login.
    **options
        Further arguments of :class:`pyxnat.Interface`.
    """
    if not profile.secret:
        raise ConfigurationError(
            f'The secret of profile {profile.name} is not in the keyring any more; log in again: '
            f'pyxnat login {profile.server}'
        )
    if profile.is_token:
        options['token'] = (profile.user, profile.secret)
    else:
        options.update(user=profile.user, password=profile.secret, provider=profile.provider)
    return Interface(profile.server, verify=profile.verify, **options)
