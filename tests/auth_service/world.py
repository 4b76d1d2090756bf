"""Users and an operator of the service under test."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from auth_service.accounts.mail_tokens import Purpose
from auth_service.accounts.user import User
from auth_service.audit.store import AuditEntry
from auth_service.services import services
from auth_service.storage.models import MailRow, SessionRow, db
from tests.auth_service.forge import claims_of
from tests.auth_service.mail_links import Link, mint

PASSWORD = "Tr0ub4dor&3x"
REFRESH_SECRET = "kW8q1ZsP0vXe5rTn7yUi3oLb9mCd2fGh4jKa6xQwEtRz"
PEER_SECRET = "pB5n0cVx8zLk3jHg7fDs2aQw9eRt4yUi1oPm6NbVcXzA"


@dataclass
class Operator:
    """An operator, whose actions go to the services of the application and not through HTTP."""

    app: Flask

    def user(self, email: str) -> User:
        """Return the stored user."""
        with self.app.app_context():
            user = services().users.find_by_email(email)
            assert user, f"no user {email}"
            return user

    def session_of(self, token: str) -> SessionRow:
        """Return the row of the session of `token`."""
        with self.app.app_context():
            return db.session.get_one(SessionRow, claims_of(token)["sid"])

    def deactivate(self, email: str) -> None:
        """Deactivate a user."""
        user = self.user(email)
        with self.app.app_context():
            services().users.deactivate(user, services().clock())

    def activate(self, email: str) -> None:
        """Activate a user."""
        user = self.user(email)
        with self.app.app_context():
            services().users.activate(user, services().clock())

    def link(self, purpose: Purpose, email: str) -> Link:
        """Return the link of a mail that is sent now."""
        user = self.user(email)
        with self.app.app_context():
            return mint(services().mail_tokens, purpose, user, services().clock())

    def mails(self) -> list[tuple[str, str]]:
        """Return the kind and the address of each mail in the outbox, the oldest first."""
        with self.app.app_context():
            rows = db.session.execute(select(MailRow.kind, MailRow.email).order_by(MailRow.created_at))
            return [(kind, email) for kind, email in rows]

    def mail_languages(self) -> list[str]:
        """Return the Accept-Language of each mail in the outbox, the oldest first."""
        with self.app.app_context():
            return list(db.session.scalars(select(MailRow.accept_language).order_by(MailRow.created_at)))

    def audit(self) -> Sequence[AuditEntry]:
        """Return all audit records, the oldest first."""
        with self.app.app_context():
            return services().audit.newest(limit=1_000)

    def grant(self, email: str, *roles: str) -> None:
        """Set the roles of a user."""
        user = self.user(email)
        with self.app.app_context():
            services().users.set_roles(user, roles, services().clock())

    def record_use(self, token: str) -> None:
        """Record that the token was used, as a usage report of the gateway does."""
        claims = claims_of(token)
        with self.app.app_context():
            services().sessions.raise_seen_generations([(claims["sid"], claims["generation"])])


@dataclass
class Person:
    """A user with an address, a password and the current tokens. `agent` is the User-Agent."""

    client: FlaskClient
    email: str = "ann@example.org"
    password: str = PASSWORD
    access: str = ""
    refresh: str = ""
    id: str = ""
    agent: str = field(default="ann's phone")

    def register(self, **more: str) -> TestResponse:
        """Send a registration and keep the user id. `more` are other fields of the body."""
        response = self.post("/auth/users/", email=self.email, password=self.password, **more)
        self.id = response.json["id"] if response.status_code == 201 and response.json else ""
        return response

    def log_in(self) -> TestResponse:
        """Log in with the password and keep the tokens."""
        return self._keep(self.post("/auth/jwt/create/", email=self.email, password=self.password))

    def refresh_with(self, token: str) -> TestResponse:
        """Refresh with `token`. The new tokens are not kept."""
        return self.post("/auth/jwt/refresh/", refresh=token)

    def refresh_tokens(self) -> TestResponse:
        """Refresh with the current token and keep the new ones."""
        return self._keep(self.refresh_with(self.refresh))

    def log_out(self) -> TestResponse:
        """Log out with the refresh token."""
        return self.post("/auth/jwt/blacklist/", refresh=self.refresh)

    def verify(self, token: str) -> TestResponse:
        """Verify a token."""
        return self.post("/auth/jwt/verify/", token=token)

    def me(self, access: str | None = None) -> TestResponse:
        """Request the user's own data, with another access token if `access` is given."""
        return self.call("GET", "/auth/users/me/", access=access)

    def set_password(self, new_password: str) -> TestResponse:
        """Change the password."""
        return self.call(
            "POST",
            "/auth/users/set_password/",
            json={"new_password": new_password, "current_password": self.password},
        )

    def call(self, method: str, path: str, *, access: str | None = None, **options: Any) -> TestResponse:
        """Send a request with the access token, or with `access` if it is given."""
        headers = {"Authorization": f"Bearer {self.access if access is None else access}"}
        return self.client.open(path, method=method, headers=headers, **options)

    def post(self, path: str, **members: object) -> TestResponse:
        """Send a POST with a JSON object and without access token."""
        return self.client.post(path, json=members, headers={"User-Agent": self.agent})

    def _keep(self, response: TestResponse) -> TestResponse:
        if response.status_code == 200 and response.json:
            self.access, self.refresh = response.json["access"], response.json["refresh"]
        return response
