"""Every table of notebook 10, made again and compared with what is kept in ``reference/concentration``.

The files there are frozen output of our own code, not evidence: they show that a number moved. When one should move,
write them anew with ``python tests/test_concentration_tables.py`` and say in the changelog from what to what and why.
"""

from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from gigareport import catalog, facts
from gigareport.facts import compared, effects, growth, known, seats, views

FROZEN = Path(__file__).parent / "reference" / "concentration"
SAMPLES, SEED = 10_000, 7  # the notebook's own
STORY_DATE = "2024-09-02"
#: Sums of ten thousand samples differ in their last digits between builds of NumPy.
REL_TOL = 1e-6


@cache
def loaded(name):
    return catalog.load(name)


@cache
def world():
    return facts.world_stock(loaded("chip_owners"), samples=SAMPLES, seed=SEED)


def sampled(function, *tables, **options):
    return function(*tables, samples=SAMPLES, seed=SEED, **options)


TABLES = {
    "stock_by_quarter": lambda: views.stock_by_quarter(world()),
    "top_owners": lambda: views.top_owners(world(), world().dates[-1]),
    "trend_since_the_story": lambda: views.trend_tests(world(), STORY_DATE, world().dates[-1]),
    "trend_whole": lambda: views.trend_tests(world(), world().dates[0], world().dates[-1]),
    "correlation_effect": lambda: sampled(views.correlation_effect, loaded("chip_owners"), world().dates[-1]),
    "three_views": lambda: compared.three_views(world(), loaded("gpu_clusters"), loaded("lab_compute"), "2025-12-31"),
    "measures_side_by_side": lambda: compared.measures_side_by_side(
        world(), loaded("gpu_clusters"), loaded("lab_compute"), "2025-12-31"
    ),
    "deciding_inputs": lambda: views.deciding_inputs(loaded("chip_owners"), world().dates[-1], seed=SEED),
    "missing_makers": lambda: views.missing_makers(world(), "2025-12-31", 688_448.0),
    "known_over_time": lambda: known.known_over_time(
        loaded("gpu_clusters"), pd.date_range("2019-12-31", "2025-12-31", freq="QE")
    ),
    "laboratories": lambda: views.laboratories(loaded("lab_compute"), world()),
    "naive_indices": lambda: known.naive_indices(loaded("gpu_clusters"), growth.PUBLISHED_WINDOW[1], coverage=0.1),
    "seats_of_power": lambda: sampled(
        seats.seats_of_power, loaded("chip_owners"), loaded("owners"), loaded("gpu_clusters"), "2025-12-31"
    ),
    "maker_shares": lambda: sampled(seats.maker_shares, loaded("chip_owners"), "2025-12-31", missing_h100e=688_448.0),
    "spread_by_country": lambda: seats.spread_by_country(loaded("gpu_clusters"), "2025-12-31"),
    "share_over_time": lambda: effects.share_over_time(
        world(), 1e5, pd.date_range(STORY_DATE, "2026-12-31", freq="QE").union([pd.Timestamp(STORY_DATE)])
    ),
    "index_change": lambda: effects.index_change(
        world(), 1e5, STORY_DATE, [effects.NEW_OWNER, "Oracle", "Microsoft", "Google"]
    ),
    "sizes_for_100_points": lambda: effects.sizes_for_100_points(world(), STORY_DATE),
    "published_growth": lambda: growth.published_growth(loaded("gpu_clusters"), world(), loaded("published_anchors")),
    "growth_by_top": lambda: growth.growth_by_top(loaded("gpu_clusters"), "16-bit performance"),
    "published_shares": lambda: growth.published_shares(
        loaded("gpu_clusters"), world(), loaded("chip_sales"), loaded("published_anchors")
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_table_of_the_notebook_is_the_one_kept(name):
    made, kept = TABLES[name](), pd.read_csv(FROZEN / f"{name}.csv", keep_default_na=False, na_values=["nan"])
    for column in made.select_dtypes("datetime"):
        kept[column] = pd.to_datetime(kept[column]).astype(made[column].dtype)
    pd.testing.assert_frame_equal(made, kept, check_dtype=False, rtol=REL_TOL, atol=1e-9)


def test_no_table_is_kept_that_nothing_makes():
    assert {file.stem for file in FROZEN.glob("*.csv")} == set(TABLES)


if __name__ == "__main__":
    for table_name, make in TABLES.items():
        make().to_csv(FROZEN / f"{table_name}.csv", index=False, float_format="%.9g", na_rep="nan", lineterminator="\n")
