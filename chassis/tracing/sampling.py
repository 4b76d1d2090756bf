"""The decision whether a trace is recorded: OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG."""

from typing import Literal, get_args

SamplerName = Literal[
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
]
SAMPLERS: tuple[str, ...] = get_args(SamplerName)

_LOW_BITS = (1 << 64) - 1
"""The ratio is applied to the low 64 bits of a trace id, as in OpenTelemetry's TraceIdRatioBased for Python."""


class Sampling:
    """A sampler of the OpenTelemetry specification. `ratio` counts for those whose name ends with `traceidratio`."""

    def __init__(self, name: SamplerName, ratio: float) -> None:
        self._follows_parent = name.startswith("parentbased_")
        kind = name.removeprefix("parentbased_")
        self.ratio = {"always_on": 1.0, "always_off": 0.0}.get(kind, ratio)
        """The share of the traces that begin here which are recorded, 0 to 1."""
        self._bound = round(self.ratio * (1 << 64))

    def is_sampled(self, trace_id: int, parent_sampled: bool | None) -> bool:
        """Return whether to record. `parent_sampled` is the flag of the parent; None if the trace begins here."""
        if parent_sampled is not None and self._follows_parent:
            return parent_sampled
        return (trace_id & _LOW_BITS) < self._bound
