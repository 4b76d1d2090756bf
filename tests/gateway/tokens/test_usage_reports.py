"""The highest generation of each session is reported in batches, and a failed report is sent again."""

import asyncio
import json
from collections.abc import Callable

from gateway.tokens.usage_reports import UsageReports
from tests.gateway.access_tokens import read_claims


class AuthService:
    """Accepts reports, unless it is away; calls `on_report` during each."""

    def __init__(self) -> None:
        self.is_away = False
        self.reports: list[list[tuple[str, int]]] = []
        self.on_report: Callable[[], None] = lambda: None

    async def __call__(self, document: bytes) -> None:
        self.on_report()
        if self.is_away:
            raise OSError("nobody there")
        self.reports.append([tuple(seen) for seen in json.loads(document)["seen"]])


def report(usage_reports: UsageReports) -> None:
    asyncio.run(usage_reports.report_once())


def test_the_highest_generation_of_each_session_is_reported_once() -> None:
    auth = AuthService()
    usage_reports = UsageReports(auth)
    for session, generation in (("a", 3), ("b", 1), ("a", 5), ("a", 4)):
        usage_reports.add(read_claims(session=session, generation=generation))
    report(usage_reports)
    report(usage_reports)
    assert [sorted(seen) for seen in auth.reports] == [[("a", 5), ("b", 1)]]


def test_a_failed_report_is_sent_again_and_never_lowered() -> None:
    auth = AuthService()
    usage_reports = UsageReports(auth)
    auth.is_away = True
    usage_reports.add(read_claims(session="a", generation=3))
    report(usage_reports)
    assert len(usage_reports) == 1
    usage_reports.add(read_claims(session="a", generation=2))
    auth.is_away = False
    report(usage_reports)
    assert auth.reports == [[("a", 3)]]


def test_a_generation_used_during_a_failed_report_is_not_lost() -> None:
    auth = AuthService()
    usage_reports = UsageReports(auth)
    usage_reports.add(read_claims(session="a", generation=3))
    auth.is_away = True
    auth.on_report = lambda: usage_reports.add(read_claims(session="a", generation=4))
    report(usage_reports)
    auth.is_away = False
    auth.on_report = lambda: None
    report(usage_reports)
    assert auth.reports == [[("a", 4)]]


def test_a_batch_is_bounded_and_the_rest_follows() -> None:
    auth = AuthService()
    usage_reports = UsageReports(auth)
    for number in range(1_500):
        usage_reports.add(read_claims(session=f"s{number}", generation=1))
    report(usage_reports)
    report(usage_reports)
    assert [len(seen) for seen in auth.reports] == [1_000, 500]
