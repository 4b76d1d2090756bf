"""The workloads: which requests every server receives, what the responses must be, and which servers take part."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tests.load import peers
from tests.load.measuring.tokens import Signer, TokenFile
from tests.load.measuring.wrk import Turn

CONNECTIONS = 32
POSTED = 10 * 1024
"""Bytes of a small request body."""
BIG = 1024 * 1024
"""Bytes of a large body."""
SLOW = 0.2
"""Seconds that the slow upstream takes."""
DIRECT = "the upstream itself"

QUICK_UPSTREAM = "quick"
READING_UPSTREAM = "reading"
SLOW_UPSTREAM = "slow"

NGINX = (peers.PLAIN, peers.NGINX_KEEPALIVE)
NATIVE_PROXIES = (peers.HAPROXY, peers.ENVOY)
HAND_WRITTEN = (peers.FASTIFY, peers.FASTAPI, peers.FLASK)
ALL_SERVERS = tuple(peer.name for peer in peers.PEERS)
MAIN = (peers.PLAIN, peers.SALLYPORT, *NATIVE_PROXIES, peers.FASTIFY)


@dataclass(frozen=True, slots=True)
class Supplies:
    """The tokens and bodies that turns send and expect; `unseen` and `many` are files of tokens."""

    folder: Path
    token: str
    bad_token: str
    unseen: TokenFile
    many: TokenFile
    turn: int
    """Number of tokens of a turn in which every token is new."""

    @property
    def note(self) -> str:
        """Return the path of the small document."""
        return str(self.folder / "note.json")

    def body(self, name: str) -> str:
        """Return the path of a body's file."""
        return str(self.folder / name)


ScriptArguments = Callable[[Supplies, int], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Workload:
    """Requests with their expected responses, the servers that take part, and the upstream.

    `arguments` returns the arguments of turn.lua for a round; the first round is 0.
    """

    name: str
    title: str
    arguments: ScriptArguments
    servers: tuple[str, ...]
    path: str = "/api/note"
    connections: int = CONNECTIONS
    upstream: str = QUICK_UPSTREAM
    warm: ScriptArguments | None = None
    """Returns the arguments of the requests before the first round, which fill token caches."""
    warmed: tuple[str, ...] = ()
    """Servers that get the requests of `warm` once before the first round, unmeasured."""
    extra_seconds: int = 0
    ideal: float = 0.0
    """Maximum requests per second, given by the upstream; 0 if there is none."""

    def with_earlier(self) -> "Workload":
        """Return the same workload, with the earlier Sallyport after the present one."""
        return replace(self, servers=_with_earlier(self.servers), warmed=_with_earlier(self.warmed))

    def turn(self, supplies: Supplies, number: int, seconds: int) -> Turn:
        """Return the turn of a round."""
        return Turn(self.path, self.connections, seconds + self.extra_seconds, self.arguments(supplies, number))

    def warming(self, supplies: Supplies) -> Turn:
        """Return the requests before the first round."""
        assert self.warm is not None
        return Turn(self.path, self.connections, 120, self.warm(supplies, 0))


def _with_earlier(servers: tuple[str, ...]) -> tuple[str, ...]:
    index = servers.index(peers.SALLYPORT) + 1 if peers.SALLYPORT in servers else 0
    return (*servers[:index], peers.EARLIER, *servers[index:]) if index else servers


def _note(supplies: Supplies, _: int) -> tuple[str, ...]:
    return f"token={supplies.token}", "status=200", f"body={supplies.note}"


def _unseen(supplies: Supplies, number: int) -> tuple[str, ...]:
    # Tokens between two turns are for requests in progress when a turn ends.
    offset = supplies.unseen.offset(number * (supplies.turn + 2 * CONNECTIONS))
    tokens = f"tokens={supplies.unseen.path}", f"offset={offset}", f"count={supplies.turn}"
    return *tokens, "status=200", f"body={supplies.note}"


def _many(supplies: Supplies, number: int) -> tuple[str, ...]:
    offset = supplies.many.offset(number * supplies.many.tokens // 7)
    return f"tokens={supplies.many.path}", f"offset={offset}", "status=200", f"body={supplies.note}"


def _each_of_many(supplies: Supplies, _: int) -> tuple[str, ...]:
    count = f"count={supplies.many.tokens + CONNECTIONS}"
    return f"tokens={supplies.many.path}", count, "status=200", f"body={supplies.note}"


def _post(supplies: Supplies, number: int) -> tuple[str, ...]:
    return "method=POST", f"upload={supplies.body('posted.json')}", *_note(supplies, number)


def _upload(supplies: Supplies, number: int) -> tuple[str, ...]:
    return "method=POST", f"upload={supplies.body('big.json')}", *_note(supplies, number)


def _download(supplies: Supplies, _: int) -> tuple[str, ...]:
    return f"token={supplies.token}", "status=200", f"body={supplies.body('big.json')}"


def _no_token(supplies: Supplies, _: int) -> tuple[str, ...]:
    return "status=401", f"never={supplies.note}"


def _bad_token(supplies: Supplies, _: int) -> tuple[str, ...]:
    return f"token={supplies.bad_token}", "status=401", f"never={supplies.note}"


def _slow_upstream(connections: int, *servers: str) -> Workload:
    return Workload(
        f"slow-{connections}",
        f"Upstream of {SLOW * 1000:.0f} ms, {connections:,} connections: at most {connections / SLOW:,.0f}/s",
        _note,
        (DIRECT, *servers),
        connections=connections,
        upstream=SLOW_UPSTREAM,
        extra_seconds=4,  # the first and last 0.2 s of a turn have no responses, which matters less in a longer turn
        ideal=connections / SLOW,
    )


WORKLOADS = (
    Workload("valid", "A valid token", _note, ALL_SERVERS),
    Workload(
        "unseen", "A token never seen before", _unseen, (peers.PLAIN, peers.SALLYPORT, *NATIVE_PROXIES, *HAND_WRITTEN)
    ),
    Workload(
        "many",
        "Many tokens, each seen before",
        _many,
        (peers.PLAIN, peers.SALLYPORT, *NATIVE_PROXIES, peers.FASTIFY_CACHED),
        warm=_each_of_many,
        warmed=(peers.SALLYPORT, peers.ENVOY, peers.FASTIFY_CACHED),
    ),
    Workload("download", "1 MiB down", _download, (*NGINX, *MAIN[1:]), path="/api/big"),
    Workload("no-token", "401 without a token (relative to nginx forwarding a valid one)", _no_token, MAIN[1:]),
    Workload(
        "bad-token",
        "401 for a bad signature (relative to nginx forwarding a valid one)",
        _bad_token,
        MAIN[1:],
    ),
    Workload("post", "POST of 10 KiB", _post, ALL_SERVERS, upstream=READING_UPSTREAM),
    Workload("upload", "1 MiB up", _upload, (*NGINX, *MAIN[1:]), upstream=READING_UPSTREAM),
    _slow_upstream(64, peers.PLAIN, peers.SALLYPORT, peers.FASTIFY),
    _slow_upstream(512, peers.PLAIN, peers.SALLYPORT, peers.FASTIFY),
    _slow_upstream(2_000, *MAIN),
)


def make_supplies(folder: Path, signer: Signer, *, rounds: int, many: int, turn: int) -> Supplies:
    """Write the files. A turn of unseen tokens has `turn` of them."""
    (folder / "note.json").write_text('{"id":"0f9d6c4e","title":"A note","body":"' + "x" * 150 + '"}')
    (folder / "posted.json").write_text('{"body":"' + "x" * (POSTED - 11) + '"}')
    (folder / "big.json").write_text('{"body":"' + "x" * (BIG - 11) + '"}')
    token = signer.sign()
    return Supplies(
        folder,
        token,
        _with_another_signature(token),
        signer.write(folder / "unseen.tokens", rounds * (turn + 2 * CONNECTIONS)),
        signer.write(folder / "many.tokens", many),
        turn,
    )


def _with_another_signature(token: str) -> str:
    signed, _, signature = token.rpartition(".")
    return f"{signed}.{signature[::-1]}"
