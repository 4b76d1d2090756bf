"""Count the attempts to send mails."""

from typing import get_args

from prometheus_client import CollectorRegistry, Counter

from auth_service.jobs.mail import MailResult


class MailMetrics:
    """The counter of mails. `count` is called by the sending job."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._mails = Counter(
            "sallyport_auth_mails", "Attempts to send a mail, by result.", ["result"], registry=registry
        )
        for result in get_args(MailResult):  # from the start at 0: Prometheus sees no increase in a first value
            self._mails.labels(result)

    def count(self, result: MailResult) -> None:
        """Count one attempt."""
        self._mails.labels(result).inc()
