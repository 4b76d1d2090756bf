"""The samplers decide as the OpenTelemetry specification says, and as those of the SDK for Python."""

import random

import pytest
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased

from chassis.tracing.sampling import Sampling


@pytest.mark.parametrize(
    ("name", "without_parent", "unsampled_parent", "sampled_parent"),
    [
        ("always_on", True, True, True),
        ("always_off", False, False, False),
        ("parentbased_always_on", True, False, True),
        ("parentbased_always_off", False, False, True),
    ],
)
def test_each_sampler_follows_its_parent_or_does_not(
    name: str, without_parent: bool, unsampled_parent: bool, sampled_parent: bool
) -> None:
    sampling = Sampling(name, 1.0)  # type: ignore[arg-type]  # the names are those of SamplerName
    decided = [sampling.is_sampled(1 << 100, parent) for parent in (None, False, True)]
    assert decided == [without_parent, unsampled_parent, sampled_parent]


@pytest.mark.parametrize("ratio", [0.0, 0.01, 0.5, 1.0])
def test_a_ratio_decides_as_the_sdk_does(ratio: float) -> None:
    """So a service that samples by the same ratio records the same traces."""
    sampling, sdk = Sampling("traceidratio", ratio), TraceIdRatioBased(ratio)
    numbers = random.Random(7)
    for _ in range(500):
        trace_id = numbers.getrandbits(128)
        expected = sdk.should_sample(None, trace_id, "any").decision is Decision.RECORD_AND_SAMPLE
        assert sampling.is_sampled(trace_id, None) is expected


def test_the_trace_id_of_an_unsampled_request_is_over_every_ratio() -> None:
    assert not Sampling("traceidratio", 0.999_999).is_sampled(int("480ab44f86183e93ffffffff00000008", 16), None)
