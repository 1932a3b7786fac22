"""Parameters, FLOP and bytes of model shapes."""

import dataclasses

import numpy
import pandas as pd
import pytest

from gigacluster import transformer
from gigacluster.transformer import Transformer, attended_tokens, layer_params
from gigareport import catalog
from gigareport.calibration import runs as table_of_runs

#: A shape small enough to count by hand.
TINY = {"n_layers": 2, "d_model": 8, "n_heads": 2, "d_ff": 32, "vocab": 10}


def test_tiny_dense_model_counts_by_hand():
    # Attention 4*8*8 = 256, FFN 2*8*32 = 512, norms 16: 784 a layer; two tables of 80; final norm 8.
    assert Transformer(**TINY).params == 2 * 784 + 160 + 8


def test_tied_embeddings_count_once():
    assert Transformer(**TINY).params - Transformer(**TINY, tied_embeddings=True).params == 80


def test_grouped_query_attention_drops_keys_and_values():
    # One key-value head of two: keys and values are half as wide, 2*8*4 parameters fewer.
    assert (
        float(layer_params(Transformer(**TINY)).attention - layer_params(Transformer(**TINY, n_kv_heads=1)).attention)
        == 64
    )


def test_gated_ffn_has_a_third_matrix():
    assert float(layer_params(Transformer(**TINY, ffn_gated=True)).dense_ffn) == 3 * 8 * 32


def test_moe_counts_all_experts_and_activates_top_k_and_shared():
    moe = Transformer(**TINY, n_experts=4, top_k=2, d_ff_expert=16, n_shared_experts=1, n_dense_layers=1)
    dense = Transformer(**TINY)
    expert = 2 * 8 * 16
    assert moe.params == dense.params - 512 + 5 * expert + 32
    assert moe.active_params == dense.params - 512 + 3 * expert + 32


def test_latent_attention_counts_its_low_rank_projections():
    mla = {"mla_q_rank": 4, "mla_kv_rank": 3, "mla_rope_dim": 2, "mla_value_dim": 5}
    # query 8*4 + 4*2*(4+2); keys and values 8*(3+2) + 3*2*(4+5); output 2*5*8
    assert float(layer_params(Transformer(**TINY, **mla)).attention) == 32 + 48 + 40 + 54 + 80


def test_flop_per_token_is_six_a_matrix_parameter_and_half_of_attention():
    model = Transformer(**TINY)
    # Embedding lookup and norms are no matrices; scores and values: 12 * layers * heads * head * attended.
    assert float(model.flop_per_token(64)) == 6 * (2 * 768 + 80) + 12 * 2 * 2 * 4 * 32


def test_flop_per_token_takes_arrays(xp):
    flop = Transformer(**TINY).flop_per_token(xp.array([64.0, 128.0]))
    assert float(flop[1] - flop[0]) == 12 * 2 * 2 * 4 * 32


def test_a_window_as_long_as_the_sequence_changes_nothing(xp):
    length = xp.array([100.0, 4096.0])
    assert float(attended_tokens(length, length, 1.0)[1]) == 2048.0
    assert float(attended_tokens(length, 0.0, 0.0)[0]) == 50.0


def test_a_window_bounds_the_attended_tokens():
    assert float(attended_tokens(1e6, 128, 1.0)) == pytest.approx(128, rel=1e-3)


@pytest.mark.parametrize("name", sorted(transformer.models()))
def test_named_models_have_their_published_parameters(name):
    row = catalog.load("models").set_index("name").loc[name]
    model = transformer.model(name)
    # Makers round to two or three digits and count biases, position tables or prediction layers differently.
    assert model.params == pytest.approx(row["published_params"], rel=0.015)
    if row["published_active_params"] > 0 and name != "gpt-oss-120b":  # counted there without the embedding
        assert model.active_params == pytest.approx(row["published_active_params"], rel=0.03)


def test_active_parameters_of_gpt_oss_without_embedding_are_the_published_ones():
    model = transformer.model("gpt-oss-120b")
    assert model.active_params - model.vocab * model.d_model == pytest.approx(5.1e9, rel=0.02)


def test_flop_per_token_equals_the_independent_count_of_the_measured_runs():
    runs = catalog.load("training_runs")
    cases = table_of_runs.cases(runs)
    kept = runs[cases.expressible].reset_index(drop=True)
    names = [field.name for field in dataclasses.fields(Transformer) if hasattr(cases.case, field.name)]
    columns = {name: numpy.broadcast_to(getattr(cases.case, name), len(kept)) for name in names}
    for index in kept.drop_duplicates(["model", "n_layers", "seq_len"]).index:
        row = kept.loc[index]
        if cases.case.attention_window[index] > 0:
            continue  # the count in the file ignores sliding windows
        whole = {name: float(columns[name][index]) for name in names}
        model = Transformer(name=row["model"], **{n: v if n == "window_frac" else int(v) for n, v in whole.items()})
        # The file prints five digits.
        assert float(model.flop_per_token(row["seq_len"])) / 1e9 == pytest.approx(
            row["model_gflop_per_token_causal"], rel=1e-4
        )


def test_impossible_shapes_say_every_fault():
    with pytest.raises(ValueError, match=r"n_layers must be a whole number, at least 1, got 0; window_frac must be in"):
        Transformer(**{**TINY, "n_layers": 0}, window_frac=2.0)
    with pytest.raises(ValueError, match="n_heads=2 is not a multiple of n_kv_heads=3"):
        Transformer(**TINY, n_kv_heads=3)
    with pytest.raises(ValueError, match=r"top_k=5 must be between 1 and n_experts=4; an MoE needs d_ff_expert"):
        Transformer(**TINY, n_experts=4, top_k=5)
    with pytest.raises(ValueError, match="d_model must be a whole number, at least 1, got nan"):
        Transformer(**{**TINY, "d_model": float("nan")}, d_head=4)


def test_unknown_model_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown model 'gpt3'; .*data/models.csv has: gpt3-175b, "):
        transformer.model("gpt3")


def test_configurations_are_counted_to_the_last_parameter(raw_data):
    # 41 configurations, counted as the totals of their stored weights say; four are no plain decoders.
    expected = pd.read_csv(raw_data / "catalogue_2026" / "models_expected.csv").set_index("hf_id")
    counted = 0
    for name, row in expected.iterrows():
        file = raw_data / "catalogue_2026" / "configs" / f"{name.replace('/', '__')}.json"
        if row["kind"] in ("hybrid", "outside"):
            with pytest.raises(ValueError, match="are outside"):
                transformer.from_config(file)
            continue
        shape = transformer.from_config(file)
        assert (shape.params, shape.active_params) == (row["params_total"], row["params_active"]), name
        counted += 1
    assert counted == 41


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mamba_num_heads": 8}, "mamba_num_heads: hybrids"),
        ({"hidden_size": None}, "lacks hidden_size or n_embd"),
        ({"hidden_act": "gelu", "model_type": "of my own"}, "two matrices or three"),
        ({"mlp_only_layers": [3]}, "mlp_only_layers"),
        ({"num_attention_heads": 7}, "n_heads=7 is not a multiple of n_kv_heads=8"),
    ],
)
def test_what_a_configuration_does_not_tell_is_refused_with_the_key(changes, says):
    config = {
        "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "hidden_act": "silu",
    }  # fmt: skip
    with pytest.raises(ValueError, match=says):
        transformer.from_config({**config, **changes})


@pytest.mark.parametrize("text", ["", "[]", "{", '"a"', "{}"])
def test_files_that_are_no_configuration_get_a_sentence(tmp_path, text):
    file = tmp_path / "config.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"config\.json: "):
        transformer.from_config(file)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("meta-llama/Llama-3.1-8B", "llama3-8b"), ("Qwen3-30B-A3B", "qwen3-30b-a3b"), ("QWEN3_8B", "qwen3-8b"),
        ("Qwen/Qwen3-235B-A22B-Instruct-2507", "qwen3-235b-a22b"), ("deepseek-ai/DeepSeek-V3", "deepseek-v3"),
    ],
)  # fmt: skip
def test_names_of_hugging_face_are_read(said, meant):
    assert transformer.model(said).name == meant


def test_a_near_name_is_of_the_family_and_about_the_size():
    with pytest.raises(ValueError, match="did you mean 'qwen2.5-14b' or 'qwen3-8b'"):
        transformer.model("qwen3-14b")
    with pytest.raises(ValueError, match=r"unknown model 'gpt-oss-7b'; data/models\.csv has"):
        transformer.model("gpt-oss-7b")  # sixteen times smaller than the only one there is
