"""Read the uptime of this machine, with the id of its boot."""

import time
from pathlib import Path

from chassis.secret_rotation.rotation import Uptime

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def system_uptime() -> Uptime | None:
    """Return the uptime; None on systems other than Linux, which have no id of a boot."""
    try:
        boot = _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return Uptime(boot, time.clock_gettime(time.CLOCK_BOOTTIME))
