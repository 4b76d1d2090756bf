"""A real nginx in front of a gateway and a service, by the sample configuration in deploy/."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stack.plan import ROOT
from tests.gateway.raw_client import one_answer
from tests.gateway.raw_upstream import WAIT
from tests.system.running_stack import free_port

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
SAMPLE = ROOT / "deploy" / "forward-auth" / "nginx" / "sallyport.conf"

_FRAME = """
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
    include sallyport.conf;
}
"""


@contextmanager
def asking_nginx(*, gateway: int, internal: int, service: int) -> Iterator[int]:
    """The port of an nginx over these ports. Its only change to the sample: more paths than /api/ are asked about."""
    assert NGINX is not None
    port = free_port()
    changes = {
        "127.0.0.1:8080": f"127.0.0.1:{port}",
        "127.0.0.1:8000": f"127.0.0.1:{gateway}",
        "127.0.0.1:9000": f"127.0.0.1:{internal}",
        "127.0.0.1:8002": f"127.0.0.1:{service}",
        "location /api/ {": "location ~ ^/(api|staff|public|by-method|unknown)/ {",
    }
    text = SAMPLE.read_text(encoding="utf-8")
    for old, new in changes.items():
        assert text.count(old) >= 1, old
        text = text.replace(old, new)
    with tempfile.TemporaryDirectory(prefix="nginx-") as folder:
        (Path(folder) / "sallyport.conf").write_text(text)
        (Path(folder) / "nginx.conf").write_text(_FRAME)
        process = subprocess.Popen([NGINX, "-p", folder, "-c", "nginx.conf"], stderr=subprocess.PIPE, text=True)
        try:
            _wait_for(port, process)
            yield port
        finally:
            process.terminate()
            process.communicate(timeout=WAIT)


def _wait_for(port: int, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(ConnectionError):
            one_answer(port, "GET / HTTP/1.1", "Host: h")
            return
        time.sleep(0.02)  # another process is starting: there is no clock of ours to move
    process.kill()
    raise AssertionError(f"nginx does not serve: {process.communicate()[1]}")
