"""The files of the edge: HAProxy accepts them, and no secret is in a file that others may read."""

import base64
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.edge.folder import EdgeFolder
from gateway.edge.listener import ListenerError, haproxy_address, listener
from stack.plan import ROOT
from tests.gateway.access_tokens import IDENTITY_SECRET, PEER_SECRET
from tests.gateway.edge.conftest import ROUTES
from tests.gateway.edge.played_edge import ENVIRON, HAPROXY, check, write_played_edge
from tests.gateway.routes_toml import route_table, routes_toml, upstream_table
from tests.system.support.running_stack import clean_environ

pytestmark = pytest.mark.skipif(HAPROXY is None, reason="HAProxy is not installed")

UPSTREAMS = routes_toml(
    """
[upstreams.many]
urls = ["http://10.0.0.1:1", "http://[::1]:2", "unix:/run/x.sock"]
identity_secret_env = "NOTES_SECRET"
health = { path = "/healthz", interval = 0.5 }
[upstreams.name-d]
urls = ["http://localhost:1"]
identity_secret_env = "NOTES_SECRET"
host = "upstream"
""",
    upstream_table("plain", "http://127.0.0.1:1", identity=False, host="app.example:81"),
    route_table("/many/", upstream="many", timeout={"read": 0}),
    route_table("/named/", ["a", "b.c"], upstream="name-d"),
    route_table("/plain/", upstream="plain"),
)


@pytest.mark.parametrize("routes", [ROUTES, UPSTREAMS, routes_toml()], ids=["rules", "upstreams", "no routes"])
def test_haproxy_accepts_the_configuration(tmp_path: Path, routes: str) -> None:
    issuer, collector = 'it\'s a "test" $x %y', "http://127.0.0.1:1"
    folder = write_played_edge(
        tmp_path / "edge",
        routes,
        port=1,
        gateway=2,
        environ=ENVIRON,
        TOKEN_ISSUER=issuer,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector,
    )
    check(folder)


@pytest.mark.parametrize(
    ("setting", "logs", "samples"), [("on", True, False), ("1/100", True, True), ("off", False, False)]
)
def test_the_access_log_is_sampled_as_the_setting_says(
    tmp_path: Path, setting: str, logs: bool, samples: bool
) -> None:
    folder = write_played_edge(tmp_path / "edge", ROUTES, port=1, gateway=2, environ=ENVIRON, ACCESS_LOG=setting)
    text = folder.configuration.read_text()
    assert ("log stdout" in text, "{ rand(100) gt 0 }" in text) == (logs, samples)
    check(folder)


def test_only_the_file_with_the_secrets_holds_secrets_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    os.umask(os.umask(0o022))
    folder = write_played_edge(tmp_path / "edge", ROUTES, port=1, gateway=2, environ=ENVIRON)
    assert stat.S_IMODE(folder.secrets.stat().st_mode) == 0o600
    secrets = (IDENTITY_SECRET, PEER_SECRET, base64.b64encode(IDENTITY_SECRET.encode()).decode())
    for file in folder.path.iterdir():
        found = [secret for secret in secrets if secret in file.read_text()]
        assert found == ([secrets[2]] if file == folder.secrets else []), file


def test_a_file_is_written_only_if_it_changes(tmp_path: Path) -> None:
    folder = EdgeFolder(tmp_path)
    assert folder.write(folder.secrets, ["a"], private=True)
    assert not folder.write(folder.secrets, ["a"], private=True)
    folder.secrets.chmod(0o644)
    assert folder.write(folder.secrets, ["a"], private=True)
    assert stat.S_IMODE(folder.secrets.stat().st_mode) == 0o600


@pytest.mark.parametrize("address", ["8080", "h:", "h:80 ssl", "unix:relative", ":80\nbind :81", ""])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ListenerError, match="--bind"):
        listener([address], ["h:1"], None, 0)
    with pytest.raises(ListenerError, match="--gateway"):
        listener([":80"], [address], None, 0)


def test_addresses_in_haproxys_form() -> None:
    listener([":443", "*:80", "[::1]:80", "unix:/run/x.sock"], ["gateway.internal:8000"], Path("/etc/x.pem"), 4)
    assert haproxy_address("unix:/run/x.sock") == "unix@/run/x.sock"
    with pytest.raises(ListenerError, match="--certificate"):
        listener([":443"], ["h:1"], Path("/etc/a b.pem"), 0)


@pytest.mark.system
def test_the_command_refuses_development_and_prints_who_decides(tmp_path: Path) -> None:
    (tmp_path / "notes.secret").write_text(IDENTITY_SECRET)
    environ = {
        **clean_environ(),
        **ENVIRON,
        "REDIS_URL": "redis://127.0.0.1:1",
        "PEER_SECRET": PEER_SECRET,
        "DATA_DIR": str(tmp_path),
    }

    def run(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gateway", "edge", *words]
        return subprocess.run(
            command, cwd=ROOT, env=environ | settings, capture_output=True, text=True, check=False, timeout=60
        )

    refused = run("haproxy", DEVELOPMENT="on")
    assert (refused.returncode, "DEVELOPMENT must be off" in refused.stderr) == (2, True)
    assert "edge haproxy` first" in run("sync").stderr
    written = run("haproxy", "--bind", ":8443")
    assert written.returncode == 0, written.stderr
    lines = {" ".join(line.split()) for line in written.stdout.splitlines()}
    assert "/api/ DELETE,GET,HEAD,OPTIONS,PATCH,POST the edge" in lines
    assert "/api/notes/events GET,HEAD the gateway: streams" in lines
    assert f"haproxy -dMglobal -W -S {tmp_path}/edge/master.sock -f {tmp_path}/edge" in lines
    check(EdgeFolder(tmp_path / "edge"))
