"""Schemas of the tables about hardware."""

from __future__ import annotations

from gigacluster.tables.row import Row

__all__ = ["TABLES"]

TABLES: dict[str, type[Row]] = {}
