"""The user who sent a request."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ['GUEST', 'Caller']


@dataclass(frozen=True)
class Caller:
    """User who sent a request."""

    login: str
    admin: bool = False
    pk: int = 0
    epoch: int = field(default=0, compare=False)
    """`Sessions.epoch` of the user when the password was compared."""

    @property
    def guest(self) -> bool:
        """Whether nobody is logged in."""
        return self.login == GUEST.login


GUEST = Caller('guest')
