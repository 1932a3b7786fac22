"""The race: how fast the largest clusters grow, how long a lead lasts, and what a month of it is worth.

Growth is a factor a year (2.5 means 2.5 times as much after a year). Dates are in years, such as 2024.67.
"""

from gigacluster.race.timing import best_start_months, longest_run_months, train_months
from gigacluster.race.trend import Growth, doubling_months, growth, lead_months, matched_after_months
from gigacluster.race.worth import TimeValue, constant_value, fading_value, value_of_time

__all__ = [
    "Growth",
    "TimeValue",
    "best_start_months",
    "constant_value",
    "doubling_months",
    "fading_value",
    "growth",
    "lead_months",
    "longest_run_months",
    "matched_after_months",
    "train_months",
    "value_of_time",
]
