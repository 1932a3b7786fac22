"""Matmuls, attention and collectives: closed forms and laws, on every array library."""

from dataclasses import replace

import numpy
import pytest
from conftest import Backend
from hypothesis import given
from hypothesis import strategies as st

from gigacluster import hardware
from gigacluster.throughput import case as codes
from gigacluster.throughput.case import Case
from gigacluster.throughput.coefficients import PRIORS, Coefficients
from gigacluster.throughput.kernels import attention_s, gemm_s, matmul_rate_flop_per_s, soft_maximum
from gigacluster.throughput.layers import layer_times
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
    nic_crowding_per_doubling=0.0,
    deepep_gain=1.0,
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


def test_a_plain_exchange_sends_every_copy_and_deepep_a_token_once_a_place(xp):
    message, members = xp.array([1e9]), xp.array([64.0])
    for dispatcher, of_domains, of_chips in (
        (codes.DISPATCH_ALLTOALL, 8.0, 8.0),  # copies
        (codes.DISPATCH_DEEPEP, 8 * (1 - (7 / 8) ** 8), 64 * (1 - (63 / 64) ** 8)),  # places that get any of 8 copies
    ):
        case = case_on(xp, dispatcher=dispatcher)
        time_s = float(all_to_all_s(xp, message, members, 1.0, xp.array([8.0]), case, IDEAL)[0])
        expected_s = 1e9 * of_chips / 8 * 7 / 8 / 4e11 + 1e9 * of_domains / 8 * 7 / 8 / 5e10
        assert time_s == pytest.approx(expected_s, rel=1e-12)


def test_gathering_all_tokens_costs_what_a_ring_does(xp):
    case = case_on(xp, dispatcher=codes.DISPATCH_ALLGATHER)
    found = all_to_all_s(xp, xp.array([8e8]), xp.array([8.0]), 1.0, xp.array([8.0]), case, IDEAL)
    assert float(found[0]) == pytest.approx(float(ring_s(xp, xp.array([8e8]), xp.array([8.0]), 1.0, case, IDEAL)[0]))


def test_rings_over_more_domains_share_links(xp):
    crowded = replace(IDEAL, nic_crowding_per_doubling=0.1)
    members = xp.array([8.0, 16.0, 64.0, 512.0])
    case = case_on(xp, scaleup_domain=1.0)
    plain, slower = (ring_s(xp, xp.array([1e9] * 4), members, 1.0, case, k) for k in (IDEAL, crowded))
    ratio = [float(slower[i] / plain[i]) for i in range(4)]
    assert ratio == pytest.approx([1.3, 1.4, 1.6, 1.9], rel=1e-9)


def test_upper_tiers_slow_down_what_crosses_them_and_only_beyond_what_they_carry(xp):
    """Of 512 cards of a pod, a seventh fits through: a ring leaves it once in 8 to 512, an exchange mostly."""
    cut = case_on(xp, scaleup_domain=1.0, pod_chips=512.0, oversubscription=7.0, n_chips=8192)
    one, free = xp.array([1e9]), case_on(xp, scaleup_domain=1.0)

    def slower(time_s):
        return float(time_s(cut)[0] / time_s(free)[0])

    for inner, members, factor in ((1.0, 4096.0, 1), (64.0, 64.0, 1), (128.0, 32.0, 7 / 4), (1024.0, 4.0, 7)):
        found = slower(lambda case, n=members, i=inner: ring_s(xp, one, xp.array([n]), i, case, IDEAL))
        assert found == pytest.approx(factor, rel=1e-9)
    for members, factor in ((512.0, 1), (1024.0, 7 * 512 / 1023), (4096.0, 7 * 3584 / 4095)):
        found = slower(lambda case, n=members: all_to_all_s(xp, one, xp.array([n]), 1.0, xp.array([8.0]), case, IDEAL))
        assert found == pytest.approx(factor, rel=1e-9)
    for apart, factor in ((32.0, 1), (256.0, 7 / 2), (512.0, 7), (4096.0, 7)):
        found = slower(lambda case, n=apart: neighbour_s(xp, one, xp.array([n]), case, IDEAL))
        assert found == pytest.approx(factor, rel=1e-9)


def test_without_rails_an_exchange_spares_the_links_of_the_domain_and_meets_more_peers(xp):
    message, members, copies = xp.array([1e9]), xp.array([64.0]), xp.array([8.0])
    crowded = replace(IDEAL, nic_crowding_per_doubling=0.1)
    rails, none = (
        float(all_to_all_s(xp, message, members, 1.0, copies, case_on(xp, rails=flag), crowded)[0])
        for flag in (1.0, 0.0)
    )
    assert rails == pytest.approx(1e9 * 7 / 8 / 4e11 + 1e9 * 7 / 8 / 5e10 * 1.3, rel=1e-12)  # 8 peers a card
    assert none == pytest.approx(1e9 * 7 / 64 / 4e11 + 1e9 * 7 / 8 / 5e10 * 1.6, rel=1e-12)  # 64 of them
    merged = [case_on(xp, rails=flag, dispatcher=codes.DISPATCH_DEEPEP) for flag in (1.0, 0.0)]
    found = [float(all_to_all_s(xp, message, members, 1.0, copies, case, crowded)[0]) for case in merged]
    assert found[0] == found[1]  # its kernels forward over the links themselves


@given(
    inner=st.integers(0, 12),
    doublings=st.integers(1, 16),
    pod=st.integers(0, 17),
    cuts=st.tuples(st.floats(1, 64), st.floats(1, 64)),
    dispatcher=st.sampled_from((codes.DISPATCH_ALLTOALL, codes.DISPATCH_DEEPEP, codes.DISPATCH_ALLGATHER)),
    rails=st.booleans(),
)
def test_at_any_scale_messages_never_gain_by_a_cut_a_smaller_pod_or_a_larger_group(
    inner, doublings, pod, cuts, dispatcher, rails
):
    """On up to 268 million chips: at full bisection pods do not count, and no cut costs more than itself."""
    width, members = 2.0**inner, 2.0**doublings
    k, copies = replace(Coefficients(), scaleup_frac=1.0), numpy.array([8.0])
    message = numpy.array([1e9])

    def times_s(cut, pod_chips, members=members):
        network = {"oversubscription": cut, "pod_chips": pod_chips, "rails": float(rails), "n_chips": 2.0**28}
        case, group = case_on(ON_NUMPY, dispatcher=dispatcher, **network), numpy.array([members])
        return numpy.array([
            ring_s(numpy, message, group, width, case, k)[0],
            all_to_all_s(numpy, message, group, width, copies, case, k)[0],
            neighbour_s(numpy, message, width * group, case, k)[0],
        ])  # fmt: skip

    less, more = sorted(cuts)
    here = times_s(less, 2.0**pod)
    assert (here <= times_s(more, 2.0**pod) * (1 + 1e-12)).all()
    assert (times_s(less, 2.0 ** (pod + 1)) <= here * (1 + 1e-12)).all()
    assert (here <= times_s(less, 2.0**pod, 2 * members) * (1 + 1e-12)).all()
    free = times_s(1.0, 2.0**pod)
    assert (free == times_s(1.0, 0.0)).all()
    assert (free <= here * (1 + 1e-12)).all()
    assert (here <= less * free * (1 + 1e-12)).all()
    assert (times_s(more, 2.0**28) == times_s(1.0, 0.0)).all()  # all chips in one pod
    assert (times_s(more, width * members)[:2] == times_s(1.0, 0.0)[:2]).all()  # a group in one pod


def test_neighbours_in_a_domain_use_its_links(xp):
    near, far = (float(neighbour_s(xp, xp.array([1e9]), xp.array([n]), case_on(xp), IDEAL)[0]) for n in (4.0, 8.0))
    assert (near, far) == (pytest.approx(1e9 / 4e11), pytest.approx(1e9 / 5e10))


def test_soft_maximum_is_near_the_larger_and_above_both(xp):
    a, b = xp.array([1.0, 3.0, 2.0]), xp.array([0.0, 1.0, 2.0])
    assert [float(value) for value in soft_maximum(xp, a, b)] == pytest.approx([1.0, 82**0.25, 2 * 2**0.25], rel=1e-12)


def test_a_power_cap_lowers_matmuls_and_attention_alike(xp):
    for name in ("H100-SXM", "H100-PCIe", "B200"):  # measured, not measured, measured
        chip = hardware.chip(name)
        free, capped = hardware.Rates.of(chip), hardware.Rates.of(replace(chip, tdp_w=0.5 * chip.tdp_w))
        slower = capped.clock_frac / free.clock_frac
        assert slower == pytest.approx(0.5**0.5, rel=1e-9)
        assert capped.gemm_bf16_flop_per_s / free.gemm_bf16_flop_per_s == pytest.approx(slower, rel=1e-9)
        full_s, capped_s = (
            float(attention_s(xp, case_on(xp, clock_frac=rates.clock_frac), Coefficients())[0][0])
            for rates in (free, capped)
        )
        assert capped_s / full_s == pytest.approx(1 / slower, rel=1e-9)
    assert hardware.Rates.of(hardware.chip("H100-SXM")).gemm_bf16_flop_per_s == 794.5e12  # as measured


def test_matrix_units_with_a_fixed_clock_are_not_throttled():
    tpu = hardware.chip("TPUv5p")
    assert hardware.Rates.of(tpu).gemm_bf16_flop_per_s > 0.9 * tpu.peak_bf16_flop_per_s
    assert hardware.Rates.of(replace(tpu, tdp_w=100.0)).clock_frac == 1.0


def test_every_coefficient_says_what_it_means():
    for name, prior in PRIORS.items():
        assert prior.meaning, name
        assert prior.spread > 0
        assert prior.scale in ("log", "logit", "linear")
        assert (prior.value > 0) or prior.scale == "linear"


@given(
    widths=st.tuples(st.integers(8, 256), st.integers(0, 128), st.integers(0, 256)),
    window=st.floats(1.0, 1e5),
    window_frac=st.floats(0.0, 1.0),
    kernel=st.sampled_from((codes.ATTENTION_FLASH1, codes.ATTENTION_FLASH2, codes.ATTENTION_FLASH3)),
)
def test_a_fused_core_takes_its_pairs_times_the_widths_of_keys_and_values(widths, window, window_frac, kernel):
    """A pair is a token and one that it attends to: half of the sequence, or of layers with a window at most that."""
    head, rope, values = widths
    k = replace(Coefficients(), misaligned_head=1.0)
    fields = {"attention_kernel": kernel, "d_head": head, "mla_rope_dim": rope, "mla_value_dim": values}
    fields |= {"attention_window": window, "window_frac": window_frac}

    def times_s(**changes):
        return numpy.array([part[0] for part in attention_s(numpy, case_on(ON_NUMPY, **fields, **changes), k)])

    found = times_s()
    fields |= {"mla_rope_dim": 0, "mla_value_dim": head, "attention_window": 1e9}
    plain = times_s()
    pairs = (1 - window_frac) + window_frac * min(window / 4096, 1.0)
    expected = pairs * (head + rope + (values or head)) / (2 * head)
    numpy.testing.assert_allclose(found / plain, expected, rtol=1e-9)
    assert found[1] / found[0] == pytest.approx(2.5)
    numpy.testing.assert_allclose(times_s(tp=4) * 4, plain, rtol=1e-12)


@pytest.mark.parametrize("dispatcher", [codes.DISPATCH_ALLTOALL, codes.DISPATCH_DEEPEP, codes.DISPATCH_ALLGATHER])
def test_two_chips_exchange_and_one_has_nobody_to_talk_to(xp, dispatcher):
    case = case_on(xp, dispatcher=dispatcher)
    members = xp.array([1.0, 2.0])
    found = all_to_all_s(xp, xp.array([1e9] * 2), members, 1.0, xp.array([1.0] * 2), case, IDEAL)
    sent = 1e9 if dispatcher == codes.DISPATCH_ALLGATHER else 0.5e9  # a gathering brings every token to both
    assert [float(value) for value in found] == pytest.approx([0.0, sent / 4e11], rel=1e-12)


@pytest.mark.parametrize("split", [1.0, 2.0, 8.0])
@pytest.mark.parametrize("gated", [0.0, 1.0])
def test_one_expert_that_all_tokens_go_to_multiplies_like_a_dense_layer_of_its_width(xp, split, gated):
    """Both split alike; gradients are added in the matmul of one and as traffic of the other."""
    one = {"n_experts": 1, "top_k": 1, "d_ff_expert": 14336, "etp": split, "tp": split, "ffn_gated": gated}
    k = replace(Coefficients(), gradient_bytes=0.0, expert_imbalance=0.0)
    found = layer_times(xp, case_on(xp, **one), k)
    assert float(found.moe.matmul_s[0]) == pytest.approx(float(found.dense.matmul_s[0]), rel=1e-12)
    assert float(found.moe.attention_s[0]) == float(found.dense.attention_s[0])
    none = layer_times(xp, case_on(xp, **{**one, "n_experts": 0}), k)
    assert float(none.moe.matmul_s[0]) == 0.0
    assert float(none.dense.total_s[0]) == float(found.dense.total_s[0])


def test_what_slows_or_speeds_an_attention_kernel_does_so_by_its_factor(xp):
    k = Coefficients()

    def core_s(**changes):
        return float(attention_s(xp, case_on(xp, attention_kernel=codes.ATTENTION_FLASH3, **changes), k)[0][0])

    plain = core_s()
    for flag, factor in (
        ("attention_sinks", k.sink_factor),
        ("attention_regressed", k.regressed_factor),
        ("fp8_attention", 1 / k.fp8_attention_gain),
    ):
        assert core_s(**{flag: 1.0}) / plain == pytest.approx(factor, rel=1e-12), flag
    for width in range(64, 73):  # widths that are no multiple of eight, however little is over
        wider = core_s(d_head=width) * (1 + k.attention_half_head / 128) / (1 + k.attention_half_head / width) / plain
        assert wider / (width / 128) == pytest.approx(k.misaligned_head if width % 8 else 1.0, rel=1e-12), width
