"""The spine: from inputs, and what is known beside them, to every answer.

Array operations alone: inputs and facts have shape (options or 1, samples or 1), or (samples,) throughout, and what
comes out broadcasts. No table is read here and nothing is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from inspect import signature
from typing import Any

from gigacluster import cost, race, reliability, scaling
from gigacluster.arrays import Array, Samples, as_common
from gigacluster.concentration import HHI_OF_MONOPOLY
from gigacluster.units import GIGA, HOURS_PER_MONTH, HOURS_PER_YEAR, MEGA, SECONDS_PER_DAY, SECONDS_PER_HOUR
from gigareport.scenario.inputs import Inputs, Known, Step
from gigareport.scenario.outlook import Costs, Place, Returns, Speed, Time, Training

#: A job that never finishes (``reliability.NEVER_BELOW``) has costs and days without meaning: finite, and counted.
_LEAST_GOODPUT = 1e-9
#: Parts of the cost of owning that are paid once, as ``cost.own`` names them.
_HARDWARE, _SITE = ("chips", "servers", "network", "storage"), ("building", "power plant")


def answers(
    inputs: Inputs, known: Known, horizon_months: int, *, with_returns: bool = True
) -> list[Speed | Training | Costs | Time | Returns | Place]:
    """Return every answer: what the cluster does, trains, takes and changes.

    ``with_returns=False`` leaves out one group: what is found month by month takes as long as all others.
    """
    speed = speed_of(inputs, known.step)
    training = _training(inputs, known, speed.useful_flop_per_s)
    owned, rented = flows(inputs, known.market, speed.goodput_frac, horizon_months)
    month_usd = worth_of_month_usd(inputs)
    month_chip_hours = inputs.cluster.n_chips * HOURS_PER_MONTH * speed.goodput_frac
    decision = cost.decide(owned, rented, usd_per_useful_chip_hour=month_usd / month_chip_hours)
    chip_flop_per_s = known.step.step_flop / speed.step_time_s / inputs.cluster.n_chips
    found: list[Speed | Training | Costs | Time | Returns | Place] = [
        speed,
        training,
        _costs(inputs, owned, rented, decision, chip_flop_per_s),
        _time(decision, month_usd, month_chip_hours),
        _place(inputs, known, owned),
    ]
    if with_returns:
        run_chip_hours = training.run_flop / chip_flop_per_s / SECONDS_PER_HOUR
        found.append(_returns(owned, rented, decision, run_chip_hours, waits=inputs.training.start == "waits"))
    return found


def speed_of(inputs: Inputs, step: Step) -> Speed:
    """Return step time and MFU of the plan, and what failures and power leave of it."""
    rate_flop_per_s = step.step_flop / step.step_time_s
    found = after_failures(inputs, step)
    xp, (kept, least) = as_common(found.goodput_frac, _LEAST_GOODPUT)
    goodput_frac = xp.where(kept < least, least, kept)
    return Speed(
        step_time_s=step.step_time_s,
        mfu_frac=rate_flop_per_s / (step.job_chips * step.peak_bf16_flop_per_s),
        mttf_hours=found.mttf_s / SECONDS_PER_HOUR,
        checkpoint_interval_s=found.checkpoint_interval_s,
        goodput_frac=goodput_frac,
        useful_flop_per_s=rate_flop_per_s * goodput_frac * _powered_frac(inputs, step.job_chips),
    )


def after_failures(inputs: Inputs, step: Step) -> reliability.Goodput:
    """Return what failures leave, each option under its own recovery scheme."""
    given, schemes = inputs.reliability, tuple(dict.fromkeys(step.schemes))
    found = [
        reliability.goodput_with(
            reliability.Recovery(scheme=scheme, **_by_name(reliability.Recovery, given)),
            step.job_chips,
            failures_per_1000_node_days=given.failures_per_1000_node_days,
            n_replicas=step.n_replicas,
            replicas_lost=step.replicas_lost,
            planned_stops_per_day=given.planned_stops_per_day,
            planned_stop_s=given.planned_stop_s,
        )
        for scheme in schemes
    ]
    picked = found[0]
    for scheme, other in zip(schemes[1:], found[1:], strict=True):
        xp, (here, *_) = as_common([[float(one == scheme)] for one in step.schemes], step.job_chips)
        pairs = {item.name: (getattr(other, item.name), getattr(picked, item.name)) for item in fields(picked)}
        picked = reliability.Goodput(**{name: xp.where(here > 0, *pair) for name, pair in pairs.items()})
    return picked


def _training(inputs: Inputs, known: Known, useful_flop_per_s: Array) -> Training:
    """Return how long the reference run takes, and what model a run of the scenario's length gives."""
    run_flop = useful_flop_per_s * inputs.training.run_days * SECONDS_PER_DAY
    law: Mapping[str, Any] = known.law
    best = scaling.optimum(run_flop, **law)
    return Training(
        reference_run_days=inputs.training.reference_run_flop / useful_flop_per_s / SECONDS_PER_DAY,
        run_flop=run_flop,
        run_params=best.params,
        run_tokens=best.tokens,
        run_loss=best.loss,
    )


def flows(
    inputs: Inputs, market: Array, goodput_frac: Samples, horizon_months: int
) -> tuple[cost.CashFlows, cost.CashFlows]:
    """Return what owning costs month by month, and what the rental over the same horizon costs."""
    owned = own_flows(inputs, goodput_frac, horizon_months)
    own = inputs.own
    xp, (let_usd,) = as_common(own.let_usd_per_chip_hour)
    owned = owned.let_out(own.let_from_month, xp.where(xp.isnan(let_usd), 0.0, let_usd), own.let_frac)
    return owned, rent_flows(inputs, market, goodput_frac, horizon_months, owned.discount_rate_per_year)


def rent_flows(
    inputs: Inputs, market: Array, goodput_frac: Samples, horizon_months: int, discount_rate_per_year: Array
) -> cost.CashFlows:
    """Return what a rental costs month by month, by its kind.

    A contract has its price over its term and the market's after it, unless the tenant stops or buys then; ``reserved``
    is a contract of a year, made again at each anniversary; ``hourly`` pays the market's price for used hours alone;
    ``followed`` the rents quoted later. The market starts at the price of the file.
    """
    given, used = inputs.rent, inputs.training.used_frac
    is_contract = given.kind == "contract"
    xp, (price, renewal, term, market) = as_common(
        given.committed_usd_per_chip_hour, given.renewal_usd_per_chip_hour, given.term_months, market
    )
    if is_contract:
        price = xp.where(xp.isnan(renewal), price, renewal)
    paid_frac = used if given.kind == "reserved" else 1.0  # of a year's contract all hours are paid
    rented = cost.rent(
        **_by_name(cost.rent, given, inputs.cluster)
        | {
            "horizon_months": horizon_months,
            "market_path_usd_per_chip_hour": price * market / paid_frac,
            "committed_frac": 1.0 if is_contract else 0.0,
            "term_months": xp.where(term < horizon_months, term, float(horizon_months)),
            "renews": given.after_term == "renew" or not is_contract,  # else the tenant stops, or buys
            "discount_rate_per_year": discount_rate_per_year,
            "goodput_frac": goodput_frac,
            "utilisation_frac": used,
        }
    )
    if not (is_contract and given.after_term == "buy"):
        return rented
    as_new = own_flows(inputs, goodput_frac, horizon_months, deliveries=[(given.start_month, 1.0)])
    month = given.start_month + term
    return cost.buy_out(rented, as_new, month=month, usd=_buying_usd(inputs, as_new))


def _buying_usd(inputs: Inputs, as_new: cost.CashFlows) -> Array:
    """Return what a tenant pays for the rented chips at the end of the term. [USD]"""
    own, paid = inputs.own, as_new.flows
    hardware_usd, site_usd = (
        sum(paid[name].amount_usd for name in names) / (1 + own.overrun_frac) for names in (_HARDWARE, _SITE)
    )
    xp, (term, life, left, given) = as_common(
        inputs.rent.term_months,
        own.hardware_life_months,
        1 - inputs.rent.term_months / own.building_life_months,
        inputs.rent.buy_usd_per_chip,
    )
    kept = xp.where(term < life, (1 - own.hardware_value_decline_per_year) ** (term / 12), 0.0)
    worth = kept * hardware_usd + xp.where(left > 0, left, 0.0) * site_usd
    return xp.where(xp.isnan(given), worth, given * inputs.cluster.n_chips)


def own_flows(
    inputs: Inputs, goodput_frac: Samples, horizon_months: int, *, deliveries: Sequence[tuple[Array, Any]] = ()
) -> cost.CashFlows:
    """Return what owning costs month by month; chips of other deliveries stand elsewhere, with all power they need."""
    own, cluster = inputs.own, inputs.cluster
    return cost.own(
        **_by_name(cost.own, own, cluster)
        | {
            "horizon_months": horizon_months,
            "deliveries": deliveries or [(part.month, part.share) for part in own.deliveries],
            "sites": [(0.0, math.inf)] if deliveries else _sites(inputs),
            "network_usd_per_chip": cost.network_usd_per_chip(
                cluster.n_chips, own.network_usd_per_tier_per_chip, own.switch_ports
            ),
            "goodput_frac": goodput_frac,
            "utilisation_frac": inputs.training.used_frac,
        }
    )


def _by_name(model: Callable[..., object], *sections: Any) -> dict[str, Any]:
    """Return the inputs of sections that a model takes: its parameters have their names."""
    taken = _parameters(model)
    return {item.name: getattr(part, item.name) for part in sections for item in fields(part) if item.name in taken}


@cache
def _parameters(model: Callable[..., object]) -> frozenset[str]:
    return frozenset(signature(model).parameters)


def _sites(inputs: Inputs) -> list[tuple[Array, Array]]:
    """Return from which month on each site may draw how many watts; infinity where nobody gave a limit."""
    found = []
    for site in inputs.cluster.sites:
        xp, (power_mw,) = as_common(site.power_mw)
        found.append((site.month, xp.where(xp.isnan(power_mw), xp.inf, power_mw) * MEGA))
    return found


def _limit_w(inputs: Inputs) -> Array:
    """Return the most that all sites together may draw, once all of their power is there. [W]"""
    first, *others = (power_w for _, power_w in _sites(inputs))
    return sum(others, start=first)


def _powered_frac(inputs: Inputs, job_chips: Array) -> Array:
    """Return the share of the job's chips that the site can power once all of its power is there."""
    need_w = job_chips * inputs.cluster.it_power_w_per_chip * inputs.cluster.pue
    xp, (share,) = as_common(_limit_w(inputs) / need_w)
    return xp.where(share < 1, share, 1.0)


def worth_of_month_usd(inputs: Inputs) -> Array:
    """Return what a month of the whole cluster at work is worth: the reader's own figure, or a cloud's revenue."""
    site_w = inputs.cluster.n_chips * inputs.cluster.it_power_w_per_chip * inputs.cluster.pue
    cloud_usd = inputs.race.revenue_usd_per_site_w_year * site_w / 12
    xp, (given, cloud) = as_common(inputs.race.value_of_month_usd, cloud_usd)
    return xp.where(xp.isnan(given), cloud, given)


def _costs(
    inputs: Inputs, owned: cost.CashFlows, rented: cost.CashFlows, decision: cost.Decision, chip_flop_per_s: Array
) -> Costs:
    """Return power, energy, and every figure in dollars that does not count time."""
    chip_w = inputs.cluster.it_power_w_per_chip * inputs.cluster.pue
    rated_w = inputs.cluster.n_chips * chip_w
    xp, (rated_w, limit_w, idle_chips) = as_common(rated_w, _limit_w(inputs), owned.idle_chips)
    load_w = xp.where(limit_w < rated_w, limit_w, rated_w) * inputs.cluster.load_frac
    reference_flop = inputs.training.reference_run_flop
    return Costs(
        site_power_mw=load_w / MEGA,
        rated_power_mw=rated_w / MEGA,
        idle_chips=xp.max(idle_chips, axis=0),
        energy_gwh_per_year=load_w * HOURS_PER_YEAR / GIGA,
        own_capital_usd=owned.nominal_usd(*_HARDWARE, *_SITE),
        own_usd=owned.net_present_usd,
        rent_usd=owned.net_present_usd + decision.same_work_usd,
        rent_bill_usd=rented.net_present_usd,
        own_usd_per_chip_hour=owned.usd_per_chip_hour,
        own_usd_per_useful_chip_hour=owned.usd_per_useful_chip_hour,
        rent_usd_per_useful_chip_hour=rented.usd_per_useful_chip_hour,
        own_usd_per_useful_flop=owned.usd_per_useful_flop(chip_flop_per_s),
        rent_usd_per_useful_flop=rented.usd_per_useful_flop(chip_flop_per_s),
        own_reference_run_usd=owned.usd_per_run(reference_flop, chip_flop_per_s),
        rent_reference_run_usd=rented.usd_per_run(reference_flop, chip_flop_per_s),
        saving_usd=decision.same_work_usd,
        break_even_rent_usd_per_chip_hour=inputs.rent.committed_usd_per_chip_hour
        * _parity_frac(inputs, rented, decision),
        own_useful_flop=decision.own.useful_chip_hours * SECONDS_PER_HOUR * chip_flop_per_s,
        rent_useful_flop=decision.rent.useful_chip_hours * SECONDS_PER_HOUR * chip_flop_per_s,
    )


def _parity_frac(inputs: Inputs, rented: cost.CashFlows, decision: cost.Decision) -> Any:
    """Return the price of the rent at which both cost the same over the price it has; what else is paid stays."""
    if inputs.rent.kind != "contract":
        return decision.parity_frac
    bill = rented.net_present_usd
    xp, (renewal, beside) = as_common(inputs.rent.renewal_usd_per_chip_hour, bill - rented.parts_usd["commitment"])
    if inputs.rent.after_term == "renew":  # without a price of its own the market goes on from the contract's
        beside = xp.where(xp.isnan(renewal), 0.0, beside)
    return (decision.parity_frac * bill - beside) / (bill - beside)


def _time(decision: cost.Decision, month_usd: Array, month_chip_hours: Array) -> Time:
    """Return what each option is worth with its own months counted."""
    return Time(
        month_worth_usd=month_usd,
        hour_worth_usd=month_usd / month_chip_hours,
        own_net_usd=decision.own.net_usd,
        rent_net_usd=decision.rent.net_usd,
        time_worth_usd=decision.own.worth_usd - decision.rent.worth_usd,
        advantage_usd=decision.advantage_usd,
        needed_usd_per_month=decision.needed_usd_per_useful_chip_hour * month_chip_hours,
    )


def _returns(
    owned: cost.CashFlows, rented: cost.CashFlows, decision: cost.Decision, run_chip_hours: Array, *, waits: bool
) -> Returns:
    """Return when a run is done under each ramp, and when and how well owning pays for itself."""
    return Returns(
        months_gained=rented.finish_month(run_chip_hours, waits=waits)
        - owned.finish_month(run_chip_hours, waits=waits),
        own_return_per_year=decision.own.return_per_year,
        own_payback_month=decision.own.payback_month,
        break_even_month=decision.month,
    )


def _place(inputs: Inputs, known: Known, owned: cost.CashFlows) -> Place:
    """Return share of the world's stock, change of the HHI, and the lead over the listed sites of others."""
    size = inputs.cluster.n_chips * known.h100e_per_chip
    xp, (working, complete) = as_common(owned.chip_hours / HOURS_PER_MONTH, _complete_month(inputs))
    matched = race.matched_year(
        known.rivals_year,
        known.rivals_h100e,
        xp.max(working, axis=0) * known.h100e_per_chip,
        inputs.race.rival_growth_per_year,
    )
    # Squared shares with the cluster beside the stock: its owner holds the share s of the world W, and then s W + size.
    world, squares = known.world_h100e, known.sum_of_squared_shares
    after = (squares * world**2 + 2 * known.owner_share * world * size + size**2) / (world + size) ** 2
    return Place(
        share_of_world=size / world,
        hhi_change=HHI_OF_MONOPOLY * (after - squares),
        lead_months=12 * (matched - known.decided_year) - complete,
    )


def _complete_month(inputs: Inputs) -> Array:
    """Return when the last part of the cluster, or of the power that limits it, is there."""
    parts = [part.month for part in inputs.own.deliveries]
    parts += [site.month for site in inputs.cluster.sites]
    xp, (complete,) = as_common(parts[0])
    for month in parts[1:]:
        complete = xp.where(month > complete, month, complete)
    return complete
