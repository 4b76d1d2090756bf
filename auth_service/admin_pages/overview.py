"""The first staff page: figures, and charts of the last 24 hours. And the pages of keys and gateways."""

from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Response

from auth_service.accounts.user import AccountStatus
from auth_service.admin_pages.charts import Bar, bars
from auth_service.admin_pages.guard import staff_page
from auth_service.administration.figures import COUNTED, Figures
from auth_service.api.admin.figures import list_keys
from auth_service.api.authentication import Caller
from auth_service.audit.trail import RecordName
from auth_service.mail.templates import format_time
from auth_service.pages.response import render
from auth_service.services import services

_STATUSES = (AccountStatus.ACTIVE, AccountStatus.UNVERIFIED, AccountStatus.BARRED)


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of one kind of record. `peak` is the highest number of an hour."""

    name: RecordName
    total: int
    peak: int
    bars: tuple[Bar, ...]


@staff_page
def show_overview(caller: Caller) -> Response:
    """Return the figures and charts."""
    figures = services().figures.read()
    return render(
        "staff/overview.html",
        users=[(status, figures.users[status]) for status in _STATUSES],
        figures=figures,
        read_at=format_time(figures.at),
        charts=[_chart(figures, name) for name in COUNTED],
        hours=[(_clock_time(hour.start), [hour.counts[name] for name in COUNTED]) for hour in figures.hours],
    )


@staff_page
def show_keys(caller: Caller) -> Response:
    """Return the keys of access tokens."""
    keys = [(key, format_time(key.tokens_expire_at) if key.tokens_expire_at else "") for key in list_keys()]
    return render("staff/keys.html", keys=keys)


@staff_page
def show_gateways(caller: Caller) -> Response:
    """Return the gateways with their upstreams."""
    return render("staff/gateways.html", gateways=services().gateways.read())


def _chart(figures: Figures, name: RecordName) -> Chart:
    values = [(_clock_time(hour.start), hour.counts[name]) for hour in figures.hours]
    return Chart(name, figures.total(name), max(value for _, value in values), tuple(bars(values)))


def _clock_time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M")
