"""Run nginx and Caddy with the sample configurations of deploy/forward-auth/, in front of a gateway and a service."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from stack.plan import ROOT
from tests.gateway.raw_client import single_request
from tests.gateway.raw_upstream import WAIT
from tests.ports import free_port

_PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin"

_NGINX_FRAME = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include sample;
}
"""
_CADDY_FRAME = """
{
    admin off
    auto_https off
}
import sample
"""


@dataclass(frozen=True, slots=True)
class SampleProxy:
    """A proxy and its sample configuration.

    `listen` and `location` are replacements in the sample: of the proxy's address, and of the paths that need
    authentication. `arguments` start the proxy in a folder where the file `main` holds `frame`.
    """

    name: str
    sample: Path
    frame: str
    arguments: tuple[str, ...]
    listen: tuple[str, str]
    location: tuple[str, str]

    @property
    def program(self) -> str | None:
        """Return the path of the installed program, or None."""
        return shutil.which(self.name, path=_PATH)

    @contextmanager
    def running(self, *, gateway_port: int, gateway_internal_port: int, service_port: int) -> Iterator[int]:
        """Run the proxy in front of a gateway and a service on these ports, and yield its own port."""
        assert self.program is not None
        port = free_port()
        ports = {
            "127.0.0.1:8000": gateway_port,
            "127.0.0.1:9000": gateway_internal_port,
            "127.0.0.1:8002": service_port,
        }
        changes = {
            **{address: f"127.0.0.1:{number}" for address, number in ports.items()},
            self.listen[0]: self.listen[1].format(port=port),
            self.location[0]: self.location[1],
        }
        with tempfile.TemporaryDirectory(prefix=f"{self.name}-") as folder:
            (Path(folder) / "sample").write_text(_replace(self.sample.read_text(encoding="utf-8"), changes))
            (Path(folder) / "main").write_text(self.frame)
            process = subprocess.Popen(
                [self.program, *(argument.format(folder=folder) for argument in self.arguments)],
                cwd=folder,
                env={**os.environ, "HOME": folder},
                stderr=subprocess.PIPE,
                text=True,
            )
            try:
                _wait_for(port, process)
                yield port
            finally:
                process.terminate()
                process.communicate(timeout=WAIT)


_SAMPLES = ROOT / "deploy" / "forward-auth"
PROXIES: Mapping[str, SampleProxy] = {
    "nginx": SampleProxy(
        "nginx",
        _SAMPLES / "nginx" / "sallyport.conf",
        _NGINX_FRAME,
        ("-p", "{folder}", "-c", "main"),
        ("listen 127.0.0.1:8080", "listen 127.0.0.1:{port}"),
        ("location /api/ {", "location ~ ^/(api|staff|public|by-method|unknown)/ {"),
    ),
    "caddy": SampleProxy(
        "caddy",
        _SAMPLES / "caddy" / "Caddyfile",
        _CADDY_FRAME,
        ("run", "--adapter", "caddyfile", "--config", "main"),
        (":8080 {", ":{port} {{"),
        ("handle /api/* {", "@checked path /api/* /staff/* /public/* /by-method/* /unknown/*\n\thandle @checked {"),
    ),
}


def _replace(text: str, changes: Mapping[str, str]) -> str:
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def _wait_for(port: int, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(ConnectionError):
            single_request(port, "GET / HTTP/1.1", "Host: h")
            return
        time.sleep(0.02)  # the proxy is another process, so there is no clock to move
    process.kill()
    raise AssertionError(f"the proxy does not serve: {process.communicate()[1]}")
