"""Compare two kinds of requests that were sent in pairs: medians, and whether a difference can be chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, sqrt
from statistics import NormalDist, median


@dataclass(frozen=True, slots=True)
class PairedTimes:
    """The durations in seconds of the requests of each pair: for a known account and for an unknown one."""

    known: Sequence[float]
    unknown: Sequence[float]

    @property
    def ratio(self) -> float:
        """Return the median for known accounts, divided by that for unknown ones."""
        return median(self.known) / median(self.unknown)

    @property
    def sign_test(self) -> float:
        """Return the probability that chance alone makes one kind the slower one in so many pairs (two-sided)."""
        pairs = [(one, other) for one, other in zip(self.known, self.unknown, strict=True) if one != other]
        slower = sum(one > other for one, other in pairs)
        extreme = max(slower, len(pairs) - slower)
        tail = sum(comb(len(pairs), number) for number in range(extreme, len(pairs) + 1))
        return min(1.0, tail / (1 << (len(pairs) - 1))) if pairs else 1.0

    @property
    def mann_whitney(self) -> float:
        """Return the p-value of the Mann-Whitney U test (two-sided, by the normal approximation)."""
        ordered = sorted([(each, True) for each in self.known] + [(each, False) for each in self.unknown])
        rank_sum = sum(rank for rank, (_, is_known) in enumerate(ordered, start=1) if is_known)
        known, unknown = len(self.known), len(self.unknown)
        mean = known * (known + unknown + 1) / 2
        deviation = sqrt(known * unknown * (known + unknown + 1) / 12)
        return 2 * NormalDist().cdf(-abs(rank_sum - mean) / deviation)

    def report(self) -> str:
        """Return the figures as one line."""
        known, unknown = median(self.known) * 1_000, median(self.unknown) * 1_000
        slower = sum(one > other for one, other in zip(self.known, self.unknown, strict=True))
        return (
            f"{len(self.known)} pairs: known p50 {known:.2f} ms, unknown p50 {unknown:.2f} ms, "
            f"ratio {self.ratio:.3f}, known slower in {slower} pairs (sign test p = {self.sign_test:.2f}), "
            f"Mann-Whitney p = {self.mann_whitney:.2f}"
        )
