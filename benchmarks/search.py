"""Speed of the search for the best parallel plan: plans a second on one core with one thread, or on a GPU.

Every plan counted is a distinct tuple of the axes whose full step time and memory were computed. The large table is
synthetic: every feasible plan of GPT-3 175B on half to all of 4,096 chips, with every size of a hybrid sharding group.
"""

from __future__ import annotations

import datetime
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy

from gigacluster.arrays import to_host
from gigacluster.hardware import Chip, Cluster, Fabric
from gigacluster.parallel import chunks
from gigacluster.throughput.coefficients import Coefficients
from gigacluster.throughput.evaluate import PlanEvaluator, stage_two
from gigacluster.throughput.job import Job
from gigacluster.throughput.plan_search import GPU_CHUNK, best_of
from gigacluster.throughput.plans import enumerate_plans
from gigacluster.transformer import Transformer

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
#: As in data/models.csv and data/chips.csv, written out because a GPU environment may have no pandas to read them.
GPT3 = Transformer(
    name="gpt3-175b", n_layers=96, d_model=12288, n_heads=96, d_ff=49152, vocab=51200, tied_embeddings=True
)
H100 = Chip(
    name="H100-SXM",
    vendor="NVIDIA",
    available_on=datetime.date(2022, 9, 20),
    peak_bf16_flop_per_s=989.4e12,
    peak_fp8_flop_per_s=1978.9e12,
    gemm_bf16_flop_per_s=794.5e12,
    gemm_fp8_flop_per_s=1402.6e12,
    memory_bytes=80 * 2.0**30,
    memory_bytes_per_s=3350e9,
    tdp_w=700,
    n_processors=132,
    fabric=Fabric(scaleup_domain=8, scaleup_bytes_per_s=450e9, nic_bytes_per_s=50e9),
)
COEFFICIENTS = Coefficients()


#: Sizes of a hybrid sharding group that are searched.
LIMITS = {"shard_group": [2**power for power in range(1, 12)]}


def large_job():
    """Return the job whose plans are searched."""
    cluster = Cluster(name="4,096 H100", chip=H100, n_chips=4096, fabric=H100.fabric)
    return Job(model=GPT3, cluster=cluster, global_batch=3840, seq_len=2048, attention="unfused", idle_frac=0.5)


def large_table():
    """Return the job and the synthetic table of some 8 million plans, and how many tuples were considered for it."""
    job = large_job()
    return job, *enumerate_plans(job, LIMITS)


def measure():
    """Measure in a process of its own, so that one thread and the peak of its memory are its own."""
    command = [sys.executable, "-m", "benchmarks.search"]
    done = subprocess.run(command, env={**os.environ, **ONE_THREAD}, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def _measure_here():
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    job, table, considered = large_table()
    enumerate_cpu_s = time.process_time() - cpu_s
    best = best_of(job, table, COEFFICIENTS)
    total_cpu_s, total_wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    return {
        "plans": len(table),
        "tuples_considered": considered,
        "plans_evaluated": best.evaluated,
        "plans_fitting": best.fitting,
        "enumerate_cpu_s": enumerate_cpu_s,
        "evaluate_cpu_s": total_cpu_s - enumerate_cpu_s,
        "search_cpu_s": total_cpu_s,
        "search_wall_s": total_wall_s,
        "million_plans_per_s": len(table) / (total_cpu_s - enumerate_cpu_s) / 1e6,
        "million_plans_per_s_with_enumeration": len(table) / total_cpu_s / 1e6,
        "peak_memory_gb": peak_memory_bytes() / 1e9,
    }


def peak_memory_bytes() -> float:
    """Return the most memory that this process held, without what the process held that started it."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return 1024.0 * int(line.split()[1])
    return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure_gpu(cupy):
    """Time the evaluation of the large table on the device, and the search with its way there and back."""
    job, table, _ = large_table()
    best_of(job, table, COEFFICIENTS, xp=cupy)  # compiles the kernels
    start = time.perf_counter()
    best_of(job, table, COEFFICIENTS, xp=cupy)
    search_s = time.perf_counter() - start
    evaluator = PlanEvaluator(job, table, COEFFICIENTS, cupy)
    rounds = 5
    start = time.perf_counter()
    for _ in range(rounds):
        for piece in chunks(len(table), GPU_CHUNK):
            evaluator(piece)
    cupy.cuda.runtime.deviceSynchronize()
    evaluate_s = (time.perf_counter() - start) / rounds
    from benchmarks import machine  # which imports this module

    record = stage_two(job, COEFFICIENTS, evaluator._layer_times, evaluator._layer_memory)
    return machine.achieved(record, len(table) / evaluate_s, machine.measure_gpu(cupy)) | {
        "plans": len(table),
        "evaluate_s": evaluate_s,
        "search_s": search_s,
        "million_plans_per_s": len(table) / evaluate_s / 1e6,
        "million_plans_per_s_with_transfers": len(table) / search_s / 1e6,
    }


def parity(xp):
    """Return the largest relative difference of step time and memory between NumPy and ``xp``, over 1,000 plans."""
    job, table, _ = large_table()
    table = table.take(numpy.random.default_rng(7).integers(0, len(table), 1000))
    here = PlanEvaluator(job, table, COEFFICIENTS)(slice(0, 1000))
    there = PlanEvaluator(job, table, COEFFICIENTS, xp)(slice(0, 1000))
    pairs = {"step_time": (here[0].total_s, there[0].total_s), "memory": (here[1].total, there[1].total)}
    return {name: float(numpy.max(numpy.abs(to_host(b) / a - 1))) for name, (a, b) in pairs.items()}


if __name__ == "__main__":
    print(json.dumps(_measure_here()))
