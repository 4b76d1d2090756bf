"""Flask: views, class-based views, error handlers, and the test client."""

from typing import Any

import pytest
from flask import Blueprint, Flask, request
from flask.views import MethodView

from sallyport_service import ConfigurationError, IdentityRefused
from sallyport_service.flask import current_identity, identity_required, install_identity, require_roles
from sallyport_service.testing import IdentityMinter


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.testing = True
    install_identity(app)
    return app


def test_the_test_client_is_identified_by_minted_headers(app: Flask, minter: IdentityMinter) -> None:
    @app.get("/")
    @identity_required
    def who() -> Any:
        caller = current_identity()
        return [caller.subject, caller.session, caller.email, *caller.roles]

    headers = minter.headers("ann", session="s1", email="ann@example.org", roles=["user", "staff"])
    assert app.test_client().get("/", headers=headers).json == ["ann", "s1", "ann@example.org", "user", "staff"]


def test_class_based_views_and_url_arguments_work(app: Flask, minter: IdentityMinter) -> None:
    class Report(MethodView):
        decorators = [identity_required]

        def get(self, number: int) -> str:
            return f"{current_identity().subject} {number}"

    app.add_url_rule("/<int:number>", view_func=Report.as_view("report"))
    assert app.test_client().get("/7", headers=minter.headers("ann")).text == "ann 7"
    assert app.test_client().get("/7").status_code == 401


def test_a_whole_blueprint_can_need_an_identity(app: Flask, minter: IdentityMinter) -> None:
    reports = Blueprint("reports", __name__, url_prefix="/reports")
    reports.before_request(require_roles)

    @reports.get("/")
    def listing() -> str:
        return current_identity().subject

    app.register_blueprint(reports)
    assert app.test_client().get("/reports/", headers=minter.headers("ann")).text == "ann"
    assert app.test_client().get("/reports/").status_code == 401


def test_an_application_can_answer_refusals_itself(app: Flask) -> None:
    @app.errorhandler(IdentityRefused)
    def refuse(refused: IdentityRefused) -> Any:
        return {"error": refused.code}, refused.status, refused.headers

    app.add_url_rule("/", view_func=identity_required(lambda: "ok"))
    response = app.test_client().get("/")
    assert (response.status_code, response.json) == (401, {"error": "identity_missing"})
    assert response.headers["X-Identity-Refused"] == "No assertion"


def test_functions_before_a_request_see_no_unsigned_headers(minter: IdentityMinter) -> None:
    """Also those that were registered before install_identity."""
    app, seen = Flask(__name__), []
    app.before_request(lambda: seen.append(request.headers.get("X-User-Id")))
    install_identity(app)
    app.test_client().get("/", headers={"X-User-Id": "root"})
    assert seen == [None]


def test_an_identity_is_not_reused_for_the_next_request(app: Flask, minter: IdentityMinter) -> None:
    app.add_url_rule("/", view_func=identity_required(lambda: "ok"))
    with app.app_context():
        assert app.test_client().get("/", headers=minter.headers()).status_code == 200
        assert app.test_client().get("/").status_code == 401


def test_without_install_identity_the_error_says_what_to_do() -> None:
    with (
        Flask(__name__).test_request_context("/"),
        pytest.raises(RuntimeError, match=r"call install_identity\(app\)"),
    ):
        current_identity()


def test_invalid_settings_stop_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IDENTITY_AUDIENCE")
    with pytest.raises(ConfigurationError, match="IDENTITY_AUDIENCE is missing"):
        install_identity(Flask(__name__))


def test_a_view_whose_decorators_are_in_the_wrong_order_answers_nobody(app: Flask) -> None:
    """Flask would serve the function that the route decorates, without a check."""

    @identity_required
    @app.get("/wrong")
    def wrong() -> str:
        return "open"

    @app.get("/right")
    def right() -> str:
        return "open"

    client = app.test_client()
    assert client.get("/right").text == "open"
    with pytest.raises(RuntimeError, match="must stand below"):
        client.get("/wrong")
