"""``/xapi/siteConfig``: properties, version and uptime of the site.

Some properties are preferences of the archive, some describe the archive. Any other property is
stored and returned without effect, as in XNAT.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from ... import version
from ..db.access import Caller
from ..db.guards import Guard
from ..db.preferences import DEFAULTS
from ..db.store import put_setting, settings_like
from ..errors import BadRequest, Forbidden, NotFound, Unauthorized
from ..http.request import Call
from ..http.router import Access, Route, guarded
from ..jobs.container_engine import Containers
from .json_body import json_body

__all__ = ['ROUTES', 'VERSION']

VERSION = '1.8.3'
"""Version of XNAT that the archive reports."""


def _plugins(call: Call) -> dict[str, Any]:
    if not call.archive.part(Containers).is_installed:
        return {}
    about = {'id': 'containers', 'name': 'containers', 'version': '3.7.0'}
    return {'containers': about}


def _build_info(call: Call) -> dict[str, str]:
    return {
        'version': VERSION,
        'buildNumber': f'pyxnat {version.__version__}',
        'buildDate': '',
        'commit': '',
        'timestamp': '0',
    }


def _build_property(call: Call, name: str) -> str:
    return _build_info(call).get(name, '')


def _uptime(call: Call) -> dict[str, str]:
    """Return the time since the archive was opened.

    Days, hours and minutes are left out if 0; seconds are always there.
    """
    minutes, seconds = divmod(time.monotonic() - call.archive.started, 60)
    hours, minutes = divmod(int(minutes), 60)
    days, hours = divmod(hours, 24)
    whole = {'days': days, 'hours': hours, 'minutes': minutes}
    return {
        **{name: str(count) for name, count in whole.items() if count},
        'seconds': f'{seconds:.3f}',
    }


def _uptime_text(call: Call) -> str:
    return ', '.join(f'{count} {name}' for name, count in _uptime(call).items())


# -- properties

_PUBLIC = frozenset({'siteHome', 'siteId', 'siteLogoPath', 'siteUrl'})
_FOR_USERS = frozenset(
    {
        'checksums',
        'defaultProjectAutoArchiveSetting',
        'dicomFileNameTemplate',
        'displayHostName',
        'enableDicomReceiver',
        'enableSitewideAnonymizationScript',
        'enableSitewideSeriesImportFilter',
        'failMergeOn',
        'processingUrl',
        'projectAllowAutoArchive',
        'scanTypeMapping',
        'sessionXmlRebuilderInterval',
        'sessionXmlRebuilderRepeat',
        'zipExtensions',
    }
)
_FOR_USERS_TOO = ('ui', 'site')
"""Prefixes of further properties that every user may read."""
_KEPT = 'property:'
"""Prefix of the settings that store properties without effect."""
_DERIVED: dict[str, Callable[[Call], Any]] = {
    'archivePath': lambda call: str(call.archive.files.root),
    'cachePath': lambda call: str(call.archive.folder / 'cache'),
    'initialized': lambda call: True,
    'siteId': lambda call: call.archive.site,
    'siteUrl': lambda call: call.request.host_url.rstrip('/'),
}


def _may_read(caller: Caller, name: str) -> bool:
    """Whether a caller may read a property.

    Administrators may read all, users those of the web pages, guests those of the front page.
    """
    if caller.admin or name in _PUBLIC:
        return True
    return not caller.guest and (name in _FOR_USERS or name.startswith(_FOR_USERS_TOO))


def _values(call: Call) -> dict[str, Any]:
    """Return all properties."""
    with call.archive.store.read() as connection:
        kept = {name: json.loads(value) for name, value in settings_like(connection, _KEPT).items()}
    return {
        **kept,
        **{name: value(call) for name, value in _DERIVED.items()},
        **call.archive.preferences.all(),
    }


def _properties(call: Call) -> dict[str, Any]:
    return {name: value for name, value in _values(call).items() if _may_read(call.caller, name)}


def _check(call: Call, name: str) -> None:
    if not _may_read(call.caller, name):
        raise (Unauthorized if call.caller.guest else Forbidden)(
            f'You cannot read the property {name}.'
        )


def _property(call: Call, name: str) -> Any:
    _check(call, name)
    found = _values(call)
    if name not in found:
        raise NotFound(f'No site configuration property named {name}')
    return found[name]


def _selected(call: Call, names: str) -> dict[str, Any]:
    wanted = names.split(',')
    for name in wanted:
        _check(call, name)
    found = _values(call)
    return {name: found[name] for name in wanted if name in found}


def _put_properties(call: Call) -> None:
    form = call.mimetype == 'application/x-www-form-urlencoded'
    _put(call, dict(call.form()) if form else json_body(call))


def _put_property(call: Call, name: str) -> None:
    """Set a property to the body as text, whatever its media type."""
    _put(call, {name: call.document().decode('utf-8', 'replace')})


def _put(call: Call, wanted: Mapping[str, Any]) -> None:
    fixed = sorted(set(wanted) & set(_DERIVED) - {'siteId'})
    if fixed:
        raise BadRequest(f'{", ".join(fixed)}: cannot be set; it follows from the served archive.')
    for name, value in wanted.items():
        if name == 'siteId':
            _rename(call, value)
        elif name in DEFAULTS:
            _prefer(call, name, value)
        else:
            with call.archive.store.write() as connection:
                put_setting(connection, _KEPT + name, json.dumps(value))


def _prefer(call: Call, name: str, value: Any) -> None:
    try:
        call.archive.prefer(name, value)
    except ValueError as error:
        raise BadRequest(str(error)) from error


def _rename(call: Call, value: Any) -> None:
    """Set the site ID, the prefix of accession IDs from now on."""
    if not isinstance(value, str) or not value.strip():
        raise BadRequest('siteId must be a text and not empty.')
    with call.archive.store.write() as connection:
        put_setting(connection, 'site', value.strip())
    call.archive.site = value.strip()


ROUTES = guarded(
    Guard.NOTHING,
    (
        Route(
            'GET',
            '/xapi/plugins',
            _plugins,
            'List the plug-ins: the Container Service if there are containers.',
            Access.LOGIN,
        ),
        Route(
            'GET',
            '/xapi/siteConfig',
            _properties,
            'Return the properties of the site that the caller may read.',
        ),
        Route(
            'POST', '/xapi/siteConfig', _put_properties, 'Set properties of the site.', Access.ADMIN
        ),
        Route('GET', '/xapi/siteConfig/buildInfo', _build_info, 'Return the version.'),
        Route(
            'GET',
            '/xapi/siteConfig/buildInfo/attributes',
            lambda call: {},
            'Return further attributes of the build: there are none.',
        ),
        Route(
            'GET',
            '/xapi/siteConfig/buildInfo/{name}',
            _build_property,
            'Return a part of the version.',
        ),
        Route(
            'GET',
            '/xapi/siteConfig/uptime',
            _uptime,
            'Return the time since the archive was opened.',
        ),
        Route(
            'GET',
            '/xapi/siteConfig/uptime/display',
            _uptime_text,
            'Return the time since the archive was opened in words.',
        ),
        Route('GET', '/xapi/siteConfig/values/{names}', _selected, 'Return some properties.'),
        Route('GET', '/xapi/siteConfig/{name}', _property, 'Return a property.'),
        Route('POST', '/xapi/siteConfig/{name}', _put_property, 'Set a property.', Access.ADMIN),
    ),
)
