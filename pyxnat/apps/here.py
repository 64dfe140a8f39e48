"""`pyxnat.here`: the element that a JupyterHub server on XNAT was started for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import errors
from ..interface import Interface
from ..model.item_xml import bundled
from ..model.uris import quote
from ..services.mount import Mount

__all__ = ['here']

_PROJECT, _SUBJECT = 'xnat:projectData', 'xnat:subjectData'
_EXPERIMENT, _SCAN = 'xnat:experimentData', 'xnat:imageScanData'
_SEARCH = 'xdat:stored_search'
_NEEDED = ('XNAT_HOST', 'XNAT_XSI_TYPE', 'XNAT_ITEM_ID')


def here(**options: Any) -> Any:
    """Return the element that this Jupyter server was started for.

    XNAT's JupyterHub plugin sets the type and the ID of the element (``XNAT_XSI_TYPE``,
    ``XNAT_ITEM_ID``), the server, a login that is valid for some days (``XNAT_HOST``,
    ``XNAT_USER``, ``XNAT_PASS``), and mounts files of the archive (``XNAT_DATA``). Files below the
    mount are read there, if they have the size of the listing, and not from the server.

    Parameters
    ----------
    **options
        Further arguments of `Interface`.

    Returns
    -------
    Element, Collection or JsonTable
        A project, subject, experiment or scan; the result of a stored search; for a list of the
        whole site the collection of its elements. ``element.host`` is the `Interface`.

    Raises
    ------
    ConfigurationError
        This is no Jupyter server of an XNAT: variables are missing.
    DataError
        The element is of a type that is not known here, or its scan is not on the mount.

    Notes
    -----
    No request, except for a stored search.

    Examples
    --------
    ::

        session = pyxnat.here()
        for file in session.scans().resources('NIFTI').files():
            image = nibabel.load(file.get())        # a path below /data, nothing is downloaded
    """
    missing = [name for name in _NEEDED if not os.environ.get(name)]
    if missing:
        raise errors.ConfigurationError(
            f'{", ".join(missing)}: not set. XNAT sets them for Jupyter servers that it starts; '
            'elsewhere use pyxnat.Interface(server, user, password).'
        )
    xnat = Interface(os.environ['XNAT_HOST'], **options)
    folder = Path(os.environ.get('XNAT_DATA') or '/data')
    if (folder / 'projects').is_dir():
        xnat.transfer.mount = Mount(folder)
    return _element(xnat, os.environ['XNAT_XSI_TYPE'], os.environ['XNAT_ITEM_ID'], folder)


def _element(xnat: Interface, kind: str, identity: str, folder: Path) -> Any:
    if kind == _SCAN:
        return xnat.select(_scan_on(folder))
    if kind == _SEARCH:
        bundles: Mapping[str, str] = {
            f'@{_PROJECT}': '/projects',
            f'@{_SUBJECT}': '/projects/*/subjects',
        }
        if identity in bundles:
            return xnat.select(bundles[identity])
        if identity.startswith('@'):
            return xnat.select('/experiments').where([(f'{identity[1:]}/ID', 'LIKE', '%'), 'AND'])
        return xnat.search.saved(identity)
    levels = {_PROJECT: 'projects', _SUBJECT: 'subjects'}
    level = levels.get(kind, 'experiments' if kind == _EXPERIMENT or _is_session(kind) else '')
    if not level:
        raise errors.DataError(
            f'XNAT_XSI_TYPE is {kind!r}, for which there is no level',
            remedy='Select the element from pyxnat.Interface().',
        )
    return xnat.select(f'/{level}/{quote(identity)}')


def _is_session(kind: str) -> bool:
    """Whether a type is one of experiments.

    The plugin sends ``xnat:experimentData`` for all.
    """
    return bundled().is_a(kind, _EXPERIMENT)


def _scan_on(folder: Path) -> str:
    """Return the path of the scan that is mounted.

    Its ID in the variables is no REST name.

    Raises
    ------
    DataError
        There is no scan, or several.
    """
    found = sorted(folder.glob('projects/*/experiments/*/SCANS/*'))
    if len(found) != 1:
        raise errors.DataError(
            f'{len(found)} scans are mounted below {folder}, not one',
            remedy='Select the scan from pyxnat.Interface().',
        )
    project, _, session, _, scan = map(quote, found[0].relative_to(folder).parts[1:])
    return f'/projects/{project}/experiments/{session}/scans/{scan}'
