"""A Django project whose users were imported, and whose clients still have their tokens."""

from dataclasses import dataclass
from typing import Any

import jwt
from flask import Flask
from sqlalchemy import select

from auth_service.storage.models import SessionRow, db
from tests.auth_service.conftest import MakeApp
from tests.auth_service.importing.recorded import (
    SECRET,
    recorded_tokens,
)
from tests.auth_service.world import Person
from tests.clocks import MovableClock

TOKENS = recorded_tokens("django_auth")
TRANSITION = {"SIMPLEJWT_SECRET": SECRET, "SIMPLEJWT_UNTIL": "2030-01-01"}
BLACKLISTED = {"detail": "Token is blacklisted", "code": "token_not_valid"}


@dataclass
class Project:
    """A project whose users were imported. Its clients still have their tokens."""

    make_app: MakeApp
    clock: MovableClock
    app: Flask
    person: Person

    def sessions(self) -> list[SessionRow]:
        """Return the stored sessions."""
        with self.app.app_context():
            return list(db.session.scalars(select(SessionRow).order_by(SessionRow.created_at)))

    def token(self, **changed: Any) -> str:
        """Return an access token of the project, with changed claims; None removes one."""
        return self.sign({"token_type": "access", "exp": int(self.clock()) + 1_800, **changed})

    def sign(self, claims: dict[str, Any], secret: str = SECRET, **options: Any) -> str:
        """Return a token with these claims and a new jti."""
        whole = {"iat": int(self.clock()), "jti": f"{len(claims)}{self.clock()}", "user_id": "1", **claims}
        kept = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(kept, secret, algorithm=options.pop("algorithm", "HS256"), **options)
