"""Settings that are invalid, misspelled, different where they must agree, or made for development."""

from collections.abc import Iterable, Iterator, Mapping

from chassis.settings import misspelled
from contract.secret_list import split_secrets
from doctor.deployment import SERVICES
from doctor.facts import Facts
from doctor.finding import CannotCheck, Problem, error, warning
from doctor.probes.configuration import settings_of

AGREED = (
    "ACCESS_AUDIENCE",
    "APP_ENV",
    "PEER_SECRET",
    "PUBLIC_URL",
    "REDIS_URL",
    "SIMPLEJWT_UNTIL",
    "TOKEN_ISSUER",
)
"""Settings that the gateway and the auth service must have in common, if each has a value."""
_WITH_DEFAULT = ("ACCESS_AUDIENCE", "APP_ENV", "TOKEN_ISSUER")
"""A value on one side only differs from the default on the other side."""


def invalid(problems: Mapping[str, Iterable[str]], weak_sources: Iterable[str]) -> Iterator[Problem]:
    """Return what would stop a start. Problems of settings in `weak_sources` are left to secrets.weak."""
    excluded = tuple(weak_sources)
    for service, lines in problems.items():
        package = SERVICES[service][0]
        for line in lines:
            if not line.startswith(excluded):
                yield error(
                    f"{package} would not start again: {line}.",
                    f"Correct it; `python -m {package} check-settings` shows what is left.",
                )


def misspelled_names(environs: Mapping[str, Mapping[str, str]]) -> Iterator[Problem]:
    """Return the variables that look like misspelled settings."""
    models = [model for service in environs for model in settings_of(service)]
    names = {name for environ in environs.values() for name in environ}
    for variable, setting in sorted(misspelled(names, *models).items()):
        yield warning(f"{variable} is not a setting, so it has no effect.", f"Rename it to {setting}, or unset it.")


def different(environs: Mapping[str, Mapping[str, str]], texts: Mapping[str, Mapping[str, str]]) -> Iterator[Problem]:
    """Return the settings in which the gateway and the auth service differ. `texts` has the values of secrets."""
    if not {"gateway", "auth"} <= environs.keys():
        raise CannotCheck("the settings of both gateway and auth_service are needed")
    for setting in AGREED:
        gateway, auth = (
            texts.get(service, {}).get(setting) or environs[service].get(setting, "")
            for service in ("gateway", "auth")
        )
        if (setting in _WITH_DEFAULT or (gateway and auth)) and gateway != auth:
            yield error(
                f"{setting} of the gateway is not the {setting} of the auth service.",
                f"Give both services the same {setting}.",
            )


def identity_differs(facts: Facts) -> Iterator[Problem]:
    """Return whether the resource service and the gateway have no identity secret or audience in common."""
    resource, routes = facts.resource.settings, facts.gateway.routes
    secrets = {secret.purpose: secret.values for secret in facts.secrets}
    own = set(split_secrets(resource.identity_secret.get_secret_value()))
    audience = resource.identity_audience
    for upstream in routes.upstreams():
        if upstream.audience == audience and upstream.signer is not None:
            sent = secrets.get(f"identity:{upstream.name}", ())
            is_shared = not any("BEGIN" in secret for secret in (*sent, *own))
            if is_shared and not set(sent) & own:
                yield error(
                    f"The identity secret of upstreams.{upstream.name} is not IDENTITY_SECRET of resource_service.",
                    "Give both the same secret.",
                )
            return
    yield error(
        f"No upstream in routes.toml has the audience {audience!r}, which is IDENTITY_AUDIENCE of resource_service.",
        f'Set `audience = "{audience}"` at its upstream, or change IDENTITY_AUDIENCE.',
    )


def development(is_production: bool, environs: Mapping[str, Mapping[str, str]], is_served: bool) -> Iterator[Problem]:
    """Return whether tools for developers are on in production."""
    if not is_production:
        return
    value = environs.get("gateway", {}).get("DEVELOPMENT", "")
    if value.lower() in ("on", "true", "yes", "1"):
        yield error("DEVELOPMENT is on in production: everybody can make requests fail.", "Set DEVELOPMENT=off.")
    elif is_served:
        yield error(
            "The gateway serves /development/ in production.", "Set DEVELOPMENT=off, and restart the gateway."
        )


def log_level(is_production: bool, environs: Mapping[str, Mapping[str, str]]) -> Iterator[Problem]:
    """Return the services that log more than production should."""
    for service, environ in environs.items():
        if is_production and environ.get("LOG_LEVEL") == "DEBUG":
            yield warning(
                f"LOG_LEVEL of {SERVICES[service][0]} is DEBUG in production: the log shows internals and grows "
                "fast.",
                "Set LOG_LEVEL=INFO.",
            )


def rate_limits(is_production: bool, environs: Mapping[str, Mapping[str, str]]) -> Iterator[Problem]:
    """Return the services without rate limits."""
    for service in ("gateway", "auth"):
        value = environs.get(service, {}).get("RATE_LIMITS", "on").lower()
        if is_production and value in ("off", "false", "no", "0"):
            yield error(
                f"RATE_LIMITS of {SERVICES[service][0]} is off in production: passwords can be guessed without a "
                "limit.",
                "Set RATE_LIMITS=on.",
            )
