"""The comparison in words."""

from __future__ import annotations

import math

BASIS_WORDS = {"money": "the same money", "power": "the same power", "chips": "the same number of chips"}


def price_text(usd: float, low: float, high: float) -> str:
    """Return a price with its interval, or that it is not known.

    >>> price_text(26_000.0, 23_000.0, 30_000.0), price_text(math.nan, math.nan, math.nan)
    ('26,000 (23,000 to 30,000)', 'not known')
    """
    return "not known" if math.isnan(usd) else f"{usd:,.0f} ({low:,.0f} to {high:,.0f})"
