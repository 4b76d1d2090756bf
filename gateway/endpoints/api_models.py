"""Bodies of the gateway's own endpoints as pydantic models, and errors that they share, for the OpenAPI document."""

from pydantic import BaseModel, Field

from chassis.openapi.problem_details import problem

OF_TOKENS = (
    problem("auth_unavailable", retry_after=3),
    problem("keys_unavailable", retry_after=3),
    problem("revocations_unavailable", retry_after=3),
    problem("peer_rejected"),
)
"""The errors of a request whose token or session cannot be verified at the moment."""


class LogInRequest(BaseModel):
    """The credentials of a log-in."""

    email: str = Field(min_length=1, examples=["ann@example.org"])
    password: str = Field(min_length=1, examples=["correct horse battery"], json_schema_extra={"format": "password"})


class SessionUser(BaseModel):
    """The user of a session."""

    id: str = Field(examples=["0e3b1f8a-5a0c-4c57-9a5b-0d6a2f4c9e11"])
    email: str = Field(examples=["ann@example.org"])
    first_name: str = Field(examples=["Ann"])
    last_name: str = Field(examples=["Lee"])


class SessionResponse(BaseModel):
    """A browser session. `expires_at` is its end in seconds since the epoch."""

    user: SessionUser
    expires_at: int = Field(examples=[1_800_000_000])


class TicketResponse(BaseModel):
    """A one-time ticket, and the seconds for which it can be used."""

    ticket: str = Field(examples=["Zk3VwK8l2m..."])
    expires_in: int = Field(examples=[30])


class LogInError(BaseModel):
    """A log-in that the auth service refused."""

    detail: str = Field(examples=["No active account found with the given credentials"])
    code: str | None = Field(default=None, examples=["throttled"])
