"""The settings of webhooks: the endpoints, the addresses that they may have, and how long the log is kept."""

from typing import Annotated

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from auth_service.webhooks.endpoints import Endpoints, Subscriptions, parse_endpoints
from chassis.secret_rotation.watched_secret import WatchedSecret
from chassis.settings import Settings


class WebhookSettings(Settings):
    """Where webhooks are sent."""

    webhooks_allow_private: bool | None = None
    """Whether endpoints may use http:// and addresses that are not public. None: in development only."""
    webhooks: SecretStr | None = None
    """The endpoints in TOML, as webhooks/endpoints.py reads them. Secret because it contains their secrets."""
    webhook_retention: Annotated[int, Field(ge=7, le=3650)] = 30
    """Days for which webhooks are kept in the log. Longer than the last attempt, which is after four days at most."""

    @field_validator("webhooks")
    @classmethod
    def _check_endpoints(cls, text: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if text is not None:
            allow_http = _allows_private(info.data.get("webhooks_allow_private"), info.data.get("app_env"))
            parse_endpoints(text.get_secret_value(), allow_http=allow_http)
        return text

    @property
    def allows_private_endpoints(self) -> bool:
        """Return whether endpoints may use http:// and addresses that are not public."""
        return _allows_private(self.webhooks_allow_private, self.app_env)

    def subscriptions(self) -> Subscriptions:
        """Return the endpoints, which are read again when their file changes."""
        text = self.webhooks.get_secret_value() if self.webhooks else ""
        file = self.secret_file("webhooks")
        return Subscriptions(WatchedSecret("WEBHOOKS", text, file, self._parse, names=tuple))

    def _parse(self, text: str) -> Endpoints:
        return parse_endpoints(text, allow_http=self.allows_private_endpoints)


def _allows_private(setting: bool | None, app_env: str | None) -> bool:
    return app_env == "development" if setting is None else setting
