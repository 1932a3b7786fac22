"""Failures, checkpoints, goodput: closed forms and simulation."""

from gigacluster.reliability.checkpoints import (
    INTERVAL_METHODS,
    checkpoint_bytes,
    checkpoint_interval_s,
    checkpoint_write_s,
)
from gigacluster.reliability.evidence import counted_rate, failure_rate, pooled_rate
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
from gigacluster.reliability.published import kokolis_2024, kokolis_2025, semianalysis_waste_gpu_s, stall_goodput
from gigacluster.reliability.restarts import lognormal_mean, sigma_from_mean, sigma_from_p90
from gigacluster.reliability.simulation import Simulation, simulate
from gigacluster.reliability.spares import broken_frac, shortage_probability, spares_needed, waiting_s

__all__ = [
    "INTERVAL_METHODS",
    "MODES",
    "Goodput",
    "Simulation",
    "annual_failure_probability",
    "broken_frac",
    "checkpoint_bytes",
    "checkpoint_interval_s",
    "checkpoint_write_s",
    "counted_rate",
    "failure_rate",
    "failures_in_time",
    "failures_per_1000_node_days",
    "failures_per_year",
    "fault_tolerant_goodput",
    "goodput",
    "kokolis_2024",
    "kokolis_2025",
    "lognormal_mean",
    "mttf_s",
    "pooled_rate",
    "rate_of_parts",
    "rate_without_lemons",
    "semianalysis_waste_gpu_s",
    "shortage_probability",
    "sigma_from_mean",
    "sigma_from_p90",
    "simulate",
    "spares_needed",
    "stall_goodput",
    "waiting_s",
]
