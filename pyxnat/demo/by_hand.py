"""The demo's selection and search, written for the REST API.

One request for each element. This is what scripts without a client do. The demo runs it to count
and time its requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..interface import Interface

__all__ = ['find_images', 'search']


def find_images(interface: Interface, project: str, over: int) -> list[str]:
    """Return the URIs of the T1 images of subjects with a session above an age.

    Parameters
    ----------
    interface : Interface
        Connection, used for its plain requests alone.
    project : str
        ID of the project.
    over : int
        Age in years.
    """
    found: list[str] = []
    for _, sessions in _people(interface, project):
        if any(int(_fields(session)['age']) > over for session in sessions):
            for session in sessions:
                found += _images(interface, _fields(session)['ID'])
    return found


def search(interface: Interface, project: str) -> list[str]:
    """Return the labels of the sessions that the demo's nested criteria match.

    Parameters
    ----------
    interface : Interface
        Connection, used for its plain requests alone.
    project : str
        ID of the project.
    """
    found = []
    for subject, sessions in _people(interface, project):
        person = _fields(subject)
        if person['handedness'] == 'left' or (
            person['gender'] == 'female' and person['group'] == 'patient'
        ):
            visits = map(_fields, sessions)
            found += [visit['label'] for visit in visits if int(visit['age']) > 60]
    return found


def _people(interface: Interface, project: str) -> Iterator[tuple[Any, list[Any]]]:
    """Yield each subject with its sessions, as items."""
    for row in _rows(interface, f'/data/projects/{project}/subjects'):
        uri = f'/data/projects/{project}/subjects/{row["ID"]}'
        listing = _rows(interface, f'{uri}/experiments')
        sessions = [_item(interface, f'/data/experiments/{session["ID"]}') for session in listing]
        yield _item(interface, uri), sessions


def _images(interface: Interface, session: str) -> Iterator[str]:
    """Yield the URIs of the images in the T1 scans of a session."""
    scans = f'/data/experiments/{session}/scans'
    for scan in _rows(interface, scans):
        if scan['type'] == 'T1':
            resources = f'{scans}/{scan["ID"]}/resources'
            for resource in _rows(interface, resources):
                files = f'{resources}/{resource["xnat_abstractresource_id"]}/files'
                for file in _rows(interface, files):
                    if file['Name'].endswith('.img'):
                        yield file['URI']


def _rows(interface: Interface, uri: str) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = _document(interface, uri)['ResultSet']['Result']
    return rows


def _item(interface: Interface, uri: str) -> Any:
    return _document(interface, uri)['items'][0]


def _document(interface: Interface, uri: str) -> Any:
    response = interface.get(uri, params={'format': 'json'})
    response.raise_for_status()
    return response.json()


def _fields(item: Any) -> dict[str, Any]:
    """Return the fields of an item and of the items in it."""
    below = (part for child in item['children'] for part in child['items'])
    fields: dict[str, Any] = {}
    for part in below:
        fields |= _fields(part)
    fields |= item['data_fields']
    return fields
