"""TLS to upstreams: the trusted certificate authorities and the gateway's own client certificate.

Failure policy: the certificate and its host name are always verified; no setting turns that off. A failed handshake
counts as a failed connection attempt: the client gets 502, and the reason is logged.
"""

import ssl
from pathlib import Path


class TlsFileError(Exception):
    """A certificate or key file cannot be used. The message names the file and nothing of its content."""


def client_context(ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> ssl.SSLContext:
    """Return a context that trusts the authorities in `ca_file`, or else the system's.

    With `cert_file` and `key_file` it presents this client certificate. Raises TlsFileError.
    """
    for file in (ca_file, cert_file, key_file):
        if file is not None:
            _check_readable(file)
    context = _context_trusting(ca_file) if ca_file is not None else ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False  # RFC 9525 2: host names are in subjectAltName only
    # Python 3.13 sets this flag by default. It refuses the authority that `openssl req -x509` of OpenSSL 3.0 makes,
    # which has no key usage, and certificates without an Authority Key Identifier.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.set_alpn_protocols(["http/1.1"])
    if cert_file is not None and key_file is not None:
        _load_certificate(context, cert_file, key_file)
    return context


def tls_reason(error: BaseException | None) -> str:
    """Return why a TLS handshake failed, in a few words; empty if `error` is not about TLS."""
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
        raise TlsFileError(f"{file} cannot be read: {error.strerror}") from error


def _context_trusting(ca_file: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except ssl.SSLError as error:
        raise TlsFileError(f"{ca_file} contains no PEM certificate") from error


def _load_certificate(context: ssl.SSLContext, cert_file: Path, key_file: Path) -> None:
    try:
        # With an empty password OpenSSL fails on an encrypted key; without one it would prompt on the terminal.
        context.load_cert_chain(cert_file, key_file, password="")
    except ssl.SSLError as error:
        is_mismatch = error.reason == "KEY_VALUES_MISMATCH"
        problem = "do not belong together" if is_mismatch else "are not a PEM certificate and an unencrypted key"
        raise TlsFileError(f"{cert_file} and {key_file} {problem}") from error
