"""Log-ins, refreshes, ended sessions, requests, queues and mails are exported as Prometheus metrics."""

from math import isnan

import pytest
from flask import Flask
from redis import Redis

from auth_service.services import services
from auth_service.storage.mail_outbox import SqlMailOutbox
from auth_service.store_errors import StoreUnavailable
from chassis.metrics.service_metrics import metrics_of
from tests.auth_service.conftest import MakeApp
from tests.auth_service.tokens import hooks
from tests.auth_service.webhooks.conftest import endpoint_toml
from tests.auth_service.world import Person
from tests.clocks import MovableClock
from tests.ports import free_port


def samples(app: Flask) -> dict[str, float]:
    """Return the exported values by name and labels."""
    text, _ = metrics_of(app).render()
    lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_log_ins_are_counted_by_result(app: Flask, ann: Person) -> None:
    ann.post("/auth/jwt/create/", email=ann.email, password="wrong")
    ann.post("/auth/jwt/create/", email="nobody@example.org", password="wrong")
    exported = samples(app)
    assert exported['sallyport_auth_logins_total{result="ok"}'] == 1
    assert exported['sallyport_auth_logins_total{result="failed"}'] == 2
    assert exported['sallyport_auth_logins_total{result="throttled"}'] == 0


def test_refreshes_are_counted_by_result_and_a_replay_as_an_ended_session_too(app: Flask, ann: Person) -> None:
    first = ann.refresh
    ann.refresh_tokens()
    assert ann.refresh_with(first).status_code == 200  # its response may have been lost
    second = ann.refresh
    ann.refresh_tokens()
    assert ann.refresh != second
    exported = samples(app)
    assert exported['sallyport_auth_refreshes_total{result="rotated"}'] == 2
    assert exported['sallyport_auth_refreshes_total{result="same_successor"}'] == 1
    assert exported['sallyport_auth_refreshes_total{result="replay"}'] == 0


def test_a_replay_is_counted(make_app: MakeApp) -> None:
    app = make_app(REFRESH_GRACE="0")
    ann = Person(app.test_client())
    ann.register()
    ann.log_in()
    first = ann.refresh
    for _ in range(3):
        ann.refresh_tokens()
    assert ann.refresh_with(first).status_code == 401
    exported = samples(app)
    assert exported['sallyport_auth_refreshes_total{result="replay"}'] == 1
    assert exported['sallyport_auth_sessions_ended_total{reason="replay"}'] == 1


def test_requests_are_counted_by_route_method_and_status(app: Flask, ann: Person) -> None:
    ann.me()
    ann.client.get("/no-such-page/8f2c")
    ann.client.get("/healthz")
    exported = samples(app)
    counted = {name for name in exported if name.startswith("sallyport_auth_requests_total")}
    assert exported['sallyport_auth_requests_total{method="GET",route="/auth/users/me/",status="200"}'] == 1
    assert 'sallyport_auth_requests_total{method="GET",route="none",status="404"}' in counted
    assert not any("8f2c" in name or "healthz" in name for name in counted)
    assert exported['sallyport_auth_request_duration_seconds_count{route="/auth/users/me/"}'] == 1


def test_the_queue_of_password_hashing_is_exported(app: Flask) -> None:
    with app.app_context(), services().passwords.verifying("a password", None):
        exported = samples(app)
    assert exported["sallyport_auth_hashes_pending"] == 1
    assert exported["sallyport_auth_hashes_limit"] == 2 + 100
    assert samples(app)["sallyport_auth_hashes_pending"] == 0


def test_mails_that_wait_and_their_age_are_exported(app: Flask, ann: Person, clock: MovableClock) -> None:
    assert samples(app)["sallyport_auth_mail_oldest_seconds"] == 0
    ann.post("/auth/users/reset_password/", email=ann.email)
    clock.move(90)
    exported = samples(app)
    assert exported["sallyport_auth_mails_waiting"] == 1
    assert exported["sallyport_auth_mail_oldest_seconds"] == pytest.approx(90)


def test_without_the_database_the_other_metrics_are_exported(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: SqlMailOutbox) -> int:
        raise StoreUnavailable("the database is down")

    monkeypatch.setattr(SqlMailOutbox, "waiting", fail)
    exported = samples(app)
    assert isnan(exported["sallyport_auth_mails_waiting"])
    assert exported["sallyport_auth_database_connections_limit"] > 0


def test_an_unavailable_redis_and_unpublished_revocations_are_exported(make_app: MakeApp, redis: Redis) -> None:
    app = make_app()
    with app.app_context():
        services().republishing.run_once()
    exported = samples(app)
    assert exported["sallyport_auth_redis_unavailable"] == 0
    assert exported["sallyport_auth_revocations_pending"] == 0
    without = make_app(REDIS_URL="redis://127.0.0.1:1/0")
    with without.app_context():
        for _ in range(3):
            services().republishing.run_once()
    exported = samples(without)
    assert exported["sallyport_auth_redis_unavailable"] == 1
    assert exported["sallyport_auth_revocations_pending"] == 1


def test_webhooks_are_counted_and_those_that_wait_shown(make_app: MakeApp, clock: MovableClock) -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    app = make_app(WEBHOOKS=endpoint_toml(url, events='["user.*"]'))
    Person(app.test_client()).register()
    clock.move(60)
    with app.app_context():
        outbox = services().webhooks.outbox
        services().webhooks.sender.send_due()
        exported = samples(app)
        assert exported['sallyport_auth_webhooks_total{result="delayed"}'] == 1
        assert exported['sallyport_auth_webhooks_total{result="delivered"}'] == 0
        assert exported["sallyport_auth_webhooks_waiting"] == 1
        assert exported["sallyport_auth_webhook_oldest_seconds"] == 60
        assert exported["sallyport_auth_webhook_endpoints_disabled"] == 0
        outbox.disable("crm", clock(), "")
        outbox.disable("removed from the file", clock(), "")
    exported = samples(app)
    assert exported["sallyport_auth_webhook_endpoints_disabled"] == 1
    assert exported["sallyport_auth_webhooks_waiting"] == 0


def test_calls_of_the_claims_hook_are_counted(make_app: MakeApp) -> None:
    hooks.reset()
    app = make_app(CLAIMS_HOOK="tests.auth_service.tokens.hooks:answer")
    ann = Person(app.test_client())
    ann.register()
    ann.log_in()
    hooks.answers.append(hooks.fail)
    ann.log_in()
    exported = samples(app)
    assert exported['sallyport_auth_claims_hook_calls_total{result="ok"}'] == 1
    assert exported['sallyport_auth_claims_hook_calls_total{result="failed"}'] == 1
