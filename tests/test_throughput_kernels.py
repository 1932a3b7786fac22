"""Matmuls, attention and collectives: closed forms and laws, on every array library."""

from dataclasses import replace

import numpy
import pytest
from conftest import Backend
from gigacluster.throughput.ceiling import matmul_ceiling_flop_per_s

from gigacluster.throughput import case as codes
from gigacluster.throughput.case import Case
from gigacluster.throughput.coefficients import PRIORS, Coefficients
from gigacluster.throughput.kernels import attention_s, gemm_s, matmul_rate_flop_per_s, soft_maximum
from gigacluster.throughput.network import all_to_all_s, neighbour_s, ring_s
from gigacluster.throughput.step import on_arrays

#: No losses: every formula becomes its textbook form.
IDEAL = replace(
    Coefficients(),
    gemm_frac=1.0,
    gemm_8bit_frac=1.0,
    gemm_fill_rows=0.0,
    gemm_fill_columns=0.0,
    gemm_fill_inner=0.0,
    small_tile_frac=1e-9,
    scaleup_frac=1.0,
    nic_frac=1.0,
    collective_latency_s=0.0,
    hop_latency_s=0.0,
)


ON_NUMPY = Backend(library=numpy, device=None, name="numpy")


def case_on(xp, **changes):
    """A small dense model on H100s, one element an array."""
    fields = {
        "n_layers": 8, "d_model": 4096, "n_heads": 32, "n_kv_heads": 8, "d_head": 128, "d_ff": 14336, "vocab": 128_256,
        "seq_len": 8192, "peak_bf16_flop_per_s": 1e15, "peak_fp8_flop_per_s": 2e15, "peak_fp4_flop_per_s": 4e15,
        "gemm_bf16_flop_per_s": 8e14, "gemm_fp8_flop_per_s": 14e14, "memory_bytes": 80e9, "memory_bytes_per_s": 3e12,
        "scaleup_bytes_per_s": 4e11, "scaleup_domain": 8, "nic_bytes_per_s": 5e10, "n_chips": 64, "dp": 64,
        "global_batch": 64, **changes,
    }  # fmt: skip
    return on_arrays(Case(**{name: xp.array([float(value)]) for name, value in fields.items()}))[1]


def test_gemm_of_whole_tiles_and_waves_takes_its_flop_over_the_rate(xp):
    rows, columns = xp.array([128.0 * 12]), xp.array([256.0 * 11])  # 132 tiles: one full wave
    time_s = gemm_s(xp, rows, columns, xp.array([4096.0]), 1.0, xp.array([8e14]), case_on(xp), IDEAL)
    assert float(time_s[0]) == pytest.approx(2 * 128 * 12 * 256 * 11 * 4096 / 8e14, rel=1e-12)


def test_one_tile_more_than_a_wave_costs_part_of_a_second_wave(xp):
    columns = xp.array([256.0 * 132, 256.0 * 133])
    k = replace(IDEAL, wave_frac=1.0)
    time_s = gemm_s(xp, xp.array([128.0] * 2), columns, xp.array([4096.0] * 2), 1.0, 8e14, case_on(xp), k)
    assert float(time_s[1] / time_s[0]) == pytest.approx(2.0, rel=1e-12)


def test_matrix_units_without_processors_have_no_waves(xp):
    columns = xp.array([256.0 * 132, 256.0 * 133])
    large = case_on(xp, n_processors=float("nan"))
    time_s = gemm_s(xp, xp.array([128.0] * 2), columns, xp.array([4096.0] * 2), 1.0, 8e14, large, IDEAL)
    assert float(time_s[1] / time_s[0]) == pytest.approx(133 / 132, rel=1e-12)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_larger_gemm_never_takes_less_time(position):
    sizes = numpy.arange(64.0, 20_000.0, 64.0)
    dimensions = [4096.0, 4096.0, 4096.0]
    dimensions[position] = sizes
    time_s = gemm_s(numpy, *map(numpy.asarray, dimensions), 1.0, 8e14, case_on(ON_NUMPY), Coefficients())
    assert (numpy.diff(time_s) >= -1e-12 * time_s[:-1]).all()


def test_eight_bit_matmuls_run_at_their_own_ceiling(xp):
    half, byte = (
        float(matmul_rate_flop_per_s(xp, case_on(xp, precision=code), IDEAL)[0])
        for code in (codes.PRECISION_BF16, codes.PRECISION_MXFP8)
    )
    assert (half, byte) == (pytest.approx(8e14), pytest.approx(14e14))


def test_causal_attention_doubles_its_flop_with_the_sequence(xp):
    k = replace(Coefficients(), attention_fill_tokens=0.0)
    forward_s = [float(attention_s(xp, case_on(xp, seq_len=length), k)[0][0]) for length in (4096, 8192)]
    assert forward_s[1] / forward_s[0] == pytest.approx(4.0, rel=1e-12)  # twice the tokens, twice the keys


def test_sliding_windows_save_what_they_leave_out(xp):
    k = replace(Coefficients(), attention_fill_tokens=0.0)
    full = float(attention_s(xp, case_on(xp), k)[0][0])
    windowed = float(attention_s(xp, case_on(xp, attention_window=1024, window_frac=1.0), k)[0][0])
    assert windowed / full == pytest.approx(1024 / 4096, rel=1e-12)


def test_ring_within_a_domain_sends_all_but_its_own_share(xp):
    time_s = ring_s(xp, xp.array([4e9] * 3), xp.array([1.0, 2.0, 8.0]), 1.0, case_on(xp), IDEAL)
    assert [float(value) for value in time_s] == pytest.approx([0.0, 4e9 / 2 / 4e11, 4e9 * 7 / 8 / 4e11], rel=1e-12)


def test_ring_across_domains_uses_the_cards_of_every_member_in_one(xp):
    alone, together = (
        float(ring_s(xp, xp.array([4e9]), xp.array([64.0]), inner, case_on(xp), IDEAL)[0]) for inner in (8.0, 2.0)
    )
    assert alone == pytest.approx(4e9 * 63 / 64 / 5e10, rel=1e-12)  # one member a domain: one card
    assert alone / together == pytest.approx(4.0, rel=1e-12)  # four members: four cards


def test_all_to_all_crosses_the_network_once_a_domain(xp):
    case, message = case_on(xp), xp.array([1e9])
    once = float(all_to_all_s(xp, message, xp.array([64.0]), 1.0, xp.array([1.0]), case, IDEAL)[0])
    many = float(all_to_all_s(xp, message, xp.array([64.0]), 1.0, xp.array([8.0]), case, IDEAL)[0])
    scaleup_s = 1e9 * 7 / 8 / 4e11
    assert once == pytest.approx(scaleup_s + 1e9 * 7 / 8 / 5e10, rel=1e-12)  # one copy: seven of eight leave
    domains_reached = 8 * (1 - (7 / 8) ** 8)
    assert many == pytest.approx(scaleup_s + 1e9 * domains_reached / 8 * 7 / 8 / 5e10, rel=1e-12)


def test_neighbours_in_a_domain_use_its_links(xp):
    near, far = (float(neighbour_s(xp, xp.array([1e9]), xp.array([n]), case_on(xp), IDEAL)[0]) for n in (4.0, 8.0))
    assert (near, far) == (pytest.approx(1e9 / 4e11), pytest.approx(1e9 / 5e10))


def test_soft_maximum_is_near_the_larger_and_above_both(xp):
    a, b = xp.array([1.0, 3.0, 2.0]), xp.array([0.0, 1.0, 2.0])
    assert [float(value) for value in soft_maximum(xp, a, b)] == pytest.approx([1.0, 82**0.25, 2 * 2**0.25], rel=1e-12)


def test_a_measured_ceiling_stands_and_short_power_lowers_an_estimate():
    h100 = {"peak_bf16_flop_per_s": 989.4e12, "peak_fp4_flop_per_s": numpy.nan, "n_processors": 132.0}
    measured = matmul_ceiling_flop_per_s(794.5e12, 989.4e12, tdp_w=500.0, **h100)
    full, short = (matmul_ceiling_flop_per_s(numpy.nan, 989.4e12, tdp_w=watts, **h100) for watts in (700.0, 500.0))
    assert float(measured) == 794.5e12
    assert float(short / full) == pytest.approx((500 / 700) ** 0.5, rel=1e-12)


def test_every_coefficient_says_what_it_means():
    for name, prior in PRIORS.items():
        assert prior.meaning, name
        assert prior.spread > 0
        assert prior.scale in ("log", "logit", "linear")
        assert (prior.value > 0) or prior.scale == "linear"
