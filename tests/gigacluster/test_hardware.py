"""Records of chips, fabrics and clusters."""

import dataclasses
import math

import numpy
import pytest

from gigacluster import hardware
from gigacluster.throughput import predict
from gigacluster.units import GIB
from gigareport import catalog

RUN = {
    "precision": "bf16", "n_layers": 32, "d_model": 4096, "n_heads": 32, "n_kv_heads": 8, "d_ff": 14336,
    "ffn_act": "swiglu", "vocab": 128256, "seq_len": 8192, "n_chips": 8, "tp": 1, "pp": 1, "global_batch": 16,
    "micro_batch": 1, "recompute": "full", "shard_strategy": "zero3",
}  # fmt: skip


def test_h100_record_agrees_with_its_datasheet():
    h100 = hardware.chip("H100-SXM")
    # 989.4 against the rounded 989 of the datasheet.
    assert h100.peak_bf16_flop_per_s == pytest.approx(989e12, rel=1e-3)
    assert h100.memory_bytes == 80 * GIB
    assert h100.memory_bytes_per_s == pytest.approx(3.35e12)
    assert h100.fabric.scaleup_bytes_per_s == pytest.approx(450e9)
    assert h100.fabric.nic_bytes_per_s == pytest.approx(50e9)  # 400 Gbit/s


def test_every_chip_of_the_table_is_a_valid_record():
    table = catalog.load("chips")
    without = set(table["chip"]) - set(hardware.chips())
    assert without == {"TPU8t", "TPU8i"}  # published in 4 bit alone
    for name in without:
        with pytest.raises(ValueError, match="no published 16-bit rate"):
            hardware.chip(name)
    assert len(table) >= 54  # rows join; none is lost


def test_measured_matmul_rate_never_exceeds_the_peak():
    for chip in hardware.chips().values():
        for precision in ("bf16", "fp8"):
            measured, peak = (
                getattr(chip, f"gemm_{precision}_flop_per_s"),
                getattr(chip, f"peak_{precision}_flop_per_s"),
            )
            assert math.isnan(measured) or 0.5 * peak < measured < peak


def test_a_chip_without_bf16_uses_fp16():
    assert hardware.chip("V100-SXM").peak_flop_per_s("bf16") == pytest.approx(125e12)


def test_usable_memory_stands_where_it_differs_from_the_mounted_one():
    assert hardware.chip("B300").memory_bytes == 270 * GIB
    assert catalog.load("chips").set_index("chip").loc["B300", "memory_gib"] == 288


def test_availability_is_not_announcement():
    assert hardware.chip("B200").available_on.isoformat() == "2024-11-15"
    assert hardware.chip("H200").available_on > hardware.chip("H100-SXM").available_on


def test_unknown_chip_lists_the_known_ones():
    with pytest.raises(
        ValueError, match=r"unknown chip 'H10'; did you mean H100-SXM or .* data/chips.csv has: V100-SXM, "
    ):
        hardware.chip("H10")


def test_every_name_that_is_printed_means_its_chip():
    names = catalog.load("chip_names")
    assert len(names) >= 189  # rows join; none is lost
    for row in names.itertuples():
        for said in (row.alias, row.alias.upper(), row.alias.replace(" ", "-")):
            if isinstance(row.chip, str) and row.chip in hardware.chips():
                assert hardware.chip(said).name == row.chip
            else:
                with pytest.raises(ValueError, match="has no row in data/chips.csv"):
                    hardware.chip(said)


def test_chips_of_ones_own_go_first():
    mine = {
        "chip": ["mine", "H100-SXM"], "bf16_tflops": [500.0, 1.0], "memory_gib": [64, 64],
        "memory_gb_per_s": [2000, 2000],
        "scaleup_gb_per_s": [300, 300], "scaleup_domain": [8, 8], "scaleout_gbit_per_s": [200, 200],
    }  # fmt: skip
    chips = hardware.chips_from(mine)
    assert chips["mine"].peak_bf16_flop_per_s == 5e14
    run = {name: [value] for name, value in RUN.items()}
    assert numpy.isnan(predict({**run, "chip": ["mine"]})["step_time_s"][0])
    fast, slow = (predict({**run, "chip": ["H100-SXM"]}, chips=c)["step_time_s"][0] for c in (None, mine))
    assert slow > 50 * fast
    with pytest.raises(ValueError, match="lacks memory_gib"):
        hardware.chips_from({name: values for name, values in mine.items() if name != "memory_gib"})


def test_unknown_precision_says_which_the_chip_has():
    with pytest.raises(ValueError, match="A100-80 has no peak rate for 'fp8'; it has: bf16, int8"):
        hardware.chip("A100-80").peak_flop_per_s("fp8")


@pytest.mark.parametrize("n_chips", [0, -8, 2.5, math.nan])
def test_a_cluster_needs_a_whole_number_of_chips(n_chips):
    with pytest.raises(ValueError, match="n_chips must be a whole number of chips, at least 1, got"):
        hardware.cluster("H100-SXM", n_chips)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_a_chip_with_an_impossible_rate_is_refused(value):
    with pytest.raises(ValueError, match="memory_bytes_per_s must be positive and finite"):
        dataclasses.replace(hardware.chip("H100-SXM"), memory_bytes_per_s=value)


def test_oversubscription_below_one_is_refused():
    fabric = hardware.chip("H100-SXM").fabric
    with pytest.raises(ValueError, match="oversubscription must be at least 1"):
        dataclasses.replace(fabric, oversubscription=0.5)


def test_cluster_peak_is_the_sum_of_its_chips():
    colossus = hardware.cluster("H100-SXM", 100_000, name="Colossus")
    assert colossus.peak_bf16_flop_per_s == pytest.approx(98.94e18)
    assert colossus.fabric is colossus.chip.fabric
