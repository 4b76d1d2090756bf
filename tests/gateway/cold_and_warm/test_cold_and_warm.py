"""What the gateway remembers of earlier messages does not change the effect of a message.

Each generated message is played when the gateway has not seen it, and again after similar messages. Every byte that
reaches the client and the services is compared. SALLYPORT_FUZZ is the number of cases, SALLYPORT_FUZZ_SEED their
seed (`make fuzz`).
"""

import os
from collections import Counter

import pytest

from gateway.compiled import is_compiled
from gateway.http.request import KnownFields
from gateway.http.request_limits import RequestLimits
from gateway.server.request_head_cache import RequestHeadCache
from tests.gateway.cold_and_warm.cases import draw_case
from tests.gateway.cold_and_warm.comparison import compare
from tests.gateway.cold_and_warm.fuzzing import describe, fuzz

CASES = int(os.environ.get("SALLYPORT_FUZZ") or 1_000)
SEED = int(os.environ.get("SALLYPORT_FUZZ_SEED") or 1)
LEAST_SHARES = {
    "recognized": 0.3,
    "kept": 0.15,
    "forwarded": 0.3,
    "redirected": 0.01,
    "offered": 0.008,
    "sessions_changed": 0.002,
    "forms": 0.004,
}
"""The least share of cases for each counter of Result. With fewer, most comparisons would be of a parsed request with
a parsed one, of a refusal with a refusal, or of requests that no such feature handles."""


@pytest.mark.timeout(max(60, CASES // 10))
def test_a_message_has_the_same_effect_before_and_after_similar_messages() -> None:
    cases = 0
    reached: Counter[str] = Counter()
    for result in fuzz(SEED, CASES):
        cases += result.cases
        reached.update({name: getattr(result, name) for name in LEAST_SHARES})
        if result.difference is not None or result.errors:
            pytest.fail("\n".join([describe(SEED, cases - 1), *result.errors]), pytrace=False)
    assert cases == CASES
    assert [name for name, share in LEAST_SHARES.items() if reached[name] < share * cases] == []


class CacheThatConfusesTokens(RequestHeadCache):
    """A defective cache: it returns every section with the token of the first request."""

    def __init__(self, limits: RequestLimits) -> None:
        super().__init__(limits)
        self._first: KnownFields | None = None

    def find_fields(self, section: bytes) -> KnownFields | None:
        """Return the fields with the first token."""
        fields = super().find_fields(section)
        if fields is None:
            return None
        self._first = self._first or fields
        return fields._replace(token=self._first.token)


@pytest.mark.skipif(
    is_compiled(), reason="the defective cache is interpreted, and cannot inherit from a compiled one"
)
def test_a_cache_that_returns_the_token_of_another_request_is_noticed() -> None:
    assert compare((draw_case(1, number) for number in range(300)), CacheThatConfusesTokens).difference is not None


def test_seed_and_number_determine_a_case() -> None:
    assert draw_case(1, 7) == draw_case(1, 7) != draw_case(1, 8)
