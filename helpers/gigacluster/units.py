"""Constants. Inside the package everything is in SI base units."""

from __future__ import annotations

MEGA, GIGA, TERA, PETA = 1e6, 1e9, 1e12, 1e15
GIB = float(2**30)
BITS_PER_BYTE = 8.0
SECONDS_PER_HOUR = 3600.0
SECONDS_PER_DAY = 86_400.0
HOURS_PER_DAY = 24.0
DAYS_PER_YEAR = 365.25
DAYS_PER_MONTH = DAYS_PER_YEAR / 12
HOURS_PER_YEAR = DAYS_PER_YEAR * HOURS_PER_DAY
HOURS_PER_MONTH = HOURS_PER_YEAR / 12
