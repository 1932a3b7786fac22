"""Parts of time and memory of eighty made-up plans, compared with what is kept in ``reference/throughput_parts.csv``.

The file is frozen output of our own code, not evidence: it shows that a number moved, and whether it was meant to is
for the reader to say. The laws and the published figures stand in the other tests. The plans are drawn with a seed, use
every kind of kernel, sharding, overlap and recomputation, and take the coefficients that are expected before any run is
seen, so that neither new runs nor a new calibration moves them. Run this file to write it anew.
"""

from dataclasses import fields, replace
from pathlib import Path

import numpy
import pandas as pd

from gigacluster.throughput.case import Case
from gigacluster.throughput.coefficients import Coefficients
from gigacluster.throughput.layers import layer_times
from gigacluster.throughput.memory import peak_memory
from gigacluster.throughput.step import breakdown, on_arrays, step_from_layers

FROZEN = Path(__file__).parents[2] / "reference" / "throughput_parts.csv"
N_PLANS = 80
#: The models are plain arithmetic; builds of NumPy differ in the last digits of logarithms and powers.
REL_TOL = 1e-7
#: What a plan draws from, column by column; each is as likely.
CHOICES = {
    "n_layers": (24, 61, 96),
    "d_model": (2048, 7168, 12288),
    "n_heads": (16, 64, 96),
    "n_kv_heads": (8, 16),
    "d_head": (64, 128),
    "d_ff": (8192, 28672),
    "ffn_gated": (0, 1),
    "vocab": (50304, 128256),
    "seq_len": (2048, 8192, 131072),
    "tied_embeddings": (0, 1),
    "token_drop": (0, 1),
    "attention_window": (0, 1024),
    "window_frac": (0, 0.5),
    "attention_kernel": (0, 1, 2, 3),
    "attention_sinks": (0, 1),
    "attention_regressed": (0, 0, 1),
    "fp8_attention": (0, 1),
    "clock_frac": (0.8, 1),
    "rails": (0, 1),
    "pod_chips": (0, 512),
    "oversubscription": (1, 3),
    "n_processors": (108, 132, numpy.nan),
    "tp": (1, 4, 8),
    "sp": (0, 1),
    "pp": (1, 4, 16),
    "vpp": (1, 3),
    "dp": (1, 8, 64),
    "cp": (1, 2),
    "etp": (1, 2),
    "shard_params": (0, 0, 1),
    "shard_grads": (0, 1),
    "shard_optimizer": (0, 1),
    "shard_group": (1, 8, 64),
    "micro_batch": (1, 4),
    "precision": (0, 1, 2, 3, 4, 6),
    "fp8_params": (0, 1),
    "fused_gradients": (0, 1),
    "framework": (0, 1, 2),
    "software_year": (2021, 2024.5, 2026),
    **dict.fromkeys(("again_core", "again_projections", "again_ffn", "again_experts"), (0, 0.4, 1)),
    **dict.fromkeys(("again_norms", "again_activations"), (0, 1)),
    **dict.fromkeys(("overlap_tp", "overlap_dp", "overlap_pp", "overlap_cp", "overlap_ep"), (0, 1)),
    "dispatcher": (0, 1, 2, 3),
    "graph_frac": (0, 0.9),
    "sequential_experts": (0, 1),
    "fused_experts": (0, 1),
    "routing_excess": (0.7, 1),
    "expert_capacity": (0, 1.25),
    "grad_bytes": (2, 4),
    "state_bytes": (8, 12),
    "update_bytes": (0, 4),
    "param_bytes": (0, 2),
    "logit_bytes": (4, 6),
    "logit_frac": (0.25, 1),
    "compiled": (0, 1),
    "activation_offload": (0, 2),
    "optimizer_offload": (0, 1),
    "chip_effect": (0, 0.1),
    "family_effect": (-0.05, 0.1),
}
HARDWARE = {
    "peak_bf16_flop_per_s": 989e12,
    "peak_fp8_flop_per_s": 1979e12,
    "peak_fp4_flop_per_s": 4500e12,
    "gemm_bf16_flop_per_s": 800e12,
    "gemm_fp8_flop_per_s": 1400e12,
    "memory_bytes": 80e9,
    "memory_bytes_per_s": 3.35e12,
    "scaleup_bytes_per_s": 450e9,
    "scaleup_domain": 8.0,
    "nic_bytes_per_s": 50e9,
}


def plans():
    rng = numpy.random.default_rng(1)
    drawn = {name: rng.choice(numpy.asarray(values, dtype=float), N_PLANS) for name, values in CHOICES.items()}
    moe, latent = rng.random(N_PLANS) < 0.5, rng.random(N_PLANS) < 0.3
    drawn |= {
        "n_experts": numpy.where(moe, 64.0, 0.0),
        "top_k": numpy.where(moe, 6.0, 0.0),
        "d_ff_expert": numpy.where(moe, 2048.0, 0.0),
        "n_shared_experts": numpy.where(moe, rng.choice([0.0, 1.0], N_PLANS), 0.0),
        "n_dense_layers": numpy.where(moe, rng.choice([0.0, 3.0], N_PLANS), 0.0),
        "mla_q_rank": numpy.where(latent, rng.choice([0.0, 1536.0], N_PLANS), 0.0),
        "mla_kv_rank": numpy.where(latent, 512.0, 0.0),
        "mla_rope_dim": numpy.where(latent, 64.0, 0.0),
        "mla_value_dim": numpy.where(latent, 128.0, 0.0),
        "ep": numpy.where(moe, rng.choice([1.0, 8.0, 32.0], N_PLANS), 1.0),
        "n_chips": drawn["tp"] * drawn["pp"] * drawn["cp"] * drawn["dp"],
        "global_batch": drawn["dp"] * drawn["micro_batch"] * rng.choice([1.0, 4.0, 32.0], N_PLANS),
        "bucket_params": rng.choice([0.0, 0.0, 5e8], N_PLANS),
    }
    return Case(**HARDWARE, **drawn)


def coefficients():
    """Return what is expected before any run; effects expected at 0 are set to 0.1, so that they count."""
    expected = Coefficients()
    return replace(expected, **{one.name: 0.1 for one in fields(Coefficients) if getattr(expected, one.name) == 0.0})


def made():
    xp, case = on_arrays(plans())
    k = coefficients()
    layers = layer_times(xp, case, k)
    step = step_from_layers(xp, layers, case, k)
    memory = peak_memory(case)
    columns = dict(breakdown(xp, layers, step, case))
    columns |= {"total_s": step.total_s, "dense_s": layers.dense.total_s, "moe_s": layers.moe.total_s}
    columns |= {"head_s": layers.head.total_s, "boundary_bytes": layers.boundary_bytes}
    columns |= {f"{one.name}_bytes": getattr(memory, one.name) for one in fields(memory)}
    return pd.DataFrame({name: numpy.broadcast_to(value, N_PLANS) for name, value in columns.items()})


def test_parts_are_those_kept():
    pd.testing.assert_frame_equal(made(), pd.read_csv(FROZEN), check_dtype=False, rtol=REL_TOL, atol=1e-15)


def test_the_plans_are_finite_and_differ():
    table = made()
    assert numpy.isfinite(table).all(axis=None)
    assert (table["total_s"].nunique(), (table.nunique() >= 2).all()) == (N_PLANS, True)


if __name__ == "__main__":
    made().to_csv(FROZEN, index=False, float_format="%.12g", lineterminator="\n")
