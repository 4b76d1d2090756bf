"""nginx: the fast upstream, and the two proxies that are the bases of every comparison."""

import shutil

from contract.internal_api import EXCHANGE_PATH
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
    # Eight bodies of different lengths, chosen by the random number that is also the ETag.
    split_clients $request_id $end {{ {ends} }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {folder};
        location = /.well-known/jwks.json {{ alias {folder}/jwks.json; }}
        location = /internal/seen {{ return 204; }}
        location = {exchange} {{ proxy_pass http://127.0.0.1:{auth}; }}
        location = /api/note {{ return 200 '{note}'; }}
        location /api/items {{ return 200 '{note}'; }}
        location /api/news {{
            add_header ETag '"$request_id"';
            add_header Cache-Control 'private, no-cache';
            return 200 '{start}$end"}}';
        }}
        location = /api/list {{ alias {folder}/list.json; }}
        location /api/lists {{
            etag off;
            add_header ETag '"$request_id"';
            add_header Cache-Control 'private, no-cache';
            try_files /list.json =404;
        }}
        location = /api/big {{ alias {folder}/big.json; }}
        open_file_cache max=16;
        sendfile on;
    }}
"""
# The manual of ngx_http_upstream_module: `keepalive` with HTTP/1.1 and an empty Connection field. There are
# as many idle connections as clients (2,000). By default each connection is closed after 1,000 requests.
_KEEPALIVE = "keepalive 2048; keepalive_requests 100000000;"
# ngx_http_proxy_module: bodies are passed on as they arrive, not buffered in files first, as all other servers do.
_KEEPALIVE_OPTIONS = """
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_request_buffering off;
    proxy_max_temp_file_size 0;
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


def start_origin(processes: Processes, setup: PeerSetup, auth: int) -> Process:
    """Serve the folder's documents on the upstream's port, with a new head at /api/news and /api/lists.

    It also answers gateways in place of the auth service; `auth` is the port that exchanges session handles.
    """
    note = (setup.folder / "note.json").read_text()
    news = [path.read_text().removesuffix('"}') for path in sorted(setup.folder.glob("news-*.json"))]
    start = min(news, key=len)  # the others continue it
    ends = [text.removeprefix(start) for text in news]
    shares = [f"{100 / len(ends)}%"] * (len(ends) - 1) + ["*"]
    server = _ORIGIN.format(
        port=setup.upstream,
        folder=setup.folder,
        note=note,
        start=start,
        ends=" ".join(f'{share} "{end}";' for share, end in zip(shares, ends, strict=True)),
        exchange=EXCHANGE_PATH,
        auth=auth,
    )
    return _start(processes, setup, "origin", server)


def start_plain(processes: Processes, setup: PeerSetup, port: int) -> Process:
    """Start `proxy_pass` with its defaults: a new upstream connection for each request."""
    server = _PROXY.format(port=port, upstream=setup.upstream, keepalive="", options="")
    return _start(processes, setup, f"nginx-{port}", server)


def start_keepalive(processes: Processes, setup: PeerSetup, port: int) -> Process:
    """Start `proxy_pass` as the manual advises for a proxy that does nothing else: the reference of ratios."""
    server = _PROXY.format(port=port, upstream=setup.upstream, keepalive=_KEEPALIVE, options=_KEEPALIVE_OPTIONS)
    return _start(processes, setup, f"nginx-keepalive-{port}", server)


def _start(processes: Processes, setup: PeerSetup, name: str, server: str) -> Process:
    conf = setup.write(f"{name}.conf", _CONF.format(folder=setup.folder, name=name, server=server))
    return processes.start(name, ["nginx", "-e", f"{setup.folder}/{name}.errors", "-c", str(conf)])
