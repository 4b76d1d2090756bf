"""The checks of versions, certificates, disks, mail, webhooks and the claims hook."""

from collections.abc import Iterable

from doctor.checks import certificates, disk, mail, versions, webhooks
from doctor.facts import Facts
from doctor.finding import Problem
from doctor.registry.check import Check
from doctor.version_floors import POSTGRESQL, REDIS, VALKEY


def _redis_version(facts: Facts) -> Iterable[Problem]:
    product = facts.redis.product
    return versions.server(product, facts.redis.version, VALKEY if product == "Valkey" else REDIS)


def _postgresql_version(facts: Facts) -> Iterable[Problem]:
    found = {each.version for each in facts.databases if each.is_postgresql}
    return [problem for version in sorted(found) for problem in versions.server("PostgreSQL", version, POSTGRESQL)]


MACHINE_CHECKS: tuple[Check, ...] = (
    Check(
        "versions.python",
        "a Python with a known vulnerability",
        lambda facts: versions.python(facts.installed.python, is_system_python=facts.installed.is_system_python),
    ),
    Check("versions.openssl", "an old OpenSSL", lambda facts: versions.openssl(facts.installed.openssl)),
    Check(
        "versions.packages",
        "a package with a known vulnerability",
        lambda facts: versions.packages(facts.installed.packages),
    ),
    Check("versions.redis", "a Redis or Valkey with a known vulnerability", _redis_version),
    Check("versions.postgresql", "a PostgreSQL with a known vulnerability", _postgresql_version),
    Check(
        "certificates.gateway",
        "a certificate of the gateway's settings or routes that ends within 14 days",
        lambda facts: certificates.ends(facts.gateway_certificates, facts.clock()),
    ),
    Check(
        "certificates.mail",
        "a certificate in `SMTP_CA_FILE` that ends within 14 days",
        lambda facts: certificates.ends(facts.mail_certificates, facts.clock()),
    ),
    Check(
        "certificates.public",
        "a certificate at the public URL that is refused or ends within 14 days",
        lambda facts: certificates.ends(facts.public_certificate, facts.clock()),
    ),
    Check(
        "certificates.upstreams",
        "a certificate of a service that is refused or ends within 14 days",
        lambda facts: certificates.ends(facts.upstream_certificates, facts.clock()),
    ),
    Check(
        "disk.room",
        "a nearly full file system of `DATA_DIR`, a SQLite database or the temporary folder",
        lambda facts: disk.room(facts.disks),
    ),
    Check(
        "mail.server",
        "an SMTP server that cannot be reached, or refuses TLS or the log-in",
        lambda facts: mail.server(facts.mail_problem),
    ),
    Check(
        "mail.settings",
        "no SMTP server in production, or links in mails to localhost",
        lambda facts: mail.settings(facts.auth.settings, facts.is_production),
    ),
    Check(
        "mail.backlog",
        "mails that wait for more than ten minutes, or were given up",
        lambda facts: mail.backlog(facts.auth_database.outbox),
    ),
    Check(
        "webhooks.unencrypted",
        "an endpoint of webhooks with an http:// URL in production",
        lambda facts: webhooks.unencrypted(facts.webhook_endpoints, facts.is_production),
    ),
    Check(
        "webhooks.secrets",
        "a secret of an endpoint that is an example, can be guessed, or is that of another endpoint",
        lambda facts: webhooks.secrets(facts.webhook_endpoints),
    ),
    Check(
        "webhooks.reachable",
        "an endpoint that cannot be reached, has a private address, or a certificate that is refused",
        lambda facts: webhooks.connections(facts.webhook_connections),
    ),
    Check(
        "webhooks.backlog",
        "webhooks that wait for more than an hour or were given up, and disabled endpoints",
        lambda facts: webhooks.backlog(facts.auth_database.webhooks),
    ),
    Check(
        "claims.forwarded",
        "`IDENTITY_CLAIMS` without a `CLAIMS_HOOK` that adds them",
        lambda facts: webhooks.claims(
            facts.gateway.settings.identity_claims, has_hook=bool(facts.auth.settings.claims_hook)
        ),
    ),
)
