"""Rates such as "300/minute" are parsed and formatted."""

import pytest

from chassis.rates import Rate, parse_rate


@pytest.mark.parametrize(
    ("written", "rate"),
    [
        ("300/minute", Rate(300, 60)),
        ("50/second", Rate(50, 1)),
        ("1 / hour", Rate(1, 3_600)),
        ("10/5 minutes", Rate(10, 300)),
        ("7/day", Rate(7, 86_400)),
        (" 2/30 seconds ", Rate(2, 30)),
    ],
)
def test_rates_are_parsed(written: str, rate: Rate) -> None:
    assert parse_rate(written) == rate


@pytest.mark.parametrize("written", ["300/minute", "10/5 minutes", "50/second", "2/30 seconds", "1/day"])
def test_a_rate_is_formatted_as_it_is_written(written: str) -> None:
    assert str(parse_rate(written)) == written


@pytest.mark.parametrize(
    "written", ["", "300", "0/minute", "-1/minute", "5/0 seconds", "5/2 days", "5/fortnight", "1.5/second", 300, None]
)
def test_any_other_text_is_rejected_with_an_example(written: object) -> None:
    with pytest.raises(ValueError, match="300/minute"):
        parse_rate(written)
