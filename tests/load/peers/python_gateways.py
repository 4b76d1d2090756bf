"""Start the gateways that are written in Python, one process each."""

import sys
from importlib.util import find_spec

from tests.load.peers.ground import Ground
from tests.load.processes import Process, Processes


def start_flask(processes: Processes, ground: Ground, port: int) -> Process:
    """Start it under gunicorn with one worker of its default kind."""
    words = ["-b", f"127.0.0.1:{port}", "--no-control-socket", "tests.load.peers.flask_requests:app"]
    return processes.start(f"flask-{port}", [sys.executable, "-m", "gunicorn", *words], **_environ(ground))


def start_fastapi(processes: Processes, ground: Ground, port: int) -> Process:
    """Start it under uvicorn with uvloop and httptools."""
    words = ["tests.load.peers.fastapi_httpx:app", "--port", str(port), "--no-access-log", "--log-level", "warning"]
    return processes.start(f"fastapi-{port}", [sys.executable, "-m", "uvicorn", *words], **_environ(ground))


def lacks_flask() -> str:
    """Return an empty string: it needs only packages of the services."""
    return ""


def lacks_fastapi() -> str:
    """Return why it cannot run here; empty if it can."""
    missing = [name for name in ("fastapi", "httpx", "uvicorn") if find_spec(name) is None]
    return f"{', '.join(missing)}: not installed" if missing else ""


def _environ(ground: Ground) -> dict[str, str]:
    return {"PEER_PUBLIC_KEY": ground.public_pem, "PEER_UPSTREAM": ground.upstream_url, "REDIS_URL": ground.redis_url}
