"""The checks of settings and secrets."""

from doctor.checks import secrets, settings
from doctor.facts import Facts
from doctor.registry.check import Check


def _weak_sources(facts: Facts) -> list[str]:
    """Return the settings whose secrets secrets.weak reports."""
    weak = [secret for secret in facts.secrets for value in secret.values if secrets.weakness(secret, value)]
    return [name for secret in weak for name in (secret.source.split()[0], f"{secret.source.split()[0]}_FILE")]


def _secret_texts(facts: Facts) -> dict[str, dict[str, str]]:
    """Return the values of PEER_SECRET by service, which may be in files."""
    texts: dict[str, dict[str, str]] = {}
    for secret in facts.secrets:
        setting, _, rest = secret.source.partition(" of ")
        if setting == "PEER_SECRET":
            texts.setdefault(rest.split()[0], {})[setting] = "\n".join(sorted(secret.values))
    return texts


def _refresh_lifetime(facts: Facts) -> float:
    """Return the longest time for which an old refresh secret is needed; a year without the auth service."""
    if "auth" not in facts.deployment.environs:
        return 365 * secrets.DAY
    return float(facts.auth.settings.longest_refresh_use)


SETTINGS_CHECKS: tuple[Check, ...] = (
    Check(
        "settings.invalid",
        "a setting or a routes file with which a service would not start",
        lambda facts: settings.invalid(facts.settings_problems, _weak_sources(facts)),
    ),
    Check(
        "settings.misspelled",
        "a variable that resembles a setting and has no effect",
        lambda facts: settings.misspelled_names(facts.all_environs()),
    ),
    Check(
        "settings.different",
        "`PEER_SECRET`, `TOKEN_ISSUER`, `ACCESS_AUDIENCE`, `PUBLIC_URL`, ... that differ between gateway and auth "
        "service",
        lambda facts: settings.different(facts.all_environs(), _secret_texts(facts)),
    ),
    Check(
        "settings.identity",
        "an identity secret or audience that differs between gateway and resource service",
        settings.identity_differs,
    ),
    Check(
        "settings.development",
        "`DEVELOPMENT=on`, or `/development/` served, in production",
        lambda facts: settings.development(facts.is_production, facts.deployment.environs, facts.answers.development),
    ),
    Check(
        "settings.log-level",
        "`LOG_LEVEL=DEBUG` in production",
        lambda facts: settings.log_level(facts.is_production, facts.all_environs()),
    ),
    Check(
        "settings.rate-limits",
        "`RATE_LIMITS=off` in production",
        lambda facts: settings.rate_limits(facts.is_production, facts.all_environs()),
    ),
    Check(
        "secrets.weak",
        "a secret or password that is short, an example or a pattern",
        lambda facts: secrets.weak(facts.secrets),
    ),
    Check("secrets.shared", "a secret that is used for two purposes", lambda facts: secrets.shared(facts.secrets)),
    Check(
        "secrets.files",
        "a secret's file that other users can read or change; not in a container, whose mounts hide the modes",
        lambda facts: secrets.file_modes(facts.secrets if facts.is_host or facts.deployment.secret_folder else ()),
    ),
    Check(
        "secrets.unreadable",
        "a secret's file that cannot be read, or has no usable content",
        lambda facts: secrets.unreadable(facts.secrets),
    ),
    Check(
        "secrets.age",
        "a signing key older than 400 days",
        lambda facts: secrets.old_key(facts.secrets, facts.clock()),
    ),
    Check(
        "secrets.rotation",
        "a replacement of a key or secret that was begun and not finished",
        lambda facts: secrets.unfinished(facts.secrets, facts.clock(), _refresh_lifetime(facts)),
    ),
)
