"""The ledger: every published figure that we compare, what we get, what is allowed and why; misses first.

Beside it what published laws would train, and how far figures are from published ones, as rows of a chart and in words.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy
import pandas as pd
from numpy.typing import ArrayLike

from gigacluster import cost, race, reliability, scaling, throughput
from gigareport import catalog, facts, words
from gigareport.beside import accounts, costs, goodput
from gigareport.facts.growth import published_growth, published_shares
from gigareport.words import share

#: How far a default estimate without an interval of its own may lie from a published one.
_NEAR = 0.2
_INSIDE = f"its 90 % interval holds the figure, or {_NEAR:.0%}"


def follow(function: str, inputs: Mapping[str, Any]) -> float:
    """Return what our models make of the inputs that a publication prints.

    Parameters
    ----------
    function, inputs
        Columns of ``data/published_claims.csv``: a function of :mod:`gigacluster.cost`, :mod:`gigacluster.race`,
        :mod:`gigacluster.reliability` or :mod:`gigareport.beside.accounts` and its arguments; ``step_time_s`` of a
        ``run_id``; or ``fitted``, a ``symbol`` of the law of the bundled runs of Chinchilla under a ``loss``.

    Raises
    ------
    ValueError
        If there is no such function.

    Examples
    --------
    >>> follow("lead_months", {"size_ratio": 2.0, "growth_per_year": 4.0})
    6.0
    """
    if function == "step_time_s":
        return _step_times_s()[inputs["run_id"]]
    if function == "fitted":
        return _chinchilla(inputs["loss"])[inputs["symbol"]]
    for module in (cost, race, reliability, accounts):
        model = getattr(module, function, None)
        if model is not None:
            factors = inputs.get("growth_per_year")  # the longest run takes a growth for each thing that grows
            return float(model(*factors) if isinstance(factors, list) else model(**inputs))
    raise ValueError(f"no model is named {function!r}; see gigacluster.cost, race, reliability and beside.accounts")


@cache
def _step_times_s() -> dict[str, float]:
    runs = catalog.load("training_runs")
    claims = catalog.load("published_claims").query("function == 'step_time_s'")
    asked = {json.loads(inputs)["run_id"] for inputs in claims["inputs"]}
    found = throughput.predict(runs[runs["run_id"].isin(asked)])
    return dict(zip(found["run_id"], found["step_time_s"].astype(float), strict=True))


@cache
def _chinchilla(loss: str) -> dict[str, float]:
    return dict(scaling.fit(catalog.load("scaling_chinchilla_runs"), loss=loss, device="cpu").parameters)


def ledger(samples: int = 2_000, seed: int = 7) -> pd.DataFrame:
    """Compare every published figure of our tables with our models.

    Parameters
    ----------
    samples, seed : draws of inputs that a publication does not print.

    Returns
    -------
    pandas.DataFrame
        ``subject``, ``claim``, ``inputs`` (what was given, as text), ``published``, ``ours``, ``low``, ``high`` (5 and
        95 %; ``nan`` where nothing is uncertain), ``ratio`` (ours over published), ``allowed`` (the tolerance and its
        reason), ``source_id``, ``holds``. Misses come first, the largest first; what has no estimate of ours is left
        out.
    """
    parts = (_from_inputs(), _goodput(samples, seed), _costs(samples, seed), _stock(samples, seed))
    table = pd.DataFrame([row for part in parts for row in part]).dropna(subset="ours")
    off = numpy.abs(numpy.log(table["ratio"].where(table["ratio"] > 0)))
    worst_first = table.assign(off=off).sort_values(["holds", "off"], ascending=[True, False], kind="stable")
    return worst_first.drop(columns="off").reset_index(drop=True)


def read_ledger(table: pd.DataFrame) -> pd.DataFrame:
    """Return a ledger to be read: claims and their inputs as a text, numbers rounded, our 90 % beside our median.

    Returns
    -------
    DataFrame
        ``claim``, ``published``, ``ours``, ``times`` (ours over published), ``tolerance``, ``source``.
    """

    def written(row: Any) -> str:
        spread = f" ({words.number(row.low, 3)} to {words.number(row.high, 3)})" if row.low < row.high else ""
        return f"{words.number(row.ours, 3)}{spread}"

    def called(claim: str) -> str:
        return claim if " " in claim else claim.replace("-", " ")

    rows = [
        (
            f"{row.subject}: {called(row.claim)} ({row.inputs.replace('_', ' ')})",
            words.number(row.published, 3),
            written(row),
            words.number(row.ratio, 3),
            row.allowed,
            row.source_id,
        )
        for row in table.itertuples()
    ]
    return pd.DataFrame(rows, columns=["claim", "published", "ours", "times", "tolerance", "source"])


def _from_inputs() -> Iterator[dict[str, Any]]:
    """Yield the claims whose inputs are printed beside them."""
    for claim in catalog.load("published_claims").itertuples():
        ours = follow(claim.function, json.loads(claim.inputs))
        relative = claim.rel_tol if claim.rel_tol == claim.rel_tol else 0.0
        allowed = max(claim.abs_tol if claim.abs_tol == claim.abs_tol else 0.0, relative * abs(claim.expected))
        said = f"{relative:.2g} of it" if relative else f"{allowed:.3g}"
        inputs = ", ".join(f"{name} {value}" for name, value in json.loads(claim.inputs).items())
        held = (f"{said}: {claim.reason}", abs(ours - claim.expected) <= allowed * (1 + 1e-9))
        interval = (numpy.nan, ours, numpy.nan)
        yield _row((claim.subject, claim.claim, inputs), claim.expected, interval, held, claim.source_id)


def _goodput(samples: int, seed: int) -> Iterator[dict[str, Any]]:
    sources = catalog.load("effective_time_published").set_index("effective_id")["source_id"]
    compared = goodput.beside_published(samples=samples, seed=seed)
    for row in compared[~compared["solved"]].itertuples():
        bound = ", which is a lower bound" if row.is_lower_bound else ""
        yield _row(
            (
                "effective time",
                f"{row.system}: {row.metric}",
                f"{row.n_gpus:g} GPUs, {row.scheme}; rates {row.rate_from}",
            ),
            row.published,
            (row.low, row.median, row.high),
            (f"its 90 % interval holds the figure{bound}", not row.missed),
            sources[row.effective_id],
        )


def _costs(samples: int, seed: int) -> Iterator[dict[str, Any]]:
    for row in costs.beside_published(samples, seed).itertuples():
        middle = row.median / row.ratio  # the nearer end, of a range without a middle
        yield _default("cost", f"{row.quantity} [{row.unit}]", "our defaults", middle, row)
    for row in costs.operators_beside(samples, seed).itertuples():
        claim = f"{row.chip}: cost of ownership, {row.operator} [USD/chip/h]"
        yield _default("cost", claim, "our defaults in a rented hall", row.published, row)
    for row in costs.gigawatt_beside(samples, seed).itertuples():
        yield _default("cost", f"{row.quantity} [{row.unit}]", "scenario gigawatt-2026", row.published, row)


def _stock(samples: int, seed: int) -> Iterator[dict[str, Any]]:
    clusters, anchors = catalog.load("gpu_clusters"), catalog.load("published_anchors")
    sources = anchors.set_index("anchor_id")["source_id"]
    world = facts.load_stock(samples, seed)
    growth = published_growth(clusters, world, anchors)
    for row, anchor in zip(growth.itertuples(), growth.attrs["anchor_ids"], strict=True):
        interval = (row.ours_p5, row.ours, row.ours_p95)
        held = (_INSIDE, _near(row.published, interval))
        what = ("growth", f"{row.quantity} [1/year]", f"{row.n} clusters or quarters")
        yield _row(what, row.published, interval, held, sources[anchor])
    shares = published_shares(clusters, world, catalog.load("chip_sales"), anchors)
    for row, anchor in zip(shares.itertuples(), shares.attrs["anchor_ids"], strict=True):
        interval = (numpy.nan, row.ours, numpy.nan)
        held = (f"{_NEAR:.0%}: tables of clusters differ by their day", _near(row.published, interval))
        yield _row(("share", row.share, f"as of {row.as_of:%Y-%m-%d}"), row.published, interval, held, sources[anchor])


def _default(subject: str, claim: str, given: str, published: float, row: Any) -> dict[str, Any]:
    interval = (row.low, row.median, row.high)
    return _row((subject, claim, given), published, interval, (_INSIDE, _near(published, interval)), row.source_id)


def _near(published: float, interval: tuple[float, float, float]) -> bool:
    low, middle, high = interval
    return bool(low <= published <= high or abs(middle / published - 1) <= _NEAR)


def _row(
    what: tuple[str, str, str],
    published: float,
    interval: tuple[float, float, float],
    held: tuple[str, bool],
    source_id: str,
) -> dict[str, Any]:
    low, ours, high = interval
    return {
        **dict(zip(("subject", "claim", "inputs"), what, strict=True)),
        "published": published,
        "ours": ours,
        "low": low,
        "high": high,
        "ratio": ours / published,
        "allowed": held[0],
        "source_id": source_id,
        "holds": held[1],
    }


def published_optima(budget_flop: float) -> pd.DataFrame:
    """Return what each published law would train with a budget.

    Parameters
    ----------
    budget_flop : Training compute. [FLOP]

    Returns
    -------
    DataFrame
        ``law``, ``label``, ``training_text``, ``params``, ``tokens``, ``tokens_per_param``, ``loss`` (compares only
        between laws of one training text) and ``verification``, a row a law.

    Examples
    --------
    >>> "kaplan-2020" in set(published_optima(1e24)["law"])
    True
    """
    rows: list[dict[str, Any]] = []
    laws = catalog.load("scaling_published_laws").query("form != 'data-constrained'")  # repeats have no optimum alone
    for law, group in laws.groupby("law", sort=False):
        first = group.iloc[0]
        symbols = dict(zip(group["symbol"], group["value"], strict=True))
        best = scaling.law_optimum(scaling.LAWS[first["form"]], symbols, budget_flop)
        rows.append(
            {
                "law": law,
                "label": first["label"],
                "training_text": first["training_text"],
                "params": float(best.params),
                "tokens": float(best.tokens),
                "tokens_per_param": float(best.tokens / best.params),
                "loss": float(best.loss),
                "verification": first["verification"],
            }
        )
    return pd.DataFrame(rows)


def ratio_rows(
    table: pd.DataFrame, label: str, published: str | pd.Series, low: str, ours: str, high: str, *, within: float = 0.1
) -> pd.DataFrame:
    """Return our figures over the published ones, the worst first, with the other columns beside them.

    Parameters
    ----------
    table : DataFrame
    label, low, ours, high : Columns of the names, and of our median and its interval.
    published : str or Series
        Column of the published figures, or they themselves.
    within : From which share on a figure counts as met.

    Returns
    -------
    DataFrame
        ``label, low, median, high`` [1], whether the figure is met, and every other column of the table.

    Examples
    --------
    >>> table = pd.DataFrame({"what": ["a", "b"], "theirs": [2.0, 4.0], "l": [1.0, 1.0], "m": 2.0, "h": 8.0})
    >>> ratio_rows(table, "what", "theirs", "l", "m", "h")[["label", "low", "median"]].to_numpy().tolist()
    [['b', 0.25, 0.5], ['a', 0.5, 1.0]]
    """
    theirs = table[published] if isinstance(published, str) else published
    found = table.drop(columns=[low, ours, high]).rename(columns={label: "label"})
    for name, column in (("low", low), ("median", ours), ("high", high)):
        found[name] = table[column] / theirs
    found[f"within {share(within)}"] = (found["median"] - 1).abs() <= within
    worst_first = numpy.abs(numpy.log(found["median"])).sort_values(ascending=False, kind="stable").index
    return found.loc[worst_first].reset_index(drop=True)


def count_within(part: float, ratios: ArrayLike) -> str:
    """Say how many published figures are met within a share.

    >>> count_within(0.1, [0.95, 1.05, 1.6])
    '2 of 3'
    """
    known = numpy.asarray(ratios, dtype=float)
    known = known[numpy.isfinite(known)]
    return f"{int(numpy.sum(numpy.abs(known - 1) <= part))} of {len(known)}"


def met_within(part: float, ratios: ArrayLike) -> str:
    """Say the same as a title.

    >>> met_within(0.1, [0.95, 1.05, 1.6])
    '2 of 3 published figures are met within 10 %'
    """
    return f"{count_within(part, ratios)} published figures are met within {share(part)}"


def worst_factor(ratios: ArrayLike) -> float:
    """Return the largest factor between an estimate and a published figure, whichever is larger.

    >>> worst_factor([0.5, 1.0, 1.6])
    2.0
    """
    ratios = numpy.asarray(ratios, dtype=float)
    return float(numpy.nanmax(numpy.maximum(ratios, 1 / ratios)))
