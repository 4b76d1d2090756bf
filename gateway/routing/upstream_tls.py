"""Owns how the gateway meets an upstream over TLS: whom it believes, and by what it proves itself.

Failure policy: the certificate and the name in it are always verified, and there is no switch for that. A connection
that fails here was not made: 502, and the log says why.
"""

import ssl
from pathlib import Path


class TlsFileRefused(Exception):
    """A file with a certificate or a key cannot be used; the text names it, and says nothing of its content."""


def client_context(ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> ssl.SSLContext:
    """A context that believes the authorities in `ca_file`, or else the system's, and shows a certificate if given.

    Raises TlsFileRefused.
    """
    for file in (ca_file, cert_file, key_file):
        if file is not None:
            _check_readable(file)
    context = _context_with(ca_file) if ca_file is not None else ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False  # RFC 9525 2: a common name is no place for a host's name
    context.set_alpn_protocols(["http/1.1"])
    if cert_file is not None and key_file is not None:
        _show(context, cert_file, key_file)
    return context


def tls_reason(error: BaseException | None) -> str:
    """What went wrong with TLS, in a few words; empty where it was something else."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason}"
    return ""


def _check_readable(file: Path) -> None:
    try:
        with file.open("rb"):
            return
    except OSError as error:
        raise TlsFileRefused(f"{file} cannot be read: {error.strerror}") from error


def _context_with(ca_file: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except ssl.SSLError as error:
        raise TlsFileRefused(f"{ca_file} holds no PEM certificate") from error


def _show(context: ssl.SSLContext, cert_file: Path, key_file: Path) -> None:
    try:
        # An empty password, because OpenSSL would ask for one at the terminal otherwise.
        context.load_cert_chain(cert_file, key_file, password="")
    except ssl.SSLError as error:
        matched = error.reason != "KEY_VALUES_MISMATCH"
        complaint = "are no PEM certificate and key without a password" if matched else "do not belong together"
        raise TlsFileRefused(f"{cert_file} and {key_file} {complaint}") from error
