"""Read certificates from files and from servers."""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from doctor.finding import CannotCheck
from doctor.probes.http import TIMEOUT_SECONDS, Target, reason_of


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """A certificate: where it is, for whom, and when it begins and ends, in seconds since the epoch.

    `refused` is why a client refuses the one of a server; then nothing else is known.
    """

    source: str
    subject: str = ""
    begins: float = 0.0
    ends: float = 0.0
    refused: str = ""


def certificates_in(files: Mapping[str, Path]) -> tuple[CertificateFacts, ...]:
    """Return the certificates in PEM files, whose settings are the keys. Raises CannotCheck."""
    return tuple(found for setting, file in files.items() for found in _read(f"{setting} {file}", file))


def presented_certificate(target: Target) -> CertificateFacts:
    """Return the certificate that a TLS server presents. Raises CannotCheck if it cannot be reached."""
    if target.tls is None:
        raise CannotCheck(f"{target.name} has no TLS")
    try:
        with (
            socket.create_connection((target.host, target.port), TIMEOUT_SECONDS) as plain,
            target.tls.wrap_socket(plain, server_hostname=target.host) as encrypted,
        ):
            der = encrypted.getpeercert(binary_form=True)
    except ssl.SSLCertVerificationError as error:
        return CertificateFacts(target.name, refused=error.verify_message)
    except OSError as error:
        raise CannotCheck(f"{target.name} cannot be reached: {reason_of(error)}") from error
    if der is None:
        raise CannotCheck(f"{target.name} presents no certificate")
    return _facts(target.name, x509.load_der_x509_certificate(der))


def _read(source: str, file: Path) -> list[CertificateFacts]:
    try:
        certificates = x509.load_pem_x509_certificates(file.read_bytes())
    except OSError as error:
        raise CannotCheck(f"{source} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CannotCheck(f"{source} has no PEM certificate") from error
    return [_facts(source, certificate) for certificate in certificates]


def _facts(source: str, certificate: x509.Certificate) -> CertificateFacts:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return CertificateFacts(source, certificate.subject.rfc4514_string(), begins.timestamp(), ends.timestamp())
