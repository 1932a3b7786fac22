import math

import pytest

from gigacluster.units import format_interval, format_quantity, format_usd


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (989e12, "FLOP/s", "989 TFLOP/s"),
        (1.0e26, "FLOP", "100 YFLOP"),
        (999.6, "W", "1,000 W"),
        (0.0, "s", "0 s"),
        (-1500.0, "W", "-1.50 kW"),
        (100_000, "", "100,000"),
        (2.96e25, "", "2.96e+25"),
        (0.078, "", "0.0780"),
        (math.nan, "s", "not known"),
    ],
)
def test_quantities_keep_three_digits_and_take_a_prefix(value, unit, text):
    assert format_quantity(value, unit) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4.7e9, "$4.70 billion"),
        (999.7e6, "$1,000 million"),
        (31.6e6, "$31.6 million"),
        (2.914, "$2.91"),
        (0.0, "$0"),
        (-2e12, "-$2.00 trillion"),
        (math.inf, "not known"),
    ],
)
def test_dollars_are_written_as_a_reader_says_them(value, text):
    assert format_usd(value) == text


def test_interval_shows_median_first():
    assert format_interval(81.2, 95.04, 121.9, "days") == "95 days (81 to 120)"
