"""The settings of the auth service."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from auth_service.account_settings import AccountSettings
from auth_service.accounts.passwords.breached import BreachedPasswords, check_breach_list
from auth_service.accounts.passwords.hash_schemes import HashCost
from auth_service.accounts.passwords.rules import PasswordRules, read_blocklist
from auth_service.admin_settings import AdminSettings
from auth_service.claims_settings import ClaimsSettings
from auth_service.moving_in_settings import MovingInSettings
from auth_service.page_settings import PageSettings
from auth_service.sessions.refresh_policy import RefreshPolicy
from auth_service.throttling.login_throttle import ThrottleRates
from auth_service.tokens.signing_keys import KeyRing, load_key_ring, load_verification_key
from auth_service.webhook_settings import WebhookSettings
from chassis.rates import Rate, parse_rate
from chassis.redis_url import check_redis_url
from chassis.secret_rotation.watched_secret import Secrets, WatchedSecret, watched_secrets
from chassis.settings import Settings, StrongSecret
from chassis.sql.engine import database_url
from chassis.tracing.settings import TracingSettings
from chassis.utc_time import parse_utc_time
from contract.claims import DEFAULT_ACCESS_AUDIENCE, DEFAULT_ISSUER, LONGEST_ACCESS_LIFETIME
from contract.secret_list import split_secrets

SECURE_HASH = HashCost(time=2, memory=19_456)
"""The minimum cost of argon2id that OWASP recommends; production does not start with a lower one."""


def _usable_database(url: SecretStr) -> SecretStr:
    return SecretStr(database_url(url.get_secret_value()))


def _usable_redis(url: SecretStr) -> SecretStr:
    check_redis_url(url.get_secret_value())
    return url


def _usable_signing_key(pem: SecretStr) -> SecretStr:
    load_key_ring(pem.get_secret_value(), None)
    return pem


def _usable_previous_key(pem: SecretStr | None) -> SecretStr | None:
    if pem:
        load_verification_key(pem.get_secret_value())
    return pem


def _usable_breach_list(path: Path | None) -> Path | None:
    if path:
        check_breach_list(path)
    return path


def _usable_blocklist(path: Path | None) -> Path | None:
    if path:
        read_blocklist(path)
    return path


def _words(text: object) -> object:
    return tuple(filter(None, map(str.strip, text.split(",")))) if isinstance(text, str) else text


class AuthSettings(
    AccountSettings,
    PageSettings,
    AdminSettings,
    MovingInSettings,
    WebhookSettings,
    ClaimsSettings,
    TracingSettings,
):
    """The settings of the auth service. Lifetimes are in seconds. No required secret has a default."""

    database_url: Annotated[SecretStr, AfterValidator(_usable_database)]
    """Secret because it may contain a password, like `redis_url`."""
    redis_url: Annotated[SecretStr, AfterValidator(_usable_redis)]
    auth_threads: Annotated[int, Field(ge=2, le=256)] = 8
    """Threads of one process that remain for other requests when the hashing queue is full.

    A process has as many database connections, plus those of its background threads.
    """

    signing_key: Annotated[SecretStr, AfterValidator(_usable_signing_key)]
    """PEM of the private key that signs access tokens. While it is replaced, the next or the previous key follows."""
    previous_signing_key: Annotated[SecretStr | None, AfterValidator(_usable_previous_key)] = None
    """PEM of one more key, private or public, whose access tokens are valid."""
    refresh_secret: StrongSecret
    """Signs refresh tokens."""
    peer_secret: StrongSecret
    """Authenticates the gateway, which has the same secret."""

    token_issuer: Annotated[str, Field(min_length=1)] = DEFAULT_ISSUER
    """The claim `iss` of access and refresh tokens. The gateway must have the same value."""
    access_audience: Annotated[str, Field(min_length=1)] = DEFAULT_ACCESS_AUDIENCE
    """The claim `aud` of access tokens. The gateway must have the same value."""
    access_token_lifetime: Annotated[int, Field(ge=1, le=LONGEST_ACCESS_LIFETIME)] = 300
    access_lifetime_jitter: Annotated[float, Field(ge=0, le=0.2)] = 0.05
    """The fraction by which an access token's lifetime may be shortened, so that not all are refreshed at once."""
    refresh_token_lifetime: Annotated[int, Field(ge=1)] = 15_552_000
    """The idle time after which a session ends if it is not refreshed."""
    session_lifetime: Annotated[int, Field(ge=1)] = 31_536_000
    """The absolute lifetime of a session, from its log-in. It is never extended."""
    refresh_grace: Annotated[int, Field(ge=0, le=600)] = 10
    """Seconds for which a used refresh token still returns its successor."""
    refresh_confirm: bool = True
    """Whether a used refresh token stays valid until its successor has been used (confirm on first use)."""

    database_restored_at: Annotated[float | None, BeforeValidator(parse_utc_time)] = None
    """When the database was restored (epoch seconds). Tokens issued before may be newer than their sessions."""

    max_sessions_per_user: Annotated[int, Field(ge=0)] = 0
    """A log-in ends the oldest sessions beyond this number; 0 is no limit."""

    rate_limits: bool = True
    """False disables the log-in throttle, for load tests."""
    login_failures: Annotated[Rate, BeforeValidator(parse_rate)] = Rate(10, 300)
    """Failed log-ins of one account from one address."""
    login_failures_per_account: Annotated[Rate, BeforeValidator(parse_rate)] = Rate(100, 3_600)
    """Failed log-ins of one account from all addresses together, except those where it has logged in recently."""
    login_failures_per_address: Annotated[Rate, BeforeValidator(parse_rate)] = Rate(300, 300)
    """Failed log-ins of all accounts from one address."""
    registrations_per_account: Annotated[Rate, BeforeValidator(parse_rate)] = Rate(20, 3_600)
    """Requests to register one e-mail address."""
    registrations_per_address: Annotated[Rate, BeforeValidator(parse_rate)] = Rate(1_000, 3_600)
    """Requests to register from one address."""
    mail_requests: Annotated[Rate, BeforeValidator(parse_rate)] = Rate(5, 3_600)
    """Requests for a mail to one account from one address."""
    mail_requests_per_account: Annotated[Rate, BeforeValidator(parse_rate)] = Rate(10, 3_600)
    """Requests for a mail to one account from all addresses, except those where it has logged in recently."""
    mail_requests_per_address: Annotated[Rate, BeforeValidator(parse_rate)] = Rate(100, 3_600)
    """Requests for a mail to any account from one address."""

    audit_retention: Annotated[int, Field(ge=1, le=3650)] = 90
    """Days for which audit records are kept."""

    page_size: Annotated[int | None, Field(ge=1, le=1000)] = None
    """Users per page; None returns all users in one list."""
    password_min_length: Annotated[int, Field(ge=8, le=128)] = 8
    """Minimum length of a new password in characters."""
    password_allow_numeric: bool = False
    """Whether a new password may consist of digits only."""
    password_blocklist: Annotated[Path | None, AfterValidator(_usable_blocklist)] = None
    """A file of passwords that are refused as too common, one a line, in addition to the list of this service."""
    password_context_words: Annotated[tuple[str, ...], BeforeValidator(_words)] = ()
    """Words that a new password must not be similar to, such as the name of the service; separated by commas."""
    breached_passwords: Annotated[Path | None, AfterValidator(_usable_breach_list)] = None
    """A file or folder with the SHA-1 hashes of breached passwords, as haveibeenpwned.com publishes them."""
    breached_min_count: Annotated[int, Field(ge=1)] = 1
    """Times that a password must have been found in breaches to be refused."""
    breached_at_login: bool = False
    """Whether a log-in with a breached password adds an audit record. The log-in succeeds."""
    argon2_time_cost: Annotated[int, Field(ge=1, le=20)] = SECURE_HASH.time
    """Passes of argon2id per hash."""
    argon2_memory_cost: Annotated[int, Field(ge=8, le=2**21)] = SECURE_HASH.memory
    """KiB of memory per hash."""
    hash_concurrency: Annotated[int, Field(ge=1, le=64)] = 2
    """Passwords hashed at once in one process."""
    hash_queue: Annotated[int, Field(ge=0, le=1_000)] = 100
    """Requests that may wait for a hash in one process; others get 503. `auth_threads` does not count them."""
    hash_max_wait: Annotated[float, Field(gt=0, le=60)] = 5.0
    """Seconds that a request waits for its hash to begin."""

    @model_validator(mode="after")
    def _check_hash_cost_in_production(self) -> Self:
        cost = self.hash_cost
        if self.app_env == "production" and (cost.time < SECURE_HASH.time or cost.memory < SECURE_HASH.memory):
            raise ValueError(
                f"in production ARGON2_TIME_COST must be at least {SECURE_HASH.time} "
                f"and ARGON2_MEMORY_COST at least {SECURE_HASH.memory} KiB"
            )
        return self

    @model_validator(mode="after")
    def _check_secrets_differ(self) -> Self:
        refresh = split_secrets(self.refresh_secret.get_secret_value())
        if set(refresh) & set(split_secrets(self.peer_secret.get_secret_value())):
            raise ValueError("REFRESH_SECRET and PEER_SECRET must be different: the gateway must not sign tokens")
        return self

    @property
    def hash_cost(self) -> HashCost:
        """Return the cost of a password hash."""
        return HashCost(self.argon2_time_cost, self.argon2_memory_cost)

    @property
    def password_breaches(self) -> BreachedPasswords | None:
        """Return the list of breached passwords; None without one."""
        path = self.breached_passwords
        return BreachedPasswords(path, self.breached_min_count) if path else None

    @property
    def password_rules(self) -> PasswordRules:
        """Return the rules for new passwords. Reads the blocklist."""
        return PasswordRules(
            self.password_min_length,
            allow_numeric=self.password_allow_numeric,
            blocklist=read_blocklist(self.password_blocklist) if self.password_blocklist else frozenset(),
            context_words=self.password_context_words,
            breached=self.password_breaches,
        )

    @property
    def longest_refresh_use(self) -> int:
        """Return the longest lifetime, in seconds, of what REFRESH_SECRET signs."""
        return max(self.refresh_token_lifetime, self.mail_token_lifetime)

    @property
    def all_threads(self) -> int:
        """Return the number of threads of a process: `auth_threads`, plus one per request that may hash or wait."""
        return self.auth_threads + self.hash_concurrency + self.hash_queue

    @property
    def throttle_rates(self) -> ThrottleRates | None:
        """Return the limits of failed log-ins, registrations and requests for mails; None if the throttle is off."""
        if not self.rate_limits:
            return None
        return ThrottleRates(
            failures=self.login_failures,
            failures_of_account=self.login_failures_per_account,
            failures_of_address=self.login_failures_per_address,
            registrations_of_account=self.registrations_per_account,
            registrations_of_address=self.registrations_per_address,
            mails=self.mail_requests,
            mails_of_account=self.mail_requests_per_account,
            mails_of_address=self.mail_requests_per_address,
        )

    @property
    def refresh_policy(self) -> RefreshPolicy:
        """Return the refresh policy of these settings."""
        return RefreshPolicy(
            self.refresh_grace,
            self.refresh_confirm,
            self.refresh_token_lifetime,
            self.access_token_lifetime,
            self.database_restored_at or 0,
        )

    def key_ring(self) -> WatchedSecret[KeyRing]:
        """Return the key that signs access tokens and the keys that verify them."""
        previous = self.previous_signing_key.get_secret_value() if self.previous_signing_key else None
        return WatchedSecret(
            "SIGNING_KEY",
            self.signing_key.get_secret_value(),
            self.secret_file("signing_key"),
            lambda pem: load_key_ring(pem, previous),
            names=lambda ring: tuple(ring.verifying),
        )

    def refresh_secrets(self) -> Secrets:
        """Return the secrets of refresh tokens, and of what else is derived from them."""
        return watched_secrets(self, "refresh_secret")

    def peer_secrets(self) -> Secrets:
        """Return the secrets that authenticate the gateway."""
        return watched_secrets(self, "peer_secret")


class ServingSettings(Settings):
    """The settings of the service's processes."""

    auth_bind: str = "127.0.0.1:8001"
    """The listen address: host:port or unix:/path."""
    auth_internal_bind: str = ""
    """Where /metrics is served: host:port or unix:/path; empty: nowhere."""
    auth_workers: Annotated[int, Field(ge=1, le=256)] = 2
    """Number of processes."""
