"""Count authentications by kind of credentials and result, and export the counts."""

from collections import defaultdict

from prometheus_client import CollectorRegistry, Counter

OK = "ok"


class AuthenticationCounts:
    """The authentications of one worker since the last export. An accepted one costs one addition."""

    def __init__(self) -> None:
        self.accepted: defaultdict[str, int] = defaultdict(int)
        """Accepted credentials by kind."""
        self._refused: defaultdict[tuple[str, str], int] = defaultdict(int)

    def refuse(self, kind: str, code: str) -> None:
        """Count credentials of this kind that were refused with this error code."""
        self._refused[kind, code] += 1

    def take(self) -> dict[tuple[str, str], int]:
        """Return the counts by kind and result since the last call."""
        taken = {(kind, OK): count for kind, count in self.accepted.items()} | self._refused
        self.accepted.clear()
        self._refused.clear()
        return taken


class AuthenticationMetrics:
    """Exports `counts`."""

    def __init__(self, registry: CollectorRegistry, counts: AuthenticationCounts) -> None:
        self._counts = counts
        self._authentications = Counter(
            "sallyport_gateway_authentications",
            "Authentications by kind of credentials and result: ok, or the error code of the refusal.",
            ["kind", "result"],
            registry=registry,
        )

    def export(self) -> None:
        """Export the counts since the last call."""
        for (kind, result), count in self._counts.take().items():
            self._authentications.labels(kind, result).inc(count)
