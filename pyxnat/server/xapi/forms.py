"""``/xapi/customforms``: forms for custom fields, by data type.

A form belongs to the site or to projects and is a Form.io document. Its values are stored below its
UUID in ``/xapi/custom-fields``, where the edit right on the item is required.
"""

from __future__ import annotations

import json
from typing import Any

from werkzeug.wrappers import Response

from ..db.custom_forms import (
    SITE,
    add_form,
    all_forms,
    change_form,
    delete_form_use,
    enabled_forms,
    find_form,
    find_form_use,
    has_data,
    seen_uses,
    set_form_status,
    use_form,
)
from ..db.guards import Guard
from ..db.store import Connection
from ..errors import BadRequest, NotFound
from ..http.request import Call, text
from ..http.router import Access, Route, guarded
from ..items.locate import find_project
from .json_body import json_body

__all__ = ['ROUTES']

_PAGE = {
    'tableView': False,
    'collapsible': False,
    'saveOnEnter': False,
    'scrollToTop': False,
    'navigateOnEnter': False,
    'breadcrumbClickable': True,
}


def _env(call: Call) -> dict[str, Any]:
    del call
    return {
        'siteHasProtocolsPluginDeployed': False,
        'features': {
            'projectOwnerFormCreationEnabled': False,
            'customVariableMigrationEnabled': False,
        },
    }


# -- writing


def _save(call: Call) -> Response:
    """Save a form and return its UUID; a new form gets a new one."""
    body = json_body(call)
    about = (
        body.get('submission', {}).get('data') if isinstance(body.get('submission'), dict) else None
    )
    if not isinstance(about, dict):
        raise BadRequest('Invalid form submission: Missing required value "submission"')
    if not isinstance(body.get('builder'), dict):
        raise BadRequest('Invalid form submission: Missing required value "builder"')
    is_site = str(about.get('isThisASiteWideConfiguration', '')).upper()
    if is_site not in ('YES', 'NO'):
        scope = about.get('isThisASiteWideConfiguration')
        raise BadRequest(
            f'Invalid form submission: "isThisASiteWideConfiguration" value {scope} must be one of '
            f'{{NO, YES}}.'
        )
    with call.archive.store.write() as connection:
        places = (
            [SITE]
            if is_site == 'YES'
            else [
                _project(connection, choice.get('value', ''))
                for choice in about.get('xnatProject') or []
            ]
        )
        known = find_form(
            connection, str(about.get('idCustomVariableFormAppliesTo', '')).partition('_')[2]
        )
        found = (
            change_form(connection, known.pk, _contents(body))
            if known is not None
            else _insert(call, connection, body, about)
        )
        use_form(connection, found.pk, places)
    return text(found.uuid, 201 if known is None else 200)


def _project(connection: Connection, name: str) -> str:
    row = find_project(connection, name)
    if row is None:
        raise BadRequest(f'Invalid form submission: there is no project {name}.')
    return str(row.id)


def _insert(call: Call, connection: Connection, body: dict[str, Any], about: dict[str, Any]) -> Any:
    values = {'contents': _contents(body), 'position': int(about.get('zIndex') or 10)}
    datatype = str((about.get('xnatDatatype') or {}).get('value', ''))
    if call.archive.model.name(datatype) is None:
        raise BadRequest(f'Invalid form submission: {datatype!r} is not a data type.')
    return add_form(connection, call.caller.login, {**values, 'datatype': datatype})


def _contents(body: dict[str, Any]) -> str:
    builder = body['builder']
    found: dict[str, Any] = {
        name: builder[name] for name in ('title', 'display', 'components') if name in builder
    }
    found['components'] = [
        _sorted(one) if isinstance(one, dict) else one for one in found.get('components', [])
    ]
    return json.dumps(found, ensure_ascii=False, separators=(',', ':'))


def _sorted(component: dict[str, Any]) -> dict[str, Any]:
    """Return a component with its common keys first, as XNAT writes it."""
    first: dict[str, Any] = {
        name: component[name] for name in ('key', 'type', 'input', 'label') if name in component
    }
    return {**first, **component}


def _status_setter(status: str, words: str) -> Any:
    def handler(call: Call) -> Response:
        with call.archive.store.write() as connection:
            for use in _uses(call, connection):
                set_form_status(connection, use.pk, status)
        return text(words)

    return handler


def _delete(call: Call) -> Response:
    """Delete forms; disable those that have data."""
    results = []
    with call.archive.store.write() as connection:
        for use in _uses(call, connection):
            if has_data(connection, find_form(connection, str(use.form)).uuid):
                set_form_status(connection, use.pk, 'disabled')
                results.append(f'{use.entity}: disabled')
                continue
            delete_form_use(connection, use)
            results.append(f'{use.entity}: deleted')
    return text(f'Form {", ".join(results)}')


def _uses(call: Call, connection: Connection) -> list[Any]:
    """Return the uses of forms in a body.

    The body is ``[{"entityId": "Site", "idCustomVariableFormAppliesTo": "1_1"}]``.
    """
    found = []
    for one in json_body(call, list):
        reference = (
            str(one.get('idCustomVariableFormAppliesTo', '')) if isinstance(one, dict) else ''
        )
        found.append(_use_of(call, connection, reference))
    return found


def _use_of(call: Call, connection: Connection, reference: str) -> Any:
    found = find_form_use(connection, call.caller, reference.partition('_')[0])
    if found is None:
        raise NotFound(f'There is no form {reference}.')
    return found


# -- reading


def _list(call: Call) -> list[dict[str, Any]]:
    """Return all forms; with ``projectId`` those of the site and the project."""
    project = call.get('projectId')
    with call.archive.store.read() as connection:
        forms, uses = all_forms(connection), seen_uses(connection, call.caller)
        shown = [(form, [use for use in uses if use.form == form.pk]) for form in forms]
        return [
            _row(connection, form, own)
            for form, own in shown
            if any(not project or use.entity in (SITE, project) for use in own)
        ]


def _row(connection: Connection, form: Any, uses: list[Any]) -> dict[str, Any]:
    places = [
        {
            'entityId': use.entity,
            'idCustomVariableFormAppliesTo': f'{use.pk}_{form.pk}',
            'status': use.status,
        }
        for use in uses
    ]
    return {
        'appliesToList': places,
        'contents': form.contents,
        'formId': str(form.pk),
        'formUUID': form.uuid,
        'formDisplayOrder': form.position,
        'path': f'datatype/{form.datatype}',
        'scope': SITE if any(use.entity == SITE for use in uses) else 'Project',
        'doProjectsShareForm': len(uses) > 1,
        'username': form.username,
        'dateCreated': form.created,
        'hasData': has_data(connection, form.uuid),
    }


def _data(call: Call, form: str) -> bool:
    """Return whether any item has values of a form."""
    with call.archive.store.read() as connection:
        use = _use_of(call, connection, form)
        return has_data(connection, find_form(connection, str(use.form)).uuid)


def _element(call: Call) -> dict[str, Any]:
    """Return the enabled forms of a data type as pages of one form.

    Forms of the project come before those of the site.
    """
    kind, project = call.get('xsiType'), call.get('projectId')
    with call.archive.store.read() as connection:
        forms = enabled_forms(connection, call.caller, kind, project)
    pages = [_page(number, form) for number, form in enumerate(forms, 1)]
    return {'title': 'Custom Variables', 'display': 'wizard', 'settings': '{}', 'components': pages}


def _page(number: int, form: Any) -> dict[str, Any]:
    contents = json.loads(form.contents)
    title = contents.get('title', '')
    style = 'style="font-family:Arial, Helvetica, sans-serif;"'
    note = {
        'key': 'content',
        'html': f'<p><span class="text-tiny" {style}><b>Form UUID:{form.uuid}</b></span></p>',
        'type': 'content',
        'input': False,
        'label': 'content',
        'tableView': False,
        'refreshOnChange': False,
    }
    inner = {
        'key': form.uuid,
        'type': 'container',
        'input': True,
        'label': form.uuid,
        'tableView': False,
    }
    inner['components'] = [note, *contents.get('components', [])]
    return {
        'key': f'page{number}',
        'type': 'panel',
        'input': False,
        'label': title,
        'title': title,
        **_PAGE,
        'components': [inner],
    }


def _reload(call: Call) -> Response:
    """Do nothing: no display fields are cached."""
    del call
    return text()


ROUTES = guarded(
    Guard.FORM,
    (
        Route('GET', '/xapi/customforms', _list, 'List the forms for custom fields.', Access.LOGIN),
        Route('DELETE', '/xapi/customforms', _delete, 'Delete forms.', Access.ADMIN),
        Route(
            'GET',
            '/xapi/customforms/env',
            _env,
            'Return the settings of the form editor.',
            Access.LOGIN,
            guard=Guard.NOTHING,
        ),
        Route('PUT', '/xapi/customforms/save', _save, 'Save a form.', Access.ADMIN),
        Route(
            'POST',
            '/xapi/customforms/enable',
            _status_setter('enabled', 'Form Enabled'),
            'Enable a form.',
            Access.ADMIN,
        ),
        Route(
            'POST',
            '/xapi/customforms/disable',
            _status_setter('disabled', 'Form disabled'),
            'Disable a form.',
            Access.ADMIN,
        ),
        Route(
            'GET',
            '/xapi/customforms/element',
            _element,
            'Return the forms that an item has.',
            Access.LOGIN,
        ),
        Route(
            'GET',
            '/xapi/customforms/hasdata/{form}',
            _data,
            'Say whether items have values of a form.',
            Access.LOGIN,
        ),
        Route(
            'POST',
            '/xapi/customforms/displayfields/reload',
            _reload,
            'Do nothing: no display fields are cached.',
            Access.ADMIN,
        ),
    ),
)
