"""The system of docker-compose.yml in a test engine."""

import json
import os
import signal
from pathlib import Path
from typing import Any

from tests.deploy.engine import Engine
from tests.faults.support.polling import wait_until


class ComposedSystem:
    """Runs `docker compose` and `make` for the system, and looks at its containers."""

    def __init__(self, engine: Engine, secrets: Path) -> None:
        self.engine = engine
        self.url = ""
        self.settings = {
            "SECRETS_DIR": str(secrets),
            "GATEWAY_CONTAINERS": "2",
            "AUTH_CONTAINERS": "2",
            "GATEWAY_WORKERS": "1",
            "RATE_LIMITS": "off",
        }

    def make(self, target: str, **settings: str) -> str:
        """Run `make TARGET` and return what it prints."""
        return self.engine.run("make", target, timeout=900, **{**self.settings, **settings})

    def compose(self, *words: str, **settings: str) -> str:
        """Run `docker compose WORDS` and return what it prints."""
        return self.engine.run("docker", "compose", *words, timeout=600, **{**self.settings, **settings})

    def containers(self, service: str) -> list[str]:
        """Return the ids of the running containers of a service."""
        return self.compose("ps", "--quiet", "--status", "running", service).split()

    def inspect(self, container: str) -> Any:
        """Return what the engine knows of a container."""
        return json.loads(self.engine.docker("inspect", container))[0]

    def kill(self, container: str) -> None:
        """End a container by SIGKILL, as the kernel does when the memory is used up."""
        os.kill(self.inspect(container)["State"]["Pid"], signal.SIGKILL)

    def wait_until_restarted(self, container: str, restarts: int) -> None:
        """Wait until the engine has restarted a container, and its health check succeeds."""

        def is_back() -> bool:
            found = self.inspect(container)
            return bool(found["RestartCount"] > restarts and found["State"]["Health"]["Status"] == "healthy")

        wait_until(is_back, within=180)
