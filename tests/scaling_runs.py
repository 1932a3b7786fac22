"""Runs that the tests of scaling laws share: the tables of ``data/``, and raw files where they are at hand."""

import numpy
import pandas as pd

from gigareport import catalog


def load(name, raw_data):
    """Return the runs of a reference case; ``raw_data`` is called only where the raw files are needed."""
    kind, _, part = name.partition(" ")
    if kind == "chinchilla":
        return catalog.load("scaling_chinchilla_runs")
    if kind == "datablations":
        return catalog.load("scaling_data_constrained_runs")
    if kind == "routing":
        table = catalog.load("scaling_routing_runs")
        return table[table["router"].isin([part, "Dense"])]
    folder = raw_data()
    if kind == "isoflop":
        table = pd.read_csv(folder / "scaling_isoflop" / "isoflops_no_llama.csv")
        return table[table["experiment"] == part].rename(columns={"budget": "budget_flop"})
    if kind == "steplaw":
        table = pd.read_csv(folder / "scaling_steplaw" / "dense_lr_bs_loss.csv")
    else:
        table = pd.read_csv(folder / "scaling_misfitting" / "scaling_results_last_ckpt_only.csv")
    if part:
        table = table.loc[table.groupby(["N", "D"])["loss"].idxmin()]
    params = table["N_no_emb" if "embeddings" in part else "N"]
    return pd.DataFrame({"params": params, "tokens": table["D"], "loss": table["loss"]}).reset_index(drop=True)


def synthetic(law=(406.4, 410.7, 1.69, 0.34, 0.28), noise=0.0, seed=0, sizes=8, durations=6):
    """Return runs of a known law on a grid of sizes and token counts, with lognormal noise."""
    A, B, E, alpha, beta = law
    params, tokens = (
        axis.ravel()
        for axis in numpy.meshgrid(numpy.geomspace(5e7, 1e10, sizes), numpy.geomspace(1e9, 3e11, durations))
    )
    loss = E + A / params**alpha + B / tokens**beta
    loss = loss * numpy.exp(noise * numpy.random.default_rng(seed).standard_normal(len(loss)))
    return pd.DataFrame({"params": params, "tokens": tokens, "loss": loss})
