"""Count requests and measure their durations, by route, in the memory of a worker.

A request costs a few additions to integers and lists: about 1 us. gateway/observability/request_metrics.py exports
the sums once a second, because the Prometheus client needs 1 to 2 us for an increment and more for an observation.
"""

from bisect import bisect_left

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the histograms' buckets in seconds. One more bucket has the longer durations."""


class Durations:
    """A histogram: the number of durations in each bucket, and their sum in seconds."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets: list[int] = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0


class RouteCounts:
    """The counts of one route since the last export."""

    __slots__ = ("overhead", "requests", "responses", "upstream")

    def __init__(self) -> None:
        self.responses: dict[tuple[str, int], int] = {}
        """Responses by method and status; status 0 is a response that was cut off or not sent."""
        self.requests = Durations()
        """From the arrival of a request until its response was passed to the connection."""
        self.upstream = Durations()
        """From sending a request to a service until its response arrived."""
        self.overhead = Durations()
        """The rest of the time of these requests: what the gateway added."""


class RequestCounts:
    """The counts of all routes of one worker, by prefix. The route "" stands for requests that have no route."""

    __slots__ = ("_by_route",)

    def __init__(self) -> None:
        self._by_route: dict[str, RouteCounts] = {}

    def add(self, route: str, method: str, status: int, seconds: float, waited: float | None) -> None:
        """Count a response after `seconds`, of which a service took `waited`; None if none was asked."""
        counts = self._by_route.get(route)
        if counts is None:
            counts = self._by_route[route] = RouteCounts()
        key = (method, status)
        counts.responses[key] = counts.responses.get(key, 0) + 1
        # Written out, because three calls of a method take 0.3 us more.
        durations = counts.requests
        durations.buckets[bisect_left(BOUNDS, seconds)] += 1
        durations.seconds += seconds
        if waited is None:
            return
        added = seconds - waited
        durations = counts.upstream
        durations.buckets[bisect_left(BOUNDS, waited)] += 1
        durations.seconds += waited
        durations = counts.overhead
        durations.buckets[bisect_left(BOUNDS, added)] += 1
        durations.seconds += added

    def add_untimed(self, route: str, method: str, status: int) -> None:
        """Count a response whose duration says nothing about the gateway or a service, such as a stream."""
        counts = self._by_route.get(route)
        if counts is None:
            counts = self._by_route[route] = RouteCounts()
        key = (method, status)
        counts.responses[key] = counts.responses.get(key, 0) + 1

    def take(self) -> dict[str, RouteCounts]:
        """Return the counts since the last call."""
        taken, self._by_route = self._by_route, {}
        return taken
