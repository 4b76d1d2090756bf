"""The workloads: which requests every server receives, what the responses must be, and which servers take part."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.load import peers
from tests.load.measuring.supplies import CONNECTIONS, NEWS, Supplies
from tests.load.measuring.traffic import (
    CLIENTS,
    TRACED,
    Kind,
    Shares,
    bearer_and_refresh,
    new_target,
    repeated_target,
    session_cookie,
)
from tests.load.measuring.wrk import Turn

PAUSE = 8
"""Milliseconds between a response and the client's next request on average, in the workload below saturation. All
servers then get nearly the same number of requests: 32 clients send 4,000 per second if responses take no time."""
SLOW = 0.2
"""Seconds that the slow upstream takes."""
DIRECT = "the client and the upstream alone"
"""The client sends the same requests to the upstream directly: no server can be measured to be faster than this."""
QUICK_UPSTREAM = "quick"
READING_UPSTREAM = "reading"
SLOW_UPSTREAM = "slow"

NGINX = (peers.PLAIN, peers.NGINX_KEEPALIVE)
NATIVE_PROXIES = (peers.EDGE, peers.HAPROXY, peers.ENVOY)
OBSERVED = (peers.UNCOUNTED, peers.UNOBSERVED, peers.SAMPLED)
"""Sallyport with less or more of metrics, log and traces than by default."""
ALL_SERVERS = tuple(peer.name for peer in peers.PEERS if peer.name not in (*OBSERVED, peers.INTERPRETED))
GATEWAYS = (peers.SALLYPORT, *NATIVE_PROXIES)
WITH_ENVOY = (DIRECT, *NGINX, peers.SALLYPORT, peers.ENVOY)
WITH_NATIVE_PROXIES = (DIRECT, *NGINX, *GATEWAYS)
WITH_OBSERVED = (DIRECT, *NGINX, peers.SALLYPORT, *OBSERVED, *NATIVE_PROXIES)


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
    elsewhere: ScriptArguments | None = None
    """Returns the arguments for servers other than Sallyport, which lack what `arguments` needs."""
    path: str = "/api/note"
    connections: int = CONNECTIONS
    upstream: str = QUICK_UPSTREAM
    warm: ScriptArguments | None = None
    """Returns the arguments of the requests before the first round, which fill token caches."""
    warmed: tuple[str, ...] = ()
    """Servers that get the requests of `warm` once before the first round, unmeasured."""
    extra_seconds: int = 0
    similar: str = "valid"
    """The workload with the figures of nginx that are the base of ratios where nginx does not take part; or ""."""
    ideal: float = 0.0
    """Maximum requests per second, given by the upstream; 0 if there is none."""

    def with_earlier(self) -> "Workload":
        """Return the same workload, with the earlier Sallyport after the present one."""
        return self._with(peers.EARLIER)

    def with_interpreted(self) -> "Workload":
        """Return the same workload, with the interpreted Sallyport after the compiled one."""
        return self._with(peers.INTERPRETED)

    def _with(self, other: str) -> "Workload":
        return replace(self, servers=_with(other, self.servers), warmed=_with(other, self.warmed))

    def turn(self, supplies: Supplies, number: int, seconds: int, server: str = peers.SALLYPORT) -> Turn:
        """Return the turn of a server in a round."""
        is_ours = server in (peers.SALLYPORT, peers.EDGE, peers.INTERPRETED, *OBSERVED, peers.EARLIER)
        arguments = self.arguments if is_ours or self.elsewhere is None else self.elsewhere
        return Turn(self.path, self.connections, seconds + self.extra_seconds, arguments(supplies, number))

    def warming(self, supplies: Supplies) -> Turn:
        """Return the requests before the first round."""
        assert self.warm is not None
        return Turn(self.path, self.connections, 120, self.warm(supplies, 0))


def _with(other: str, servers: tuple[str, ...]) -> tuple[str, ...]:
    index = servers.index(peers.SALLYPORT) + 1 if peers.SALLYPORT in servers else 0
    return (*servers[:index], other, *servers[index:]) if index else servers


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
        servers,
        connections=connections,
        upstream=SLOW_UPSTREAM,
        similar="",  # other figures without the wait are no base
        extra_seconds=3,  # the first and last 0.2 s of a turn have no responses, which matters less in a longer turn
        ideal=connections / SLOW,
    )


def _send(name: str, shares: Shares, *bodies: str, options: tuple[str, ...] = ()) -> ScriptArguments:
    """Return the arguments for requests of these kinds. Each response must have one of the bodies."""

    def arguments(supplies: Supplies, _: int) -> tuple[str, ...]:
        expected = (f"body={supplies.body(body)}" for body in bodies)
        return f"requests={supplies.requests(name, shares)}", "status=200", *expected, *options

    return arguments


def _application(
    name: str,
    title: str,
    shares: Shares,
    servers: tuple[str, ...],
    *bodies: str,
    similar: str = "valid",
    options: tuple[str, ...] = (),
) -> Workload:
    """Return a workload of prepared requests. Servers without sessions and refreshes get the access token instead."""
    with_bearer = tuple((percent, kind.with_bearer()) for percent, kind in shares)
    elsewhere = None if with_bearer == shares else _send(f"{name}-bearer", with_bearer, *bodies, options=options)
    arguments = _send(name, shares, *bodies, options=options)
    workload = Workload(name, title, arguments, servers, elsewhere, similar=similar)
    if any(kind.credentials is session_cookie for _, kind in shares):
        return replace(workload, warm=_each_session, warmed=(peers.SALLYPORT, peers.EDGE))
    return workload


def _each_session(supplies: Supplies, _: int) -> tuple[str, ...]:
    """Return the arguments for a request in each session: the first one exchanges its handle for an access token."""
    kind = Kind(repeated_target("/api/news"), session_cookie, is_new=False)
    send = _send("sessions", ((100, kind),), *NEWS, options=(f"count={CLIENTS + CONNECTIONS}",))
    return send(supplies, 0)


_NEW = new_target("/api/news")
_GET_NEW = Kind(_NEW)
_GET_WITH_COOKIE = Kind(_NEW, session_cookie)
_GET_WITH_REFRESH_TOKEN = Kind(_NEW, bearer_and_refresh)
_POST = Kind(repeated_target("/api/news"), posts=True)
MIX: Shares = (
    (55, _GET_NEW),
    (15, Kind(repeated_target("/api/items", paths=20), is_new=False)),
    (12, _POST),
    (5, Kind(new_target("/api/lists"))),
    (8, _GET_WITH_COOKIE),
    (5, _GET_WITH_REFRESH_TOKEN),
)
"""An application: most requests and responses are new, some are polled, some write, few are large."""

APPLICATION = (
    _application(
        "mix",
        "The mix of an application",
        MIX,
        (*WITH_NATIVE_PROXIES, peers.FASTIFY_CACHED),
        "note.json",
        "list.json",
        *NEWS,
    ).with_interpreted(),
    _application(
        "mix-paced",
        f"The mix below saturation: each client pauses for {PAUSE} ms on average",
        MIX,
        WITH_NATIVE_PROXIES,
        "note.json",
        "list.json",
        *NEWS,
        options=(f"pause={PAUSE}",),
    ),
    _application(
        "both", "Every path and response head new", ((100, _GET_NEW),), WITH_OBSERVED, *NEWS
    ).with_interpreted(),
    _application(
        "paths", "Every path and query new", ((100, Kind(new_target("/api/items"))),), WITH_ENVOY, "note.json"
    ),
    _application(
        "traced",
        "Every path, response head and request header new",
        ((100, Kind(_NEW, header_sets=(TRACED,))),),
        (DIRECT, peers.NGINX_KEEPALIVE, peers.SALLYPORT, peers.ENVOY),
        *NEWS,
        similar="both",
    ),
    _application(
        "heads",
        "Every response head new",
        ((100, Kind(repeated_target("/api/news"), is_new=False)),),
        WITH_ENVOY,
        *NEWS,
    ),
    _application(
        "identical",
        "Identical requests of 100 users",
        ((100, Kind(repeated_target("/api/note"), is_new=False)),),
        WITH_OBSERVED,
        "note.json",
    ).with_interpreted(),
    _application(
        "small-post",
        "POST of 200 bytes, each new",
        ((100, Kind(repeated_target("/api/note"), posts=True)),),
        WITH_ENVOY,
        "note.json",
    ),
    _application(
        "20k",
        "Responses of 20 KB",
        ((100, Kind(repeated_target("/api/list"), is_new=False)),),
        WITH_ENVOY,
        "list.json",
    ),
    _application(
        "cookie",
        "Session cookie, path and head new (other servers: a token)",
        ((100, _GET_WITH_COOKIE),),
        (DIRECT, peers.NGINX_KEEPALIVE, peers.SALLYPORT, peers.ENVOY),
        *NEWS,
        similar="both",
    ),
    _application(
        "refresh-token",
        "X-Refresh-Token, path and head new (other servers: a token alone)",
        ((100, _GET_WITH_REFRESH_TOKEN),),
        (DIRECT, peers.NGINX_KEEPALIVE, peers.SALLYPORT, peers.ENVOY),
        *NEWS,
        similar="both",
    ),
)

WORKLOADS = (
    *APPLICATION,
    Workload("valid", "One request over and over", _note, (DIRECT, *ALL_SERVERS)),
    Workload("unseen", "A token never seen before", _unseen, WITH_NATIVE_PROXIES),
    Workload(
        "many",
        "Many tokens, each seen before",
        _many,
        (*WITH_NATIVE_PROXIES, peers.FASTIFY_CACHED),
        warm=_each_of_many,
        warmed=(peers.SALLYPORT, peers.EDGE, peers.ENVOY, peers.FASTIFY_CACHED),
    ),
    Workload("download", "1 MiB down", _download, WITH_NATIVE_PROXIES, path="/api/big"),
    Workload("no-token", "401 without a token (relative to nginx forwarding a valid one)", _no_token, GATEWAYS),
    Workload("bad-token", "401 for a bad signature (relative to nginx forwarding a valid one)", _bad_token, GATEWAYS),
    Workload(
        "post", "POST of 10 KiB", _post, (*WITH_NATIVE_PROXIES, peers.FASTIFY_CACHED), upstream=READING_UPSTREAM
    ),
    Workload("upload", "1 MiB up", _upload, WITH_NATIVE_PROXIES, upstream=READING_UPSTREAM),
    _slow_upstream(64, peers.PLAIN, peers.SALLYPORT),
    _slow_upstream(512, DIRECT, peers.PLAIN, peers.SALLYPORT),
    _slow_upstream(2_000, *WITH_NATIVE_PROXIES),
)
