"""Reserve what only one running system can use: DATA_DIR, the folder for sockets, the ports."""

import fcntl
import os
import socket
import stat
from pathlib import Path

from stack.address import Address, Port
from stack.settings import Settings, StartError


def lock_data_dir(data_dir: Path) -> int:
    """Create the folder (mode 700), lock it, and return the file descriptor that holds the lock.

    Child processes inherit the descriptor, and the lock is released when the last of them has ended. Raises
    StartError if another system runs with this DATA_DIR.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(data_dir / "stack.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StartError(
            f"DATA_DIR {data_dir} cannot be used: {error.strerror}; choose a folder that this user can write"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise StartError(
            f"DATA_DIR {data_dir} is in use by another stack: stop that one, or choose another DATA_DIR"
        ) from None
    return lock


def is_locked(data_dir: Path) -> bool:
    """Return whether a system runs with this DATA_DIR. Raises StartError if this user cannot read the lock."""
    try:
        lock = os.open(data_dir / "stack.lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StartError(
            f"DATA_DIR {data_dir} cannot be used: {error.strerror}; run this as the user that started the system"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def prepare_run_dir(run_dir: Path) -> None:
    """Create the folder for sockets with mode 700, because users who can enter it can call every service.

    Raises StartError if it belongs to another user or is a symbolic link.
    """
    run_dir.mkdir(mode=0o700, exist_ok=True)
    found = run_dir.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise StartError(f"{run_dir} belongs to another user: choose a shorter DATA_DIR")
    run_dir.chmod(0o700)


def check_ports(settings: Settings) -> None:
    """Raise StartError if a service cannot listen on its port. Each message begins with the setting to change."""
    gateway = "GATEWAY_BIND" if "GATEWAY_BIND" in settings.given else "GATEWAY_PORT"
    addresses = {gateway: settings.gateway, "AUTH_URL": settings.auth, "RESOURCE_URL": settings.resource}
    problems = [f"{name}: {problem}" for name, address in addresses.items() if (problem := _listen_problem(address))]
    if problems:
        raise StartError(*problems)


def _listen_problem(address: Address) -> str | None:
    """Return why no process can listen on `address`, or None if it is free."""
    if not isinstance(address, Port):
        return None
    host = address.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As gunicorn does, so that connections of an earlier run in TIME_WAIT do not matter.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, address.number))
        except OSError as error:
            return f"cannot listen on {address.bind}: {error.strerror or error}; choose another"
    return None
