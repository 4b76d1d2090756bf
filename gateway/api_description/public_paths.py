"""The public paths of an upstream's operations: those that a route lets through, as the client sees them."""

from collections.abc import Iterator

from gateway.routing.routes import Route, RouteTable


def public_operations(table: RouteTable, upstream: str, path: str, method: str) -> Iterator[tuple[str, Route]]:
    """Yield each public path, with its route, at which clients reach `method` of `path` of the upstream.

    `path` is a template such as /notes/{id}. A route that removes or replaces a prefix is followed backwards.
    """
    for route in table.routes:
        if route.upstream.name != upstream:
            continue
        public = _public_path(route, path)
        if public is not None and table.match(public.encode(), method.upper()) is route:
            yield public, route


def _public_path(route: Route, path: str) -> str | None:
    """Return the public path of the upstream's `path` on `route`; None if the route never forwards to it."""
    replacement = route.replacement_prefix.decode("ascii")
    if not (route.stripped_prefix_length or replacement):
        return path
    if not f"{path}/".startswith(f"{replacement}/"):
        return None
    return route.prefix[: route.stripped_prefix_length] + path[len(replacement) :]
