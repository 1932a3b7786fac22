"""What a scenario comes to: every answer with its samples."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy

from gigacluster.arrays import to_host
from gigacluster.uncertainty import Interval, interval
from gigacluster.units import format_interval, format_share, format_usd
from gigareport.scenario.register import Scenario

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Outlook"]


def _answer(label: str, unit: str) -> Any:
    return field(metadata={"label": label, "unit": unit})


@dataclass(frozen=True, kw_only=True, eq=False)
class Outlook:
    """Every answer about one scenario. Answers are arrays of shape (samples,) on the device that computed them."""

    scenario: Scenario
    plan: Any  # the parallel plan that all samples share
    inputs: dict[str, numpy.ndarray]  # drawn inputs by their path in the file, on the host
    seed: int

    # What the cluster does
    step_time_s: Any = _answer("Step time", "s")
    mfu_frac: Any = _answer("Model FLOP utilisation while training", "1")
    mttf_hours: Any = _answer("Mean time between failures of the job", "h")
    checkpoint_interval_s: Any = _answer("Best checkpoint interval", "s")
    goodput_frac: Any = _answer("Goodput", "1")
    useful_flop_per_s: Any = _answer("Useful computing rate", "FLOP/s")

    # What it trains
    reference_run_days: Any = _answer("Days for the reference run", "day")
    run_flop: Any = _answer("Compute of one run", "FLOP")
    run_params: Any = _answer("Compute-optimal parameters of that run", "parameter")
    run_tokens: Any = _answer("Compute-optimal tokens of that run", "token")
    run_loss: Any = _answer("Loss of that run", "nat/token")

    # What it takes
    site_power_mw: Any = _answer("Average power of the site", "MW")
    energy_gwh_per_year: Any = _answer("Energy a year", "GWh")
    own_capital_usd: Any = _answer("Capital to own", "USD")
    own_usd: Any = _answer("Net present cost to own", "USD")
    rent_usd: Any = _answer("Net present cost to rent the same useful work", "USD")
    own_usd_per_chip_hour: Any = _answer("Cost of an own chip-hour", "USD/(chip h)")
    own_usd_per_useful_chip_hour: Any = _answer("Cost of an own useful chip-hour", "USD/(chip h)")
    rent_usd_per_useful_chip_hour: Any = _answer("Cost of a rented useful chip-hour", "USD/(chip h)")
    own_usd_per_useful_flop: Any = _answer("Cost of a useful FLOP, own", "USD/FLOP")
    rent_usd_per_useful_flop: Any = _answer("Cost of a useful FLOP, rented", "USD/FLOP")
    own_reference_run_usd: Any = _answer("Cost of the reference run, own", "USD")
    rent_reference_run_usd: Any = _answer("Cost of the reference run, rented", "USD")
    saving_usd: Any = _answer("Saving of owning, time not counted", "USD")
    break_even_rent_usd_per_chip_hour: Any = _answer("Rent at which both cost the same", "USD/(chip h)")
    break_even_month: Any = _answer("First month from which owning stays cheaper", "month")

    # What it changes
    share_of_world: Any = _answer("Share of the world's AI compute", "1")
    hhi_change: Any = _answer("Change of the owners' HHI", "point")
    lead_months: Any = _answer("Lead over the largest other cluster, at the pace of the trend", "month")
    months_gained: Any = _answer("Months that owning trains earlier (negative: later)", "month")
    month_worth_usd: Any = _answer("Worth of a month, as taken", "USD/month")
    time_worth_usd: Any = _answer("Worth of these months", "USD")
    advantage_usd: Any = _answer("Advantage of owning, time counted", "USD")
    needed_usd_per_month: Any = _answer("Worth of a month from which owning pays", "USD/month")

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

    def interval(self, name: str, coverage: float = 0.9) -> Interval:
        """Return median and interval of one answer."""
        return interval(getattr(self, name), coverage)

    def say(self, name: str, scale: float = 1.0, unit: str = "", digits: int = 2) -> str:
        """Write one answer as ``median (low to high)``, multiplied by ``scale``.

        Dollars are written as such; of other units give the text that follows the median.
        """
        found = self.interval(name)
        never = f"; none in {format_share(found.without_frac)} of the samples" if found.without_frac else ""
        if self.answers()[name][1].startswith("USD"):
            low, median, high = (format_usd(scale * value, digits) for value in (found.low, found.median, found.high))
            return f"{median}{unit} ({low} to {high}){never}"
        return format_interval(scale * found.low, scale * found.median, scale * found.high, unit, digits) + never

    def probability(self, name: str, above: float = 0.0) -> float:
        """Return the share of samples in which an answer exceeds ``above``; samples without one do not count."""
        values = to_host(getattr(self, name))
        values = values[~numpy.isnan(values)]
        return float(numpy.mean(values > above)) if values.size else numpy.nan

    def to_frame(self) -> pd.DataFrame:
        """Return every answer: quantity, label, 5, 50 and 95 %, unit, and how many samples have none."""
        import pandas as pd

        rows = []
        for name, (label, unit) in self.answers().items():
            found = self.interval(name)
            missing = int(numpy.isnan(to_host(getattr(self, name))).sum())
            rows.append((name, label, found.low, found.median, found.high, unit, missing))
        return pd.DataFrame(rows, columns=["quantity", "label", "low", "median", "high", "unit", "n_without"])

    @property
    def verdict(self) -> str:
        """Own or rent, in one sentence with its probability."""
        cheaper, better = self.probability("saving_usd"), self.probability("advantage_usd")
        moves = "gains" if self.interval("months_gained").median >= 0 else "loses"
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
        return (
            f"{choice}: owning is cheaper for the same useful work in {format_share(cheaper)} of the samples, "
            f"and better in {format_share(better)} once the months it {moves} are counted."
        )
