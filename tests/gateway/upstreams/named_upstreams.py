"""A fake resolver, and a gateway whose upstream is a DNS name."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.gateway.conftest import MakeApp
from tests.gateway.running_gateway import RunningGateway, running

HOST = "service.internal"

ROUTES = """
[upstreams.service]
urls = ["{scheme}://{host}:{port}"]
resolve_interval = 0.1
{more}

[[routes]]
prefix = "/"
upstream = "service"
access = "public"
timeout = {{ connect = 1 }}
"""


@dataclass(slots=True)
class FakeResolver:
    """The addresses of each name; a name without an entry is not found."""

    addresses: dict[str, list[str]] = field(default_factory=dict)
    lookups: int = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.lookups += 1
        if host not in self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self.addresses[host]


@contextmanager
def gateway_for(
    make_app: MakeApp, resolver: FakeResolver, folder: Path, port: int, more: str = "", scheme: str = "http"
) -> Iterator[RunningGateway]:
    """Run a gateway whose only upstream is HOST; `more` are lines of its table in routes.toml."""
    (folder / "routes.toml").write_text(ROUTES.format(host=HOST, port=port, more=more, scheme=scheme))
    with running(make_app(resolve=resolver, GATEWAY_ROUTES=str(folder / "routes.toml"))) as gateway:
        yield gateway
