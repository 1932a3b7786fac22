"""Failures, checkpoints, goodput: closed forms and simulation."""

from gigacluster.reliability.checkpoints import (
    INTERVAL_METHODS,
    checkpoint_bytes,
    checkpoint_interval_s,
    checkpoint_write_s,
)
from gigacluster.reliability.failures import (
    annual_failure_probability,
    failures_in_time,
    failures_per_1000_node_days,
    failures_per_year,
    mttf_s,
    rate_of_parts,
    rate_without_lemons,
)
from gigacluster.reliability.goodput import MODES, Goodput, fault_tolerant_goodput, goodput
from gigacluster.reliability.restarts import lognormal_mean, sigma_from_mean, sigma_from_p90

__all__ = [
    "INTERVAL_METHODS",
    "MODES",
    "Goodput",
    "annual_failure_probability",
    "checkpoint_bytes",
    "checkpoint_interval_s",
    "checkpoint_write_s",
    "failures_in_time",
    "failures_per_1000_node_days",
    "failures_per_year",
    "fault_tolerant_goodput",
    "goodput",
    "lognormal_mean",
    "mttf_s",
    "rate_of_parts",
    "rate_without_lemons",
    "sigma_from_mean",
    "sigma_from_p90",
]
