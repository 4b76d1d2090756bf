"""The query parameters of lists, for the OpenAPI document. The views read them leniently, as djoser does."""

from pydantic import BaseModel, Field

from auth_service.accounts.user import AccountStatus
from auth_service.audit.trail import RecordName
from auth_service.webhooks.outbox import DeliveryStatus


class PageQuery(BaseModel):
    """The parameters of a page."""

    page: str = Field(default="1", description="A page number, or `last`.", examples=["1"])
    page_size: str = Field(default="", description="The number of items on a page.", examples=["20"])


class UserQuery(BaseModel):
    """The parameters of the list of users."""

    page: str = Field(default="1", description="A page number, or `last`. Only with PAGE_SIZE.", examples=["1"])
    search: str = Field(
        default="", description="Users whose address or names contain each of these words.", examples=["ann"]
    )


class AccountQuery(PageQuery):
    """The parameters of the list of accounts."""

    search: str = Field(
        default="", description="Users whose address or names contain each of these words.", examples=["ann"]
    )
    role: str = Field(default="", description="Users with this role.", examples=["staff"])
    status: AccountStatus | None = Field(default=None, description="Users with this status.", examples=["active"])


class SessionQuery(BaseModel):
    """The parameters of the sessions of all users."""

    address: str = Field(default="", description="Sessions whose log-in came from here.", examples=["203.0.113.7"])
    offset: str = Field(default="0", description="The number of sessions to leave out.", examples=["50"])
    page_size: str = Field(default="", description="The number of sessions, at most 200.", examples=["50"])


class AuditQuery(BaseModel):
    """The parameters of the audit trail of all users."""

    event: RecordName | None = Field(default=None, description="Records of this event.", examples=["roles_changed"])
    user: str = Field(default="", description="Records of this user, by id or address.", examples=["ann@example.org"])
    actor: str = Field(
        default="", description="Acts of this staff user, by id, or of `operator`.", examples=["operator"]
    )
    address: str = Field(default="", description="Records from this IP address.", examples=["203.0.113.7"])
    since: str = Field(default="", description="Records from this date or time on.", examples=["2027-06-01"])
    until: str = Field(default="", description="Records before this date or time.", examples=["2027-06-02"])
    before: str = Field(default="", description="Records with a lower id.", examples=["4711"])
    page_size: str = Field(default="", description="The number of records, at most 200.", examples=["50"])


class WebhookReplayQuery(BaseModel):
    """The parameters that select deliveries to send again."""

    since: str = Field(description="Messages from this date or time on.", examples=["2027-06-01T12:00:00Z"])
    status: DeliveryStatus | None = Field(
        default=DeliveryStatus.FAILED, description="Deliveries with this status.", examples=["failed"]
    )


class WebhookDeliveryQuery(BaseModel):
    """The parameters of the log of deliveries."""

    endpoint: str = Field(default="", description="Deliveries to this endpoint.", examples=["crm"])
    type: str = Field(default="", description="Messages of this type.", examples=["user.created"])
    status: DeliveryStatus | None = Field(
        default=None, description="Deliveries with this status.", examples=["failed"]
    )
    since: str = Field(default="", description="Messages from this date or time on.", examples=["2027-06-01"])
    before: str = Field(default="", description="Deliveries with a lower id.", examples=["4711"])
    page_size: str = Field(default="", description="The number of deliveries, at most 200.", examples=["50"])
