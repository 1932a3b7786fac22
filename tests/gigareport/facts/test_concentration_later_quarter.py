"""A later quarter of the same tables, under our header or that of the published files, extends every figure."""

import numpy
import pandas as pd
import pytest

from gigareport import beside, catalog, facts
from gigareport.facts import known, ownership, use

LATER = pd.Timestamp("2026-03-31")
ESTIMATE = ["h100e_8bit_p5", "h100e_8bit_median", "h100e_8bit_p95"]
RAW_HEADERS = {
    "chip_owners": {
        "owner": "Owner",
        "chip_maker": "Chip manufacturer",
        "as_of": "End date",
        "h100e_8bit_p5": "H100e (5th percentile)",
        "h100e_8bit_median": "Compute estimate in H100e (median)",
        "h100e_8bit_p95": "H100e (95th percentile)",
    },
    "maker_totals": {
        "chip_maker": "Chip manufacturer",
        "as_of": "End date",
        "h100e_8bit_p5": "H100e (5th percentile)",
        "h100e_8bit_median": "Compute estimate in H100e (median)",
        "h100e_8bit_p95": "H100e (95th percentile)",
        "n_chips_median": "Number of Units",
    },
    "chip_sales": {
        "chip_maker": "Chip manufacturer",
        "chip": "Chip type",
        "start": "Start date",
        "as_of": "End date",
        "h100e_8bit_p5": "H100e (5th percentile)",
        "h100e_8bit_median": "Compute estimate in H100e (median)",
        "h100e_8bit_p95": "H100e (95th percentile)",
        "n_chips_p5": "Number of Units (5th percentile)",
        "n_chips_median": "Number of Units",
        "n_chips_p95": "Number of Units (95th percentile)",
    },
    "lab_compute": {
        "lab": "Lab",
        "as_of": "Date",
        "h100e_8bit_p5": "h100e_p5",
        "h100e_8bit_median": "h100e_med",
        "h100e_8bit_p95": "h100e_p95",
    },
    "gpu_clusters": {
        "name": "Name",
        "status": "Status",
        "certainty": "Certainty",
        "h100e": "H100 equivalents",
        "n_chips": "Total number of AI chips",
        "country": "Country",
        "owner": "Owner",
        "users": "Users",
        "sector": "Sector",
        "first_operational": "First Operational Date",
        "power_mw": "Power Capacity (MW)",
        "hardware_cost_usd_2025": "Hardware Cost",
        "peak_16bit_op_per_s": "16-bit OP/s",
        "peak_op_per_s": "Max OP/s",
        "in_standard_analysis": "Include in Standard Analysis",
        "builds_upon": "Builds Upon",
        "superseded_by": "Superseded by",
    },
}


def extended(name):
    """Append what a later quarter could look like: a fifth more of everything, a new owner, a larger cluster."""
    table = catalog.load(name).drop(columns=["source_id", "verification"])
    if "incomplete" in table:
        table = table[~table["incomplete"]].assign(vintage="2026-04")  # a file as published has one vintage
        key = [name for name in ("owner", "chip_maker", "chip", "start", "as_of") if name in table]
        table = table.drop_duplicates(key, keep="last")
    if name == "gpu_clusters":
        last = table[table["name"] == "xAI Colossus Memphis Phase 3"].iloc[0]
        new = {"name": "Later Phase 4", "builds_upon": last["name"], "first_operational": LATER, "h100e": 600_000}
        new |= {"peak_16bit_op_per_s": 6e20, "peak_op_per_s": 1.2e21, "superseded_by": None}
        return pd.concat([table, pd.DataFrame([last.to_dict() | new])], ignore_index=True)
    if name == "maker_totals":
        table = table[table["as_of"] < LATER]
    last = table[table["as_of"] == table["as_of"].max()]
    amounts = [column for column in table if column.startswith(("h100e", "n_chips"))]
    later = last.assign(as_of=LATER, **{column: 1.2 * last[column] for column in amounts})
    if name == "chip_owners":
        newcomer = {"owner": "Newcomer", "chip_maker": "Huawei", "as_of": LATER}
        newcomer |= dict(zip(ESTIMATE, (4e5, 5e5, 6e5), strict=True))
        later = pd.concat([later, pd.DataFrame([newcomer])])
    if name == "chip_sales":
        later = later.assign(start=pd.Timestamp("2026-01-01"))
    return pd.concat([table, later], ignore_index=True)


@pytest.fixture(params=["our header", "published header"])
def later(request, tmp_path):
    """All four tables, a quarter longer, written to files and read back through the catalog."""
    loaded = {}
    for name, headers in RAW_HEADERS.items():
        table = extended(name)
        if request.param == "published header":
            for column in table.select_dtypes("datetime"):
                table[column] = [f"{d.month}/{d.day}/{d.year}" if pd.notna(d) else "" for d in table[column]]
            for column in table.select_dtypes("bool"):
                table[column] = table[column].map({True: "True", False: ""})
            table = table.rename(columns=headers).assign(Notes="a column that is not in use")
        file = tmp_path / f"{name}.csv"
        table.to_csv(file, index=False)
        loaded[name] = catalog.load(name, path=file)
    return loaded


def worlds(later):
    before = {name: extended(name) for name in ("chip_owners", "maker_totals")}
    before = {name: table[table["as_of"] < LATER] for name, table in before.items()}
    return [facts.world_stock(t["chip_owners"], t["maker_totals"], samples=500) for t in (later, before)]


def test_every_figure_reaches_the_later_quarter(later):
    world, before = worlds(later)
    assert pd.Timestamp(world.dates[-1]) == LATER
    assert "Newcomer" in world.owners
    assert numpy.median(world.total[-1]) == pytest.approx(1.2 * numpy.median(before.total[-1]) + 5e5, rel=0.02)

    assert ownership.index_by_quarter(world)["date"].max() == LATER
    assert "Newcomer" in set(ownership.owners_at(world, LATER)["owner"])
    assert set(ownership.trend_tests(world, "2024-09-02", LATER)["answer"]) <= {"rose", "fell", "not known", ""}
    assert use.laboratories(later["lab_compute"], world)["as_of"].max() == LATER

    colossus = known.active_clusters(later["gpu_clusters"], LATER).query("name == 'Later Phase 4'")
    assert len(colossus) == 1
    assert "xAI Colossus Memphis Phase 3" not in set(known.active_clusters(later["gpu_clusters"], LATER)["name"])

    assert ownership.share_over_time(world, 1e5, [LATER])["extrapolated"].tolist() == [False]
    assert ownership.index_change(world, 1e5, LATER, ["Newcomer"])["change_median"].notna().all()


def test_published_comparisons_stay_and_ours_to_date_moves(later):
    world, before = worlds(later)
    anchors = catalog.load("published_anchors")
    old = beside.published_growth(catalog.load("gpu_clusters"), before, anchors)
    new = beside.published_growth(later["gpu_clusters"], world, anchors)
    assert new["median"].to_numpy() == pytest.approx(old["median"].to_numpy(), rel=1e-9)
    assert (new["to_date"] != old["to_date"]).any()
    shares = beside.published_shares(later["gpu_clusters"], world, later["chip_sales"], anchors)
    kept = beside.published_shares(catalog.load("gpu_clusters"), before, catalog.load("chip_sales"), anchors)
    assert shares["median"].to_numpy() == pytest.approx(kept["median"].to_numpy(), rel=1e-9)


def test_both_headers_read_the_same_table(tmp_path):
    table = extended("chip_owners")
    for file, columns in (("ours.csv", {}), ("theirs.csv", RAW_HEADERS["chip_owners"])):
        table.rename(columns=columns).to_csv(tmp_path / file, index=False)
    first, second = (catalog.load("chip_owners", path=tmp_path / file) for file in ("ours.csv", "theirs.csv"))
    pd.testing.assert_frame_equal(first, second)
