"""The highest matmul rate of a chip: measured where somebody did, otherwise from its peak and its power limit."""

from __future__ import annotations

from typing import Any

import numpy

__all__ = ["matmul_ceiling_flop_per_s"]

#: Highest measured matmul rate over peak: about the median of the chips that have a measured one.
_USUAL_FRAC = 0.77
#: Peak 16-bit FLOP a joule at which that holds: of the H100 SXM, and of the GB200 for chips that compute in 4 bit too.
#: A chip with less power for each FLOP lowers its clocks.
_HOPPER_FLOP_PER_J, _BLACKWELL_FLOP_PER_J = 989.4e12 / 700.0, 2500e12 / 1200.0
#: Clocks under a power limit fall with about this power of the missing watts. Assumption.
_CLOCK_EXPONENT = 0.5


def matmul_ceiling_flop_per_s(
    measured_flop_per_s: Any,
    peak_flop_per_s: Any,
    *,
    peak_bf16_flop_per_s: Any,
    peak_fp4_flop_per_s: Any,
    tdp_w: Any,
    n_processors: Any,
) -> numpy.ndarray:
    """Return the measured rate where there is one, otherwise an estimate.

    Parameters
    ----------
    measured_flop_per_s : float or array
        Highest measured matmul rate at the format in question; nan: not measured. [FLOP/s]
    peak_flop_per_s : float or array
        Dense peak at that format. [FLOP/s]
    peak_bf16_flop_per_s, peak_fp4_flop_per_s : float or array
        Dense peaks of the chip in 16 and 4 bit; nan: none. [FLOP/s]
    tdp_w : float or array
        Power limit; nan: unknown. [W]
    n_processors : float or array
        Of a GPU; nan for chips with few, large matrix units, whose clocks are fixed.

    Examples
    --------
    >>> nan = float("nan")
    >>> h100_pcie = dict(peak_bf16_flop_per_s=756e12, peak_fp4_flop_per_s=nan, tdp_w=350.0, n_processors=114.0)
    >>> round(float(matmul_ceiling_flop_per_s(nan, 756e12, **h100_pcie)) / 1e12)
    471
    """
    reference = numpy.where(numpy.asarray(peak_fp4_flop_per_s) > 0, _BLACKWELL_FLOP_PER_J, _HOPPER_FLOP_PER_J)
    short = numpy.asarray(tdp_w * reference / peak_bf16_flop_per_s, dtype=float)
    limited = (short < 1.0) & (numpy.asarray(n_processors) > 0)
    clock = numpy.where(limited, short, 1.0) ** _CLOCK_EXPONENT
    estimate = _USUAL_FRAC * clock * peak_flop_per_s
    return numpy.where(numpy.isnan(measured_flop_per_s), estimate, measured_flop_per_s)
