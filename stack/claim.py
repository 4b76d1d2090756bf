"""What a stack must have for itself alone: its DATA_DIR, its folder for sockets, its ports."""

import fcntl
import os
import socket
import stat
from pathlib import Path

from stack.address import Address, Port
from stack.settings import Settings, StartRefused


def claim_data_dir(data_dir: Path) -> int:
    """Makes the folder (mode 700) and locks it; the lock lives as long as the descriptor that is returned.

    Processes that inherit the descriptor hold the lock too: the folder is free again once the last of
    them is gone. Raises StartRefused naming DATA_DIR when another stack has it.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(data_dir / "stack.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as problem:
        raise StartRefused(
            f"DATA_DIR {data_dir} cannot be used: {problem.strerror}; choose a folder that this user can write"
        ) from problem
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise StartRefused(
            f"DATA_DIR {data_dir} is in use by another stack: stop that one, or choose another DATA_DIR"
        ) from None
    return lock


def is_claimed(data_dir: Path) -> bool:
    """Return whether a stack runs with this folder. Raises StartRefused where this user may not know."""
    try:
        lock = os.open(data_dir / "stack.lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    except OSError as problem:
        raise StartRefused(
            f"DATA_DIR {data_dir} cannot be used: {problem.strerror}; run this as the user that started the system"
        ) from problem
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def claim_run_dir(run_dir: Path) -> None:
    """Makes the folder for sockets; whoever may enter it may talk to every service, so nobody else may."""
    run_dir.mkdir(mode=0o700, exist_ok=True)
    found = run_dir.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise StartRefused(f"{run_dir} belongs to somebody else: choose a shorter DATA_DIR")
    run_dir.chmod(0o700)


def check_ports(settings: Settings) -> None:
    """Raises StartRefused naming the setting whose port is taken."""
    gateway = "GATEWAY_BIND" if "GATEWAY_BIND" in settings.given else "GATEWAY_PORT"
    addresses = {gateway: settings.gateway, "AUTH_URL": settings.auth, "RESOURCE_URL": settings.resource}
    complaints = [f"{name}: {problem}" for name, address in addresses.items() if (problem := _taken(address))]
    if complaints:
        raise StartRefused(*complaints)


def _taken(address: Address) -> str | None:
    if not isinstance(address, Port):
        return None
    host = address.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As gunicorn does: connections that linger from an earlier run are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, address.number))
        except OSError as problem:
            return f"cannot listen on {address.bind}: {problem.strerror or problem}; choose another"
    return None
