"""Published counts, shares and the literature's formulas; figures that print their inputs are in test_claims.py."""

import numpy
import pytest

from gigacluster import reliability
from gigacluster.arrays import to_host
from gigareport import catalog


def test_llama3_table_5_adds_up_to_419_and_its_printed_shares_do_not_add_up_to_one():
    table = catalog.load("component_failures").query("list == 'llama3'")
    shares = table["count"] / table["count"].sum()
    gpu = table["category"].isin(["GPU", "memory"])
    assert table["count"].sum() == 419
    assert table.set_index("component").loc["Faulty GPU", "printed_share"] == 0.301
    assert shares[table["component"] == "Faulty GPU"].item() == pytest.approx(0.353, abs=5e-4)  # printed: 30.1 %
    assert shares[gpu].sum() == pytest.approx(0.640, abs=5e-4)  # quoted: 58.7 %
    assert table.loc[gpu, "printed_share"].sum() == pytest.approx(0.587, abs=0.01)  # each is rounded to 0.1 %


@pytest.mark.parametrize(("restart_min", "checkpoint_min"), [(5, 20), (10, 10), (12, 5)])
def test_llama3_reaches_0_90_with_plausible_restart_and_checkpoint(restart_min, checkpoint_min):
    # the inverse question: which pairs give the published more than 0.90, planned stops of 10 minutes included
    found = reliability.goodput(
        16_384,
        failures_per_1000_node_days=3.789,
        checkpoint_write_s=5,
        checkpoint_interval_s=60 * checkpoint_min,
        restart_s=60 * restart_min,
        mode="non-blocking",
        planned_stops_per_day=47 / 54,
        planned_stop_s=600,
    )
    assert float(found.goodput_frac) == pytest.approx(0.90, abs=0.03)  # suggested tolerance for "more than 0.90"


def test_best_interval_of_kokolis_2025_is_near_young():
    mttf_s, write_s = 1e6, 10.0
    intervals = numpy.linspace(2000, 8000, 60_001)
    best = intervals[numpy.argmax(reliability.kokolis_2025(mttf_s, 0.0, intervals, write_s))]
    # 0.5 %: Young's interval is the first order in w / dt
    assert best == pytest.approx(float(reliability.checkpoint_interval_s(mttf_s, write_s, "young")), rel=0.005)


def test_named_forms_agree_with_the_exact_model_for_small_losses_and_break_at_large_ones(xp):
    mttf_s = xp.array([1e6, 811.0])  # rare failures; 131,072 GPUs at the rate of RSC-1
    inputs = {"restart_s": 300.0, "checkpoint_interval_s": 600.0, "checkpoint_write_s": 60.0}
    exact = to_host(reliability.goodput(mttf_s=mttf_s, **inputs).goodput_frac)
    form = to_host(reliability.kokolis_2025(mttf_s, *inputs.values()))
    assert form[0] == pytest.approx(exact[0], rel=1e-3)  # losses of 0.1 % beside the write
    assert form[1] < 0.6 * exact[1]
    assert float(reliability.kokolis_2025(300.0, 300.0, 600.0, 60.0)) < 0 < exact[1]


def test_stall_inside_an_interval_shorter_than_itself_is_nan_and_bad_convention_is_refused(xp):
    found = to_host(reliability.stall_goodput(xp.array([1080.0, 300.0, -1.0]), 600.0))
    assert numpy.isnan(found).tolist() == [False, True, True]
    with pytest.raises(ValueError, match="stall is 'both'; it can be 'inside', 'outside'"):
        reliability.stall_goodput(1080.0, 600.0, "both")
