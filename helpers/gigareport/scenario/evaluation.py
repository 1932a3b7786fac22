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
from gigareport.scenario.inputs import LAW, STEP_ERROR, STOCK, inputs_of, sample
from gigareport.scenario.load import loaded
from gigareport.scenario.outlook import Outlook
from gigareport.scenario.plans import PlannedStep, TrainingPlan, search_plan
from gigareport.scenario.register import Scenario

__all__ = ["deciding_inputs", "evaluate", "owned_flows", "speed_of"]


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
    return inputs_of(scenario) | {STEP_ERROR: plan.log_error, LAW: between, STOCK: between}


def _answers(scenario: Scenario, plan: TrainingPlan, given: dict[str, Any]) -> dict[str, Any]:
    """Return every answer for inputs of shape (samples,); the paragraph that DESIGN calls the spine."""
    speed = speed_of(plan, given)
    training = _training(given, speed["useful_flop_per_s"])
    owned, rented = cash_flows(scenario, given, speed["goodput_frac"])
    money = _money(scenario, owned, rented, given, speed)
    change = _change(scenario, given, money["saving_usd"])
    return speed | training | money | change


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


def owned_flows(scenario: Scenario, n_chips: float, given: dict[str, Any], goodput_frac: Any) -> cost.CashFlows:
    """Return what owning ``n_chips`` costs month by month, for sampled inputs by name."""
    own = {name.removeprefix("own."): values for name, values in given.items() if name.startswith("own.")}
    deliveries = [
        (own.pop(f"deliveries.{number}.month"), delivery.share)
        for number, delivery in enumerate(scenario.own.deliveries)
    ]
    per_tier = own.pop("network_usd_per_tier_per_chip")
    return cost.own(
        n_chips=n_chips,
        horizon_months=int(scenario.horizon_months),
        deliveries=deliveries,
        network_usd_per_chip=cost.network_usd_per_chip(n_chips, per_tier, float(scenario.own.switch_ports)),
        it_power_w_per_chip=given["cluster.it_power_w_per_chip"],
        load_frac=given["cluster.load_frac"],
        pue=given["cluster.pue"],
        goodput_frac=goodput_frac,
        **own,
    )


def cash_flows(scenario: Scenario, given: dict[str, Any], goodput_frac: Any) -> tuple[cost.CashFlows, cost.CashFlows]:
    """Return what owning costs month by month, and what a contract over the same horizon costs."""
    n_chips = float(scenario.cluster.n_chips)
    owned = owned_flows(scenario, n_chips, given, goodput_frac)
    price = given["rent.committed_usd_per_chip_hour"]
    rented = cost.rent(
        n_chips=n_chips,
        horizon_months=int(scenario.horizon_months),
        market_usd_per_chip_hour=price,
        committed_usd_per_chip_hour=price,
        committed_frac=1.0,
        term_months=float(scenario.horizon_months),
        prepaid_frac=given["rent.prepaid_frac"],
        extras_frac=given["rent.extras_frac"],
        start_month=given["rent.start_month"],
        discount_rate_per_year=owned.discount_rate_per_year,
        goodput_frac=goodput_frac,
    )
    return owned, rented


def _money(
    scenario: Scenario, owned: cost.CashFlows, rented: cost.CashFlows, given: dict[str, Any], speed: dict[str, Any]
) -> dict[str, Any]:
    """Return power, energy, and every figure in dollars that does not count time."""
    turn = cost.break_even(owned, rented)
    n_chips = scenario.cluster.n_chips
    power_w = n_chips * given["cluster.it_power_w_per_chip"] * given["cluster.load_frac"] * given["cluster.pue"]
    chip_flop_per_s = speed["useful_flop_per_s"] / speed["goodput_frac"] / n_chips
    reference_flop = given["training.reference_run_flop"]
    xp, (own_usd, saving_usd) = as_common(owned.net_present_usd, turn.saving_usd)
    return {
        "site_power_mw": power_w / MEGA,
        "energy_gwh_per_year": power_w * HOURS_PER_YEAR / GIGA,
        "own_capital_usd": _capital_usd(owned),
        "own_usd": own_usd,
        "rent_usd": own_usd + saving_usd,
        "own_usd_per_chip_hour": owned.usd_per_chip_hour,
        "own_usd_per_useful_chip_hour": owned.usd_per_useful_chip_hour,
        "rent_usd_per_useful_chip_hour": rented.usd_per_useful_chip_hour,
        "own_usd_per_useful_flop": owned.usd_per_useful_flop(chip_flop_per_s),
        "rent_usd_per_useful_flop": rented.usd_per_useful_flop(chip_flop_per_s),
        "own_reference_run_usd": owned.usd_per_run(reference_flop, chip_flop_per_s),
        "rent_reference_run_usd": rented.usd_per_run(reference_flop, chip_flop_per_s),
        "saving_usd": saving_usd,
        "break_even_rent_usd_per_chip_hour": turn.rent_usd_per_chip_hour,
        "break_even_month": turn.month,
    }


def _capital_usd(owned: cost.CashFlows) -> Any:
    """Return hardware and site at their present value: what is paid once."""
    once = ("chips", "servers", "network", "storage", "building", "power plant")
    return sum(owned.parts_usd[part] for part in once)


def _change(scenario: Scenario, given: dict[str, Any], saving_usd: Any) -> dict[str, Any]:
    """Return share, lead, and what arriving earlier is worth beside the saving."""
    ready = [given[f"own.deliveries.{number}.month"] for number in range(len(scenario.own.deliveries))]
    xp, (own_ready, rent_ready) = as_common(ready[0], given["rent.start_month"])
    for month in ready[1:]:
        own_ready = xp.where(month > own_ready, month, own_ready)
    months_gained = rent_ready - own_ready
    lead = race.lead_months(given["race.lead_ratio"], given["race.rival_growth_per_year"])
    month_usd = given.get("race.value_of_month_usd")
    if month_usd is None:
        site_w = scenario.cluster.n_chips * given["cluster.it_power_w_per_chip"] * given["cluster.pue"]
        month_usd = given["race.revenue_usd_per_site_w_year"] * site_w / 12
    # A month costs whoever waits for it, ahead or behind, so the months gained count even without a lead; months lost
    # count against owning. The lead says how long being first lasts, for models of a worth that fades.
    at_least = xp.clip(months_gained, 0.0, None)
    speed = race.value_of_time(
        lead_months=xp.where(lead > at_least, lead, at_least),
        months_gained=months_gained,
        usd_per_month=month_usd,
        extra_cost_usd=-saving_usd,
    )
    return {
        "lead_months": lead,
        "months_gained": months_gained,
        "month_worth_usd": month_usd,
        "time_worth_usd": speed.worth_usd,
        "advantage_usd": speed.net_usd,
        "needed_usd_per_month": speed.needed_usd_per_month,
    } | _concentration(scenario, given[STOCK])


def _concentration(scenario: Scenario, position: Any) -> dict[str, Any]:
    """Return the cluster's share of the world's stock, and the HHI with the cluster less the HHI without it."""
    month = max(float(delivery.month.median) for delivery in scenario.own.deliveries)
    date = numpy.datetime64(scenario.decided_on) + numpy.timedelta64(round(month * HOURS_PER_MONTH / 24), "D")
    total, owners, shares = _world(date)
    xp, (position,) = as_common(position)
    world = xp.asarray(total.quantile(to_host(position)))
    size = scenario.cluster.n_chips * facts.h100e_per_chip(catalog.load("chips"), scenario.cluster.chip)
    named = xp.asarray(shares)[:-1, None] * world[None, :]
    other = shares[-1] * world
    owner = owners.index(scenario.owner) if scenario.owner in owners[:-1] else None
    after = concentration.add(named, size, owner=owner)
    return {
        "share_of_world": size / world,
        "hhi_change": concentration.bounds(after, other).lowest - concentration.bounds(named, other).lowest,
    }


@cache
def _world(date: numpy.datetime64) -> tuple[Uncertain, tuple[str, ...], numpy.ndarray]:
    """Return the world's stock at a date, its owners with ``Other`` last, and their median shares."""
    stock = facts.load_stock(samples=2000)
    holdings = stock.at(date)
    low, median, high = numpy.quantile(holdings.sum(axis=0), [0.05, 0.5, 0.95])
    shares = numpy.median(holdings / holdings.sum(axis=0), axis=1)
    return Uncertain(low=low, median=median, high=high), stock.owners, shares / shares.sum()
