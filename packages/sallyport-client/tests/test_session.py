"""The promises about logging in and out, and about several processes with one store."""

from typing import Any

import pytest
from conftest import Start
from fake_gateway import LOST_AFTER, FakeGateway

from sallyport_client import ApiError, FileStore, MemoryStore, NetworkError, StoreError, Tokens

REFRESH = "/auth/jwt/refresh/"


def test_a_new_user_is_logged_in_at_once(start: Start, gateway: FakeGateway) -> None:
    """One call, and the user as the server returns it."""
    client = start()
    assert client.auth.register("ann@example.com", "right") == {"id": "u1", "email": "ann@example.com"}
    assert client.send("GET", "/api/notes/").status == 200


def test_a_refused_registration_names_the_fields(start: Start) -> None:
    """The texts are the server's."""
    with pytest.raises(ApiError, match="too short") as raised:
        start().auth.register("ann@example.com", "short")
    assert raised.value.status == 400
    assert raised.value.fields == {"password": ["This password is too short."]}


def test_a_refused_log_in_changes_nothing(client: Any, gateway: FakeGateway) -> None:
    """The session before goes on."""
    with pytest.raises(ApiError, match="No active account") as raised:
        client.auth.log_in("ann@example.com", "wrong")
    assert raised.value.status == 401
    assert client.send("GET", "/api/notes/").status == 200


def test_a_log_in_is_sent_once(start: Start, gateway: FakeGateway) -> None:
    """A lost answer may have been a log-in, or a failure that counts."""
    gateway.faults["/auth/jwt/create/"] = [LOST_AFTER]
    with pytest.raises(NetworkError):
        start().auth.log_in("ann@example.com", "right")
    assert gateway.count("/auth/jwt/create/") == 1


def test_a_throttled_log_in_tells_how_long(start: Start, gateway: FakeGateway) -> None:
    """Retry-After in seconds."""
    gateway.faults["/auth/jwt/create/"] = [(429, {"Retry-After": "120"}, b'{"detail": "Too many"}')]
    with pytest.raises(ApiError) as raised:
        start().auth.log_in("ann@example.com", "right")
    assert raised.value.retry_after == 120


def test_a_log_out_ends_the_session_at_the_server(start: Start, gateway: FakeGateway) -> None:
    """And removes the tokens."""
    store = MemoryStore()
    client = start(store)
    client.auth.log_in("ann@example.com", "right")
    assert client.auth.log_out()
    assert gateway.has_ended
    assert store.load() is None
    assert client.send("GET", "/api/notes/").status == 401
    assert client.auth.log_out()  # there is nothing left to do


def test_a_log_out_without_a_connection_removes_the_tokens(start: Start, gateway: FakeGateway) -> None:
    """It says that the session may live on at the server."""
    store = MemoryStore()
    client = start(store)
    client.auth.log_in("ann@example.com", "right")
    gateway.faults["/auth/jwt/blacklist/"] = [(503, {"Retry-After": "3600"}, b"")]
    assert not client.auth.log_out()
    assert store.load() is None
    assert not client.auth.is_signed_in


def test_verify_asks_the_server(client: Any, gateway: FakeGateway) -> None:
    """True while the session is alive; it stays even if the answer is no."""
    assert client.auth.verify()
    gateway.has_ended = True
    assert not client.auth.verify()
    assert client.auth.is_signed_in
    assert gateway.count(REFRESH) == 0


def test_a_restarted_process_goes_on_with_stored_tokens(start: Start, gateway: FakeGateway, tmp_path: Any) -> None:
    """Without a log-in, also after a refresh."""
    first = start(FileStore(tmp_path / "tokens.json"))
    first.auth.log_in("ann@example.com", "right")
    gateway.expire_access_tokens()
    first.send("GET", "/api/notes/")
    second = start(FileStore(tmp_path / "tokens.json"))
    assert second.auth.is_signed_in
    assert second.send("GET", "/api/notes/").status == 200
    assert gateway.count(REFRESH) == 1


def test_a_process_takes_over_the_tokens_that_another_one_refreshed(
    start: Start, gateway: FakeGateway, tmp_path: Any
) -> None:
    """ms-365-mcp-server#545: it presented the used token that it held in memory."""
    first, second = start(FileStore(tmp_path / "tokens.json")), start(FileStore(tmp_path / "tokens.json"))
    first.auth.log_in("ann@example.com", "right")
    assert second.send("GET", "/api/notes/").status == 200  # the other one has logged in
    gateway.expire_access_tokens()
    first.send("GET", "/api/notes/")
    assert second.send("GET", "/api/notes/").status == 200
    assert gateway.count(REFRESH) == 1


def test_stored_tokens_that_have_expired_too_are_refreshed(start: Start, gateway: FakeGateway, tmp_path: Any) -> None:
    """Another process refreshed and then slept: what it stored is refused as well."""
    first, second = start(FileStore(tmp_path / "tokens.json")), start(FileStore(tmp_path / "tokens.json"))
    first.auth.log_in("ann@example.com", "right")
    second.send("GET", "/api/notes/")
    gateway.expire_access_tokens()
    first.send("GET", "/api/notes/")
    gateway.expire_access_tokens()
    assert second.send("GET", "/api/notes/").status == 200
    assert gateway.count(REFRESH) == 2


def test_a_process_notices_the_log_out_of_another_one(start: Start, gateway: FakeGateway, tmp_path: Any) -> None:
    """At its next refresh, without asking the server."""
    first, second = start(FileStore(tmp_path / "tokens.json")), start(FileStore(tmp_path / "tokens.json"))
    first.auth.log_in("ann@example.com", "right")
    second.send("GET", "/api/notes/")
    first.auth.log_out()
    assert second.send("GET", "/api/notes/").status == 401
    assert not second.auth.is_signed_in
    assert gateway.count(REFRESH) == 0


def test_a_refused_refresh_does_not_remove_newer_tokens(start: Start, gateway: FakeGateway) -> None:
    """The refusal was about a token that had been replaced meanwhile."""
    store = MemoryStore()
    client = start(store)
    client.auth.log_in("ann@example.com", "right")
    gateway.expire_access_tokens()
    execute = gateway.execute

    def refuse_after_another_process_refreshed(seen: Any) -> Any:
        if seen.path == REFRESH:
            gateway.refreshes += 1
            gateway.generation += 1
            document = gateway.tokens()
            store.save(Tokens(document["access"], document["refresh"]))
            return 401, {}, b"{}"
        return execute(seen)

    gateway.execute = refuse_after_another_process_refreshed  # type: ignore[method-assign]
    assert client.send("GET", "/api/notes/").status == 200
    assert store.load() is not None


class FullDisk(MemoryStore):
    """A store that cannot be written any longer."""

    is_full = False

    def save(self, tokens: Tokens) -> None:
        if self.is_full:
            raise StoreError("tokens.json cannot be written: No space left on device")
        super().save(tokens)


def test_a_full_disk_does_not_log_out(start: Start, gateway: FakeGateway, caplog: pytest.LogCaptureFixture) -> None:
    """The session goes on in memory, and the log says why a restart would need a log-in."""
    store = FullDisk()
    client = start(store)
    client.auth.log_in("ann@example.com", "right")
    store.is_full = True
    for number in range(3):
        gateway.refused.add(str(number))
        assert client.send("GET", "/api/notes/").status == 200
    assert "No space left on device" in caplog.text
    assert store.load().refresh not in caplog.text  # type: ignore[union-attr]
    store.is_full = False
    gateway.refused.add("3")
    client.send("GET", "/api/notes/")
    assert store.load().access == client.auth.access_token  # type: ignore[union-attr]


def test_tokens_are_stored_before_they_are_used(start: Start, gateway: FakeGateway) -> None:
    """Else a process that is killed between would present a used token when it starts again."""
    store = MemoryStore()
    client = start(store)
    client.auth.log_in("ann@example.com", "right")
    answer = gateway.answer
    early: list[str] = []

    def compare(seen: Any) -> Any:
        tokens = store.load()
        if seen.authorization and tokens and seen.authorization != f"Bearer {tokens.access}":
            early.append(seen.path)
        return answer(seen)

    gateway.answer = compare  # type: ignore[method-assign]
    gateway.expire_access_tokens()
    assert client.send("GET", "/api/notes/").status == 200
    assert early == []
