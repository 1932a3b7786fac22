"""What a fit says about itself: convergence, boundaries, weak parameters, several minima."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Flag", "find_flags"]


@dataclass(frozen=True, slots=True)
class Flag:
    """One thing that a reader of a fit must know. ``symbol`` is empty where it concerns the whole fit."""

    kind: str
    symbol: str
    message: str

    def __str__(self) -> str:
        return f"{self.symbol + ' ' if self.symbol else ''}{self.kind}: {self.message}"


def find_flags(result: Any, problem: Any, point: Any, runs: Any) -> tuple[Flag, ...]:
    """Return the flags of a fit."""
    return ()
