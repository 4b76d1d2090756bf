"""An unusable certificate or key file of an upstream stops the start, and the error names it."""

from pathlib import Path

import pytest

from gateway.routing.errors import RoutesError
from gateway.routing.loader import parse_routes
from tests.gateway.stand_ins.certificates import Authority


@pytest.fixture(scope="module")
def files(authority: Authority) -> dict[str, str]:
    """The paths of files by name: certificates and keys, a pair with an encrypted key (LOCKED), and an empty file."""
    client, other = authority.issue("a client"), authority.issue("another client")
    locked = authority.issue("locked", password=b"secret")
    (authority.folder / "empty.pem").write_text("")
    return {
        "CA": str(authority.file),
        "CERT": str(client.cert),
        "KEY": str(client.key),
        "OTHER": str(other.key),
        "LOCKED": str(locked.key),
        "LOCKED_CERT": str(locked.cert),
        "EMPTY": str(authority.folder / "empty.pem"),
    }


def refusal(folder: Path, files: dict[str, str], url: str, **toml_keys: str) -> str:
    """Return the error for an upstream with these TOML keys; the values may be names of `files`."""
    lines = "".join(f'{name} = "{files.get(file, file)}"\n' for name, file in toml_keys.items())
    with pytest.raises(RoutesError) as refused:
        parse_routes(f'[upstreams.x]\nurls = ["{url}"]\n{lines}', environ={}, data_dir=folder)
    return str(refused.value)


HTTPS = "https://x:1"


@pytest.mark.parametrize(
    ("toml_keys", "problem"),
    [
        ({"ca_file": "nowhere.pem"}, "nowhere.pem cannot be read: No such file or directory"),
        ({"ca_file": "EMPTY"}, "empty.pem contains no PEM certificate"),
        ({"ca_file": "KEY"}, "a client.key.pem contains no PEM certificate"),
        ({"client_cert_file": "CERT"}, "client_cert_file and client_key_file must be set together"),
        ({"client_key_file": "KEY"}, "client_cert_file and client_key_file must be set together"),
        ({"client_cert_file": "CERT", "client_key_file": "nowhere.pem"}, "nowhere.pem cannot be read"),
        ({"client_cert_file": "CERT", "client_key_file": "OTHER"}, "do not belong together"),
        (
            {"client_cert_file": "CERT", "client_key_file": "EMPTY"},
            "are not a PEM certificate and an unencrypted key",
        ),
        ({"client_cert_file": "LOCKED_CERT", "client_key_file": "LOCKED"}, "an unencrypted key"),
    ],
)
def test_an_unusable_file_stops_the_start(
    tmp_path: Path, files: dict[str, str], toml_keys: dict[str, str], problem: str
) -> None:
    """The message names the file and shows nothing of its content."""
    message = refusal(tmp_path, files, HTTPS, **toml_keys)
    assert message.startswith("routes.toml: upstreams.x: ")
    assert problem in message
    assert "BEGIN" not in message


def test_the_syntax_can_be_checked_without_the_files(tmp_path: Path) -> None:
    """`check-routes --form` does so."""
    text = f'upstreams.x = {{ urls = ["{HTTPS}"], ca_file = "a", client_cert_file = "b", client_key_file = "c" }}'
    assert parse_routes(text, environ={}, data_dir=tmp_path, syntax_only=True).routes == ()


@pytest.mark.parametrize("name", ["ca_file", "client_cert_file"])
def test_a_certificate_file_without_an_https_url_is_a_problem(
    tmp_path: Path, files: dict[str, str], name: str
) -> None:
    assert "need an https:// URL in urls" in refusal(tmp_path, files, "http://x:1", **{name: "CA"})


def test_files_may_be_relative_to_the_data_folder(tmp_path: Path, authority: Authority) -> None:
    (tmp_path / "ca.pem").write_bytes(authority.file.read_bytes())
    text = f"""
        upstreams.x = {{ urls = ["{HTTPS}", "https://y", "http://z"], ca_file = "ca.pem" }}
        routes = [{{ prefix = "/", upstream = "x", access = "public" }}]
    """
    addresses = parse_routes(text, environ={}, data_dir=tmp_path).upstreams()[0].addresses
    assert [(address.port, address.tls is not None) for address in addresses] == [(1, True), (443, True), (80, False)]
