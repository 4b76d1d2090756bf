"""Certificates that have ended, end soon, or are refused."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from doctor.finding import Problem, error, warning
from doctor.probes.certificates import CertificateFacts

DAY = 86_400.0
WARNED_DAYS = 14
"""Days before the end of a certificate. One that lives for less than eight weeks is due in its last quarter."""


def ends(certificates: Iterable[CertificateFacts], now: float) -> Iterator[Problem]:
    """Return the certificates that are refused, not valid now, or end soon."""
    for certificate in certificates:
        if certificate.refused:
            yield error(
                f"The certificate of {certificate.source} is refused: {certificate.refused}.",
                "Renew it, send its whole chain, or add its authority to the trusted ones (SSL_CERT_FILE, ca_file).",
            )
        elif now >= certificate.ends:
            yield error(f"{_name(certificate)} ended on {_date(certificate.ends)}.", "Renew it.")
        elif now < certificate.begins:
            yield error(
                f"{_name(certificate)} begins on {_date(certificate.begins)}.",
                "Check the clock of this machine, or use a certificate that is valid now.",
            )
        elif certificate.ends - now < min(WARNED_DAYS * DAY, (certificate.ends - certificate.begins) / 4):
            yield warning(
                f"{_name(certificate)} ends on {_date(certificate.ends)}.",
                "Renew it, and find out why its automatic renewal did not.",
            )


def _name(certificate: CertificateFacts) -> str:
    return f"The certificate {certificate.subject} in {certificate.source}"


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
