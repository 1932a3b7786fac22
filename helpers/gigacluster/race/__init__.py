"""The race: how fast the largest clusters grow, how long a lead lasts, and when to start a run.

Growth is a factor a year (2.5 means 2.5 times as much after a year). Dates are in years, such as 2024.67.
"""

from gigacluster.race.timing import best_start_months, longest_run_months, train_months
from gigacluster.race.trend import Growth, doubling_months, growth, lead_months, matched_year

__all__ = [
    "Growth",
    "best_start_months",
    "doubling_months",
    "growth",
    "lead_months",
    "longest_run_months",
    "matched_year",
    "train_months",
]
