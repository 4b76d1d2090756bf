"""Start the hand-written gateways in Python, one process each."""

import sys
from importlib.util import find_spec

from tests.load.measuring.processes import Process, Processes
from tests.load.peers.setup import PeerSetup


def start_flask(processes: Processes, setup: PeerSetup, port: int) -> Process:
    """Start the Flask gateway under gunicorn with one sync worker."""
    arguments = ["-b", f"127.0.0.1:{port}", "--no-control-socket", "tests.load.peers.flask_requests:app"]
    return processes.start(f"flask-{port}", [sys.executable, "-m", "gunicorn", *arguments], **_environ(setup))


def start_fastapi(processes: Processes, setup: PeerSetup, port: int) -> Process:
    """Start the FastAPI gateway under uvicorn with uvloop and httptools."""
    arguments = [
        "tests.load.peers.fastapi_httpx:app",
        "--port",
        str(port),
        "--no-access-log",
        "--log-level",
        "warning",
    ]
    return processes.start(f"fastapi-{port}", [sys.executable, "-m", "uvicorn", *arguments], **_environ(setup))


def flask_unavailable() -> str:
    """Return an empty string: it needs only packages of the services."""
    return ""


def fastapi_unavailable() -> str:
    """Return why it cannot run here; empty if it can."""
    missing = [name for name in ("fastapi", "httpx", "uvicorn") if find_spec(name) is None]
    return f"{', '.join(missing)}: not installed" if missing else ""


def _environ(setup: PeerSetup) -> dict[str, str]:
    return {"PEER_PUBLIC_KEY": setup.public_pem, "PEER_UPSTREAM": setup.upstream_url, "REDIS_URL": setup.redis_url}
