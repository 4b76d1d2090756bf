"""nginx: the fast upstream, and the plain proxy that is the base of every comparison."""

import shutil

from tests.load.measuring.processes import Process, Processes
from tests.load.peers.setup import PeerSetup

_CONF = """
worker_processes 1;
worker_rlimit_nofile 20000;
daemon off;
pid {folder}/{name}.pid;
error_log {folder}/{name}.errors;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    client_max_body_size 2m;
    client_body_temp_path {folder}/{name}.bodies;
    proxy_temp_path {folder}/{name}.proxied;
    fastcgi_temp_path {folder}/{name}.fastcgi;
    uwsgi_temp_path {folder}/{name}.uwsgi;
    scgi_temp_path {folder}/{name}.scgi;
    {server}
}}
"""
_ORIGIN = """
    default_type application/json;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {folder};
        location = /.well-known/jwks.json {{ alias {folder}/jwks.json; }}
        location = /internal/seen {{ return 204; }}
        location = /api/note {{ return 200 '{note}'; }}
        location = /api/big {{ alias {folder}/big.json; }}
        open_file_cache max=16;
        sendfile on;
    }}
"""
_PROXY = """
    upstream origin {{ server 127.0.0.1:{upstream}; {keepalive} }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ proxy_pass http://origin; {options} }}
    }}
"""


def unavailable() -> str:
    """Return why it cannot run here; empty if it can."""
    return "" if shutil.which("nginx") else "nginx is not installed"


def start_origin(processes: Processes, setup: PeerSetup) -> Process:
    """Serve note.json, big.json and jwks.json of the folder on the upstream's port.

    It also accepts the usage reports that gateways send to the auth service.
    """
    note = (setup.folder / "note.json").read_text()
    server = _ORIGIN.format(port=setup.upstream, folder=setup.folder, note=note)
    return _start(processes, setup, "origin", server)


def start_plain(processes: Processes, setup: PeerSetup, port: int) -> Process:
    """Start `proxy_pass` with its defaults: a new upstream connection for each request."""
    server = _PROXY.format(port=port, upstream=setup.upstream, keepalive="", options="")
    return _start(processes, setup, f"nginx-{port}", server)


def start_keepalive(processes: Processes, setup: PeerSetup, port: int) -> Process:
    """Start `proxy_pass` with upstream keep-alive."""
    keepalive = "keepalive 2048; keepalive_requests 100000000;"
    options = 'proxy_http_version 1.1; proxy_set_header Connection "";'
    server = _PROXY.format(port=port, upstream=setup.upstream, keepalive=keepalive, options=options)
    return _start(processes, setup, f"nginx-keepalive-{port}", server)


def _start(processes: Processes, setup: PeerSetup, name: str, server: str) -> Process:
    conf = setup.write(f"{name}.conf", _CONF.format(folder=setup.folder, name=name, server=server))
    return processes.start(name, ["nginx", "-e", f"{setup.folder}/{name}.errors", "-c", str(conf)])
