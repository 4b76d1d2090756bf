"""`audit`: read the audit trail."""

import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import click

from auth_service.api.models.base import rfc3339_timestamp
from auth_service.audit.store import AuditEntry, AuditFilter
from auth_service.audit.trail import RecordName
from auth_service.cli.arguments import find_user
from auth_service.cli.output import JSON, json_option, print_json, printable
from auth_service.cli.times import time_option
from auth_service.services import services

POLL_SECONDS = 1.0
"""Seconds between two reads with --follow."""
_OVERLAP = 1_000
"""Ids that a read repeats: on PostgreSQL a record may be committed after one with a higher id."""


@click.group()
def audit() -> None:
    """Read the audit trail: what happened to accounts, and who did it."""


@audit.command()
@click.option(
    "--lines", default=20, type=click.IntRange(0, 100_000), show_default=True, help="Records to begin with."
)
@click.option("--user", metavar="USER", help="Only records of this user: an e-mail address or an id.")
@click.option("--follow", is_flag=True, help="Wait for new records, until Ctrl-C.")
@json_option
def tail(lines: int, user: str | None, follow: bool, as_json: bool) -> None:
    """Print the newest records, the oldest of them first. With --json, one JSON object on each line."""
    user_id = find_user(user).id if user else None
    emails: dict[UUID, str] = {}
    records = _followed(lines, user_id) if follow else iter(services().audit.newest(limit=lines, user_id=user_id))
    try:
        for entry in records:
            _print(entry, emails, as_json=as_json)
    except KeyboardInterrupt:
        return


@audit.command()
@click.option("--event", type=click.Choice([name.value for name in RecordName]), help="Only records of this event.")
@click.option("--user", metavar="USER", help="Only records of this user: an e-mail address or an id.")
@click.option("--actor", default="", help="Only acts of this staff user, by id, or of `operator`.")
@click.option("--address", default="", help="Only records from this IP address.")
@time_option("--since", "Only records from this date or time on, such as 2027-06-01.")
@time_option("--until", "Only records before this date or time.")
@click.option("--before", type=click.IntRange(1), help="Only records with a lower id: continues an earlier list.")
@click.option("--limit", default=50, type=click.IntRange(1, 100_000), show_default=True)
@json_option
def search(user: str | None, before: int | None, limit: int, as_json: bool, **wanted: Any) -> None:
    """Print the newest records that match, the newest first. With --json, one JSON object on each line."""
    selected = AuditFilter(
        wanted["event"] or "",
        find_user(user).id if user else None,
        wanted["actor"],
        wanted["address"],
        wanted["since"],
        wanted["until"],
    )
    emails: dict[UUID, str] = {}
    for entry in services().audit.search(selected, before=before, limit=limit):
        _print(entry, emails, as_json=as_json)


def _print(entry: AuditEntry, emails: dict[UUID, str], *, as_json: bool) -> None:
    row = _members(entry, emails)
    if as_json:
        print_json(row)
    else:
        click.echo(_line(row))


def _followed(lines: int, user_id: UUID | None) -> Iterator[AuditEntry]:
    """Yield the newest records, and then each new one."""
    audit_store = services().audit
    newest = audit_store.newest(limit=max(lines, _OVERLAP), user_id=user_id)
    yield from newest[-lines:] if lines else ()
    seen = {entry.id for entry in newest}
    last = max(seen, default=0)
    while True:
        time.sleep(POLL_SECONDS)
        added = audit_store.after(last - _OVERLAP, limit=2 * _OVERLAP, user_id=user_id)
        yield from (entry for entry in added if entry.id not in seen)
        last = max((entry.id for entry in added), default=last)
        seen = {entry.id for entry in added}


def _members(entry: AuditEntry, emails: dict[UUID, str]) -> JSON:
    """Return the members of a record. `email` is the present address; "" if the user was deleted."""
    return {
        "id": entry.id,
        "at": rfc3339_timestamp(entry.at),
        "event": entry.event,
        "user_id": str(entry.user_id) if entry.user_id else None,
        "email": _email(entry.user_id, emails),
        "session": entry.session,
        "address": entry.address,
        "device": entry.device,
        "detail": dict(entry.detail),
    }


def _email(user_id: UUID | None, emails: dict[UUID, str]) -> str:
    if user_id is None:
        return ""
    if user_id not in emails:
        user = services().users.find(user_id)
        emails[user_id] = user.email if user else ""
    return emails[user_id]


def _line(row: JSON) -> str:
    cells = (row["at"], row["event"], row["email"] or row["user_id"], row["address"], row["detail"])
    return "  ".join(map(printable, cells))
