"""The ledger: every published figure that we compare, what we get, what is allowed and why; misses first.

Beside it what published laws would train.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy
import pandas as pd

from gigacluster import cost, race, reliability, scaling, throughput
from gigacluster.uncertainty import Interval
from gigareport import catalog, facts, words
from gigareport.beside import accounts, costs, goodput, growth
from gigareport.beside.rows import row
from gigareport.facts import recovery

#: How far a default estimate without an interval of its own may lie from a published one.
_NEAR = 0.2
_HOLDS = f"its 90 % interval holds the figure, or {words.share(_NEAR)}"
#: The inputs that publications print, by the names of our functions.
_GIVEN = {
    "bytes_per_param": "bytes a parameter",
    "checkpoint_interval_s": "seconds between checkpoints",
    "checkpoint_write_s": "seconds to write one",
    "chip_w": "W of a chip",
    "days": "days",
    "failures": "failures",
    "failures_per_1000_node_days": "failures in 1,000 node-days",
    "gpus_per_node": "GPUs a node",
    "growth_per_year": "growth a year",
    "hours": "hours",
    "interval_s": "seconds between stalls",
    "it_power_w": "W of the computers",
    "loss": "loss",
    "mean_s": "seconds in the mean",
    "median_s": "seconds in the median",
    "method": "method",
    "mttf_s": "seconds between failures",
    "n_chips": "chips",
    "n_gpus": "GPUs",
    "n_params": "parameters",
    "network_power_share": "share of the network",
    "network_usd_per_chip": "network $ a chip",
    "pue": "PUE",
    "restart_s": "seconds of a restart",
    "run_id": "run",
    "server_usd_per_chip": "server $ a chip",
    "server_w_per_chip": "W of its server",
    "site_usd_per_chip": "site $ a chip",
    "size_ratio": "times the size",
    "stall": "the stall",
    "stall_s": "seconds of a stall",
    "switch_ports": "ports of a switch",
    "symbol": "symbol",
    "term_months": "months",
    "usd_per_chip_hour": "$ a chip-hour",
    "value_usd": "$",
    "write_s": "seconds to write one",
}
_FIGURES = ["published", "low", "median", "high", "ratio", "source_id"]


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
    """Compare every published figure of our tables with our models, with draws of the inputs that are not printed.

    The columns are ``subject``, ``claim``, ``inputs`` (what was given, as text), those of
    :mod:`gigareport.beside.rows`, ``allowed`` (the tolerance and its reason) and ``holds``. Misses come first, the
    largest first; what has no estimate of ours is left out.
    """
    times = goodput.beside_published(samples=samples, seed=seed).query("not solved")
    money, hours = costs.beside_published(samples, seed), costs.operators_beside(samples, seed)
    gigawatt, world = costs.gigawatt_beside(samples, seed), facts.load_stock(samples, seed)
    clusters, sales, anchors = (catalog.load(name) for name in ("gpu_clusters", "chip_sales", "published_anchors"))
    grown = growth.published_growth(clusters, world, anchors)
    shares = growth.published_shares(clusters, world, sales, anchors)
    sizes, days = times["n_gpus"].map(words.exact), shares["as_of"].dt.strftime("%Y-%m-%d")
    bound = times["is_lower_bound"].map({True: ", which is a lower bound", False: ""})
    parts = [
        _from_inputs(),
        _judged(
            times.drop(columns="unit").assign(quantity=times["system"] + ": " + times["metric"]),
            "effective time",
            sizes + " GPUs, " + times["scheme"].map(recovery.WORDS) + "; rates " + times["rate_from"],
            "its 90 % interval holds the figure" + bound,
            ~times["missed"],
        ),
        _judged(money, "cost", "our defaults"),
        _judged(
            hours.assign(quantity=hours["chip"] + ": cost of ownership, " + hours["operator"], unit="$ a chip-hour"),
            "cost",
            "our defaults in a rented hall",
        ),
        _judged(gigawatt, "cost", "scenario gigawatt-2026"),
        _judged(grown.assign(unit="times a year"), "growth", grown["n"].astype(str) + " clusters or quarters"),
        _judged(shares, "share", "as of " + days, f"{words.share(_NEAR)}: tables of clusters differ by their day"),
    ]
    table = pd.concat(parts, ignore_index=True).dropna(subset="median")
    off = numpy.abs(numpy.log(table["ratio"].where(table["ratio"] > 0)))
    misses_first = table.assign(off=off).sort_values(["holds", "off"], ascending=[True, False], kind="stable")
    return misses_first.drop(columns="off").reset_index(drop=True)


def _judged(
    table: pd.DataFrame,
    subject: str,
    inputs: str | pd.Series,
    allowed: str | pd.Series = _HOLDS,
    holds: pd.Series | None = None,
) -> pd.DataFrame:
    """Return a table of ours beside published figures as rows of the ledger, near ones as those that hold."""
    near = table["published"].between(table["low"], table["high"]) | ((table["ratio"] - 1).abs() <= _NEAR)
    claim = table["quantity"] + (" [" + table["unit"] + "]" if "unit" in table else "").replace(" [1]", "")
    told = {"subject": subject, "claim": claim, "inputs": inputs, "allowed": allowed}
    return table[_FIGURES].assign(**told, holds=near if holds is None else holds)


def _from_inputs() -> pd.DataFrame:
    """Return the claims whose inputs are printed beside them."""
    rows = []
    for claim in catalog.load("published_claims").fillna({"rel_tol": 0.0, "abs_tol": 0.0}).itertuples():
        given = json.loads(claim.inputs)
        ours = follow(claim.function, given)
        allowed = max(claim.abs_tol, claim.rel_tol * abs(claim.expected))
        said = f"{words.exact(claim.rel_tol)} of it" if claim.rel_tol else words.exact(allowed)
        rows.append(
            {
                "subject": claim.subject,
                "claim": claim.claim,
                "inputs": ", ".join(f"{_GIVEN[name]} {_value(value)}" for name, value in given.items()),
                **row(claim.expected, Interval(numpy.nan, ours, numpy.nan)),
                "allowed": f"{said}: {claim.reason}",
                "source_id": claim.source_id,
                "holds": abs(ours - claim.expected) <= allowed * (1 + 1e-9),
            }
        )
    return pd.DataFrame(rows)


def _value(value: Any) -> str:
    """Write a value that a publication prints, or several."""
    if isinstance(value, list):
        return " and ".join(map(_value, value))
    return value if isinstance(value, str) else words.exact(value)


def read_ledger(table: pd.DataFrame) -> pd.DataFrame:
    """Return a ledger to be read: claims and their inputs as a text, numbers rounded, our 90 % beside our median.

    The columns are ``claim``, ``published``, ``ours``, ``times`` (ours over published), ``tolerance``, ``source``.
    """

    def ours(row: Any) -> str:
        spread = f" ({words.number(row.low, 3)} to {words.number(row.high, 3)})" if row.low < row.high else ""
        return f"{words.number(row.median, 3)}{spread}"

    def claim(row: Any) -> str:
        return f"{row.subject}: {row.claim} ({row.inputs})"

    rows = [
        (claim(row), words.number(row.published, 3), ours(row), words.number(row.ratio, 3), row.allowed, row.source_id)
        for row in table.itertuples()
    ]
    return pd.DataFrame(rows, columns=["claim", "published", "ours", "times", "tolerance", "source"])


def published_optima(budget_flop: float) -> pd.DataFrame:
    """Return what each published law would train with a budget, a row a law.

    The columns are ``law``, ``label``, ``training_text``, ``params``, ``tokens``, ``tokens_per_param``, ``loss``
    (compares only between laws of one training text) and ``verification``.

    Examples
    --------
    >>> "kaplan-2020" in set(published_optima(1e24)["law"])
    True
    """
    rows = []
    laws = catalog.load("scaling_published_laws").query("form != 'data-constrained'")  # repeats have no optimum alone
    for law, group in laws.groupby("law", sort=False):
        first, symbols = group.iloc[0], dict(zip(group["symbol"], group["value"], strict=True))
        best = scaling.law_optimum(scaling.LAWS[first["form"]], symbols, budget_flop)
        trained = [float(x) for x in (best.params, best.tokens, best.tokens / best.params, best.loss)]
        rows.append((law, first["label"], first["training_text"], *trained, first["verification"]))
    columns = ["law", "label", "training_text", "params", "tokens", "tokens_per_param", "loss", "verification"]
    return pd.DataFrame(rows, columns=columns)
