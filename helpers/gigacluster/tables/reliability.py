"""Schemas of the tables about reliability."""

from __future__ import annotations

from gigacluster.tables.row import Row

__all__ = ["TABLES"]

TABLES: dict[str, type[Row]] = {}
