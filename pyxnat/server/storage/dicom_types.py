"""Data types of scans and sessions by SOP class, else by modality.

As in XNAT's DICOM-to-XNAT builder.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..db.types import Model

__all__ = ['lead_modality', 'scan_type', 'session_type']

_STORAGE = '1.2.840.10008.5.1.4.1.1.'
_FALLBACK = 'otherDicom'

_SCAN_CLASSES = {
    'pet': ('128', '128.1', '130'),
    'mr': ('4', '4.1', '4.3', '4.4'),
    'ct': ('2', '2.1', '2.2'),
    'mrs': ('4.2',),
    'us': ('3', '3.1', '6', '6.1', '6.2'),
    'cr': ('1',),
    'dx': ('1.1', '1.1.1'),
    'mg': ('1.2', '1.2.1', '13.1.3'),
    'io': ('1.3', '1.3.1'),
    'nm': ('5', '20'),
    'xa': ('12.1', '12.1.1'),
    'xa3D': ('13.1.1',),
    'rf': ('12.2',),
    'dx3DCraniofacial': ('13.1.2',),
    'rtImage': ('481.1',),
    'ecg': ('9.1.1', '9.1.2', '9.1.3'),
    'hd': ('9.2.1',),
    'eps': ('9.3.1',),
    'voiceAudio': ('9.4.1', '9.4.2'),
    'es': ('77.1.1',),
    'esv': ('77.1.1.1',),
    'gm': ('77.1.2',),
    'gmv': ('77.1.2.1',),
    'sm': ('77.1.3', '77.1.6'),
    'xc': ('77.1.4',),
    'xcv': ('77.1.4.1',),
    'op': ('77.1.5.1', '77.1.5.2'),
    'opt': ('77.1.5.4',),
    'seg': ('66.4',),
    'sc': ('7', '7.1', '7.2', '7.3', '7.4'),
    'sr': ('88.11', '88.22', '88.33', '88.34', '88.40', '88.50', '88.59', '88.65', '88.67'),
}
"""Kind of scan to the ends of its SOP classes, in order of precedence for a series or study."""
_CLASSES = {_STORAGE + end: kind for kind, ends in _SCAN_CLASSES.items() for end in ends}
_SESSION_OF = {'mrs': 'mr', 'rtImage': 'rt'}
_NO_SESSION = frozenset({'sc', 'seg', 'voiceAudio'})
_MODALITIES = {
    'PT': 'pet',
    'MR': 'mr',
    'CT': 'ct',
    'US': 'us',
    'CR': 'cr',
    'DX': 'dx',
    'MG': 'mg',
    'IO': 'io',
    'NM': 'nm',
    'XA': 'xa',
    'RF': 'rf',
    'RTIMAGE': 'rt',
    'RTDOSE': 'rt',
    'RTSTRUCT': 'rt',
    'RTPLAN': 'rt',
    'ECG': 'ecg',
    'HD': 'hd',
    'EPS': 'eps',
    'ES': 'es',
    'GM': 'gm',
    'SM': 'sm',
    'XC': 'xc',
    'OP': 'op',
    'OPT': 'opt',
    'SR': 'sr',
}
"""Modality to the kind of session, in order of precedence: PET before MR (XNAT's SOPModel)."""


def lead_modality(modalities: Iterable[str]) -> str:
    """Return the leading modality of several; ``OT`` for none."""
    found = set(modalities)
    return next(
        (name for name in _MODALITIES if name in found), next(iter(sorted(found - {''})), 'OT')
    )


def scan_type(model: Model, sop_classes: Iterable[str]) -> str:
    """Return the data type of a series.

    ``xnat:otherDicomScanData`` if no SOP class decides.

    Parameters
    ----------
    model : Model
        The data types.
    sop_classes : Iterable[str]
        SOP class UIDs of its objects.
    """
    found = {_CLASSES.get(one) for one in sop_classes}
    return _type_name(
        model, next((kind for kind in _SCAN_CLASSES if kind in found), _FALLBACK), 'Scan'
    )


def session_type(model: Model, sop_classes: Iterable[str], modalities: Iterable[str]) -> str:
    """Return the data type of a study.

    By SOP class, else by modality, else ``xnat:otherDicomSessionData``.

    Parameters
    ----------
    model : Model
        The data types.
    sop_classes : Iterable[str]
        SOP class UIDs of its objects.
    modalities : Iterable[str]
        Modalities of its objects.
    """
    found = {_CLASSES.get(one) for one in sop_classes}
    kind = next((kind for kind in _SCAN_CLASSES if kind in found and kind not in _NO_SESSION), '')
    present = set(modalities)
    kind = _SESSION_OF.get(kind, kind) or next(
        (kind for name, kind in _MODALITIES.items() if name in present), _FALLBACK
    )
    return _type_name(model, kind, 'Session')


def _type_name(model: Model, kind: str, suffix: str) -> str:
    return model.name(f'xnat:{kind}{suffix}Data') or f'xnat:{_FALLBACK}{suffix}Data'
