"""The highest generation of each session is reported in batches, and a failed report is sent again."""

import asyncio
import json
from collections.abc import Callable

from structlog.testing import capture_logs

from gateway.tokens.auth_client import AuthResponse
from gateway.tokens.usage_reports import UsageReports
from tests.gateway.access_tokens import read_claims


class AuthService:
    """Answers reports with `status`, unless it is unreachable; calls `on_report` during each."""

    def __init__(self) -> None:
        self.is_unreachable = False
        self.status = 204
        self.reports: list[list[tuple[str, int]]] = []
        self.on_report: Callable[[], None] = lambda: None

    async def post(self, path: str, document: bytes) -> AuthResponse:
        self.on_report()
        assert path == "/internal/seen"
        if self.is_unreachable:
            raise OSError("unreachable")
        if self.status == 204:
            self.reports.append([tuple(seen) for seen in json.loads(document)["seen"]])
        return AuthResponse(self.status, b"", None)


def report(usage_reports: UsageReports) -> None:
    asyncio.run(usage_reports.report_once())


def test_the_highest_generation_of_each_session_is_reported_once() -> None:
    auth = AuthService()
    usage_reports = UsageReports(auth.post)
    for session, generation in (("a", 3), ("b", 1), ("a", 5), ("a", 4)):
        usage_reports.add(read_claims(session=session, generation=generation))
    report(usage_reports)
    report(usage_reports)
    assert [sorted(seen) for seen in auth.reports] == [[("a", 5), ("b", 1)]]


def test_a_failed_report_is_sent_again_and_its_generation_never_decreases() -> None:
    auth = AuthService()
    usage_reports = UsageReports(auth.post)
    auth.is_unreachable = True
    usage_reports.add(read_claims(session="a", generation=3))
    report(usage_reports)
    assert len(usage_reports) == 1
    usage_reports.add(read_claims(session="a", generation=2))
    auth.is_unreachable = False
    report(usage_reports)
    assert auth.reports == [[("a", 3)]]


def test_a_report_that_is_not_accepted_is_sent_again() -> None:
    auth = AuthService()
    usage_reports = UsageReports(auth.post)
    usage_reports.add(read_claims(session="a", generation=3))
    auth.status = 503
    with capture_logs() as lines:
        report(usage_reports)
    assert [(line["event"], line["pending"]) for line in lines] == [("usage_report_failed", 1)]
    auth.status = 204
    report(usage_reports)
    assert auth.reports == [[("a", 3)]]


def test_a_generation_used_during_a_failed_report_is_not_lost() -> None:
    auth = AuthService()
    usage_reports = UsageReports(auth.post)
    usage_reports.add(read_claims(session="a", generation=3))
    auth.is_unreachable = True
    auth.on_report = lambda: usage_reports.add(read_claims(session="a", generation=4))
    report(usage_reports)
    auth.is_unreachable = False
    auth.on_report = lambda: None
    report(usage_reports)
    assert auth.reports == [[("a", 4)]]


def test_a_batch_is_bounded_and_the_next_batch_has_the_rest() -> None:
    auth = AuthService()
    usage_reports = UsageReports(auth.post)
    for number in range(1_500):
        usage_reports.add(read_claims(session=f"s{number}", generation=1))
    report(usage_reports)
    report(usage_reports)
    assert [len(seen) for seen in auth.reports] == [1_000, 500]
