"""Decide which routes the edge may decide itself: those whose every rule HAProxy can apply as the gateway does.

The default is the gateway: a route is left to it for the first thing that HAProxy cannot do.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.http.gateway_paths import FORWARD_AUTH
from gateway.routing.routes import HOST_UPSTREAM, METHODS, Route, RouteTable, Upstream
from gateway.settings import GatewaySettings

GATEWAY = "gateway"
"""The value in the route map for requests that the gateway decides, and the backend of the gateway."""

OWN_PREFIXES = tuple(
    f"/{segment}/"
    for segment in (
        ".well-known",
        "app",
        "auth",
        "development",
        "docs",
        FORWARD_AUTH.decode().strip("/"),
        "healthz",
        "livez",
        "metrics",
        "openapi.json",
        "readyz",
        "session",
    )
)
"""Prefixes of the gateway's own endpoints and of the auth service. The edge decides nothing under them."""

METHODS_AT_EDGE = METHODS - {"OPTIONS"}
"""OPTIONS is left to the gateway, which answers preflights."""

_PLAIN_TEXT = re.compile(r"[A-Za-z0-9._:@/-]+", re.ASCII)
"""Audiences, roles and names that need no escaping in HAProxy's configuration, in JSON or in a regular expression."""


@dataclass(frozen=True, slots=True)
class EdgeRoute:
    """A route that the edge decides. `name` is the name of its backend."""

    name: str
    route: Route


@dataclass(frozen=True, slots=True)
class DecidedRoutes:
    """The routes of a table: those that the edge decides, and the reason for each that is left to the gateway."""

    at_edge: tuple[EdgeRoute, ...]
    at_gateway: tuple[tuple[Route, str], ...]

    def map_lines(self) -> list[str]:
        """Return the lines of the map from `METHOD/prefix/` to the name of a backend.

        The edge looks up the longest key that METHOD, path and `/` begin with. Whatever has no key is left to the
        gateway.
        """
        names = {edge.route: edge.name for edge in self.at_edge}
        routes = [*(edge.route for edge in self.at_edge), *(route for route, _ in self.at_gateway)]
        # Every method of each prefix has a key, because the routes of a shorter prefix do not apply below it.
        keys = {(_folder(route.prefix), method): GATEWAY for route in routes for method in METHODS_AT_EDGE}
        keys |= {
            (_folder(route.prefix), method): names.get(route, GATEWAY)
            for route in routes
            for method in METHODS_AT_EDGE & route.methods
        }
        keys = {
            (prefix, method): GATEWAY if prefix.startswith(OWN_PREFIXES) else name
            for (prefix, method), name in keys.items()
        }
        keys |= {(prefix, method): GATEWAY for prefix in OWN_PREFIXES for method in METHODS_AT_EDGE}
        return [f"{method}{prefix} {name}" for (prefix, method), name in sorted(keys.items())]


def decide_routes(table: RouteTable, settings: GatewaySettings) -> DecidedRoutes:
    """Return which routes of `table` the edge decides."""
    at_edge, at_gateway = [], []
    for number, route in enumerate(table.routes):
        if reason := reason_for_gateway(route, settings):
            at_gateway.append((route, reason))
        else:
            at_edge.append(EdgeRoute(f"route-{number}-{route.upstream.name}", route))
    return DecidedRoutes(tuple(at_edge), tuple(at_gateway))


def reason_for_gateway(route: Route, settings: GatewaySettings) -> str:
    """Return why the gateway has to decide requests on `route`; empty if the edge can."""
    reasons: Sequence[tuple[object, str]] = (
        (route.upstream.takes_credentials, "the auth service"),
        (route.public, 'access = "public"'),
        (not METHODS_AT_EDGE & route.methods, "methods"),
        (_folder(route.prefix).startswith(OWN_PREFIXES), "an endpoint of the gateway"),
        (settings.rate_limits and route.limits, "limits"),
        (route.concurrency_limit, "max_concurrent"),
        (route.max_answer is not None, "max_answer"),
        (route.websocket, "websocket"),
        (route.streams, "streams"),
        (route.login_url, "login"),
        (route.forward_cookies, "forward_cookies"),
        (route.keep_cookies, "keep_cookies"),
        (route.forward_headers, "forward_headers"),
        (route.replacement_prefix, "replace_prefix"),
        (route.stripped_prefix_length, "strip_prefix"),
        (not all(map(_PLAIN_TEXT.fullmatch, route.roles)), "access: a role with unusual characters"),
    )
    reason = next((reason for applies, reason in reasons if applies), "")
    return reason or _reason_of_upstream(route.upstream, settings)


def _reason_of_upstream(upstream: Upstream, settings: GatewaySettings) -> str:
    signer = upstream.signer.current() if upstream.signer is not None else None
    reasons: Sequence[tuple[object, str]] = (
        (upstream.identity_headers, "identity_headers"),
        (signer is not None and not signer.shared_secret, "an identity key pair (EdDSA)"),
        (signer is not None and settings.identity_claims, "IDENTITY_CLAIMS"),
        (any(address.tls for address in upstream.addresses), "an https:// upstream"),
        (upstream.host == HOST_UPSTREAM and len(upstream.addresses) > 1, 'host = "upstream" with several urls'),
        (not all(_PLAIN_TEXT.fullmatch(address.path or "-") for address in upstream.addresses), "urls: unusual path"),
        (not _PLAIN_TEXT.fullmatch(upstream.audience), "audience: unusual characters"),
    )
    return next((reason for applies, reason in reasons if applies), "")


def _folder(prefix: str) -> str:
    """Return `prefix` with a slash at its end: routes match whole segments."""
    return prefix if prefix.endswith("/") else f"{prefix}/"
