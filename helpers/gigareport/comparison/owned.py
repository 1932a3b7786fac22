"""What an owned chip-hour costs on any chip, from three evaluations of the month-by-month cost model.

The present value of owning is linear in the price of the hardware and in the power of a chip: both only scale payments
whose dates they do not change. So dozens of chips cost as much to compare as three.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from gigacluster import cost
from gigareport.scenario import Scenario
from gigareport.scenario.inputs import alike, inputs_from
from gigareport.scenario.spine import own_flows

__all__ = ["OwnedHour"]

#: The chips that are compared stand where there is power for them.
_POWER, _LIMIT = "cluster.it_power_w_per_chip", "cluster.site_power_mw"


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnedHour:
    """The three coefficients of the levelised cost of an available chip-hour; an element a sample each."""

    fixed_usd: Any  # staff [USD/chip/h]
    usd_per_hardware_usd: Any  # [1/h]
    usd_per_w: Any  # building, power plant, site rent, energy [USD/W/h]

    @classmethod
    def of(cls, story: Scenario, given: dict[str, Any]) -> OwnedHour:
        """Take the coefficients from the cost model at the sampled inputs of a scenario."""
        watts, n_chips = given[_POWER], float(story.cluster.n_chips)
        hardware_usd = _hardware_usd(story, n_chips, given)

        def usd_per_hour(more_usd: Any, times_power: float) -> Any:
            changed = {**given, "own.chip_usd": given["own.chip_usd"] + more_usd, _POWER: watts * times_power}
            inputs = inputs_from(alike([story]), {**changed, _LIMIT: changed[_POWER] * math.inf})
            return own_flows(inputs, 1.0, int(story.horizon_months)).usd_per_chip_hour

        base = usd_per_hour(0.0, 1.0)
        of_hardware = (usd_per_hour(hardware_usd, 1.0) - base) / hardware_usd
        of_power = (usd_per_hour(0.0, 2.0) - base) / watts
        return cls(
            fixed_usd=base - of_hardware * hardware_usd - of_power * watts,
            usd_per_hardware_usd=of_hardware,
            usd_per_w=of_power,
        )

    def usd_per_chip_hour(self, story: Scenario, n_chips: float, given: dict[str, Any]) -> Any:
        """Return the levelised cost of an available hour of a chip. [USD/chip/h]

        Parameters
        ----------
        story : Scenario
        n_chips : float
            Sets the tiers of the network. [chip]
        given : dict
            Sampled inputs with the price and the power of the chip in them.
        """
        hardware_usd = _hardware_usd(story, n_chips, given)
        return self.fixed_usd + self.usd_per_hardware_usd * hardware_usd + self.usd_per_w * given[_POWER]


def _hardware_usd(story: Scenario, n_chips: float, given: dict[str, Any]) -> Any:
    """Return chip, server, network and storage of one chip. [USD/chip]"""
    network = cost.network_usd_per_chip(n_chips, given["own.network_usd_per_tier_per_chip"], story.own.switch_ports)
    return given["own.chip_usd"] + given["own.server_usd_per_chip"] + network + given["own.storage_usd_per_chip"]
