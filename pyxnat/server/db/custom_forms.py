"""Forms for custom fields, and their use on the site or in projects."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select

from .access import Caller, visible
from .guards import Guard, record
from .store import custom_form, custom_form_use, item

__all__ = [
    'SITE',
    'add_form',
    'all_forms',
    'change_form',
    'delete_form_use',
    'enabled_forms',
    'find_form',
    'find_form_use',
    'forms_of_type',
    'has_data',
    'seen_in',
    'seen_uses',
    'set_form_status',
    'use_form',
]

SITE = 'Site'
"""Entity of forms for the whole site."""


def all_forms(connection: Connection) -> Sequence[Any]:
    """Return all forms, oldest first."""
    return connection.execute(select(custom_form).order_by(custom_form.c.pk)).all()


def seen_in(caller: Caller) -> ColumnElement[bool]:
    """Return the condition for uses of forms that a caller may see.

    Those of the site, and those of projects that the caller may read.
    """
    record(Guard.FORM)
    entity = custom_form_use.c.entity
    return or_(entity == SITE, visible(caller, entity))


def seen_uses(connection: Connection, caller: Caller) -> Sequence[Any]:
    """Return the uses of forms that a caller may see, oldest first.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    """
    query = select(custom_form_use).where(seen_in(caller))
    return connection.execute(query.order_by(custom_form_use.c.pk)).all()


def forms_of_type(connection: Connection, caller: Caller, xsi_type: str) -> Sequence[Any]:
    """Return the forms of a data type, enabled or not, oldest first.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    xsi_type : str
        The data type.
    """
    seen = select(custom_form_use.c.form).where(seen_in(caller))
    query = select(custom_form).where(
        custom_form.c.datatype == xsi_type, custom_form.c.pk.in_(seen)
    )
    return connection.execute(query.order_by(custom_form.c.pk)).all()


def enabled_forms(
    connection: Connection, caller: Caller, xsi_type: str, project: str
) -> Sequence[Any]:
    """Return the enabled forms of a data type.

    Those of the project precede those of the site.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    xsi_type : str
        The data type.
    project : str
        ID of the project.
    """
    use = custom_form_use
    query = select(custom_form, use.c.entity).join(use, use.c.form == custom_form.c.pk)
    query = query.where(
        custom_form.c.datatype == xsi_type,
        use.c.status == 'enabled',
        use.c.entity.in_((SITE, project)),
        seen_in(caller),
    )
    return connection.execute(
        query.order_by(use.c.entity == SITE, custom_form.c.position, custom_form.c.pk)
    ).all()


def find_form(connection: Connection, number: str) -> Any:
    """Return the form with a key; None if there is none.

    Parameters
    ----------
    connection : Connection
        The database.
    number : str
        The key as text; None is returned if it is not a number.
    """
    if not number.isdecimal():
        return None
    return connection.execute(select(custom_form).where(custom_form.c.pk == int(number))).first()


def find_form_use(connection: Connection, caller: Caller, number: str) -> Any:
    """Return a use of a form that a caller may see; None if there is none.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    number : str
        The key as text; None is returned if it is not a number.
    """
    query = select(custom_form_use).where(seen_in(caller))
    if not number.isdecimal():
        return None
    return connection.execute(query.where(custom_form_use.c.pk == int(number))).first()


def add_form(connection: Connection, login: str, values: Mapping[str, Any]) -> Any:
    """Add a form with a new UUID; return its row.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    login : str
        The user.
    values : Mapping[str, Any]
        contents, position, datatype.
    """
    made = {'uuid': str(uuid.uuid4()), 'username': login, 'created': int(time.time() * 1000)}
    return connection.execute(
        custom_form.insert().values(**made, **values).returning(custom_form)
    ).one()


def change_form(connection: Connection, pk: int, contents: str) -> Any:
    """Replace the contents of a form; return its row.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    pk : int
        Key of the form.
    contents : str
        The document in JSON.
    """
    change = custom_form.update().where(custom_form.c.pk == pk).values(contents=contents)
    return connection.execute(change.returning(custom_form)).one()


def use_form(connection: Connection, pk: int, places: Iterable[str]) -> None:
    """Use a form in further projects, or on the site.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    pk : int
        Key of the form.
    places : Iterable[str]
        IDs of projects, or `SITE`.
    """
    known = set(
        connection.scalars(select(custom_form_use.c.entity).where(custom_form_use.c.form == pk))
    )
    for place in dict.fromkeys(places):
        if place not in known:
            connection.execute(
                custom_form_use.insert().values(form=pk, entity=place, status='enabled')
            )


def set_form_status(connection: Connection, pk: int, status: str) -> None:
    """Enable or disable a use of a form.

    Parameters
    ----------
    connection : Connection
        The database.
    pk : int
        Key of the use.
    status : str
        enabled or disabled.
    """
    connection.execute(
        custom_form_use.update().where(custom_form_use.c.pk == pk).values(status=status)
    )


def delete_form_use(connection: Connection, use: Any) -> None:
    """Delete a use of a form; the last use deletes the form.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    use : Any
        Row of the use.
    """
    connection.execute(custom_form_use.delete().where(custom_form_use.c.pk == use.pk))
    if connection.scalar(select(func.count()).where(custom_form_use.c.form == use.form)) == 0:
        connection.execute(custom_form.delete().where(custom_form.c.pk == use.form))


def has_data(connection: Connection, form_uuid: str) -> bool:
    """Whether any item has values of a form.

    Parameters
    ----------
    connection : Connection
        The database.
    form_uuid : str
        UUID of the form.
    """
    held = func.json_extract(item.c.fields, '$."custom_fields"').contains(f'"{form_uuid}"')
    return connection.scalar(select(item.c.pk).where(held).limit(1)) is not None
