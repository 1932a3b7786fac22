"""Every table of notebook 10, made again and compared with what is kept in ``reference/concentration``.

The files there are frozen output of our own code, not evidence: they show that a number moved. When one should move,
write them anew by running this file, and say in the changelog from what to what and why.
"""

from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from gigareport import beside, catalog, facts
from gigareport.facts import headline, known, ownership, plans, timeline, use

FROZEN = Path(__file__).parents[2] / "reference" / "concentration"
SAMPLES, SEED = 10_000, 7  # the notebook's own
STORY_DATE = "2024-09-02"
#: Sums of ten thousand samples differ in their last digits between builds of NumPy.
REL_TOL = 1e-6


@cache
def loaded(name):
    return catalog.load(name)


@cache
def world():
    return facts.load_stock(SAMPLES, SEED)


@cache
def markets():
    made = facts.load_stock(SAMPLES, SEED, total_of="chip_maker")
    sites = timeline.by_owner(timeline.latest(), "2026-11-29", SAMPLES)
    let = use.running_leases("2026-11-29")
    return ownership.markets(world(), made, loaded("owners"), sites, let, world().dates[-1])


def pairs():
    return {name: markets()[name].parties[:2] for name in ownership.MERGED}


TABLES = {
    "index_by_quarter": lambda: ownership.index_by_quarter(world()),
    "owners_at": lambda: ownership.owners_at(world(), world().dates[-1]),
    "trend_since_the_story": lambda: ownership.trend_tests(world(), headline.trend_start(world()), world().dates[-1]),
    "cuts": lambda: ownership.cuts(markets()),
    "mergers": lambda: ownership.mergers(markets(), pairs()),
    "laboratories": lambda: use.laboratories(loaded("lab_compute"), world(), facts.running(SAMPLES, SEED)),
    "largest_sites": lambda: timeline.largest_at(timeline.latest(), plans.LAST_DAY, 7),
    "plan_revisions": lambda: plans.revisions_between("2025-12-17", "2026-05-23").by_site.to_frame(),
    "naive_indices": lambda: known.naive_indices(loaded("gpu_clusters"), known.PUBLISHED_WINDOW[1], coverage=0.1),
    "share_over_time": lambda: ownership.share_over_time(
        world(), 1e5, pd.date_range(STORY_DATE, "2026-12-31", freq="QE").union([pd.Timestamp(STORY_DATE)])
    ),
    "index_change": lambda: ownership.index_change(
        world(), 1e5, STORY_DATE, [ownership.NEW_OWNER, "Oracle", "Microsoft", "Google"]
    ),
    "published_growth": lambda: beside.published_growth(loaded("gpu_clusters"), world(), loaded("published_anchors")),
    "published_shares": lambda: beside.published_shares(
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
