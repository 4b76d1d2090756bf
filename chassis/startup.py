"""Start-up of a service: load its settings or exit, and the gunicorn settings that all services share."""

import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import structlog

from chassis.logs import configure_logs, log_config
from chassis.settings import Settings, SettingsError, SomeSettings, load, misspelled

_log = structlog.get_logger("settings")

SERVING: Mapping[str, int] = {
    "graceful_timeout": 30,
    "timeout": 60,
    # Longer than the gateway keeps idle connections (60 s), so that the service never closes one that the gateway
    # is about to use.
    "keepalive": 75,
    # Higher than the gateway's limits (gateway/http/request_limits.py) plus the fields that it adds, so that the
    # gateway refuses a request, with problem details. The gateway sends all cookies in one field. 8190 is
    # gunicorn's maximum.
    "limit_request_line": 8190,
    "limit_request_fields": 1_100,
    "limit_request_field_size": 81_920,
}
"""gunicorn's timeouts and limits of all services. Durations are in seconds, sizes in bytes."""


def settings_or_exit(model: type[SomeSettings], environ: Mapping[str, str], *others: type[Settings]) -> SomeSettings:
    """Return the settings in `environ`. Exit with status 2 if they or those of `others` are invalid."""
    if problems := settings_problems(environ, model, *others):
        refuse_to_start(SettingsError("\n".join(problems)))
    return load(model, environ)


def settings_problems(environ: Mapping[str, str], *models: type[Settings]) -> list[str]:
    """Return every problem of the settings in `environ`, one line each.

    If there are any, also return a line for each variable that looks like a misspelling of an unset setting.
    """
    problems = [line for model in models for line in _problems(model, environ)]
    if problems:
        problems += [
            f"{variable} is not a setting; did you mean {setting}?"
            for variable, setting in sorted(misspelled(environ, *models).items())
            if not environ.get(setting)
        ]
    return list(dict.fromkeys(problems))


def _problems(model: type[Settings], environ: Mapping[str, str]) -> list[str]:
    try:
        load(model, environ)
    except SettingsError as error:
        return str(error).splitlines()
    return []


def warn_about_misspelled(environ: Mapping[str, str], *models: type[Settings]) -> None:
    """Log a warning for each variable that looks like a misspelled setting of `models`."""
    for variable, setting in sorted(misspelled(environ, *models).items()):
        _log.warning("unknown_setting", variable=variable, did_you_mean=setting)


def refuse_to_start(problems: Exception) -> NoReturn:
    """Print the message of `problems` on stderr, each line with a prefix, and exit with status 2."""
    for line in str(problems).splitlines():
        sys.stderr.write(f"cannot start: {line}\n")
    raise SystemExit(2) from None


def gunicorn_defaults(service: str, settings: Settings) -> dict[str, Any]:
    """Configure the logs of this process, and return the gunicorn settings that all services share."""
    configure_logs(service, settings.log_level, settings.log_format)
    return {
        "logconfig_dict": log_config(service, settings.log_level, settings.log_format),
        "accesslog": None,
        "logger_class": "chassis.gunicorn_logger.GunicornLogger",
        **SERVING,
        # By default gunicorn lets a `SCRIPT_NAME:` header from a trusted address change the path.
        "forwarder_headers": "",
        "header_map": "refuse",
        "forwarded_allow_ips": "127.0.0.1,::1",
        # Off, because its default path is the same for all services of one user.
        "control_socket_disable": True,
    }
