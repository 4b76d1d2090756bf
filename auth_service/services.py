"""The services of an application: create_app creates them, and views find them through the current application."""

from dataclasses import dataclass

from flask import current_app

from auth_service.accounts.directory import UserDirectory
from auth_service.accounts.mail_tokens import MailTokens
from auth_service.accounts.passwords.hashing import Passwords
from auth_service.accounts.passwords.rules import PasswordRules
from auth_service.accounts.store import UserStore
from auth_service.administration.figures import FigureReader
from auth_service.administration.gateway_states import GatewayStates
from auth_service.administration.user_administration import UserAdministration
from auth_service.audit.store import AuditStore
from auth_service.browser_sessions.service import BrowserSessions
from auth_service.importing.store import ImportStore
from auth_service.jobs.mail import MailSender
from auth_service.jobs.periodic import PeriodicJob
from auth_service.jobs.webhooks import WebhookJobs, WebhookSender
from auth_service.mail.outbox import MailOutbox
from auth_service.redis_client import RedisClient
from auth_service.sessions.store import SessionStore
from auth_service.settings import AuthSettings
from auth_service.throttling.login_throttle import LoginThrottle
from auth_service.tokens.grants import Grants
from auth_service.tokens.key_use import KeyUse, KeyUseStore
from auth_service.tokens.reader import TokenReader
from auth_service.tokens.signing_keys import KeyRing
from auth_service.tokens.token_exchange import TokenExchange
from auth_service.webhooks.endpoints import Subscriptions
from auth_service.webhooks.outbox import WebhookOutbox
from chassis.clock import Clock
from chassis.secret_rotation.watched_secret import Secrets, WatchedSecret

_NAME = "sallyport-auth"


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The endpoints, the outbox and the job of webhooks."""

    subscriptions: Subscriptions
    outbox: WebhookOutbox
    sender: WebhookSender
    jobs: WebhookJobs


@dataclass(frozen=True, slots=True)
class Services:
    """The services of one application."""

    settings: AuthSettings
    clock: Clock
    keys: WatchedSecret[KeyRing]
    peer_secrets: Secrets
    users: UserStore
    sessions: SessionStore
    audit: AuditStore
    imports: ImportStore
    directory: UserDirectory
    key_uses: KeyUseStore
    key_use: KeyUse
    administration: UserAdministration
    figures: FigureReader
    gateways: GatewayStates
    passwords: Passwords
    password_rules: PasswordRules
    reader: TokenReader
    exchange: TokenExchange
    grants: Grants
    throttle: LoginThrottle
    browser_sessions: BrowserSessions
    redis: RedisClient
    outbox: MailOutbox
    mail_tokens: MailTokens
    mail_sender: MailSender
    sending: PeriodicJob
    republishing: PeriodicJob
    retention: PeriodicJob
    webhooks: Webhooks

    def register_in(self, extensions: dict[str, object]) -> None:
        """Store the services in the `extensions` of an application."""
        extensions[_NAME] = self


def services() -> Services:
    """Return the services of the current application."""
    found = current_app.extensions[_NAME]
    if not isinstance(found, Services):
        raise TypeError(f"expected the application's Services, not {type(found).__name__}")
    return found
