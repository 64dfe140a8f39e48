"""``/xapi/customforms``: forms for custom fields, of the site or of projects, by data type.

A form is a document of Form.io. Whoever may edit an item keeps its values below the form's UUID in ``/xapi/custom-fields``.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from sqlalchemy import Connection, func, select
from werkzeug.wrappers import Response

from ..db.store import custom_form, custom_form_use, item
from ..errors import BadRequest, NotFound
from ..http.request import Call, text
from ..http.router import Access, Route
from ..items.locate import find_project
from .json_body import json_body

__all__ = ['ROUTES']

SITE = 'Site'
_PAGE = {'tableView': False, 'collapsible': False, 'saveOnEnter': False, 'scrollToTop': False, 'navigateOnEnter': False, 'breadcrumbClickable': True}


def _env(call: Call) -> dict[str, Any]:
    del call
    return {
        'siteHasProtocolsPluginDeployed': False,
        'features': {'projectOwnerFormCreationEnabled': False, 'customVariableMigrationEnabled': False},
    }


# -- writing


def _save(call: Call) -> Response:
    """Keep a form; a new one gets a UUID, which is the answer."""
    told = json_body(call)
    about = told.get('submission', {}).get('data') if isinstance(told.get('submission'), dict) else None
    if not isinstance(about, dict):
        raise BadRequest('Invalid form submission: Missing required value "submission"')
    if not isinstance(told.get('builder'), dict):
        raise BadRequest('Invalid form submission: Missing required value "builder"')
    is_site = str(about.get('isThisASiteWideConfiguration', '')).upper()
    if is_site not in ('YES', 'NO'):
        what = about.get('isThisASiteWideConfiguration')
        raise BadRequest(f'Invalid form submission: "isThisASiteWideConfiguration" value {what} must be one of {{NO, YES}}.')
    with call.archive.store.write() as connection:
        places = [SITE] if is_site == 'YES' else [_project(connection, one.get('value', '')) for one in about.get('xnatProject') or []]
        known = _known(connection, str(about.get('idCustomVariableFormAppliesTo', '')))
        found = _update(connection, known, told) if known is not None else _insert(call, connection, told, about)
        _use(connection, found.pk, places)
    return text(found.uuid, 201 if known is None else 200)


def _project(connection: Connection, name: str) -> str:
    row = find_project(connection, name)
    if row is None:
        raise BadRequest(f'Invalid form submission: there is no project {name}.')
    return str(row.id)


def _known(connection: Connection, reference: str) -> Any:
    number = reference.partition('_')[2]
    return connection.execute(select(custom_form).where(custom_form.c.pk == int(number))).first() if number.isdecimal() else None


def _insert(call: Call, connection: Connection, told: dict[str, Any], about: dict[str, Any]) -> Any:
    values = {
        'uuid': str(uuid.uuid4()), 'contents': _contents(told), 'position': int(about.get('zIndex') or 10), 'username': call.caller.login,
        'datatype': str((about.get('xnatDatatype') or {}).get('value', '')), 'created': int(time.time() * 1000),
    }  # fmt: skip
    if call.archive.model.name(str(values['datatype'])) is None:
        raise BadRequest(f'Invalid form submission: {values["datatype"]!r} is no data type.')
    return connection.execute(custom_form.insert().values(**values).returning(custom_form)).one()


def _update(connection: Connection, known: Any, told: dict[str, Any]) -> Any:
    change = custom_form.update().where(custom_form.c.pk == known.pk).values(contents=_contents(told))
    return connection.execute(change.returning(custom_form)).one()


def _contents(told: dict[str, Any]) -> str:
    builder = told['builder']
    found: dict[str, Any] = {name: builder[name] for name in ('title', 'display', 'components') if name in builder}
    found['components'] = [_sorted(one) if isinstance(one, dict) else one for one in found.get('components', [])]
    return json.dumps(found, ensure_ascii=False, separators=(',', ':'))


def _sorted(component: dict[str, Any]) -> dict[str, Any]:
    """A component with what all have in front, as XNAT writes it."""
    first: dict[str, Any] = {name: component[name] for name in ('key', 'type', 'input', 'label') if name in component}
    return {**first, **component}


def _use(connection: Connection, form: int, places: list[str]) -> None:
    known = set(connection.scalars(select(custom_form_use.c.entity).where(custom_form_use.c.form == form)))
    for place in dict.fromkeys(places):
        if place not in known:
            connection.execute(custom_form_use.insert().values(form=form, entity=place, status='enabled'))


def _switch(status: str, words: str) -> Any:
    def handler(call: Call) -> Response:
        with call.archive.store.write() as connection:
            for use in _told(call, connection):
                connection.execute(custom_form_use.update().where(custom_form_use.c.pk == use.pk).values(status=status))
        return text(words)

    return handler


def _delete(call: Call) -> Response:
    """Delete a form; one that has data is disabled."""
    said = []
    with call.archive.store.write() as connection:
        for use in _told(call, connection):
            form = connection.execute(select(custom_form).where(custom_form.c.pk == use.form)).one()
            if _has_data(connection, form):
                connection.execute(custom_form_use.update().where(custom_form_use.c.pk == use.pk).values(status='disabled'))
                said.append(f'{use.entity}: disabled')
                continue
            connection.execute(custom_form_use.delete().where(custom_form_use.c.pk == use.pk))
            if connection.scalar(select(func.count()).where(custom_form_use.c.form == form.pk)) == 0:
                connection.execute(custom_form.delete().where(custom_form.c.pk == form.pk))
            said.append(f'{use.entity}: deleted')
    return text(f'Form {", ".join(said)}')


def _told(call: Call, connection: Connection) -> list[Any]:
    """The uses of forms that a body names: ``[{"entityId": "Site", "idCustomVariableFormAppliesTo": "1_1"}]``."""
    found = []
    for one in json_body(call, list):
        reference = str(one.get('idCustomVariableFormAppliesTo', '')) if isinstance(one, dict) else ''
        found.append(_use_of(connection, reference))
    return found


def _use_of(connection: Connection, reference: str) -> Any:
    number = reference.partition('_')[0]
    query = select(custom_form_use).where(custom_form_use.c.pk == int(number)) if number.isdecimal() else None
    found = connection.execute(query).first() if query is not None else None
    if found is None:
        raise NotFound(f'There is no form {reference}.')
    return found


# -- reading


def _list(call: Call) -> list[dict[str, Any]]:
    """All forms, or those of the site and of one project."""
    project = call.get('projectId')
    with call.archive.store.read() as connection:
        forms = list(connection.execute(select(custom_form).order_by(custom_form.c.pk)))
        uses = list(connection.execute(select(custom_form_use).order_by(custom_form_use.c.pk)))
        shown = [(form, [use for use in uses if use.form == form.pk]) for form in forms]
        return [_row(connection, form, own) for form, own in shown if not project or any(use.entity in (SITE, project) for use in own)]


def _row(connection: Connection, form: Any, uses: list[Any]) -> dict[str, Any]:
    places = [{'entityId': use.entity, 'idCustomVariableFormAppliesTo': f'{use.pk}_{form.pk}', 'status': use.status} for use in uses]
    return {
        'appliesToList': places, 'contents': form.contents, 'formId': str(form.pk), 'formUUID': form.uuid, 'formDisplayOrder': form.position,
        'path': f'datatype/{form.datatype}', 'scope': SITE if any(use.entity == SITE for use in uses) else 'Project',
        'doProjectsShareForm': len(uses) > 1, 'username': form.username, 'dateCreated': form.created, 'hasData': _has_data(connection, form),
    }  # fmt: skip


def _has_data(connection: Connection, form: Any) -> bool:
    held = func.json_extract(item.c.fields, '$."custom_fields"').contains(f'"{form.uuid}"')
    return connection.scalar(select(item.c.pk).where(held).limit(1)) is not None


def _data(call: Call, form: str) -> bool:
    """Whether any item has values of a form."""
    with call.archive.store.read() as connection:
        use = _use_of(connection, form)
        return _has_data(connection, connection.execute(select(custom_form).where(custom_form.c.pk == use.form)).one())


def _element(call: Call) -> dict[str, Any]:
    """The enabled forms of a data type, the project's before the site's, as pages of one."""
    kind, project = call.get('xsiType'), call.get('projectId')
    with call.archive.store.read() as connection:
        query = select(custom_form, custom_form_use.c.entity).join(custom_form_use, custom_form_use.c.form == custom_form.c.pk)
        query = query.where(custom_form.c.datatype == kind, custom_form_use.c.status == 'enabled', custom_form_use.c.entity.in_((SITE, project)))
        forms = list(connection.execute(query.order_by(custom_form_use.c.entity == SITE, custom_form.c.position, custom_form.c.pk)))
    pages = [_page(number, form) for number, form in enumerate(forms, 1)]
    return {'title': 'Custom Variables', 'display': 'wizard', 'settings': '{}', 'components': pages}


def _page(number: int, form: Any) -> dict[str, Any]:
    contents = json.loads(form.contents)
    title = contents.get('title', '')
    style = 'style="font-family:Arial, Helvetica, sans-serif;"'
    note = {
        'key': 'content', 'html': f'<p><span class="text-tiny" {style}><b>Form UUID:{form.uuid}</b></span></p>', 'type': 'content', 'input': False,
        'label': 'content', 'tableView': False, 'refreshOnChange': False,
    }  # fmt: skip
    inner = {'key': form.uuid, 'type': 'container', 'input': True, 'label': form.uuid, 'tableView': False}
    inner['components'] = [note, *contents.get('components', [])]
    return {'key': f'page{number}', 'type': 'panel', 'input': False, 'label': title, 'title': title, **_PAGE, 'components': [inner]}


def _reload(call: Call) -> Response:
    """Nothing is kept that had to be read again."""
    del call
    return text()


ROUTES = (
    Route('GET', '/xapi/customforms', _list, 'List the forms for custom fields.', Access.LOGIN),
    Route('DELETE', '/xapi/customforms', _delete, 'Delete forms.', Access.ADMIN),
    Route('GET', '/xapi/customforms/env', _env, 'Return what the form editor needs to know.', Access.LOGIN),
    Route('PUT', '/xapi/customforms/save', _save, 'Save a form.', Access.ADMIN),
    Route('POST', '/xapi/customforms/enable', _switch('enabled', 'Form Enabled'), 'Enable a form.', Access.ADMIN),
    Route('POST', '/xapi/customforms/disable', _switch('disabled', 'Form disabled'), 'Disable a form.', Access.ADMIN),
    Route('GET', '/xapi/customforms/element', _element, 'Return the forms that an item has.', Access.LOGIN),
    Route('GET', '/xapi/customforms/hasdata/{form}', _data, 'Say whether items have values of a form.', Access.LOGIN),
    Route('POST', '/xapi/customforms/displayfields/reload', _reload, 'Answer that display fields are read again.', Access.ADMIN),
)
