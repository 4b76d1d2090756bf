"""Owns the parts that endpoints work with: put together once by create_app, found again through the current app."""

from dataclasses import dataclass

from flask import current_app

from auth_service.accounts.passwords import PasswordRules, Passwords
from auth_service.accounts.users import Accounts
from auth_service.audit.trail import AuditTrail
from auth_service.browser_sessions.service import BrowserSessions
from auth_service.jobs.periodic import Periodic
from auth_service.sessions.revocation import SessionEndings
from auth_service.sessions.store import SessionStore
from auth_service.settings import AuthSettings
from auth_service.storage.redis import RedisClient
from auth_service.throttling.login_throttle import Throttle
from auth_service.tokens.grants import Grants
from auth_service.tokens.reader import TokenReader
from auth_service.tokens.signing_keys import KeyRing
from chassis.clock import Clock

_NAME = "sallyport-auth"


@dataclass(frozen=True, slots=True)
class Services:
    """One of each."""

    settings: AuthSettings
    clock: Clock
    keys: KeyRing
    accounts: Accounts
    sessions: SessionStore
    trail: AuditTrail
    passwords: Passwords
    password_rules: PasswordRules
    reader: TokenReader
    grants: Grants
    throttle: Throttle
    browser_sessions: BrowserSessions
    endings: SessionEndings
    redis: RedisClient
    republishing: Periodic
    housekeeping: Periodic

    def register_in(self, extensions: dict[str, object]) -> None:
        """Makes these the parts of the application whose extensions these are."""
        extensions[_NAME] = self


def services() -> Services:
    """The parts of the current application."""
    found = current_app.extensions[_NAME]
    if not isinstance(found, Services):
        raise TypeError(f"the application's parts are a {type(found).__name__}")
    return found
