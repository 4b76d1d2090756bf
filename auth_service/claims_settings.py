"""The settings of the claims hook."""

from typing import Annotated

from pydantic import AfterValidator, Field

from auth_service.tokens.claims_hook import Function, load_claims_hook
from chassis.settings import Settings


def _usable_hook(text: str | None) -> str | None:
    if text:
        load_claims_hook(text)
    return text


class ClaimsSettings(Settings):
    """The function that adds claims to access tokens."""

    claims_hook: Annotated[str | None, AfterValidator(_usable_hook)] = None
    """`module:function`. It is imported at the start."""
    claims_hook_timeout: Annotated[float, Field(gt=0, le=2.5)] = 2.0
    """Seconds after which a call counts as failed. A gateway waits three seconds for a new token of a session."""

    @property
    def claims_function(self) -> Function | None:
        """Return the function of the hook; None without one."""
        return load_claims_hook(self.claims_hook) if self.claims_hook else None
