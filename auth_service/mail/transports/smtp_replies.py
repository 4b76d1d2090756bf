"""Turn failures of SMTP into errors of the transport, with hints for the operator (RFC 5321 4.2, RFC 3463)."""

import re
import smtplib
import socket
import ssl

from auth_service.mail.transports.interface import MailDelayed, MailRejected, TransportError

LOGIN_REQUIRED = 530
CLOSING = 421
"""The server closes the connection (RFC 5321 section 3.8)."""

_POLICY_REFUSAL = re.compile(r"^5\.7\.")
_HINTS = {
    534: "the account needs an app password, or log-in with a password is off at the provider",
    535: "check SMTP_USER and SMTP_PASSWORD; Gmail and Microsoft 365 need an app password",
    LOGIN_REQUIRED: "the server wants TLS or a log-in first: check SMTP_SECURITY, SMTP_USER and SMTP_PASSWORD",
}


def reply_text(code: int, reply: bytes | str) -> str:
    """Return a reply of the server on one line."""
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    hint = _HINTS.get(code)
    line = f"{code} {' '.join(text.split())}".strip()
    return f"{line} ({hint})" if hint else line


def refused_recipient(code: int, reply: bytes) -> TransportError:
    """Return the error for a refused recipient.

    A permanent refusal for reasons of policy (5.7.x) is tried again: it is mostly a setting, such as relaying that is
    not allowed, and mails must not be lost until the operator has corrected it.
    """
    text = reply_text(code, reply)
    if code >= 500 and code != LOGIN_REQUIRED and not _POLICY_REFUSAL.match(reply.decode("ascii", "replace")):
        return MailRejected(f"the server refused the recipient: {text}")
    return MailDelayed(f"the server refused the recipient for now: {text}")


def refused_message(code: int, reply: bytes | str) -> TransportError:
    """Return the error for a refused message."""
    text = reply_text(code, reply)
    if code >= 500 and code != LOGIN_REQUIRED:
        return MailRejected(f"the server refused the message: {text}")
    return MailDelayed(f"the server did not take the message: {text}")


def explanation(error: Exception, host: str, port: int, security: str) -> str:
    """Return why no connection to the server could be used, and what to change."""
    server = f"{host}:{port}"
    match error:
        case smtplib.SMTPAuthenticationError(smtp_code=code, smtp_error=reply):
            return f"{server} refused the log-in: {reply_text(code, reply)}"
        case smtplib.SMTPNotSupportedError() if "STARTTLS" in str(error):
            return (
                f"{server} does not offer STARTTLS: set SMTP_SECURITY=tls if the port expects TLS at once (465), or "
                "SMTP_SECURITY=none for a server in the same machine or network"
            )
        case smtplib.SMTPNotSupportedError():
            return f"{server} offers no log-in on this connection: {error}; unset SMTP_USER, or check SMTP_SECURITY"
        case smtplib.SMTPResponseException(smtp_code=code, smtp_error=reply):
            return f"{server} does not accept mails: {reply_text(code, reply)}"
        case smtplib.SMTPException() if not isinstance(error.__context__, TimeoutError):
            return f"{server} closed the connection: {error}{_other_security(port, security)}"
        case ssl.SSLCertVerificationError(verify_message=reason):
            return (
                f"the certificate of {server} is not valid: {reason}; SMTP_HOST must be the name in the certificate, "
                "and SMTP_CA_FILE can name the certificate of a private authority"
            )
        case ssl.SSLError():
            return (
                f"{server} does not speak TLS as expected: {error.reason or error}{_other_security(port, security)}"
            )
        case socket.gaierror():
            return f"the name {host} cannot be resolved: {error.strerror}; check SMTP_HOST"
        case smtplib.SMTPException() | TimeoutError():
            return f"{server} did not respond in time{_other_security(port, security)}"
        case _:
            return f"{server} cannot be reached: {getattr(error, 'strerror', None) or error}"


def _other_security(port: int, security: str) -> str:
    if security == "tls":
        return "; if the port expects STARTTLS (587, 25), set SMTP_SECURITY=starttls"
    if security == "starttls" or port == 465:
        return "; if the port expects TLS at once (465), set SMTP_SECURITY=tls"
    return ""
