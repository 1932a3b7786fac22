"""What a scenario comes to: every answer with its samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy

from gigacluster.arrays import Array, to_host
from gigacluster.uncertainty import Interval, interval
from gigareport import words
from gigareport.facts.recovery import WORDS
from gigareport.scenario.known import scheme_of
from gigareport.scenario.register import Scenario

if TYPE_CHECKING:
    import pandas as pd


def digits_of(found: Interval) -> int:
    """Return the digits that a median deserves: three where its interval is narrow."""
    return 2 if abs(found.high - found.low) > 0.2 * abs(found.median) else 3


def _answer(label: str, unit: str) -> Any:
    return field(metadata={"label": label, "unit": unit})


@dataclass(frozen=True, kw_only=True, eq=False)
class Speed:
    """What the cluster does."""

    step_time_s: Array = _answer("Step time", "s")
    mfu_frac: Array = _answer("Model FLOP utilisation while training, of the 16-bit peak", "1")
    mttf_hours: Array = _answer("Mean time between failures of the job", "h")
    checkpoint_interval_s: Array = _answer("Best checkpoint interval", "s")
    goodput_frac: Array = _answer("Goodput", "1")
    useful_flop_per_s: Array = _answer("Useful computing rate", "FLOP/s")


@dataclass(frozen=True, kw_only=True, eq=False)
class Training:
    """What it trains."""

    reference_run_days: Array = _answer("Days for the reference run", "day")
    run_flop: Array = _answer("Compute of one run", "FLOP")
    run_params: Array = _answer("Compute-optimal parameters of that run", "parameter")
    run_tokens: Array = _answer("Compute-optimal tokens of that run", "token")
    run_loss: Array = _answer("Loss of that run, if the form of the law holds so far out", "nat/token")


@dataclass(frozen=True, kw_only=True, eq=False)
class Costs:
    """What it takes: power, energy and dollars, time not counted."""

    site_power_mw: Array = _answer("Average power of the site", "MW")
    rated_power_mw: Array = _answer("Power that all chips need at their rating", "MW")
    idle_chips: Array = _answer("Chips that stand idle for want of power, at most", "chip")
    energy_gwh_per_year: Array = _answer("Energy a year", "GWh")
    own_capital_usd: Array = _answer("Capital to own, as it is paid", "USD")
    own_usd: Array = _answer("Net present cost to own", "USD")
    rent_usd: Array = _answer("Net present cost to rent the same useful work", "USD")
    rent_bill_usd: Array = _answer("Net present cost of the rental itself", "USD")
    own_usd_per_chip_hour: Array = _answer("Cost of an own chip-hour", "USD/(chip h)")
    own_usd_per_useful_chip_hour: Array = _answer("Cost of an own useful chip-hour", "USD/(chip h)")
    rent_usd_per_useful_chip_hour: Array = _answer("Cost of a rented useful chip-hour", "USD/(chip h)")
    own_usd_per_useful_flop: Array = _answer("Cost of a useful FLOP, own", "USD/FLOP")
    rent_usd_per_useful_flop: Array = _answer("Cost of a useful FLOP, rented", "USD/FLOP")
    own_reference_run_usd: Array = _answer("Cost of the reference run, own", "USD")
    rent_reference_run_usd: Array = _answer("Cost of the reference run, rented", "USD")
    saving_usd: Array = _answer("Saving of owning for the same useful work", "USD")
    break_even_rent_usd_per_chip_hour: Array = _answer("Price of the rent at which both cost the same", "USD/(chip h)")
    own_useful_flop: Array = _answer("Useful compute within the horizon, own", "FLOP")
    rent_useful_flop: Array = _answer("Useful compute within the horizon, rented", "FLOP")


@dataclass(frozen=True, kw_only=True, eq=False)
class Time:
    """What its months are worth."""

    month_worth_usd: Array = _answer("Worth of a month of compute, as taken", "USD/month")
    hour_worth_usd: Array = _answer("Worth of a useful chip-hour, as taken", "USD/(chip h)")
    own_net_usd: Array = _answer("Own, beside doing neither: worth of its compute less its cost", "USD")
    rent_net_usd: Array = _answer("Rent, beside doing neither: worth of its compute less its cost", "USD")
    time_worth_usd: Array = _answer("Worth of the compute that owning gives more within the horizon", "USD")
    advantage_usd: Array = _answer("Own less rent, each with its own months", "USD")
    needed_usd_per_month: Array = _answer("Worth of a month from which owning pays", "USD/month")


@dataclass(frozen=True, kw_only=True, eq=False)
class Returns:
    """When a run is done, when and how well owning pays for itself, and when it is cheaper."""

    months_gained: Array = _answer("Months that owning finishes a run earlier (negative: later)", "month")
    own_return_per_year: Array = _answer("Rate of return of owning at that worth", "1/year")
    own_payback_month: Array = _answer("Month in which owning has paid for itself, nothing sold", "month")
    break_even_month: Array = _answer("First month from which owning stays cheaper", "month")


@dataclass(frozen=True, kw_only=True, eq=False)
class Place:
    """What it changes."""

    share_of_world: Array = _answer("Share of the world's AI compute", "1")
    hhi_change: Array = _answer("Change of the owners' HHI", "point")
    lead_months: Array = _answer("Lead until a listed site of others is as large (negative: one was before)", "month")


@dataclass(frozen=True, kw_only=True, eq=False)
class Outlook(Place, Returns, Time, Costs, Training, Speed):
    """Every answer about one scenario. Answers are arrays of shape (samples,) on the device that computed them.

    An answer that :func:`gigareport.scenario.evaluate` was not asked to keep has no samples.
    """

    scenario: Scenario
    plan: Any  # the parallel plan that all samples share
    drawn: Callable[[], Mapping[str, numpy.ndarray]]  # draws the inputs again
    seed: int

    @cached_property
    def inputs(self) -> Mapping[str, numpy.ndarray]:
        """The drawn inputs by their path in the file, on the host: each drawn anew when asked for."""
        return self.drawn()

    @classmethod
    def answers(cls) -> dict[str, tuple[str, str]]:
        """Return label and unit of each answer, by name, in order."""
        return {
            item.name: (item.metadata["label"], item.metadata["unit"])
            for item in fields(cls)
            if "label" in item.metadata
        }

    @property
    def samples(self) -> int:
        """Number of joint draws of the inputs."""
        return int(to_host(self.step_time_s).shape[-1])

    @property
    def recovery(self) -> str:
        """What the job does after a failure, in words that follow "under"."""
        return WORDS[scheme_of(self.scenario)]

    def interval(self, name: str, coverage: float = 0.9) -> Interval:
        """Return median and interval of one answer."""
        return interval(getattr(self, name), coverage)

    def say(self, name: str) -> str:
        """Write one answer as ``median (low to high)``, as every page writes it."""
        found, unit = self.interval(name), self.answers()[name][1]
        text = words.interval(found.low, found.median, found.high, unit, digits_of(found))
        return text + (f"; none in {words.share(found.without_frac)} of the samples" if found.without_frac else "")

    def probability(self, name: str, above: float = 0.0) -> float:
        """Return the share of samples in which an answer exceeds ``above``; samples without one do not count."""
        values = to_host(getattr(self, name))
        values = values[~numpy.isnan(values)]
        return float(numpy.mean(values > above)) if values.size else numpy.nan

    def to_frame(self) -> pd.DataFrame:
        """Return every answer: quantity, label, 5, 50 and 95 %, unit, and the share of the samples that have none."""
        import pandas as pd

        rows = []
        for name, (label, unit) in self.answers().items():
            label = f"{label} under {self.recovery}" if name == "goodput_frac" else label
            found = self.interval(name)
            rows.append((name, label, found.low, found.median, found.high, unit, found.without_frac))
        return pd.DataFrame(rows, columns=["quantity", "label", "low", "median", "high", "unit", "without_frac"])

    @property
    def verdict(self) -> str:
        """Own, rent or neither, with the probabilities inside this one contract and worth of compute."""
        cheaper, better = self.probability("saving_usd"), self.probability("advantage_usd")
        if min(cheaper, better) >= 0.9:
            choice = "Owning wins, with or without a value for time"
        elif max(cheaper, better) <= 0.1:
            choice = "Renting wins, with or without a value for time"
        elif better >= 0.9:
            choice = "Owning wins because of time"
        elif better <= 0.1:
            choice = "Renting wins because of time"
        elif 0.4 <= better <= 0.6:
            choice = "The data does not decide between owning and renting"
        else:
            choice = f"{'Owning' if better > 0.5 else 'Renting'} is the better bet, not a sure one"
        own, rent = self.probability("own_net_usd"), self.probability("rent_net_usd")
        return (
            f"{choice}: owning is cheaper for the same useful work in {words.share(cheaper)} of the samples, and "
            f"better in {words.share(better)} where each is counted with its own months. Beside doing neither, owning "
            f"gains in {words.share(own)} and renting in {words.share(rent)}."
        )
