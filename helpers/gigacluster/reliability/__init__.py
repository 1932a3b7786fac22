"""Failures, checkpoints, recovery, goodput: closed forms and simulation."""

from gigacluster.reliability.checkpoints import (
    at_size_s,
    checkpoint_bytes,
    checkpoint_interval_s,
    checkpoint_write_s,
    sigma_from_mean,
    size_power,
)
from gigacluster.reliability.goodput import MODES, NEVER_BELOW, Goodput, goodput, kokolis_2025, stall_goodput
from gigacluster.reliability.rates import (
    LoggedRate,
    PooledRate,
    counted_rate,
    mttf_s,
    pooled_rate,
    rates_from_log,
)
from gigacluster.reliability.recovery import SCHEMES, Blast, Recovery, goodput_with
from gigacluster.reliability.simulate import Simulation, simulate, simulate_with
from gigacluster.reliability.spares import broken_frac, spares_needed

__all__ = [
    "MODES",
    "NEVER_BELOW",
    "SCHEMES",
    "Blast",
    "Goodput",
    "LoggedRate",
    "PooledRate",
    "Recovery",
    "Simulation",
    "at_size_s",
    "broken_frac",
    "checkpoint_bytes",
    "checkpoint_interval_s",
    "checkpoint_write_s",
    "counted_rate",
    "goodput",
    "goodput_with",
    "kokolis_2025",
    "mttf_s",
    "pooled_rate",
    "rates_from_log",
    "sigma_from_mean",
    "simulate",
    "simulate_with",
    "size_power",
    "spares_needed",
    "stall_goodput",
]
