"""Raw files of Epoch AI load as they are published, and every row of the lists made by hand is carried."""

import io

import pandas as pd
import pytest

from gigareport import catalog

RAW_FILES = {
    "chip_owners": ["epoch_chip_owners/owners_cumulative_totals.csv"],
    "chip_sales": [
        "epoch_chip_sales/nvidia_calendar_quarter_chip_timelines.csv",
        "epoch_chip_sales/tpu_calendar_quarter_chip_timelines.csv",
        "epoch_chip_sales/trainium_chip_timelines.csv",
        "epoch_chip_sales/amd_chip_timelines.csv",
    ],
    "lab_compute": ["epoch_lab_compute/lab_compute_year_end_by_lab.csv"],
    "gpu_clusters": ["epoch_gpu_clusters/gpu_clusters.csv"],
    "notable_models": ["epoch_notable_models/notable_ai_models.csv"],
    "data_center_timelines": [
        "epoch_frontier_data_centers/data_center_timelines.csv",
        "epoch_frontier_data_centers/xai_datacenter_timelines.csv",
    ],
}


@pytest.mark.parametrize(("name", "file"), [(name, file) for name, files in RAW_FILES.items() for file in files])
def test_raw_file_loads_under_its_own_header(name, file, raw_data):
    table = catalog.load(name, path=raw_data / file)
    with (raw_data / file).open() as stream:
        assert len(table) == len(pd.read_csv(stream))


@pytest.mark.parametrize("name", ["clusters", "published_anchors", "story_events"])
def test_hand_curated_table_follows_its_schema(name):
    table = catalog.load(name)
    assert len(table) > 0
    assert table["verification"].notna().all()


def test_every_row_of_the_raw_list_of_clusters_is_carried(raw_data):
    raw = pd.read_csv(raw_data / "clusters_facts" / "clusters.csv").set_index("id")
    ours = catalog.load("clusters").set_index("cluster_id")
    pd.testing.assert_series_equal(
        ours["h100e_bf16"], raw["h100e_bf16"].astype(float).reindex(ours.index), check_names=False
    )
    assert set(ours.index) == set(raw.index)


def test_every_published_number_and_event_of_the_raw_lists_is_carried(raw_data):
    raw = pd.read_csv(raw_data / "published_anchors" / "anchors.csv").set_index("id")
    ours = catalog.load("published_anchors").set_index("anchor_id")
    pd.testing.assert_frame_equal(
        ours.loc[raw.index, ["value", "low", "high"]], raw[["value", "low", "high"]], check_names=False
    )
    assert set(ours.index) - set(raw.index) == {
        "hhi_moderate",
        "hhi_high",
        "top500_us_share_2019",
        "top500_us_share_2024",
        "stock_running_2025q4",
        "labs3_share_running_2025q4",
        "tpu_2025q4_march_vintage",
    }
    events = pd.read_csv(raw_data / "clusters_facts" / "story_events.csv")
    assert catalog.load("story_events")["event"].tolist() == events["event"].tolist()


def test_what_is_known_from_memory_carries_no_headline():
    recalled = pd.Series(["C041", "C047", "C048", "C062", "C070", "C076", "C081"])
    clusters = catalog.load("clusters")
    assert set(clusters["cluster_id"]) - set(catalog.headline(clusters)["cluster_id"]) == set(recalled)
    assert "hhi_high" not in set(catalog.headline(catalog.load("published_anchors"))["anchor_id"])


def test_a_site_has_one_record_for_each_phase():
    clusters = catalog.load("clusters").query("record_type == 'cluster'")
    assert not clusters.duplicated(["site_id", "phase"]).any()
    assert clusters.query("site_id == 'colossus-1'")["phase"].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(("cell", "read"), [("3/31/2026", "2026-03-31"), ("2026-03", "2026-03-01")])
def test_dates_of_published_files_are_read(cell, read, tmp_path):
    file = tmp_path / "sales.csv"
    file.write_text(
        "Chip manufacturer,Start date,End date,Compute estimate in H100e (median),Chip type\n"
        f"Maker,1/1/2026,{cell},10,X1\n"
    )
    assert catalog.load("chip_sales", path=file)["as_of"].item() == pd.Timestamp(read)


def test_percentiles_out_of_order_are_refused(tmp_path):
    file = tmp_path / "owners.csv"
    table = pd.DataFrame(
        {
            "owner": ["A"],
            "manufacturer": ["M"],
            "end": ["2026-03-31"],
            "h100e_p5": [3],
            "h100e_med": [2],
            "h100e_p95": [4],
        }
    )
    table.to_csv(file, index=False)
    with pytest.raises(catalog.CatalogError, match="h100e_8bit_p95 must hold; got 3"):
        catalog.load("chip_owners", path=file)
    table.assign(h100e_p5=1).to_csv(buffer := io.StringIO(), index=False)
    file.write_text(buffer.getvalue())
    assert len(catalog.load("chip_owners", path=file)) == 1
