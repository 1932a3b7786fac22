"""Simulated failures a second, beside a plain Python event loop on the same work; goodput of 10,000 samples."""

import math
import random
import time
import tracemalloc
from dataclasses import replace

import numpy

from gigacluster import reliability
from gigacluster.arrays import to_host

#: 131,072 GPUs of Meta's RSC-1, blocking checkpoints: a failure each 13 minutes.
CLUSTER = {"n_gpus": 131_072, "failures_per_1000_node_days": 6.5, "checkpoint_write_s": 30.0, "restart_s": 300.0}
#: The same nodes where the other replicas go on.
DROP = reliability.Recovery(
    scheme="drop_replica",
    detection_s=0.0,
    restart_s=900.0,
    resume_s=60.0,
    rebuild_s=600.0,
    lost_frac=0.05,
    overhead_frac=0.04,
    checkpoint_write_s=30.0,
    checkpoint_stall_s=30.0,
)
FAILURES, LOOP_FAILURES = 4_000_000, 200_000


def measure():
    """Time the simulation and the loop on one thread; both count the failures they went through."""
    warm = reliability.simulate(**CLUSTER, failures=100_000)
    record = {}
    for name, more in {
        "exponential": {},
        "lognormal_restart": {"restart_sigma": 1.5},
        "weibull": {"failure_shape": 0.7},
        "in_memory": {"mode": "in-memory", "lost_frac": 0.08},
        "20_spares": {"spares": 20, "repair_s": 3 * 3600.0},
    }.items():
        start = time.process_time()
        found = reliability.simulate(**{**CLUSTER, "failures": FAILURES, **more})
        record[f"{name}_ns_per_failure"] = 1e9 * (time.process_time() - start) / found.failures
    start = time.process_time()
    found = reliability.simulate_with(
        DROP, mttf_s=float(warm.closed_form.mttf_s), n_replicas=16, failures=FAILURES // 4
    )
    record["drop_replica_ns_per_failure"] = 1e9 * (time.process_time() - start) / found.failures
    start = time.process_time()
    goodput_frac, failures = event_loop(warm.closed_form, LOOP_FAILURES)
    loop_ns = 1e9 * (time.process_time() - start) / failures
    return {
        "failures": FAILURES,
        **record,
        "python_loop_ns_per_failure": loop_ns,
        "python_loop_failures": failures,
        "times_faster_than_loop": loop_ns / record["exponential_ns_per_failure"],
        "loop_over_simulation_goodput": goodput_frac / warm.goodput_frac,
        "peak_memory_mib_4e6_failures": _peak_mib(4_000_000),
        "peak_memory_mib_16e6_failures": _peak_mib(16_000_000),
        "goodput_10000_samples_s": _goodput_s(numpy),
    }


def measure_gpu(cupy):
    """Time goodput, and a billion simulated failures, with arrays and random numbers on the device."""
    reliability.simulate(**CLUSTER, failures=100_000, device="cuda")
    start = time.perf_counter()
    found = reliability.simulate(**CLUSTER, failures=10**9, chunk=2**21, device="cuda")
    return {
        "failures": found.failures,
        "exponential_ns_per_failure": 1e9 * (time.perf_counter() - start) / found.failures,
        "goodput_10000_samples_s": _goodput_s(cupy),
    }


def parity(xp):
    """Return the largest relative difference of goodput, interval and simulation between NumPy and ``xp``."""
    host, other = (_samples(library) for library in (numpy, xp))
    found = [
        reliability.goodput(**inputs, mode="in-memory", restart_sigma=1.0, restart_s=600) for inputs in (host, other)
    ]
    names = ("goodput_frac", "rework_frac", "checkpoint_interval_s")
    pairs = {name: [to_host(getattr(one, name)) for one in found] for name in names}
    differences = {name: float(numpy.max(numpy.abs(other / host - 1))) for name, (host, other) in pairs.items()}
    for scheme in reliability.SCHEMES:
        host, other = (
            to_host(reliability.goodput_with(_recovery(scheme, library), mttf_s=900.0, n_replicas=16).goodput_frac)
            for library in (numpy, xp)
        )
        differences[scheme] = float(numpy.max(numpy.abs(other / host - 1)))
    runs = [reliability.simulate(**CLUSTER, failures=100_000, device=device) for device in ("cpu", "auto")]
    return differences | {"simulation": abs(runs[1].goodput_frac / runs[0].goodput_frac - 1)}


def _recovery(scheme, xp):
    return replace(DROP, scheme=scheme, resume_s=xp.asarray([60.0, 600.0]))


def event_loop(expected, failures, seed=7):
    """Do the same work one failure at a time: the baseline."""
    rng, mttf_s = random.Random(seed), float(expected.mttf_s)
    interval_s, write_s, restart_s = float(expected.checkpoint_interval_s), 30.0, 300.0
    wall_s = useful_s = 0.0
    for _ in range(failures):
        failure_s = rng.expovariate(1 / mttf_s)
        useful_s += interval_s * max(0, math.floor((failure_s - restart_s) / (interval_s + write_s)))
        wall_s += failure_s
    return useful_s / wall_s, failures


def _peak_mib(failures):
    tracemalloc.start()
    reliability.simulate(**CLUSTER, failures=failures)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def _samples(xp, size=100):
    rng = numpy.random.default_rng(7)
    rate, write_s, lost = rng.uniform(1, 20, size), rng.uniform(0.1, 200, size), rng.uniform(0, 0.5, size)
    arrays = {"failures_per_1000_node_days": rate, "checkpoint_write_s": write_s, "lost_frac": lost}
    return {"n_gpus": 100_000} | {name: xp.asarray(values) for name, values in arrays.items()}


def _goodput_s(xp):
    inputs = _samples(xp, 10_000)
    del inputs["lost_frac"]
    times = []
    for _ in range(20):
        start = time.perf_counter()
        float(xp.sum(reliability.goodput(**inputs, restart_s=600).goodput_frac))
        times.append(time.perf_counter() - start)
    return min(times)
