"""Who may open a staff page: staff, and for a dangerous act only after a password a short time ago."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec
from urllib.parse import quote

from flask import Response, request

from auth_service.api.authentication import Caller
from auth_service.api.client_of_request import set_actor_of_request
from auth_service.api.step_up import is_recently_authenticated
from auth_service.pages.response import redirect, render_message
from auth_service.pages.session import account_page

Arguments = ParamSpec("Arguments")
StaffView = Callable[Concatenate[Caller, Arguments], Response]


def staff_page(view: StaffView[Arguments]) -> Callable[Arguments, Response]:
    """Call `view` with the staff user who is logged in. Other users get 403, and nobody the log-in page."""

    @wraps(view)
    def guarded(caller: Caller, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Response:
        if not caller.user.is_staff:
            return render_message(403, "staff.forbidden_title", "staff.forbidden")
        set_actor_of_request(str(caller.user.id))
        return view(caller, *args, **kwargs)

    return account_page(guarded)


def dangerous_act(view: StaffView[Arguments]) -> StaffView[Arguments]:
    """Call `view` if the staff user entered the password a short time ago, else lead to the form for it and back.

    The way back is the page of this path, or for a form without a page of its own the page of the user.
    """

    @wraps(view)
    def guarded(caller: Caller, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Response:
        if is_recently_authenticated():
            return view(caller, *args, **kwargs)
        user_id = kwargs.get("user_id")
        has_page = request.method == "GET" or not request.path.endswith("/end/")
        back = request.path if has_page or user_id is None else f"/auth/staff/users/{user_id}/?done=confirmed"
        return redirect(f"/auth/staff/confirm/?next={quote(back)}")

    return guarded
