"""The settings of the administration: the staff pages, the step-up and the protected roles."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from auth_service.accounts.roles import check_roles
from chassis.settings import Settings

LONGEST_STEP_UP = 86_400
"""The highest STEP_UP_MAX_AGE, in seconds."""


def _words(text: object) -> object:
    return tuple(filter(None, map(str.strip, text.split(",")))) if isinstance(text, str) else text


def _addresses(addresses: tuple[str, ...]) -> tuple[str, ...]:
    for address in addresses:
        host, _, port = address.rpartition(":")
        is_port = host and port.isascii() and port.isdecimal() and 0 < int(port) < 65_536
        if not address.startswith("unix:/") and not is_port:
            raise ValueError("must be host:port or unix:/path, separated by commas")
    return addresses


class AdminSettings(Settings):
    """What staff may do under /auth/admin/ and on the staff pages."""

    admin_pages: bool = False
    """Whether the staff pages are served at /auth/staff/. They need PAGES."""
    step_up_max_age: Annotated[int, Field(ge=1, le=LONGEST_STEP_UP)] = 600
    """Seconds after the password was entered for which staff can do dangerous acts without entering it again."""
    gateway_internal_addresses: Annotated[tuple[str, ...], BeforeValidator(_words), AfterValidator(_addresses)] = ()
    """GATEWAY_INTERNAL_BIND of each gateway, `host:port` or `unix:/path`, whose state staff see."""
    protected_roles: Annotated[
        tuple[str, ...], BeforeValidator(_words), AfterValidator(lambda roles: tuple(check_roles(roles)))
    ] = ("admin",)
    """Roles that only staff who hold them may give and take."""
