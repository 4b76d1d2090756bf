"""WEBHOOKS is checked at the start, and an error names its field and no secret."""

from pathlib import Path

import pytest

from auth_service.settings import AuthSettings
from auth_service.webhooks.endpoints import parse_endpoints
from auth_service.webhooks.messages import MessageType
from auth_service.webhooks.signature import new_secret, secret_key
from chassis.settings import SettingsError, load
from tests.auth_service.webhooks.conftest import endpoint_toml
from tests.auth_service.webhooks.receiver import NEXT_SECRET, SECRET

URL = "https://crm.example.org/hooks?tenant=1"


def types(events: str) -> frozenset[MessageType]:
    return parse_endpoints(endpoint_toml(URL, events=events), allow_http=False)["crm"].types


def test_an_endpoint_can_be_written_in_one_line() -> None:
    text = f'endpoints.crm = {{url = "{URL}", secrets = ["{SECRET}", "{NEXT_SECRET}"]}}'
    endpoint = parse_endpoints(text, allow_http=False)["crm"]
    assert (endpoint.name, endpoint.url, len(endpoint.keys)) == ("crm", URL, 2)
    assert endpoint.types == frozenset(MessageType)


def test_types_are_chosen_by_name_and_by_group() -> None:
    assert types('["*"]') == frozenset(MessageType)
    assert types('["session.*"]') == {each for each in MessageType if each.startswith("session.")}
    assert types('["user.created", "session.ended"]') == {MessageType.USER_CREATED, MessageType.SESSION_ENDED}


REFUSED = [
    (endpoint_toml("ftp://crm.example.org/"), "endpoints.crm.url must be an https:// URL"),
    (endpoint_toml("http://crm.example.org/"), "http:// needs WEBHOOKS_ALLOW_PRIVATE=on"),
    (endpoint_toml("https://user:pw@crm.example.org/"), "neither a user nor a fragment"),
    (endpoint_toml("https://crm.example.org/#x"), "neither a user nor a fragment"),
    (endpoint_toml("https://crm.example.org/a b"), "without spaces"),
    (endpoint_toml("https://crm.exämple.org/"), "printable ASCII"),
    (endpoint_toml("https://crm.example.org:99999/"), "endpoints.crm.url"),
    (endpoint_toml(URL, secrets=("secret",)), "endpoints.crm.secrets\\[0\\] must begin with whsec_"),
    (endpoint_toml(URL, secrets=("whsec_!!!",)), "must be base64 after whsec_"),
    (endpoint_toml(URL, secrets=("whsec_c2hvcnQ=",)), "must have 24 to 64 bytes in base64, not 5"),
    (endpoint_toml(URL, secrets=(SECRET, SECRET)), "contains the same secret twice"),
    (endpoint_toml(URL, secrets=()), "endpoints.crm.secrets"),
    (endpoint_toml(URL, events='["user.renamed"]'), "endpoints.crm.events\\[0\\] is 'user.renamed'"),
    (endpoint_toml(URL, events='["u*"]'), "endpoints.crm.events\\[0\\] is 'u\\*'"),
    (endpoint_toml(URL, name='"Two words"'), "a name has at most 63 characters"),
    (endpoint_toml(URL) + 'color = "red"\n', "endpoints.crm.color"),
    ("[endpoints.crm]\n", "endpoints.crm.url"),
    ("[endpoints", "is not valid TOML"),
]


@pytest.mark.parametrize(("text", "complaint"), REFUSED)
def test_an_error_names_the_field_and_no_secret(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as raised:
        parse_endpoints(text, allow_http=False)
    assert "whsec_M" not in str(raised.value)
    assert "c2hvcnQ" not in str(raised.value)


def test_a_new_secret_is_usable_and_random() -> None:
    assert len(secret_key(new_secret())) == 32
    assert new_secret() != new_secret()


@pytest.mark.parametrize(
    ("environ", "is_allowed"),
    [
        ({}, True),
        ({"APP_ENV": "production", "WEBHOOKS_ALLOW_PRIVATE": "on"}, True),
        ({"APP_ENV": "production"}, False),
        ({"WEBHOOKS_ALLOW_PRIVATE": "off"}, False),
    ],
)
def test_private_endpoints_are_for_development_unless_a_setting_says_otherwise(
    database: Path, valkey: str, signing_pem: str, environ: dict[str, str], is_allowed: bool
) -> None:
    required = {
        "DATABASE_URL": f"sqlite:///{database}",
        "REDIS_URL": valkey,
        "SIGNING_KEY": signing_pem,
        "REFRESH_SECRET": "kW8q1ZsP0vXe5rTn7yUi3oLb9mCd2fGh4jKa6xQwEtRz",
        "PEER_SECRET": "pB5n0cVx8zLk3jHg7fDs2aQw9eRt4yUi1oPm6NbVcXzA",
        "MAIL_WITHOUT_SMTP": "folder",
        "WEBHOOKS": endpoint_toml("http://crm:8000/hooks"),
    }
    if is_allowed:
        assert load(AuthSettings, required | environ).allows_private_endpoints
        return
    with pytest.raises(SettingsError, match=r"^WEBHOOKS endpoints\.crm\.url must be an https:// URL"):
        load(AuthSettings, required | environ)
