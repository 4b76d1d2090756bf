"""The page of the sessions: where the user is logged in, and log out there."""

from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Response

from auth_service.api.authentication import Caller
from auth_service.api.errors import ApiError
from auth_service.api.sessions import LogOutAll, LogOutOthers, SessionInstance
from auth_service.mail.templates import format_time
from auth_service.pages.context import page_text
from auth_service.pages.device import browser_and_system, short_user_agent
from auth_service.pages.response import done_notice, redirect, render
from auth_service.pages.session import account_page
from auth_service.services import services
from auth_service.sessions.store import ListedSession
from contract.page_session import ENDED

_PAGE = "/auth/account/sessions/"


@dataclass(frozen=True, slots=True)
class ShownSession:
    """A session as the page shows it."""

    sid: str
    device: str
    address: str
    created: str
    created_iso: str
    last_used: str
    last_used_iso: str
    is_current: bool


@account_page
def show_sessions(caller: Caller) -> Response:
    """Return the list of the sessions; the one of this browser is first."""
    found = services().sessions.live_sessions(caller.user.id, services().clock())
    shown = sorted((_shown(session, caller.sid) for session in found), key=lambda session: not session.is_current)
    return render("sessions.html", notice=done_notice("sessions"), sessions=shown)


@account_page
def end_session(caller: Caller, sid: str) -> Response:
    """End one session. Nothing happens if it has ended meanwhile."""
    try:
        SessionInstance().delete(sid)
    except ApiError as error:
        if error.status != 404:
            raise
    return redirect(f"{_PAGE}?done=ended")


@account_page
def end_other_sessions(caller: Caller) -> Response:
    """End every session except that of this browser."""
    LogOutOthers().post()
    return redirect(f"{_PAGE}?done=others")


@account_page
def end_all_sessions(caller: Caller) -> Response:
    """End every session, that of this browser too."""
    LogOutAll().post()
    return redirect("/auth/login/?done=everywhere", change=ENDED)


def _shown(session: ListedSession, current: str) -> ShownSession:
    return ShownSession(
        session.sid,
        _device(session.device),
        session.address,
        format_time(session.created_at),
        _iso(session.created_at),
        format_time(session.last_used_at),
        _iso(session.last_used_at),
        session.sid == current,
    )


def _device(user_agent: str) -> str:
    browser, system = browser_and_system(user_agent)
    if browser and system:
        return page_text("sessions.on", browser=browser, system=system)
    return browser or system or short_user_agent(user_agent) or page_text("sessions.unknown")


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
