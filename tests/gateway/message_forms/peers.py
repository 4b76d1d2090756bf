"""Run nginx, HAProxy and Envoy as plain proxies in front of a test's upstream, on loopback, one process each."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from stack.plan import ROOT
from tests.gateway.raw_upstream import WAIT
from tests.ports import free_port

_NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log crit;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies; proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
        }}
    }}
}}
"""
_HAPROXY = """
defaults
    mode http
    timeout connect 1s
    timeout client 5s
    timeout server 5s
frontend clients
    bind 127.0.0.1:{port}
    default_backend service
backend service
    server one 127.0.0.1:{upstream}
"""
_ENVOY_HTTP = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ENVOY_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"

Command = list[str]


def _nginx(folder: Path, port: int, upstream: int) -> Command:
    conf = folder / "nginx.conf"
    conf.write_text(_NGINX.format(folder=folder, port=port, upstream=upstream))
    return ["nginx", "-e", str(folder / "nginx.log"), "-c", str(conf)]


def _haproxy(folder: Path, port: int, upstream: int) -> Command:
    conf = folder / "haproxy.cfg"
    conf.write_text(_HAPROXY.format(port=port, upstream=upstream))
    return ["haproxy", "-db", "-q", "-f", str(conf)]


def _envoy(folder: Path, port: int, upstream: int) -> Command:
    conf = folder / "envoy.json"
    conf.write_text(json.dumps(_envoy_configuration(port, upstream)))
    return [_envoy_binary(), "--concurrency", "1", "--use-dynamic-base-id", "--log-level", "off", "-c", str(conf)]


def _envoy_configuration(port: int, upstream: int) -> Mapping[str, object]:
    route = {"match": {"prefix": "/"}, "route": {"cluster": "service", "timeout": "5s"}}
    manager = {
        "@type": _ENVOY_HTTP,
        "stat_prefix": "clients",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": _ENVOY_ROUTER}}],
    }
    endpoint = {"endpoint": {"address": _address(upstream)}}
    return {
        "static_resources": {
            "listeners": [
                {
                    "address": _address(port),
                    "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
                }
            ],
            "clusters": [
                {
                    "name": "service",
                    "connect_timeout": "1s",
                    "load_assignment": {"cluster_name": "service", "endpoints": [{"lb_endpoints": [endpoint]}]},
                }
            ],
        }
    }


def _address(port: int) -> Mapping[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _envoy_binary() -> str:
    """Return the path of Envoy: the one on PATH, or the one that `make bench` installs; empty if there is none."""
    installed = ROOT.glob(".venv-bench/lib/python*/site-packages/envoy/_bin/envoy")
    return shutil.which("envoy") or next((str(file) for file in installed), "")


_COMMANDS: Mapping[str, Callable[[Path, int, int], Command]] = {"nginx": _nginx, "haproxy": _haproxy, "envoy": _envoy}


@contextmanager
def running_peers(folder: Path, upstream: int) -> Iterator[Mapping[str, int]]:
    """Run the installed proxies in front of the port `upstream`; yield the port of each by its name."""
    with ExitStack() as stack:
        ports: dict[str, int] = {}
        for name, command in _COMMANDS.items():
            port = free_port()
            argv = command(folder, port, upstream)
            if argv[0] and shutil.which(argv[0]):
                stack.enter_context(_process(argv, port))
                ports[name] = port
        yield ports


@contextmanager
def _process(argv: Command, port: int) -> Iterator[None]:
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_until_it_listens(port)
            yield
        finally:
            process.terminate()


def _wait_until_it_listens(port: int) -> None:
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)  # another process is starting
    raise AssertionError(f"nothing listens on port {port}")
