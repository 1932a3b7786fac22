"""What a fit makes small: a function of the residuals of log loss."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

from gigacluster.limits import POSITIVE, SHARE_WITHIN, one_of, within

LOSSES = ("huber", "squared", "absolute", "asymmetric")


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """A function of a residual r = observed - predicted log loss.

    ``huber``: r²/2 within ``delta``, ``delta`` (|r| - ``delta``/2) beyond. ``squared``: r²/2. ``asymmetric``: the
    Huber function times 2 ``quantile`` for r > 0 and 2 (1 - ``quantile``) for r < 0. ``absolute``: ``delta`` times
    |r| in the limit of a small ``delta``.
    """

    loss: str = "huber"
    delta: float = 1e-3
    quantile: float = 0.5

    def __post_init__(self) -> None:
        one_of("loss", self.loss, LOSSES)
        within(delta=(self.delta, POSITIVE), quantile=(self.quantile, SHARE_WITHIN))

    def __call__(self, xp: ModuleType, residual: Any) -> tuple[Any, Any, Any]:
        """Return value, slope and (generalised) curvature at each residual."""
        if self.loss == "squared":
            return 0.5 * residual * residual, residual, 0.0 * residual + 1.0
        slope = xp.clip(residual, -self.delta, self.delta)
        value = slope * (residual - 0.5 * slope)
        curvature = xp.astype(slope == residual, residual.dtype)
        if self.loss == "asymmetric":
            above = xp.astype(residual > 0, residual.dtype)
            side = 2.0 * (1.0 - self.quantile) + (4.0 * self.quantile - 2.0) * above
            return side * value, side * slope, side * curvature
        return value, slope, curvature

    @property
    def unit(self) -> float:
        """The size of a slope, which gradients are stated relative to: ``delta``, or 0.01 for squared loss."""
        return 0.01 if self.loss == "squared" else self.delta
