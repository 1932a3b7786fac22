"""`gigacluster update` takes a published folder over whole or not at all, and keeps every vintage."""

import shutil

import pandas as pd
import pytest
import report_samples
from hypothesis import given, settings
from hypothesis import strategies as st

from gigareport import catalog, curation
from gigareport.__main__ import main
from gigareport.curation import feeds

#: The folders behind the tables of data/, in the order of their vintages, with the vintage where the files lack it.
FOLDERS = {
    "epoch_frontier_data_centers": "2025-12-17",
    "epoch_ai_chip_counts_upstream": None,
    "epoch_frontier_data_centers_2026_05": "2026-05-23",
    "epoch_chip_counts_2026q3": "2026-09-24",
    "epoch_ml_hardware": "2026-01-14",
    "epoch_ml_hardware_2026_03": "2026-03-31",
    "epoch_gpu_clusters": None,
    "epoch_lab_compute": None,
    "epoch_notable_models": None,
}
TABLES = ["chip_owners", "maker_totals", "chip_sales", "data_center_timelines", "sites"]
TABLES += ["accelerators", "gpu_clusters", "lab_compute", "notable_models"]
STATES = "Date,Data center,Power (MW),H100 equivalents,Total capital cost (2025 USD billions)"
STATES += ",Compute cost (2025 USD billions),Construction cost (2025 USD billions)"


SITES = 'Name,Owner,Users,Project,Country\nA,X #likely,"Y #confident, Z #speculative",,US\n'


def publish(folder, states, sites=SITES):
    folder.mkdir(exist_ok=True)
    (folder / "data_center_timelines.csv").write_text(states)
    if sites:
        (folder / "data_centers.csv").write_text(sites)
    return folder


def content(folder):
    return {file.name: file.read_bytes() for file in folder.glob("*")}


def test_published_folders_give_every_derived_table_byte_for_byte(raw_data, tmp_path):
    for folder, vintage in FOLDERS.items():
        curation.update(raw_data / folder, vintage, into=tmp_path)
    assert content(tmp_path) == {f"{name}.csv": (catalog.data_dir() / f"{name}.csv").read_bytes() for name in TABLES}


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_taken_over_again_changes_nothing(folder, raw_data, tmp_path):
    for name in TABLES:
        shutil.copy(catalog.data_dir() / f"{name}.csv", tmp_path)
    before = content(tmp_path)
    for moved in curation.update(raw_data / folder, FOLDERS[folder], into=tmp_path):
        assert (moved.n_new, moved.changes) == (0, ())
    assert content(tmp_path) == before


def test_seven_files_of_april_are_the_totals_that_were_once_merged_by_hand(raw_data):
    by_hand = pd.read_csv(raw_data / "epoch_chip_owners" / "owners_cumulative_totals.csv")
    by_hand = by_hand.rename(columns={"manufacturer": "chip_maker", "end": "as_of"})
    key = ["owner", "chip_maker", "as_of"]
    ours = pd.read_csv(catalog.data_dir() / "chip_owners.csv").query("vintage == '2026-04-22' and not incomplete")
    numbers = {"h100e_p5": "h100e_8bit_p5", "h100e_med": "h100e_8bit_median", "h100e_p95": "h100e_8bit_p95"}
    pd.testing.assert_frame_equal(
        ours[[*key, *numbers.values()]].reset_index(drop=True),
        by_hand[[*key, *numbers]].rename(columns=numbers).sort_values(key, ignore_index=True),
        check_dtype=False,
    )


def test_a_quarter_that_the_publisher_marks_as_incomplete_keeps_its_mark(raw_data):
    for name, marked in {"chip_owners": 8, "maker_totals": 4, "chip_sales": 7}.items():
        table = catalog.load(name)
        assert table["incomplete"].sum() == marked
        # the mark may stand in a column or begin a note; the first quarter of 2026 ended after the April estimates
        april = table[table["vintage"] == "2026-04-22"]
        assert set(april.loc[april["as_of"] > "2025-12-31", "incomplete"]) == {True}


def test_published_rows_appended_by_hand_keep_their_mark_too(raw_data):
    file = raw_data / "epoch_ai_chip_counts_upstream/owners_csv_export/nvidia_owners_cumulative_totals.csv"
    assert catalog.load("chip_owners", path=file).groupby("as_of")["incomplete"].all().tolist() == 16 * [False] + [True]


def test_every_vintage_is_kept_and_what_moved_is_said(tmp_path):
    first = publish(tmp_path / "first", f"{STATES}\n2027-01-01,A,10,500,1,1,1\n2027-02-01,A,20,900,1,1,1\n")
    second = publish(tmp_path / "second", f"{STATES}\n1/1/27,A,10,250,1,1,1\n2027-03-01,B,20,800,1,1,1\n")
    into = tmp_path / "tables"
    curation.update(first, "2026-01", into=into)
    states, sites = curation.update(second, "2026-02", into=into)
    assert states.changes == ("A / 2027-01-01: 500 -> 250",)
    assert (states.n_new, sites.changes) == (1, ())
    kept = catalog.load("data_center_timelines", path=into / "data_center_timelines.csv")
    assert kept.groupby("vintage")["h100e_8bit"].sum().to_dict() == {"2026-01": 1400, "2026-02": 1050}
    site = catalog.load("sites", path=into / "sites.csv").iloc[0]
    assert (site["owner"], site["owner_certainty"]) == ("X", "likely")
    assert (site["users"], site["users_certainty"]) == ("Y, Z", "speculative")


def test_headlines_that_moved_are_printed_with_both_values(raw_data, tmp_path, capsys):
    for folder, vintage in FOLDERS.items():
        options = ["--vintage", vintage] if vintage else []
        assert main(["update", str(raw_data / folder), *options, "--into", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "five largest clouds: 73% (" in out  # without Huawei, Cambricon and smuggled chips
    assert "-> 70% (" in out
    assert "stock sold by then: 19.7 million H100e -> 20.3 million H100e" in out
    assert "planned at them by the end of 2027: 16.3 million H100e -> 21.0 million H100e" in out


GOOD = f"{STATES}\n2027-01-01,A,10,500,1,1,1\n2027-02-01,A,20,900,1,1,1\n"
BAD_FOLDERS = {
    "a missing file": (GOOD, "", ["data_centers.csv is missing"]),
    "a foreign header": (GOOD.replace("H100 equivalents", "H100 equivalent"), None, ["line 1", "H100 equivalents"]),
    "a torn row": (GOOD[:-8] + "\n", None, ["line 3", "4 cells and the header 7"]),
    "no day": (GOOD.replace("2027-02-01", "soon"), None, ["line 3", "'soon'"]),
    "a day of no calendar": (GOOD.replace("2027-02-01", "2/30/27"), None, ["line 3", "2/30/27"]),
    "no number": (GOOD.replace("900", "9OO"), None, ["line 3", "9OO"]),
    "a negative number": (GOOD.replace("900", "-900"), None, ["line 3", "-900"]),
    "one row twice": (GOOD.replace("02-01", "01-01"), None, ["A/2027-01-01", "twice"]),
    "no rows": (f"{STATES}\n", None, ["no rows"]),
    "a last line without an end": (GOOD[:-1], None, ["line 3", "no end"]),
    "two faults": (GOOD.replace("900", "x").replace("500", "y"), None, ["line 2", "line 3"]),
}


@pytest.mark.parametrize("fault", BAD_FOLDERS)
def test_a_bad_folder_gives_one_message_and_changes_nothing(fault, tmp_path, capsys):
    states, sites, said = BAD_FOLDERS[fault]
    into = tmp_path / "tables"
    curation.update(publish(tmp_path / "good", GOOD), "2026-01", into=into)
    before = content(into)
    bad = publish(tmp_path / "bad", states) if sites is None else publish(tmp_path / "bad", states, sites)
    capsys.readouterr()
    assert main(["update", str(bad), "--vintage", "2026-02", "--into", str(into)]) == 1
    out, message = capsys.readouterr()
    assert all(words in message for words in said), message
    assert "nothing was changed" in message
    assert (out, "Traceback" in message) == ("", False)
    assert content(into) == before


def test_a_full_disk_changes_nothing_and_is_told_with_the_folder(tmp_path, capsys):
    into, folder = tmp_path / "tables", publish(tmp_path / "folder", GOOD)
    curation.update(folder, "2026-01", into=into)
    before = content(into)
    capsys.readouterr()
    with report_samples.full_disk(100):
        assert main(["update", str(folder), "--vintage", "2026-02", "--into", str(into)]) == 1
    assert capsys.readouterr().err == f"{into}: File too large\n"
    assert content(into) == before


@pytest.mark.parametrize("vintage", [None, "May 2026", "2026"])
def test_a_vintage_that_nobody_states_is_asked_for(vintage, tmp_path):
    folder = publish(tmp_path / "folder", GOOD)
    with pytest.raises(curation.UpdateError, match="2026-05|--vintage"):
        curation.update(folder, vintage, into=tmp_path / "tables")


def test_a_folder_of_something_else_is_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(curation.UpdateError, match="folder"):
            curation.update(folder, "2026-05", into=tmp_path / "tables")


def test_a_gb300_is_counted_by_its_fp8_peak():
    """As published, Colossus 2 had 330,000 GB200 at 5 and 220,000 GB300 at 0.165e15: 852,097 instead of 1,389,591."""
    rows = pd.DataFrame({"chip": ["NVIDIA GB200", "NVIDIA H100", None], "peak_16bit_op_per_s": [1.375e21, 1e18, 1e18]})
    rows = rows.assign(h100e=[852_097.0, 1_000.0, 5.0], peak_op_per_s=[1.6863e21, 1.979e18, 1.0])
    fixed = feeds._gb300_by_fp8(rows.copy())
    assert fixed["h100e"].tolist() == pytest.approx([1_389_590.7, 1_000, 5])
    pd.testing.assert_frame_equal(feeds._gb300_by_fp8(fixed.copy()), fixed)


@settings(max_examples=25)
@given(data=st.data())
def test_april_folder_with_any_file_cut_anywhere_is_refused_whole_or_shorter(data, tmp_path_factory):
    """A file that lost its end inside a row is refused; whatever is refused leaves no table behind."""
    source = catalog.data_dir().parents[1] / "shared" / "data" / "epoch_ai_chip_counts_upstream"
    if not source.is_dir():
        pytest.skip("needs the raw files in ../shared/data")
    folder = tmp_path_factory.mktemp("cut")
    april = shutil.copytree(source, folder / "april", copy_function=shutil.copyfile)
    feed = next(feed for feed in feeds.FEEDS if "April" in feed.name)
    used = [april / file for table in feed.tables for file in table.files]
    file = data.draw(st.sampled_from(sorted(used)))
    text = file.read_text()
    kept = text[: data.draw(st.integers(0, len(text) - 1))]
    file.write_text(kept)
    try:
        curation.update(april, into=folder / "tables")
    except curation.UpdateError:
        assert not list((folder / "tables").glob("*.csv"))
    else:
        assert kept.endswith("\n")
