import json
import math
import re

import numpy
import pytest
import yaml

from gigareport import catalog, scenario
from gigareport.facts import failures, recovery
from gigareport.scenario import ScenarioError, reference
from gigareport.scenario.known import filled, scheme_of
from gigareport.scenario.record import fields_of
from gigareport.scenario.register import OwnChip, default_of

SCENARIOS = catalog.data_dir() / "scenarios"
STORY = (SCENARIOS / "xai-colossus-2024.yaml").read_text()


@pytest.mark.parametrize("name", scenario.names())
def test_bundled_scenario_loads_under_its_file_name(name):
    assert scenario.load(name).name == name


def test_the_story_is_the_default_and_a_variable_chooses_another(monkeypatch):
    monkeypatch.delenv("GIGACLUSTER_SCENARIO", raising=False)
    assert scenario.load().name == "xai-colossus-2024"
    monkeypatch.setenv("GIGACLUSTER_SCENARIO", "startup-512-2025")
    assert scenario.load().name == "startup-512-2025"


def test_stored_json_schema_is_that_of_the_code():
    stored = json.loads((SCENARIOS / "schema.json").read_text())
    assert stored == scenario.json_schema(), "write it again: make schema"


def test_every_default_of_the_table_is_a_field_and_every_sourced_field_has_its_row():
    entries = [(path.rpartition(".")[2], field.entry) for path, field in reference.paths()]
    assert set(catalog.load("scenario_defaults")["field"]) <= {name for name, _ in entries}
    for name, entry in entries:
        assert entry.row is None or default_of(entry.row).median >= 0, name


@pytest.mark.parametrize("section", ["own", "rent", "race", "cluster", "training", "reliability"])
def test_a_change_of_a_section_leaves_its_other_fields_as_the_file_gives_them(section):
    for name, value in scenario.plain(scenario.load())[section].items():
        by_section = scenario.load(changes={section: {name: value}})
        assert by_section == scenario.load(changes={f"{section}.{name}": value}) == scenario.load()


def leaves_of(file):
    """Return the paths of what a file says, field by field of each section."""
    said = yaml.safe_load(file.read_text(encoding="utf-8"))
    return [
        path
        for name, value in said.items()
        for path in ([f"{name}.{x}" for x in value] if isinstance(value, dict) else [name])
    ]


@pytest.mark.parametrize("path", leaves_of(SCENARIOS / "startup-512-2025.yaml"))
def test_none_is_as_if_the_file_did_not_say_it(path, tmp_path):
    said = yaml.safe_load((SCENARIOS / "startup-512-2025.yaml").read_text(encoding="utf-8"))
    section, _, name = path.rpartition(".")
    del (said[section] if section else said)[name]
    file = tmp_path / "without.yaml"
    file.write_text(yaml.safe_dump(said), encoding="utf-8")

    def outcome(*given, **changes):
        try:
            return scenario.plain(scenario.load(*given, **changes))
        except scenario.ScenarioError as fault:
            return [line.partition(":")[2] for line in str(fault).splitlines()[1:]]

    assert outcome("startup-512-2025", changes={path: None}) == outcome(file)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"own.deliveries.0.month": 3},
            "changes, own.deliveries.0.month: own.deliveries is no section; give the whole",
        ),
        ({"horizon_months.median": 3}, "changes, horizon_months.median: horizon_months is no section; give the whole"),
        ({"own": {"chip_usdd": 3}}, "changes, own.chip_usdd: is not a field; did you mean 'chip_usd'?"),
        (["own.chip_usd"], "changes: got ['own.chip_usd']; give values by path, such as {'own.chip_usd'"),
        ("own.chip_usd", "changes: got 'own.chip_usd'; give values by path"),
    ],
)
def test_changes_that_are_none_are_told_with_the_way_to_write_them(changes, told):
    with pytest.raises(scenario.ScenarioError, match=re.escape(told)):
        scenario.load(changes=changes)


def test_a_left_out_field_takes_the_sourced_row():
    found = scenario.load("oracle-24k-2024")
    defaults = catalog.load("scenario_defaults").set_index("field")["median"]
    assert found.reliability.planned_stop_s.median == defaults["planned_stop_s"]
    assert found.cluster.pue.median == catalog.load("cost_inputs").set_index("quantity").loc["pue", "median"]


def test_left_out_failures_and_recovery_are_those_of_the_chip_the_size_and_the_year():
    story = scenario.load("xai-colossus-2024")
    assert math.isnan(story.reliability.failures_per_1000_node_days.median)
    found = filled(story).reliability
    assert found.failures_per_1000_node_days == failures.failure_rate("H100-SXM", 98_304).pooled.rate
    assert (scheme_of(story), scheme_of(scenario.load("startup-512-2025"))) == ("hot_spare", "restart_all")
    assert found.resume_s == recovery.inputs("hot_spare", 98_304)["resume_s"]
    own = scenario.load(changes={"reliability.recovery": "restart_all", "reliability.checkpoint_write_s": 12})
    assert filled(own).reliability.checkpoint_stall_s.median == 12  # training waits for the whole write


def test_a_readers_own_failures_give_the_rate_with_its_counting_interval():
    counted = scenario.load(changes={"reliability.failures": 466, "reliability.node_days": "110,592"})
    rate = filled(counted).reliability.failures_per_1000_node_days
    assert (rate.low, rate.median, rate.high) == pytest.approx((3.9, 4.21, 4.55), abs=0.01)
    mttf = scenario.load(changes={"reliability.mttf_hours": [2, 3, 4]})
    rate = filled(mttf).reliability.failures_per_1000_node_days
    assert 1000 * 24 * 8 / (98_304 * rate.median) == pytest.approx(3)
    assert (rate.low, rate.high) == pytest.approx((rate.median * 3 / 4, rate.median * 3 / 2))


@pytest.fixture
def faults(tmp_path):
    """Return the message about the story's file after replacing pieces of its text."""

    def message(*replacements):
        text = STORY
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        file = tmp_path / "mine.yaml"
        file.write_text(text)
        with pytest.raises(ScenarioError) as caught:
            scenario.load(file)
        return str(caught.value)

    return message


def line_of(fragment, text=STORY):
    return next(number for number, line in enumerate(text.splitlines(), start=1) if fragment in line)


def test_all_faults_come_at_once_each_with_its_line(faults):
    message = faults(
        ("chip: H100-SXM", "chip: H100-SMX"), ("n_chips: 100000", "n_chips: -5"), ("seq_len", "sequence_len")
    )
    assert "3 faults" in message
    assert f"line {line_of('chip: H100')}, cluster.chip: there is no chip of data/chips.csv 'H100-SMX'" in message
    assert "did you mean 'H100-SXM'?" in message
    assert f"line {line_of('n_chips: 100000')}, cluster.n_chips: " in message
    assert f"line {line_of('seq_len')}, training.sequence_len: is not a field; did you mean 'seq_len'?" in message


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("[150, 181, 200]", "181 MW", "got '181 MW', which is not a number"),
        (
            "[2.2, 2.85, 3.8]",
            "[-1, 2, 3]",
            "within 0.01 and 200 USD/(chip h); got -1: is the unit right?",
        ),
        ("[2.2, 2.85, 3.8]", "[3, 2, 4]", "low, median and high must rise; got 3, 2, 4"),
        ("[2.2, 2.85, 3.8]", "[2, 3]", "got a list of 2"),
        ("[2.2, 2.85, 3.8]", "{low: 2, mid: 3, high: 4}", "got the keys low, mid, high"),
        ("[2.2, 2.85, 3.8]", ".nan", "got '.nan', which is not a number"),
        ("[2.2, 2.85, 3.8]", "285", "is the unit right?"),
        ("  reported_power_mw", "  sites: [{power_mw: 0, month: 3}]\n  reported_power_mw", "must be within 0.001 and"),
        ("  reported_power_mw", "  sites: [{power_mw: 9}]\n  reported_power_mw", "cluster.sites.0.month: is missing"),
        ("  reported_power_mw", "  sites: [{month: 9}]\n  reported_power_mw", "cluster.sites.0.power_mw: is missing"),
        (
            "  reported_power_mw",
            "  sites: [{power_mw: 9, month: 46}]\n  reported_power_mw",
            "sites: got up to 46 months",
        ),
        ("  start_month:", "  after_term: buy\n  start_month:", "buy needs rent.term_months"),
        ("  start_month:", "  buy_usd_per_chip: 9000\n  start_month:", "is of use only with after_term: buy"),
        ("  start_month:", "  kind: hourly\n  after_term: buy\n  start_month:", "buy follows the term of a contract"),
        ("n_chips: 98304", "n_chips: 200000", "200,000 chips in the job, but the cluster has 100,000; lower it"),
        ("precision: bf16", "precision: bf61", "'bf16' or 'fp8'; got 'bf61'"),
        ("price_year: 2024", "price_year: 2016", "more than 5 years from decided_on"),
        ("decided_on: 2024-07-09", "decided_on: July", "got 'July'"),
        ("title: Own 100,000 H100 or rent them from Oracle?", "", "title: is missing; add it"),
        ("month: [1.2, 1.8, 3.2]", "month: [1.2, 1.8, 60]", "the comparison ends after horizon_months=48; raise it"),
        ("share: 0.75", "share: 0.5", "the shares must add up to 1; got 0.75"),
        ("deliveries:  ", "deliveries: 5  ", "is not YAML"),
        ("start_month: [4, 8, 14]", "start_month: 48", "got up to 48 months"),
        ("  run_days: [60, 100, 150]", "  pue: 1.2", "is not a field; it belongs under 'cluster'"),
        ("name: xai-colossus-2024", "name: ../../etc", "name: "),
        ("  deliveries:  ", "  hardware_life_months: 0\n  deliveries:  ", "within 1 and 240 month; got 0"),
        ("  deliveries:  ", "  building_life_months: 0\n  deliveries:  ", "within 12 and 1200 month; got 0"),
        ("global_batch: 6144", "global_batch: 100000000000", "within 1 and 1e+07 sequence; got 1e+11"),
        ("rent:", "reliability: {recovery: hope}\nrent:", "'hot_spare', 'in_memory' or 'drop_replica'; got 'hope'"),
        ("rent:", "reliability: {failures: 900, node_days: 30}\nrent:", "are 30,000 per 1,000 node-days, more than 1"),
        ("rent:", "reliability: {failures: 3}\nrent:", "is of use only beside node_days; give it too"),
        (
            "rent:",
            "reliability: {mttf_hours: 3, failures_per_1000_node_days: 4}\nrent:",
            "keep one of failures_per",
        ),
        ("rent:", "reliability: {failures_per_1000_node_days: -4}\nrent:", "got -4"),
        ("rent:", "reliability: {lost_frac: 1.5}\nrent:", "got 1.5"),
        ("rent:", "reliability: calm\nrent:", "is a section: give fields indented below it (recovery, blast, "),
        ("rent:", "reliability:\nrent:", "planned_stop_s); got nothing"),
        ("share: 0.75", "part: 0.75", "own.deliveries.1.part: is not a field; the fields here are: share, month"),
        ("price_year: 2024 ", "price_year: 2024\nprice_year: 2025 ", "keep one"),
    ],
)
def test_a_wrong_value_is_explained(faults, old, new, expected):
    assert expected in faults((old, new))


def test_hot_spares_need_chips_beyond_the_job(faults):
    asked = ("rent:", "reliability: {recovery: hot_spare}\nrent:")
    said = faults(("n_chips: 98304", "n_chips: 99999"), asked)
    assert "reliability.recovery: hot_spare takes a node that stands by, and the job has all but 1 of 100,000" in said


def test_another_chip_takes_its_own_prices_and_power_and_says_which(tmp_path):
    """H200: quotes, rated power, network by its rate and listed rents, none of them the H100's."""
    changes = {"cluster.chip": "H200", "decided_on": "2025-06-01", "price_year": 2025}
    file = tmp_path / "mine.yaml"
    file.write_text(STORY.replace("  committed_usd_per_chip_hour: [2.2, 2.85, 3.8]", "  # left out"))
    story = scenario.load(file, changes=changes)
    assert 30_000 < story.own.chip_usd.median < 40_000
    assert story.own.server_usd_per_chip.median == 0  # within the quotes
    assert set(scenario.taken(story)) == {
        "cluster.it_power_w_per_chip",
        "own.chip_usd",
        "own.server_usd_per_chip",
        "own.network_usd_per_tier_per_chip",
        "rent.committed_usd_per_chip_hour",
    }
    given = {"own.chip_usd": 5e4, "own.server_usd_per_chip": 0, "rent.committed_usd_per_chip_hour": 5}
    faster = scenario.load(file, changes=changes | given | {"cluster.chip": "B300"})
    ratio = faster.own.network_usd_per_tier_per_chip.median / story.own.network_usd_per_tier_per_chip.median
    assert ratio == pytest.approx(2.0)  # 800 against 400 Gbit/s


def test_what_no_table_knows_of_a_chip_is_asked_for(faults):
    message = faults(("chip: H100-SXM", "chip: TPUv5p"), ("  committed_usd_per_chip_hour: [2.2, 2.85, 3.8]", ""))
    assert "own.chip_usd: is missing, and a TPUv5p is not for sale; give it" in message
    lacks = "no rent of TPUv5p is listed in the year before the decision (the tables have none at all); give it"
    assert f"rent.committed_usd_per_chip_hour: is missing, and {lacks}" in message
    assert "own.chip_usd: is missing, and no price of VR200 in 2024 or 2025 is known" in faults(
        ("chip: H100-SXM", "chip: VR200")
    )


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("rent.committed_usd_per_chip_hour", [120, 150, 190], "got 120 to 190 USD/(chip h)"),
        ("own.chip_usd", [20, 23, 27], "got 20 to 27 USD; the default is 23,000 to 30,000"),
        ("own.staff_usd_per_chip_year", [0.4, 1, 2], "got 0.4 to 2"),
    ],
)
def test_a_value_far_beyond_its_default_is_told(path, value, said):
    (line,) = scenario.slips(scenario.load("xai-colossus-2024", changes={path: value}))
    assert said in line


def test_a_slip_is_told_by_the_default_of_the_chip_itself(tmp_path):
    """A chip of 600 W: what lies beyond three times its own range is within three times an H100's."""
    file = own_chip(tmp_path)
    usual = scenario.load(file).cluster.it_power_w_per_chip
    story = scenario.load(file, changes={"cluster.it_power_w_per_chip": round(3.2 * usual.high)})
    (line,) = scenario.slips(story)
    assert line.startswith(f"cluster.it_power_w_per_chip: got {round(3.2 * usual.high):,} W/chip; the default is")
    assert 3.2 * usual.high < 3 * scenario.load("xai-colossus-2024").cluster.it_power_w_per_chip.high
    assert line.endswith("is the unit right?")


def test_a_decision_after_our_newest_fact_is_told_as_carried_ahead():
    """A day that the tables cannot know is allowed to 2035, with a word; later ones are refused."""
    changes = {"price_year": 2028, "decided_on": "2028-01-01"}
    (line,) = scenario.slips(scenario.load("xai-colossus-2024", changes=changes))
    assert line.startswith("decided_on: 2028-01-01 lies after our newest fact (20")
    with pytest.raises(scenario.ScenarioError, match="got 2040-01-01; give a day from 2016-01-01 to 2035-12-31"):
        scenario.load("xai-colossus-2024", changes={"decided_on": "2040-01-01"})


@pytest.mark.parametrize("name", scenario.names())
def test_bundled_scenarios_hold_no_slip(name):
    assert scenario.slips(scenario.load(name)) == []


def test_text_that_is_not_yaml_names_the_line(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text("name: [unclosed\ncluster: }")
    with pytest.raises(ScenarioError, match="is not YAML: line 2"):
        scenario.load(file)


@pytest.mark.parametrize("text", ["", "just words", "- a\n- b"])
def test_a_file_without_fields_is_refused(tmp_path, text):
    file = tmp_path / "empty.yaml"
    file.write_text(text)
    with pytest.raises(ScenarioError, match="must hold fields"):
        scenario.load(file)


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(ScenarioError, match="did you mean 'xai-colossus-2024'"):
        scenario.load("xai-collosus-2024")


def test_a_scenario_survives_a_round_trip(tmp_path):
    story = scenario.load("xai-colossus-2024")
    file = tmp_path / "again.yaml"
    file.write_text(yaml.safe_dump(scenario.plain(story)))
    assert scenario.load(file) == story


OWN_CHIP = """
name: own-chip
title: Would 4,096 of our own chips pay?
decided_on: 2025-06-01
price_year: 2025
cluster:
  chip: own
  own_chip:
    name: Kestrel-1
    bf16_tflops: 800
    fp8_tflops: 1600
    memory_gib: 128
    memory_gb_per_s: 4000
    scaleup_gb_per_s: 300
    scaleup_domain: 16
    scaleout_gbit_per_s: 400
    n_processors: 100
    tdp_w: 600
    usd: 18000
  n_chips: 4096
training: {model: llama2-70b, seq_len: 4096, global_batch: 2048, precision: fp8}
rent: {committed_usd_per_chip_hour: [1.2, 1.6, 2.0], start_month: 2}
"""


def own_chip(tmp_path, *replacements):
    text = OWN_CHIP
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    return file


#: Each field of the record, with another value and an answer that it must move, through the plan or through a default.
MOVED = {
    "bf16_tflops": ("bf16_tflops: 800", "bf16_tflops: 400", "share_of_world", {"fp8_tflops: 1600": "fp8_tflops: 700"}),
    "fp8_tflops": ("fp8_tflops: 1600", "fp8_tflops: 1000", "step_time_s", {}),
    "memory_gib": ("memory_gib: 128", "memory_gib: 24", "step_time_s", {}),
    "memory_gb_per_s": ("memory_gb_per_s: 4000", "memory_gb_per_s: 1000", "step_time_s", {}),
    "scaleup_gb_per_s": ("scaleup_gb_per_s: 300", "scaleup_gb_per_s: 30", "step_time_s", {}),
    "scaleup_domain": ("scaleup_domain: 16", "scaleup_domain: 1", "step_time_s", {}),
    "scaleout_gbit_per_s": ("scaleout_gbit_per_s: 400", "scaleout_gbit_per_s: 100", "own_usd", {}),
    "n_processors": ("n_processors: 100", "n_processors: 10000", "step_time_s", {}),
    "tdp_w": ("tdp_w: 600", "tdp_w: 900", "rated_power_mw", {}),
    "usd": ("usd: 18000", "usd: 30000", "own_usd", {}),
}


def test_every_field_of_a_chip_of_ones_own_moves_an_answer(tmp_path):
    assert {field.name for field in fields_of(OwnChip)} == {"name", *MOVED}
    story = scenario.load(own_chip(tmp_path))
    usual = scenario.evaluate(story, samples=20, device="cpu")
    assert scenario.taken(story)["cluster.chip"] == "Kestrel-1, your own record"
    for name, (old, new, answer, beside) in MOVED.items():
        changed = scenario.load(own_chip(tmp_path, (old, new), *beside.items()))
        found = scenario.evaluate(changed, samples=20, device="cpu")
        assert not numpy.allclose(getattr(found, answer), getattr(usual, answer), rtol=1e-6), f"{name} is not read"


def test_a_chip_of_ones_own_is_asked_for_whole_and_only_where_it_is_meant(tmp_path):
    gone = [("    memory_gib: 128\n", ""), ("    tdp_w: 600\n", ""), ("[1.2, 1.6, 2.0], ", "-1, ")]
    with pytest.raises(ScenarioError) as caught:
        scenario.load(own_chip(tmp_path, *gone))
    for said in ("own_chip.memory_gib: is missing: chip: own needs it; give it in GiB", "own_chip.tdp_w", "got -1"):
        assert said in str(caught.value)
    with pytest.raises(ScenarioError, match=r"cluster\.own_chip: is of use only with chip: own; got chip: H200"):
        scenario.load(own_chip(tmp_path, ("chip: own", "chip: H200")))
    with pytest.raises(ScenarioError, match="nobody but you knows a rent of your own chip"):
        scenario.load(own_chip(tmp_path, ("committed_usd_per_chip_hour: [1.2, 1.6, 2.0], ", "")))
