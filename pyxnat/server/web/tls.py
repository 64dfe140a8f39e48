"""TLS for https, and the rule where plain http is allowed."""

from __future__ import annotations

import ipaddress
import logging
import ssl
from pathlib import Path

__all__ = ['INSECURE', 'is_loopback', 'secured', 'tls_context']

_log = logging.getLogger(__name__)
INSECURE = '{} can be reached from other machines, and passwords are sent unencrypted.'


def secured(
    host: str, certificate: str | Path | None, key: str | Path | None, insecure: bool
) -> ssl.SSLContext | None:
    """Return the TLS context for an address; None for plain http.

    Plain http on another address than loopback is logged as a warning.

    Parameters
    ----------
    host : str
        Address to listen on.
    certificate : str or Path or None
        File with the certificate and its chain, in PEM.
    key : str or Path or None
        File with its private key; by default in the same file.
    insecure : bool
        Whether other machines may send passwords unencrypted.

    Raises
    ------
    ValueError
        For plain http on another address than loopback without `insecure`, for a key without a
        certificate, or for files that are not a certificate and its key.
    """
    if certificate is not None:
        return tls_context(certificate, key or certificate)
    if key is not None:
        raise ValueError('A key needs a certificate.')
    if is_loopback(host):
        return None
    if not insecure:
        raise ValueError(
            f'{INSECURE.format(host)} Use https (--certificate FILE --key FILE; in Python '
            'certificate= and key=), or allow this (--insecure, insecure=True), for a network '
            'that you trust or behind a TLS proxy.'
        )
    _log.warning(INSECURE.format(host))
    return None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return host == 'localhost' or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def tls_context(certificate: str | Path, key: str | Path) -> ssl.SSLContext:
    """Return the context of a server, for TLS 1.2 and later.

    Parameters
    ----------
    certificate : str or Path
        File with the certificate and its chain, in PEM.
    key : str or Path
        File with its private key, in PEM, without a password.

    Raises
    ------
    OSError
        If a file cannot be read.
    ValueError
        If they are not a certificate and its key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=lambda: '')
    except ssl.SSLError as error:
        raise ValueError(f'{certificate} and {key} are not a certificate and its key.') from error
    return context
