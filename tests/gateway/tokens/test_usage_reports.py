"""Which generation of each session was seen in use, reported in batches and never lost to a passing fault."""

import asyncio
import json

from gateway.tokens.usage_reports import UsageReports
from tests.gateway.access_tokens import read_claims


class AuthService:
    """Takes reports, or is away."""

    def __init__(self) -> None:
        self.is_away = False
        self.reports: list[list[tuple[str, int]]] = []

    async def __call__(self, document: bytes) -> None:
        if self.is_away:
            raise OSError("nobody there")
        self.reports.append([tuple(seen) for seen in json.loads(document)["seen"]])


def report(sightings: UsageReports) -> None:
    asyncio.run(sightings.report_once())


def test_the_highest_generation_of_each_session_is_reported_once() -> None:
    auth = AuthService()
    sightings = UsageReports(auth)
    for session, generation in (("a", 3), ("b", 1), ("a", 5), ("a", 4)):
        sightings.note(read_claims(session=session, generation=generation))
    report(sightings)
    report(sightings)
    assert [sorted(seen) for seen in auth.reports] == [[("a", 5), ("b", 1)]]


def test_what_was_not_taken_is_reported_later_and_never_lowered() -> None:
    auth = AuthService()
    sightings = UsageReports(auth)
    auth.is_away = True
    sightings.note(read_claims(session="a", generation=3))
    report(sightings)
    assert len(sightings) == 1
    sightings.note(read_claims(session="a", generation=2))
    auth.is_away = False
    report(sightings)
    assert auth.reports == [[("a", 3)]]


def test_what_is_seen_during_a_report_is_not_lost() -> None:
    seen_meanwhile = read_claims(session="a", generation=4)

    async def report_slowly(document: bytes) -> None:
        sightings.note(seen_meanwhile)
        raise OSError("broke off")

    sightings = UsageReports(report_slowly)
    sightings.note(read_claims(session="a", generation=3))
    report(sightings)
    auth = AuthService()
    sightings._report = auth
    report(sightings)
    assert auth.reports == [[("a", 4)]]


def test_a_batch_is_bounded_and_the_rest_follows() -> None:
    auth = AuthService()
    sightings = UsageReports(auth)
    for number in range(1_500):
        sightings.note(read_claims(session=f"s{number}", generation=1))
    report(sightings)
    report(sightings)
    assert [len(seen) for seen in auth.reports] == [1_000, 500]
