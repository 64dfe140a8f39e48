"""Custom forms of a server: ``interface.manage.forms``."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from ... import errors
from ...model import uris
from ...model.forms import Form, named_values, read_forms
from ...resources.host import Host

__all__ = ['Forms']

_URI = '/xapi/customforms'
_FRESH_S = 60.0
"""Seconds for which `Forms.known` returns the same forms."""
_JSON = {'Content-Type': 'application/json;charset=UTF-8'}


class Forms:
    """Custom forms, whose fields are columns: ``form:TITLE/KEY``.

    Examples
    --------
    ::

        for form in interface.manage.forms('P'):
            print(form.title, form.datatype, form.columns)
    """

    def __init__(self, interface: Host) -> None:
        self._host = interface
        self._known: dict[str, tuple[float, list[Form]]] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f'<Forms of {self._host.connection.server}>'

    def __call__(self, project: str = '') -> list[Form]:
        """Return the forms, or those that a project has. One request.

        Parameters
        ----------
        project : str
            ID of a project: its own forms, and those of the whole site. Default: all forms.

        Raises
        ------
        NotSupportedError
            The server has no custom forms.
        """
        uri = uris.with_query(_URI, {'projectId': project}) if project else _URI
        try:
            rows: list[dict[str, Any]] = json.loads(self._host.connection.request(uri))
        except errors.NotFoundError as error:
            raise errors.NotSupportedError(
                'this XNAT has no custom forms',
                uri=self._host.connection.server + _URI,
                remedy='They came with XNAT 1.8.8; use custom variables.',
            ) from error
        found = read_forms(rows)
        with self._lock:
            self._known[project] = time.monotonic(), found
        return found

    def known(self, project: str = '') -> list[Form]:
        """Return the forms as `__call__` does; those of the last minute need no request.

        Parameters
        ----------
        project : str
            ID of a project. Default: all forms.
        """
        with self._lock:
            fetched_at, found = self._known.get(project, (-_FRESH_S, []))
        return found if time.monotonic() - fetched_at < _FRESH_S else self(project)

    def named(self, document: str) -> dict[str, Any]:
        """Return the values of an item's forms by the names of columns.

        Requests as for `known`. Values of unknown forms are left out.

        Parameters
        ----------
        document : str
            Field ``custom_fields`` of the item: JSON.
        """
        return named_values(json.loads(document), self.known())

    def create(
        self, title: str, datatype: str, fields: Mapping[str, Any], projects: Iterable[str] = ()
    ) -> Form:
        """Create a form. Two requests; administrators alone may.

        Parameters
        ----------
        title : str
            Title of the form.
        datatype : str
            Type of the items that it is for: ``xnat:subjectData``.
        fields : mapping
            Types of the fields by key: ``{'date': 'datetime', 'n': 'number'}``; or their Form.io
            components, as far as they differ from the default ones.
        projects : iterable of str
            IDs of the projects that have the form. Default: all.
        """
        components = [
            {
                'label': key,
                'key': key,
                'input': True,
                **({'type': field} if isinstance(field, str) else {'type': 'textfield', **field}),
            }
            for key, field in fields.items()
        ]
        places = [_choice(name) for name in projects]
        about = {
            'idCustomVariableFormAppliesTo': '-1_-1',
            'formTitle': title,
            'formType': 'form',
            'zIndex': 10,
            'xnatDatatype': _choice(datatype),
            'isThisASiteWideConfiguration': 'no' if places else 'yes',
            'xnatProject': places,
        }
        builder = {'title': title, 'display': 'form', 'components': components}
        body = json.dumps({'submission': {'data': about}, 'builder': builder}).encode()
        uuid = self._host.connection.request(f'{_URI}/save', 'PUT', body, _JSON).decode()
        self._known.clear()
        return next(form for form in self() if form.uuid == uuid)


def _choice(name: str) -> dict[str, str]:
    return {'label': name, 'value': name}
