"""Owns the gunicorn settings that every service shares; each service's gunicorn_conf.py adds its own."""

import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import structlog

from chassis.logs import configure_logs, log_config
from chassis.settings import Settings, SettingsError, SomeSettings, load, misspelled

_log = structlog.get_logger("settings")


def settings_or_exit(model: type[SomeSettings], environ: Mapping[str, str], *others: type[Settings]) -> SomeSettings:
    """The settings in `environ`. Where they or those of `others` are refused: says why, and exits with 2."""
    if complaints := settings_complaints(environ, model, *others):
        refuse_to_start(SettingsError("\n".join(complaints)))
    return load(model, environ)


def settings_complaints(environ: Mapping[str, str], *models: type[Settings]) -> list[str]:
    """Return all that is wrong with the settings in `environ`, and which variables look like misspelled ones."""
    complaints = [line for model in models for line in _complaints(model, environ)]
    if complaints:
        meant = sorted(misspelled(environ, *models).items())
        complaints += [
            f"{name} is no setting; did you mean {known}?" for name, known in meant if not environ.get(known)
        ]
    return list(dict.fromkeys(complaints))


def _complaints(model: type[Settings], environ: Mapping[str, str]) -> list[str]:
    try:
        load(model, environ)
    except SettingsError as error:
        return str(error).splitlines()
    return []


def warn_of_misspelled(environ: Mapping[str, str], *models: type[Settings]) -> None:
    """Log each variable that is no setting, but nearly one."""
    for variable, meant in sorted(misspelled(environ, *models).items()):
        _log.warning("unknown_setting", variable=variable, did_you_mean=meant)


def refuse_to_start(complaints: Exception) -> NoReturn:
    """Says why on stderr, a line each, and exits with 2."""
    for line in str(complaints).splitlines():
        sys.stderr.write(f"cannot start: {line}\n")
    raise SystemExit(2) from None


def gunicorn_defaults(service: str, settings: Settings) -> dict[str, Any]:
    """What every gunicorn of ours is told. Durations are in seconds, sizes in bytes."""
    configure_logs(service, settings.log_level)
    return {
        "logconfig_dict": log_config(service, settings.log_level),
        "accesslog": None,
        "logger_class": "chassis.server_log.ServerLog",
        "graceful_timeout": 30,
        "timeout": 60,
        "keepalive": 75,  # longer than the gateway keeps an idle connection, so that the gateway closes first
        # Above all that the gateway may be told to admit (gateway/http/request_limits.py) and what it adds, so the
        # gateway refuses first, as problem details. All cookies come as one field. 8190 is gunicorn's most.
        "limit_request_line": 8190,
        "limit_request_fields": 1_100,
        "limit_request_field_size": 81_920,
        # A header must never become another variable of the WSGI environment: with gunicorn's default a
        # `SCRIPT_NAME:` header from a trusted peer rewrites the path.
        "forwarder_headers": "",
        "header_map": "refuse",
        "forwarded_allow_ips": "127.0.0.1,::1",
        # Its default path is one a user, so that two services of one machine would fight for it.
        "control_socket_disable": True,
    }
