"""What people hand over: configurations, names of chips, tables of runs and chips; each right, or one message."""

import json

import numpy
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigacluster import hardware, transformer
from gigacluster.throughput import predict, rows

CONFIG = {
    "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "hidden_act": "silu",
}  # fmt: skip
RUN = {
    "run_id": "a", "arch": "dense", "n_layers": 32, "d_model": 4096, "n_heads": 32, "n_kv_heads": 8, "d_head": 128,
    "d_ff": 14336, "ffn_act": "swiglu", "vocab": 128256, "seq_len": 8192, "chip": "A100-80", "n_chips": 64, "tp": 1,
    "pp": 1, "micro_batch": 1, "global_batch": 64, "precision": "bf16", "recompute": "full", "shard_strategy": "fsdp",
    "framework": "torchtitan", "year": 2024, "plan_complete": 1,
}  # fmt: skip
CHIP = {
    "chip": "Z1", "vendor": "me", "bf16_tflops": 500, "memory_gib": 64, "memory_gb_per_s": 2000,
    "scaleup_gb_per_s": 300, "scaleup_domain": 8, "scaleout_gbit_per_s": 400,
}  # fmt: skip
#: What a cell or a key may hold where a number is wanted.
STRANGE = [0, -1, 1.5, 1e30, True, None, "", "big", "8,192", "nan", float("inf"), float("nan"), [1], {"a": 1}, b"7"]


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from([*CONFIG, "head_dim", "sliding_window", "layer_types", "num_experts",
                                        "num_experts_per_tok", "tie_word_embeddings", "q_lora_rank"]),
                       st.sampled_from(STRANGE), min_size=1, max_size=3))  # fmt: skip
def test_a_strange_configuration_is_read_as_whole_sizes_or_refused(changes):
    said, shape = "", None
    try:
        shape = transformer.from_config({**CONFIG, **changes})
    except ValueError as fault:
        said = str(fault)
    assert len(said) < 400
    if shape is not None:
        assert 0 < shape.params < 1e30
        assert all(float(size) >= 0 for size in shape.shape().values())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no JSON"), ("[1]", "holds no keys"), ('{"hidden_size"', "no JSON"), ("null", "holds no keys"),
        (b"\xff\xfe\x00", "no JSON"), (json.dumps({**CONFIG, "is_encoder_decoder": True}), "with an encoder"),
        (json.dumps({**CONFIG, "num_hidden_layers": 32.5}), "num_hidden_layers or n_layer must be a whole number"),
        (json.dumps({**CONFIG, "sliding_window": 64, "layer_types": ["sliding"]}), "1 entries for 32 layers"),
        (json.dumps({"peft_type": "LORA"}), "is it the config.json of a decoder"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_configuration_says_what_is_wanted(tmp_path, text, says):
    file = tmp_path / "config.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    for given_path, wanted in ((file, says), (tmp_path, "cannot be read"), (tmp_path / "none", "cannot be read")):
        with pytest.raises(ValueError, match=wanted):
            transformer.from_config(given_path)


changed_cells = st.dictionaries(st.sampled_from(sorted(rows._LIMITS)), st.sampled_from(STRANGE), min_size=1, max_size=3)


@settings(max_examples=80)
@given(changed_cells)
def test_a_strange_number_is_a_blank_a_prediction_or_a_reason_that_names_it(changes):
    _check_strange(changes)


@pytest.mark.slow
@settings(max_examples=1000)
@given(changed_cells)
def test_a_strange_number_is_a_blank_a_prediction_or_a_reason_that_names_it_at_length(changes):
    _check_strange(changes)


def _check_strange(changes):
    found = predict(pd.DataFrame([{**RUN, **changes}])).iloc[0]
    said = found["inexpressible"]
    assert (said == "") == (0 < found["step_time_s"] < numpy.inf)
    for name, cell in changes.items():
        number = rows.number_of(cell)
        least, most, whole = rows._LIMITS[name]
        blank = cell is None or cell == "" or str(cell) == "nan"
        if not blank and not (least <= number <= most and (number == int(number) or not whole)):
            assert f"{name} must be" in said


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tp": 3}, "64 chips are no multiple of tp*pp*cp = 3"), ({"n_kv_heads": 7}, "no multiple of n_kv_heads"),
        ({"grad_accum": 3}, "dp*micro_batch*grad_accum = 192 is not global_batch = 64"),
        ({"shard_group": 128}, "shard_group = 128 is more than the 64 chips"), ({"d_ff": 0}, "needs d_ff"),
        ({"n_experts": 8, "top_k": 9, "d_ff_expert": 64}, "top_k = 9 is more than the 8 experts"),
        ({"n_experts": 8, "top_k": 2, "d_ff_expert": 64, "ep": 3}, "ep = 3 does not divide the 8 experts"),
        ({"n_dense_layers": 33}, "n_dense_layers = 33 is more than the 32 layers"),
    ],
)  # fmt: skip
def test_a_run_that_contradicts_itself_says_where(changes, says):
    found = predict(pd.DataFrame([{**RUN, **changes}])).iloc[0]
    assert says in found["inexpressible"]
    assert numpy.isnan(found["step_time_s"])


def test_spelling_and_kind_of_a_table_do_not_matter():
    table = pd.DataFrame([RUN])
    wanted = predict(table)["step_time_s"][0]
    for other in (
        table.astype(str), table.convert_dtypes(), table.astype({"chip": "category", "recompute": "category"}),
        table.rename(columns=str.upper), table.rename(columns=lambda name: f" {name} "),
        {name: [cell] for name, cell in RUN.items()},
    ):  # fmt: skip
        assert predict(other)["step_time_s"][0] == wanted


@pytest.mark.parametrize(
    ("runs", "says"),
    [
        (None, "got NoneType"), ([RUN], "got list"), ("runs.csv", "got str"), (pd.Series(RUN), "got Series"),
        (RUN, r"of one run, give \['a'\]"), (pd.DataFrame({"a": [1]}), "no column of runs among a; wanted"),
        (pd.DataFrame([[8, 9]], columns=["n_layers", "n_layers"]), "got more than one n_layers"),
        ({"n_layers": [1, 2], "d_model": [3]}, "must have one length"),
    ],
)  # fmt: skip
def test_what_is_no_table_of_runs_says_what_is_wanted(runs, says):
    with pytest.raises(ValueError, match=says):
        predict(runs)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"bf16_tflops": "x"}, "bf16_tflops must be a number, got 'x'"), ({"memory_gib": 0}, "must be positive"),
        ({"scaleup_domain": 2.5}, "scaleup_domain must be a whole number"), ({"chip": None}, "row without a name"),
        ({"scaleout_gbit_per_s": None}, "must be positive and finite"),
        ({"n_processors": 0}, "n_processors must be positive or nan"),
        ({"available_on": "soon"}, "available_on must be a day"), ({"tdp_w": -4}, "tdp_w must be positive"),
    ],
)  # fmt: skip
def test_a_faulty_chip_of_ones_own_is_told(changes, says):
    with pytest.raises(ValueError, match=says):
        predict(pd.DataFrame([RUN]), chips=pd.DataFrame([{**CHIP, **changes}]))
    with pytest.raises(ValueError, match="more than one row of Z1"):
        predict(pd.DataFrame([RUN]), chips=pd.DataFrame([CHIP, CHIP]))
    with pytest.raises(ValueError, match="got str"):
        predict(pd.DataFrame([RUN]), chips="chips.csv")
    found = predict(pd.DataFrame([{**RUN, "chip": "z1"}]), chips=pd.DataFrame([CHIP])).iloc[0]
    assert found["inexpressible"] == ""


@pytest.mark.parametrize(
    ("said", "name", "note"),
    [
        ("A100-SXM4-80GB", "A100-80", ""), ("NVIDIA H100 80GB HBM3", "H100-SXM", ""),
        ("MI250X", "MI250X", "MI250X-GCD"), ("AMD Instinct MI250X", "MI250X-GCD", "half"), ("A100", "A100-80", "40 or"),
    ],
)  # fmt: skip
def test_a_name_that_stands_for_more_than_one_chip_is_told(said, name, note):
    assert hardware.chip(said).name == name
    warned = predict(pd.DataFrame([{**RUN, "chip": said}]))["warnings"][0]
    assert note in warned
    assert bool(warned) == bool(note)


@pytest.mark.parametrize("said", ["H100-NVL", "H200 NVL", "x" * 5000, "", "cpu"])
def test_a_chip_without_a_row_is_refused_and_no_other_offered(said):
    with pytest.raises(ValueError, match="chip") as caught:
        hardware.chip(said)
    assert "did you mean" not in str(caught.value)
    assert len(str(caught.value)) < 1000
