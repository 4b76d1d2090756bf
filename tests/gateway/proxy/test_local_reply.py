"""Refusals become problem details responses. RFC 9457."""

import json

import pytest

from contract.problems import PROBLEMS, Refused
from gateway.proxy.local_reply import refusal_reply

CLOSING = {"bad_request", "bad_path", "bad_header", "headers_too_large", "target_too_long"}


@pytest.mark.parametrize("code", sorted(PROBLEMS))
def test_a_refusal_is_a_complete_json_response_that_no_cache_keeps(code: str) -> None:
    status, headers, body = refusal_reply(Refused(code), "id-1")  # type: ignore[arg-type]  # a key of PROBLEMS
    fields = dict(headers)
    assert len(fields) == len(headers)
    assert status == PROBLEMS[code].status  # type: ignore[index]  # a key of PROBLEMS
    assert fields[b"content-type"] == b"application/problem+json"
    assert fields[b"content-length"] == str(len(body)).encode()
    assert fields[b"cache-control"] == b"no-store"
    assert json.loads(body)["request_id"] == "id-1"


@pytest.mark.parametrize("code", sorted(PROBLEMS))
def test_the_connection_is_closed_only_if_the_end_of_the_request_is_uncertain(code: str) -> None:
    _, headers, _ = refusal_reply(Refused(code), "id-1")  # type: ignore[arg-type]  # a key of PROBLEMS
    assert ((b"connection", b"close") in headers) == (code in CLOSING)


def test_headers_of_the_refusal_are_sent_in_lower_case() -> None:
    refused = Refused("token_expired", headers={"X-Access-Token": "new", "Cache-Control": "no-store"})
    headers = refusal_reply(refused, "id-1").headers
    assert (b"x-access-token", b"new") in headers
    assert [name for name, _ in headers].count(b"cache-control") == 1
