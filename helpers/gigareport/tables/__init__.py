"""The schemas of the tables in ``data/``: one row class a table, one module a subject.

A schema is a pydantic model of one row. A field's name carries its unit, its type and limits say what is allowed,
its description says what it means. To add a table: write its row class, add it to the module's ``TABLES``, put the
CSV into ``data/``.
"""

from gigareport.tables import (
    calibration,
    comparison,
    concentration,
    cost,
    hardware,
    race,
    reference,
    reliability,
    scaling,
    scenario,
    sources,
    throughput,
)
from gigareport.tables.row import Row

__all__ = ["TABLES", "Row"]

TABLES: dict[str, type[Row]] = {
    **sources.TABLES,
    **hardware.TABLES,
    **throughput.TABLES,
    **calibration.TABLES,
    **scaling.TABLES,
    **reliability.TABLES,
    **cost.TABLES,
    **race.TABLES,
    **concentration.TABLES,
    **reference.TABLES,
    **scenario.TABLES,
    **comparison.TABLES,
}
