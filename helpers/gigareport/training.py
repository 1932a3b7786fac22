"""What compute trains, by which law and how surely: tables that the figures of the scaling laws draw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy
import pandas as pd

from gigacluster import scaling
from gigacluster.uncertainty import interval
from gigareport import catalog
from gigareport.answers import named, tell
from gigareport.beside import published_optima
from gigareport.scenario import Outlook
from gigareport.words import exact, quantity
from gigareport.words import interval as interval_text

COMPUTE, LOSS = "Training compute [FLOP]", "Loss [nat/token]"
BEST_SIZE, SCORE = "Best size [parameters]", "MMLU, right answers [1]"
SERVED, SHARE = "Tokens served", "Share of the training optimum [1]"
_DAYS = (30, 100, 300)
# Where numbers of the answer are explained.
_TRUST = "20-scaling-laws.html#how-far-can-a-form-be-trusted"
_LAWS = "20-scaling-laws.html#which-law-every-published-one-beside-ours"
_NAMES = {"params": "parameter", "tokens": "token", "loss": "nat/token"}
_ENDS = ["low", "median", "high"]
_TASKS = {
    "hellaswag_val": "HellaSwag",
    "arc_challenge_test": "ARC, hard questions",
    "arc_easy_test": "ARC, easy questions",
    "piqa_val": "PIQA",
    "csqa_val": "CommonsenseQA",
    "socialiqa_val": "Social IQa",
}


def answer(outlook: Outlook, averaged: scaling.Estimate) -> str:
    """Say what the compute of one run trains, how sure that is by the law and by its form, and what the paper said.

    Parameters
    ----------
    outlook : Of the scenario.
    averaged : Loss of the median run with the forms averaged.
    """
    flop, size = outlook.interval("run_flop"), outlook.interval("run_params")
    printed = published_optima(flop.median).set_index("law").loc["hoffmann-2022-printed", "params"]
    moves = "within" if size.low <= printed <= size.high else "beyond"
    wide = named(f"{averaged.low:.2f} to {averaged.high:.2f}", "loss, forms averaged", _TRUST, of=outlook)
    times = named(f"{printed / size.median:.2f}", "parameters as first printed", _LAWS, of=outlook)
    return (
        f"**A run spends {tell(outlook, 'run_flop')} and trains at best a model of {tell(outlook, 'run_params')} on "
        f"{tell(outlook, 'run_tokens')}, to a loss of {tell(outlook, 'run_loss')} if the law's form holds so far "
        f"beyond the runs, and from {wide} if it is as unsure as forms were shown to be.** The law as first "
        f"printed would ask for {times} times the parameters: the choice of paper moves the size {moves} its interval."
    )


def _ends(found: scaling.Estimate, scale: float = 1.0) -> dict[str, Any]:
    return {"low": found.low / scale, "median": found.value / scale, "high": found.high / scale}


def _symbols(law: scaling.Fit) -> dict[str, Any]:
    return {name: law.parameters[name] for name in ("A", "B", "E", "alpha", "beta")}


def parameters_beside(law: scaling.Fit, limit: scaling.Fit, published: str) -> pd.DataFrame:
    """Return each parameter of a law with its standard error, a published law's and that of another objective.

    ``limit`` is of the same runs fitted otherwise, ``published`` names a law of ``scaling_published_laws``.
    """
    known = catalog.load("scaling_published_laws").query("law == @published").set_index("symbol")["value"]
    table = pd.DataFrame(law.table()).set_index("symbol").drop(columns="fixed")
    table = table.assign(published=known, ratio=table["value"] / known, limit=pd.Series(limit.parameters))
    names = {"standard_error": "standard error", "published": "published refit", "limit": "least absolute deviations"}
    return table.rename(columns=names).map(lambda value: exact(value, 5)).reset_index()


def best_losses(law: scaling.Fit, flop: numpy.ndarray) -> pd.DataFrame:
    """Return the least loss at each compute, in nat/token, with its interval."""
    best = scaling.compute_optimal(law, flop).loss
    return pd.DataFrame({COMPUTE: flop, **_ends(best), "what": "best at each compute"})


def budgets(outlooks: Iterable[Outlook], symbols: Mapping[str, numpy.ndarray]) -> pd.DataFrame:
    """Return what each cluster trains in 30, 100 and 300 days, as :func:`gigacluster.scaling.budget_table`.

    The slowest cluster comes first. ``scenario`` holds the name of each row's scenario.
    """
    tables = []
    for outlook in sorted(outlooks, key=lambda one: one.interval("useful_flop_per_s").median):
        cluster = outlook.scenario.cluster
        name = f"{cluster.n_chips:,} {cluster.chip.split('-')[0]}"
        table = scaling.budget_table({name: outlook.useful_flop_per_s}, _DAYS, symbols)
        tables.append(pd.DataFrame(table).assign(scenario=outlook.scenario.name))
    return pd.concat(tables, ignore_index=True)


def budgets_in_words(table: pd.DataFrame) -> pd.DataFrame:
    """Return the runs of :func:`budgets` as a reader reads them, each number with its interval."""
    told: dict[str, Any] = {"run": table["label"], "compute": [quantity(x, "FLOP") for x in table["flop"]]}
    for name, unit in _NAMES.items():
        digits, ends = 4 if name == "loss" else 2, table[[f"{name}_low", name, f"{name}_high"]].to_numpy()
        told[name] = [interval_text(low, middle, high, unit, digits) for low, middle, high in ends]
    return pd.DataFrame(told).rename(columns={"params": "parameters"})


def gains(table: pd.DataFrame, symbols: Mapping[str, numpy.ndarray], *, days: float = 100) -> pd.DataFrame:
    """Return by how many nat/token the loss falls from the smallest to the largest cluster, and with more compute.

    Parameters
    ----------
    table, days : From :func:`budgets`, and the length of the runs.
    symbols : Drawn parameters of the law: every gain is that of pairs.
    """
    runs = table[table["days"] == days]
    small, large = runs["flop"].iloc[0], runs["flop"].iloc[-1]
    each: dict[str, Any] = {name: numpy.asarray(values)[:, None] for name, values in symbols.items()}
    losses = scaling.optimum(numpy.asarray([small, large, 10 * large, 100 * large]), **each).loss.T
    first = f"{runs['cluster'].iloc[0]} to {runs['cluster'].iloc[-1]}, {days:g} days"
    fallen = [losses[0] - losses[1], losses[1] - losses[2], losses[2] - losses[3], losses[1] - symbols["E"]]
    names = (first, "the next tenfold", "the tenfold after", "all that is left above E")
    rows = {name: interval(one) for name, one in zip(names, fallen, strict=True)}
    return pd.DataFrame({name: {end: getattr(row, end) for end in _ENDS} for name, row in rows.items()}).T


def best_sizes(ways: scaling.Approaches, flop: numpy.ndarray) -> pd.DataFrame:
    """Return the best size at each compute by each approach, and the paired difference of the exponents of 2 and 3."""
    tables = [
        pd.DataFrame({"approach": approach, COMPUTE: flop, **_ends(found["params"])})
        for approach, found in ways.predict(flop).items()
    ]
    table = pd.concat(tables)
    paired = {}
    if ways.difference is not None:
        found = ways.difference.exponent
        paired = {"exponent of 2 less 3": found.value, "from": found.low, "to": found.high}
    return table.assign(**paired)


def laws_beside(split: scaling.Allocation, flop: float) -> pd.DataFrame:
    """Return the best size at one budget by this fit and by every published law, in billion parameters."""
    found, scale = published_optima(flop), 1e9
    memory = found["verification"].eq("recalled").map({True: " (from memory)", False: ""})
    theirs = found.assign(label=found["label"] + memory, median=found["params"] / scale, low=numpy.nan, high=numpy.nan)
    ours = {"label": "this fit", **_ends(split.params, scale), "verification": "ours"}
    table = pd.concat([pd.DataFrame([ours]), theirs], ignore_index=True)
    return table[["law", "label", *_ENDS, "loss", "training_text", "verification"]]


def excess_as_printed(
    laws: pd.DataFrame, split: scaling.Allocation, symbols: Mapping[str, numpy.ndarray]
) -> pd.DataFrame:
    """Return what the law of Hoffmann et al. as first printed would cost beside ours, and how losses spread.

    Parameters
    ----------
    laws : From :func:`laws_beside`.
    split, symbols : Ours at the same budget, and drawn parameters of our law.
    """
    ratio = laws.set_index("law").loc["hoffmann-2022-printed", "median"] * 1e9 / float(split.params.value)
    excess = interval(scaling.excess_compute(ratio, symbols["alpha"], symbols["beta"])).median
    losses = laws.query("training_text == 'MassiveText'")["loss"]
    rows = {
        "parameters of the law as printed, over ours": ratio,
        "compute for the same loss at that size, if ours is right": excess,
        "least loss by laws of the same runs [nat/token]": losses.min(),
        "largest loss by laws of the same runs [nat/token]": losses.max(),
    }
    return pd.DataFrame({"what": [*rows], "value": [exact(value, 3) for value in rows.values()]})


def teaching(law: scaling.Fit, *, at_flop: float, budget_flop: float) -> pd.DataFrame:
    """Return the run, of a budget at most, that would narrow the loss or the best size at a compute most for a FLOP."""
    rows = {}
    for name, target in {"loss": "loss", "best size": "optimum"}.items():
        run = scaling.next_run(law, at_flop=at_flop, budget_flop=budget_flop, target=target)
        rows[name] = {
            "parameters [million]": run.params / 1e6,
            "tokens [billion]": run.tokens / 1e9,
            "tokens a parameter": run.tokens / run.params,
            "share of the largest run's FLOP": run.flop / budget_flop,
            "interval now, high over low": run.width_now,
            "interval then": run.width_then,
        }
    return pd.DataFrame(rows).T


def text_asked(table: pd.DataFrame) -> pd.DataFrame:
    """Return the tokens that each run of :func:`budgets` asks for, and below them those that there are.

    They are ``label, low, median, high`` in tokens, and ``over Llama 3's``, the same over what Llama 3 was trained on.
    """
    names = {"tokens_low": "low", "tokens": "median", "tokens_high": "high", "supply": "label"}
    supplies = catalog.load("token_supplies")
    used = supplies.set_index("supply").loc["llama3-training", "tokens"]
    had = supplies.replace({"llama3-training": "Llama 3's", "public-text": "public text (from memory)"})
    rows = pd.concat([part.rename(columns=names)[["label", *_ENDS]] for part in (table, had)], ignore_index=True)
    return rows.assign(**{"over Llama 3's": rows["median"] / used})


def repeating(law: scaling.Fit, fitted_scale: float, flop: float, unique_tokens: float) -> pd.DataFrame:
    """Return the loss that too little text costs a run, in nat/token, by how soon repeats lose their value.

    Parameters
    ----------
    law : Of runs that repeat nothing.
    fitted_scale : R* of runs that repeat, as fitted here, beside the published one and, for a pessimist, a third. [1]
    flop, unique_tokens : The run, and the text it has.
    """
    symbols = _symbols(law)
    published = catalog.load("scaling_published_laws").set_index(["law", "symbol"])["value"]
    theirs = published["muennighoff-2023-repeats", "R_D*"]
    scales = numpy.asarray([theirs / 3, theirs, fitted_scale])
    limited = scaling.repeated_optimum(flop, unique_tokens, **symbols, repeats_scale=scales)
    lost = limited.loss - scaling.optimum(flop, **symbols).loss
    whose = ["a pessimist's: a third", "Muennighoff et al. 2023", "this fit, which leaves it open"]
    return pd.DataFrame({"R*": scales, "whose": whose, "loss lost [nat/token]": lost})


def serving(law: scaling.Fit, flop: float, *, asked: float = 1e14) -> pd.DataFrame:
    """Return by the tokens served how small the cheapest model is, and what it saves, at the loss of one budget.

    Returns
    -------
    DataFrame
        :data:`SERVED`, :data:`SHARE` and ``what``: the size of the model, and the compute in all; ``smaller`` and
        ``saved`` are the shares at ``asked`` tokens. [1]
    """
    symbols = _symbols(law)
    best, served = scaling.optimum(flop, **symbols), numpy.append(numpy.geomspace(1e11, 1e16, 61), asked)
    plan = scaling.cheapest_to_serve(float(best.loss), served, **symbols)
    ratios = {
        "size of the model": plan.params / float(best.params),
        "compute in all": plan.total_flop / plan.total_flop_if_training_optimal,
    }
    tables = [pd.DataFrame({SERVED: served, SHARE: ratio, "what": what})[:-1] for what, ratio in ratios.items()]
    smaller, compute = (ratio[-1] for ratio in ratios.values())
    return pd.concat(tables, ignore_index=True).assign(at=asked, smaller=smaller, saved=1 - compute)


def scores(flop: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the score of an average new model by its compute, and the models measured.

    Returns
    -------
    DataFrame, DataFrame
        :data:`COMPUTE` with ``low, median, high``, and ``here``, the compute asked for or the largest measured if that
        is less, with the ends of its score; :data:`COMPUTE`, :data:`SCORE` and ``model``.
    """
    models = catalog.load("scaling_benchmark_models")
    link = scaling.link_score(numpy.log10(models["training_flop"]), models["mmlu_frac"], models["family"], seed=seed)
    here = min(flop, float(models["training_flop"].max()))
    at = numpy.append(numpy.geomspace(1e20, 1e27, 71), here)
    found = link.predict(numpy.log10(at))
    curve = pd.DataFrame({COMPUTE: at, **_ends(found)})
    ends = {"low_here": curve["low"].iloc[-1], "high_here": curve["high"].iloc[-1]}
    measured = models.rename(columns={"training_flop": COMPUTE, "mmlu_frac": SCORE})[["model", COMPUTE, SCORE]]
    return curve[:-1].assign(what="average model", here=here, **ends), measured.assign(what="base models")


def ladder() -> pd.DataFrame:
    """Return the score of a larger model as a ladder of small ones predicts it, task by task, beside the measured."""
    rows = []
    for task, runs in catalog.load("scaling_ladder_scores").groupby("task", sort=False):
        small, goal = runs.query("role == 'ladder'"), runs.query("role == 'target-13B-5T'").iloc[0]
        link = scaling.link_score(-small["loss_bits_per_byte"], small["score_frac"], chance=goal["chance_frac"])
        found = link.predict(-goal["loss_bits_per_byte"])
        ends = [float(value) for value in (found.value, found.low, found.high)]
        rows.append([_TASKS.get(task, task), *ends, goal["score_frac"], ", ".join(flag.symbol for flag in link.flags)])
    return pd.DataFrame(rows, columns=["task", "predicted", "low", "high", "measured", "open"])
