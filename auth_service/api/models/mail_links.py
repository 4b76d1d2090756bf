"""Bodies of requests for a mail with a link, and of requests with the uid and the token of a link."""

from typing import Annotated

from pydantic import Field, StringConstraints

from auth_service.api.models.base import NewEmail, RequestBody, Trimmed

Uid = Annotated[
    str,
    StringConstraints(min_length=1),
    Trimmed,
    Field(examples=["MGUzYjFmOGEtNWEwYy00YzU3LTlhNWItMGQ2YTJmNGM5ZTEx"]),
]
"""The `uid` of a link: the user id in base64url."""

LinkToken = Annotated[str, StringConstraints(min_length=1), Trimmed, Field(repr=False, examples=["trnpc0-x7Qm..."])]
"""The `token` of a link."""


class MailRequest(RequestBody):
    """The address of the account to which a mail is to be sent."""

    email: NewEmail


class LinkRequest(RequestBody):
    """The uid and the token of a link."""

    uid: Uid
    token: LinkToken


class ActivationRequest(LinkRequest):
    """The link of an activation mail."""
