"""The tables of prices and run costs are what their builders make of the raw files."""

import pytest

from curation import cost as curation
from gigareport import catalog


@pytest.mark.parametrize("name", ["rental_prices", "hardware_prices", "training_costs"])
def test_committed_table_is_what_its_builder_makes_of_the_raw_files(name, raw_data):
    made = getattr(curation, name)(raw_data).to_csv(index=False, lineterminator="\n")
    assert made == (catalog.data_dir() / f"{name}.csv").read_text()


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("rental_prices", "gpu_rental_prices/gpu_rental_price_panel.csv"),
        ("training_costs", "epoch_training_costs/model_costs.csv"),
        ("training_costs", "epoch_training_costs/model_costs_updated.csv"),
    ],
)
def test_raw_file_loads_under_its_own_header(name, file, raw_data):
    table = catalog.load(name, path=raw_data / file)
    with (raw_data / file).open() as stream:
        assert len(table) == sum(1 for _ in stream) - 1
    assert table["verification"].notna().all()


def test_no_imputed_suspect_or_ambiguous_price_is_carried():
    prices = catalog.load("rental_prices")
    assert not prices.duplicated(["date", "chip", "provider", "kind", "usd_per_chip_hour"]).any()
    assert prices["usd_per_chip_hour"].between(0.15, 20).all()  # a V100 on a marketplace; the dearest list price
    bought = catalog.load("hardware_prices")
    assert not bought["note"].str.contains("not a real sale", na=False).any()


def test_every_chip_with_a_price_is_a_chip_of_the_catalog():
    chips = set(catalog.load("chips")["chip"])
    for name in ("rental_prices", "hardware_prices"):
        assert set(catalog.load(name)["chip"]) <= chips


def test_two_runs_of_epochs_costs_stay_apart():
    """GPT-4 is 40.7 million USD in the first and 68.8 in the later run, whose definition is not written down."""
    table = catalog.load("training_costs").set_index("model")
    assert table.loc["GPT-4", "amortised_usd_2023"] == pytest.approx(40.7e6, rel=0.001)
    assert table.loc["GPT-4", "later_run_usd_2023"] == pytest.approx(68.8e6, rel=0.001)


def test_every_default_names_its_source_and_money_its_year():
    inputs = catalog.load("cost_inputs")
    assert inputs["note"].str.len().min() > 5
    assert inputs.loc[inputs["unit"].str.contains("USD"), "price_year"].notna().all()
    facts = catalog.load("cost_facts")
    assert facts.loc[facts["unit"].str.contains("USD"), "price_year"].notna().all()
    assert facts[["value", "low", "high"]].notna().any(axis=1).all()
