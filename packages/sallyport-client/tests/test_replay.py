"""The promises about which requests are sent again, with which body, and to whom the token goes."""

import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import HttpxAsync, Requests, Start, stored
from fake_gateway import LOST_AFTER, LOST_BEFORE, FakeGateway

from sallyport_client import BodyNotReplayable, RetryPolicy, SallyportError, Session
from sallyport_client.httpx import HttpxExchange

REFRESH = "/auth/jwt/refresh/"


@pytest.mark.parametrize("fault", [LOST_BEFORE, LOST_AFTER])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET"])
def test_a_request_without_an_answer_is_not_sent_again(
    client: Any, gateway: FakeGateway, method: str, fault: str
) -> None:
    """Whether the server has executed it is unknown; the error is for the caller."""
    gateway.faults["/api/notes/"] = [fault]
    with pytest.raises(Exception, match=r"(?i)disconnected|aborted"):
        client.send(method, "/api/notes/")
    assert gateway.count("/api/notes/") == 1
    assert client.auth.is_signed_in


def test_a_file_is_sent_again_from_where_it_was(client: Any, gateway: FakeGateway, tmp_path: Path) -> None:
    """requests-kerberos#24 and google-auth#18238: the second sending had an empty body."""
    if isinstance(client, HttpxAsync):
        pytest.skip("httpx.AsyncClient takes no files as content")
    # httpx declares the length of the whole file, wherever it is read from.
    skipped = 7 if isinstance(client, Requests) else 0
    (tmp_path / "file").write_bytes(b"_" * skipped + b"x" * 100_000)
    gateway.expire_access_tokens()
    with (tmp_path / "file").open("rb") as file:
        file.seek(skipped)
        assert client.send("POST", "/api/files/", content=file).document == {"length": 100_000}
    bodies = [seen.body for seen in gateway.seen if seen.path == "/api/files/"]
    assert bodies == [b"x" * 100_000] * 2


def test_a_form_with_a_file_is_sent_again(client: Any, gateway: FakeGateway) -> None:
    """Both sendings have the same parts."""
    gateway.expire_access_tokens()
    assert client.send("POST", "/api/files/", files={"file": ("a.txt", io.BytesIO(b"x" * 1000))}).status == 200
    first, second = (seen.body for seen in gateway.seen if seen.path == "/api/files/")
    assert first == second
    assert b"x" * 1000 in first


class AsyncParts:
    """A body that can be read once."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"


def parts() -> Iterator[bytes]:
    yield b"one "
    yield b"two"


def body_of(client: Any) -> Any:
    return AsyncParts() if isinstance(client, HttpxAsync) else parts()


def test_a_generator_is_not_sent_again(client: Any, gateway: FakeGateway) -> None:
    """A clear error, and the token is a new one: the caller's next attempt succeeds."""
    gateway.expire_access_tokens()
    with pytest.raises(BodyNotReplayable, match="send the request again with a new body"):
        client.send("POST", "/api/files/", content=body_of(client))
    assert gateway.count("/api/files/") == gateway.count(REFRESH) == 1
    assert client.send("POST", "/api/files/", content=body_of(client)).document == {"length": 7}
    assert gateway.count("/api/files/") == 2


def test_a_generator_waits_for_a_new_token_if_the_age_of_the_old_one_is_unknown(
    start: Start, gateway: FakeGateway
) -> None:
    """A command that starts once an hour and sends its input could never send it otherwise."""
    client = start(stored(gateway), retry=RetryPolicy(total_seconds=0))
    gateway.session, gateway.generation = 0, 0
    gateway.expire_access_tokens()
    assert client.send("POST", "/api/files/", content=body_of(client)).document == {"length": 7}
    assert gateway.count("/api/files/") == gateway.count(REFRESH) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_request_that_changes_nothing_waits_as_long_as_the_server_asks(
    client: Any, gateway: FakeGateway, status: int
) -> None:
    """And is sent again."""
    gateway.faults["/api/notes/"] = [(status, {"Retry-After": "0"}, b"")] * 2
    assert client.send("GET", "/api/notes/").status == 200
    assert gateway.count("/api/notes/") == 3


def test_a_request_that_may_change_something_does_not_wait(client: Any, gateway: FakeGateway) -> None:
    """A 503 may come from the service, after it has done something."""
    gateway.faults["/api/notes/"] = [(503, {"Retry-After": "0"}, b"")]
    assert client.send("POST", "/api/notes/", json={}).status == 503
    assert gateway.count("/api/notes/") == 1


def test_a_pause_beyond_the_policy_is_left_to_the_caller(client: Any, gateway: FakeGateway) -> None:
    """The answer is returned at once."""
    gateway.faults["/api/notes/"] = [(503, {"Retry-After": "3600"}, b"")]
    assert client.send("GET", "/api/notes/").status == 503


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_origin_gets_no_token(
    client: Any, gateway: FakeGateway, elsewhere: FakeGateway, status: int
) -> None:
    """Neither the request nor its 401, which causes no refresh and no second sending, takes the token there."""
    gateway.redirects["/api/moved"] = (status, f"{elsewhere.url}/api/there")
    assert client.send("GET", "/api/moved").status == 401
    assert [seen.authorization for seen in elsewhere.seen] == [None]
    assert gateway.count(REFRESH) == 0


def test_a_redirect_of_the_refresh_is_not_followed(client: Any, gateway: FakeGateway, elsewhere: FakeGateway) -> None:
    """A 307 would send the refresh token on."""
    gateway.expire_access_tokens()
    gateway.faults[REFRESH] = [(307, {"Location": f"{elsewhere.url}{REFRESH}"}, b"")]
    assert client.send("GET", "/api/notes/").status == 200
    assert elsewhere.seen == []


def test_requests_to_another_origin_get_no_token(client: Any, gateway: FakeGateway, elsewhere: FakeGateway) -> None:
    """One client may talk to several servers; another port is another origin."""
    client.url = elsewhere.url
    assert client.send("GET", "/api/there").status == 401
    assert elsewhere.seen[0].authorization is None
    assert gateway.count(REFRESH) == 0


def test_what_was_done_before_a_redirect_is_not_repeated(client: Any, gateway: FakeGateway) -> None:
    """POST, then 303 to a page whose token has expired meanwhile: the page alone is requested again."""
    gateway.redirects["/api/notes/"] = (303, "/api/notes/1/")
    gateway.faults["/api/notes/1/"] = [(401, {}, b"{}")]
    assert client.send("POST", "/api/notes/", json={"title": "one"}).status == 200
    assert gateway.count("/api/notes/", "POST") == 1
    assert gateway.count("/api/notes/1/", "GET") == 2


def test_a_field_of_the_caller_stays(client: Any, gateway: FakeGateway) -> None:
    """And its refusal is for the caller."""
    assert client.send("GET", "/api/notes/", headers={"Authorization": "Basic YTpi"}).status == 401
    assert [seen.authorization for seen in gateway.seen[1:]] == ["Basic YTpi"]


def test_a_password_in_netrc_does_not_replace_the_token(
    client: Any, gateway: FakeGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """requests#3929: it did, also in the requests for tokens."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password secret")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    gateway.expire_access_tokens()
    assert client.send("GET", "/api/notes/").status == 200
    assert not [seen for seen in gateway.seen if (seen.authorization or "").startswith("Basic")]


def test_a_wrong_password_is_sent_once(client: Any, gateway: FakeGateway) -> None:
    """Requests to the token endpoints get no token, and their 401 is about what they sent."""
    document = {"email": "ann@example.com", "password": "wrong"}
    assert client.send("POST", "/auth/jwt/create/", json=document).status == 401
    assert gateway.count("/auth/jwt/create/") == 2
    assert gateway.seen[-1].authorization is None


@pytest.mark.parametrize(
    "url", ["api.example.com", "ftp://example.com", "https://example.com/api", "https://ann:secret@example.com"]
)
def test_the_address_of_a_gateway_is_an_origin(url: str) -> None:
    """Anything else is an error that does not show a password."""
    with pytest.raises(SallyportError, match="url must") as raised:
        Session(url, HttpxExchange())
    assert "secret" not in str(raised.value)
