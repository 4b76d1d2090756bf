"""Owns how many requests of a route may be under way at once in this worker.

For a service that breaks under what its connections alone would let through: beyond the bound the answer is a 503 at
once, since a queue would only make everybody wait.
"""

from contract.problems import Refused, spread
from gateway.routing.routes import Route


class Places:
    """The places of one route. Who enters leaves, however its request ends."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.taken = 0

    def enter(self) -> None:
        """Takes a place. Raises Refused(503) where there is none."""
        if self.taken >= self._limit:
            raise Refused("route_busy", retry_after=spread(1))
        self.taken += 1

    def leave(self) -> None:
        """Gives the place back."""
        self.taken -= 1


class Concurrency:
    """The places of every route that is bounded."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, frozenset[str]], Places] = {}

    def enter(self, route: Route) -> Places | None:
        """Takes a place of `route`, which has to be given back; None where it is not bounded. Raises Refused(503)."""
        if route.max_concurrent is None:
            return None
        key = (route.prefix, route.methods)
        places = self._places.get(key)
        if places is None:
            places = self._places[key] = Places(route.max_concurrent)
        places.enter()
        return places
