"""What ends the sessions of a user also ends the tokens of the Django project."""

from collections.abc import Callable

import pytest

from auth_service.importing.imported_user import derived_id
from auth_service.services import services
from tests.auth_service.importing.moved_project import TOKENS, Project
from tests.auth_service.world import Operator


def log_out_everywhere(project: Project) -> None:
    """End all sessions of the user with a session of another device."""
    project.person.log_in()
    response = project.person.call("POST", "/auth/sessions/logout-all/")
    assert response.status_code in (200, 204), response.json


def change_password(project: Project) -> None:
    """Change the password on another device."""
    project.person.log_in()
    assert project.person.set_password("an0ther-Pass").status_code == 204


def deactivate_and_activate(project: Project) -> None:
    """Bar the user and lift that."""
    operator = Operator(project.app)
    operator.deactivate("ann@example.org")
    operator.activate("ann@example.org")


def set_roles(project: Project) -> None:
    """Change the roles, which ends all sessions."""
    Operator(project.app).grant("ann@example.org", "editor")


@pytest.mark.parametrize("end", [log_out_everywhere, change_password, deactivate_and_activate, set_roles])
@pytest.mark.parametrize("was_exchanged", [False, True])
def test_the_end_of_all_sessions_ends_tokens_of_the_project_too(
    project: Project, end: Callable[[Project], None], was_exchanged: bool
) -> None:
    if was_exchanged:
        assert project.person.refresh_with(TOKENS.refresh).status_code == 200
        assert project.person.me(TOKENS.access).status_code == 200
    end(project)

    assert project.person.refresh_with(TOKENS.refresh).status_code == 401
    assert project.person.me(TOKENS.access).status_code == 401
    assert project.person.verify(TOKENS.refresh).status_code == 400


def test_a_token_issued_after_that_is_accepted(project: Project) -> None:
    """The old server may run a little longer."""
    deactivate_and_activate(project)
    project.clock.move(5)

    token = project.sign({"token_type": "refresh", "exp": int(project.clock()) + 10_000})

    assert project.person.refresh_with(token).status_code == 200


def test_a_barred_and_a_deleted_user_are_refused(project: Project, operator: Operator) -> None:
    operator.deactivate("ann@example.org")
    refused = project.person.refresh_with(TOKENS.refresh)
    assert (refused.status_code, refused.json) == (
        401,
        {"detail": "No active account found for the given token."},
    )
    assert (project.person.me(TOKENS.access).json or {})["code"] == "user_inactive"
    with project.app.app_context():
        user = services().users.find_by_email("ann@example.org")
        assert user
        services().users.delete(user, services().clock())

    assert project.person.refresh_with(TOKENS.refresh).status_code == 401
    assert (project.person.me(TOKENS.access).json or {})["code"] == "user_not_found"


def test_a_user_who_was_not_imported_is_refused(project: Project) -> None:
    for user_id in ("99", 99, "10", str(derived_id("django", "1"))):
        token = project.sign({"token_type": "refresh", "exp": int(project.clock()) + 10_000, "user_id": user_id})
        assert project.person.refresh_with(token).status_code == 401
