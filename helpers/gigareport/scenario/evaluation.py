"""The spine: from a scenario's inputs to every answer about it."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy

from gigacluster import concentration, cost, race, reliability, scaling
from gigacluster.arrays import as_common, to_device, to_host
from gigacluster.uncertainty import Uncertain, sobol_indices
from gigacluster.units import GIGA, HOURS_PER_MONTH, HOURS_PER_YEAR, MEGA, SECONDS_PER_DAY, SECONDS_PER_HOUR
from gigareport import catalog, facts
from gigareport.scenario.flows import SITE_POWER, cash_flows
from gigareport.scenario.inputs import LAW, RENT_PATH, STEP_ERROR, STOCK, inputs_of, sample
from gigareport.scenario.load import loaded
from gigareport.scenario.outlook import Outlook
from gigareport.scenario.plans import PlannedStep, TrainingPlan, search_plan
from gigareport.scenario.register import Scenario

__all__ = ["deciding_inputs", "evaluate", "speed_of", "worth_of_month_usd"]

#: Parts of the cost of owning that are paid once.
_CAPITAL = ("chips", "servers", "network", "storage", "building", "power plant")


def evaluate(
    scenario: Scenario,
    *,
    samples: int = 10_000,
    seed: int = 7,
    device: str = "auto",
    plan: TrainingPlan | None = None,
    first: int = 0,
) -> Outlook:
    """Answer every question about one scenario, with samples of its uncertain inputs.

    Parameters
    ----------
    scenario : Scenario
        From :func:`gigareport.scenario.load`.
    samples : int, default 10,000
        Draws of the inputs, at least 1.
    seed : int, default 7
    device : {"auto", "cpu", "cuda"}
        Where the models compute.
    plan : TrainingPlan, optional
        The parallel plan that all samples share. Left out: searched once, at the inputs' medians.
    first : int, default 0
        Number of the first sample: samples ``first`` to ``first + samples`` of the seed are evaluated.

    Returns
    -------
    Outlook

    Examples
    --------
    >>> from gigareport import scenario
    >>> outlook = evaluate(scenario.load("xai-colossus-2024"), samples=100)
    >>> bool(0.2 < outlook.interval("mfu_frac").median < 0.6)
    True
    """
    loaded(scenario)
    if plan is None:
        plan = search_plan(scenario)
    uncertain = _all_inputs(scenario, plan)
    drawn = sample(uncertain, samples, seed, first)
    answers = _answers(scenario, plan, {name: to_device(values, device) for name, values in drawn.items()})
    return Outlook(scenario=scenario, plan=plan, inputs=drawn, seed=seed, **answers)


def deciding_inputs(
    scenario: Scenario, answer: str, *, plan: TrainingPlan | None = None, samples: int = 256, seed: int = 7
) -> dict[str, tuple[float, float]]:
    """Say which inputs decide one answer: first-order and total Sobol index by input, largest first.

    Parameters
    ----------
    scenario : Scenario
    answer : str
        Name of an answer of :class:`Outlook` that every sample has.
    plan : TrainingPlan, optional
    samples : int, default 256
        Base sample, a power of two: the model sees that many times the number of inputs plus two.
    seed : int, default 7
    """
    loaded(scenario)
    if answer not in Outlook.answers():
        raise ValueError(f"there is no answer {answer!r}; an outlook has: {', '.join(Outlook.answers())}")
    plan = plan or search_plan(scenario)
    inputs = _all_inputs(scenario, plan)
    return sobol_indices(
        lambda given: to_host(_answers(scenario, plan, given)[answer]), inputs, samples=samples, seed=seed
    )


def _all_inputs(scenario: Scenario, plan: TrainingPlan) -> dict[str, Uncertain]:
    """Return the inputs of the file and those of the models themselves."""
    between = Uncertain.uniform(0.0, 1.0)
    stock = _world(_ready_on(scenario))[0]
    return inputs_of(scenario) | {STEP_ERROR: plan.log_error, LAW: between, STOCK: stock, RENT_PATH: between}


def _answers(scenario: Scenario, plan: TrainingPlan, given: dict[str, Any]) -> dict[str, Any]:
    """Return every answer for inputs of shape (samples,); the paragraph that DESIGN calls the spine."""
    speed = speed_of(plan, given)
    speed["useful_flop_per_s"] = speed["useful_flop_per_s"] * _powered_frac(scenario, plan, given)
    training = _training(given, speed["useful_flop_per_s"])
    owned, rented = cash_flows(scenario, given, speed["goodput_frac"])
    month_usd = worth_of_month_usd(scenario, given)
    month_chip_hours = scenario.cluster.n_chips * HOURS_PER_MONTH * speed["goodput_frac"]
    decision = cost.decide(owned, rented, usd_per_useful_chip_hour=month_usd / month_chip_hours)
    chip_flop_per_s = plan.step_flop / speed["step_time_s"] / scenario.cluster.n_chips
    money = _money(scenario, owned, rented, decision, given, chip_flop_per_s)
    time = _time(owned, rented, decision, training["run_flop"] / chip_flop_per_s / SECONDS_PER_HOUR)
    worth = {
        "month_worth_usd": month_usd + 0.0 * speed["goodput_frac"],
        "hour_worth_usd": month_usd / month_chip_hours,
        "needed_usd_per_month": decision.needed_usd_per_useful_chip_hour * month_chip_hours,
    }
    return speed | training | money | time | worth | _place(scenario, owned, given)


def speed_of(plan: PlannedStep, given: dict[str, Any]) -> dict[str, Any]:
    """Return step time and MFU of a plan, and what failures leave of it, for sampled inputs by name."""
    xp, (error,) = as_common(given[STEP_ERROR])
    step_time_s = plan.step_time_s * xp.exp(error)
    rate_flop_per_s = plan.step_flop / step_time_s
    found = reliability.goodput(
        plan.n_chips,
        failures_per_1000_node_days=given["reliability.failures_per_1000_node_days"],
        checkpoint_write_s=given["reliability.checkpoint_write_s"],
        restart_s=given["reliability.restart_s"],
        planned_stops_per_day=given["reliability.planned_stops_per_day"],
        planned_stop_s=given["reliability.restart_s"],
    )
    return {
        "step_time_s": step_time_s,
        "mfu_frac": rate_flop_per_s / (plan.n_chips * plan.peak_bf16_flop_per_s),
        "mttf_hours": found.mttf_s / SECONDS_PER_HOUR,
        "checkpoint_interval_s": found.checkpoint_interval_s,
        "goodput_frac": found.goodput_frac,
        "useful_flop_per_s": rate_flop_per_s * found.goodput_frac,
    }


def _training(given: dict[str, Any], useful_flop_per_s: Any) -> dict[str, Any]:
    """Return how long the reference run takes, and what model a run of the scenario's length gives."""
    run_flop = useful_flop_per_s * given["training.run_days"] * SECONDS_PER_DAY
    best = scaling.optimum(run_flop, **_law_samples(given[LAW]))
    return {
        "reference_run_days": given["training.reference_run_flop"] / useful_flop_per_s / SECONDS_PER_DAY,
        "run_flop": run_flop,
        "run_params": best.params,
        "run_tokens": best.tokens,
        "run_loss": best.loss,
    }


@cache
def _law_table() -> dict[str, numpy.ndarray]:
    table = catalog.load("scaling_law_replicates")
    return {name: table[name].to_numpy() for name in ("A", "B", "E", "alpha", "beta")}


def _law_samples(position: Any) -> dict[str, Any]:
    """Return the parameters of the stored replicate that each position in (0, 1) points to."""
    xp, (position,) = as_common(position)
    columns = _law_table()
    n_replicates = len(columns["A"])
    index = xp.astype(xp.clip(xp.floor(position * n_replicates), 0.0, n_replicates - 1.0), xp.int64)
    return {name: xp.take(xp.asarray(column), index) for name, column in columns.items()}


def _powered_frac(scenario: Scenario, plan: TrainingPlan, given: dict[str, Any]) -> Any:
    """Return the share of the job's chips that the site can power once all of its power is there."""
    if SITE_POWER not in given:
        return 1.0
    need_w = plan.n_chips * given["cluster.it_power_w_per_chip"] * given["cluster.pue"]
    xp, (share,) = as_common(given[SITE_POWER] * MEGA / need_w)
    return xp.where(share < 1, share, 1.0)


def worth_of_month_usd(scenario: Scenario, given: dict[str, Any]) -> Any:
    """Return what a month of the whole cluster at work is worth: the reader's own figure, or a cloud's revenue."""
    if "race.value_of_month_usd" in given:
        return given["race.value_of_month_usd"]
    site_w = scenario.cluster.n_chips * given["cluster.it_power_w_per_chip"] * given["cluster.pue"]
    return given["race.revenue_usd_per_site_w_year"] * site_w / 12


def _money(
    scenario: Scenario,
    owned: cost.CashFlows,
    rented: cost.CashFlows,
    decision: cost.Decision,
    given: dict[str, Any],
    chip_flop_per_s: Any,
) -> dict[str, Any]:
    """Return power, energy, and every figure in dollars that does not count time."""
    n_chips = scenario.cluster.n_chips
    chip_w = given["cluster.it_power_w_per_chip"] * given["cluster.pue"]
    load_w = n_chips * chip_w * given["cluster.load_frac"]
    reference_flop = given["training.reference_run_flop"]
    xp, (idle_chips, own_usd, same_work_usd) = as_common(
        owned.idle_chips, owned.net_present_usd, decision.same_work_usd
    )
    if SITE_POWER in given:
        limit_w = given[SITE_POWER] * MEGA * given["cluster.load_frac"]
        load_w = xp.where(limit_w < load_w, limit_w, load_w)
    return {
        "site_power_mw": load_w / MEGA,
        "rated_power_mw": n_chips * chip_w / MEGA,
        "idle_chips": xp.max(idle_chips, axis=0) + 0.0 * own_usd,
        "energy_gwh_per_year": load_w * HOURS_PER_YEAR / GIGA,
        "own_capital_usd": owned.nominal_usd(*_CAPITAL) + 0.0 * own_usd,
        "own_usd": own_usd,
        "rent_usd": own_usd + same_work_usd,
        "rent_bill_usd": rented.net_present_usd,
        "own_usd_per_chip_hour": owned.usd_per_chip_hour,
        "own_usd_per_useful_chip_hour": owned.usd_per_useful_chip_hour,
        "rent_usd_per_useful_chip_hour": rented.usd_per_useful_chip_hour,
        "own_usd_per_useful_flop": owned.usd_per_useful_flop(chip_flop_per_s),
        "rent_usd_per_useful_flop": rented.usd_per_useful_flop(chip_flop_per_s),
        "own_reference_run_usd": owned.usd_per_run(reference_flop, chip_flop_per_s),
        "rent_reference_run_usd": rented.usd_per_run(reference_flop, chip_flop_per_s),
        "saving_usd": same_work_usd,
        "break_even_rent_usd_per_chip_hour": given["rent.committed_usd_per_chip_hour"] * decision.parity_frac,
        "break_even_month": decision.month,
        "own_useful_flop": decision.own.useful_chip_hours * SECONDS_PER_HOUR * chip_flop_per_s,
        "rent_useful_flop": decision.rent.useful_chip_hours * SECONDS_PER_HOUR * chip_flop_per_s,
    }


def _time(
    owned: cost.CashFlows, rented: cost.CashFlows, decision: cost.Decision, run_chip_hours: Any
) -> dict[str, Any]:
    """Return when a run is done under each ramp, and what each option is worth with its own months counted."""
    return {
        "months_gained": rented.finish_month(run_chip_hours) - owned.finish_month(run_chip_hours),
        "own_net_usd": decision.own.net_usd,
        "rent_net_usd": decision.rent.net_usd,
        "own_return_per_year": decision.own.return_per_year,
        "own_payback_month": decision.own.payback_month,
        "time_worth_usd": decision.own.worth_usd - decision.rent.worth_usd,
        "advantage_usd": decision.advantage_usd,
    }


def _place(scenario: Scenario, owned: cost.CashFlows, given: dict[str, Any]) -> dict[str, Any]:
    """Return the cluster's lead over the rivals known by name, and its share of the world's stock."""
    known = facts.record_setters(scenario.owner)
    xp, (working, complete) = as_common(owned.chip_hours / HOURS_PER_MONTH, _complete_month(scenario, given))
    matched = race.matched_year(
        xp.asarray(known["year"].to_numpy()),
        xp.asarray(known["h100e"].to_numpy()),
        xp.max(working, axis=0) * facts.h100e_per_chip(catalog.load("chips"), scenario.cluster.chip),
        given["race.rival_growth_per_year"],
    )
    since_2000 = numpy.datetime64(scenario.decided_on) - numpy.datetime64("2000-01-01")
    decided_year = 2000 + since_2000.astype("timedelta64[D]").astype(float) / 365.25
    return {"lead_months": 12 * (matched - decided_year) - complete} | _concentration(scenario, given[STOCK])


def _complete_month(scenario: Scenario, given: dict[str, Any]) -> Any:
    """Return when the last part of the cluster, or of the power that limits it, is there."""
    last = [given[f"own.deliveries.{number}.month"] for number in range(len(scenario.own.deliveries))]
    last += [given[f"cluster.power_arrivals.{n}.month"] for n in range(len(scenario.cluster.power_arrivals))]
    xp, (complete,) = as_common(last[0])
    for month in last[1:]:
        complete = xp.where(month > complete, month, complete)
    return complete


def _ready_on(scenario: Scenario) -> numpy.datetime64:
    """Return the day of the last delivery, at the medians."""
    month = max(float(delivery.month.median) for delivery in scenario.own.deliveries)
    return numpy.datetime64(scenario.decided_on) + numpy.timedelta64(round(month * HOURS_PER_MONTH / 24), "D")


def _concentration(scenario: Scenario, world_h100e: Any) -> dict[str, Any]:
    """Return the cluster's share of the world's stock, and the HHI with the cluster less the HHI without it."""
    _, owners, shares = _world(_ready_on(scenario))
    xp, (world,) = as_common(world_h100e)
    size = scenario.cluster.n_chips * facts.h100e_per_chip(catalog.load("chips"), scenario.cluster.chip)
    named = xp.asarray(shares)[:-1, None] * world[None, :]
    other = shares[-1] * world
    owner = owners.index(scenario.owner) if scenario.owner in owners[:-1] else None
    after = facts.add_cluster(named, size, owner=owner)
    return {
        "share_of_world": size / world,
        "hhi_change": concentration.bounds(after, other).lowest - concentration.bounds(named, other).lowest,
    }


@cache
def _world(date: numpy.datetime64) -> tuple[Uncertain, tuple[str, ...], numpy.ndarray]:
    """Return the world's stock at a date, its owners with ``Other`` last, and their median shares."""
    stock = facts.world_stock(catalog.load("chip_owners"), samples=2000)
    holdings = stock.at(date)
    low, median, high = numpy.quantile(holdings.sum(axis=0), [0.05, 0.5, 0.95])
    shares = numpy.median(holdings / holdings.sum(axis=0), axis=1)
    return Uncertain(low=low, median=median, high=high), stock.owners, shares / shares.sum()
