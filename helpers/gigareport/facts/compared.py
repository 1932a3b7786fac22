"""Three views side by side: owners of the world's stock, clusters known by name, and laboratories by use."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy
import pandas as pd

from gigacluster.concentration.bounds import bounds
from gigacluster.concentration.measures import effective_number, entropy, gini, hhi, theil, top_share
from gigacluster.uncertainty import interval
from gigareport.facts.known import active_clusters, by_owner, known_bounds
from gigareport.facts.views import MEASURES, laboratories_at, named_and_other
from gigareport.facts.world import WorldStock

__all__ = ["measures_side_by_side", "three_views"]


def measures_side_by_side(
    world: WorldStock, clusters: pd.DataFrame, lab_compute: pd.DataFrame, date: Any
) -> pd.DataFrame:
    """Every measure of each view at a date, among the parties that it names: what has no name is left out.

    Parameters
    ----------
    world : WorldStock
    clusters, lab_compute : DataFrame
        Tables ``gpu_clusters`` and ``lab_compute`` (its date nearest to ``date``).
    date : date, Timestamp or str

    Returns
    -------
    DataFrame
        ``measure``, and a column a view: named owners (median over samples), owners of known clusters (shared
        ones split, anonymous ones left out), laboratories.
    """
    named, _ = named_and_other(world, world.at(date))
    known = by_owner(active_clusters(clusters, date), anonymous="dropped").to_numpy()
    parties = {
        "named owners": named,
        "owners of known clusters": known,
        "laboratories": laboratories_at(lab_compute, date)[1].to_numpy(),
    }
    measures: dict[str, Callable[[Any], Any]] = {
        "parties with compute": partial(effective_number, order=0),
        "HHI": hhi,
        "effective number (HHI)": effective_number,
        "effective number (entropy)": partial(effective_number, order=1),
        "entropy [nat]": entropy,
        "Theil [nat]": theil,
        "Gini, with parties of nothing": gini,
        "Gini, without them": partial(gini, zero_owners=False),
        "top 1 share": MEASURES["top 1 share"],
        "top 5 share": MEASURES["top 5 share"],
    }
    rows = {
        name: [float(numpy.median(measure(held))) for held in parties.values()] for name, measure in measures.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(parties)).reset_index(names="measure")


def three_views(world: WorldStock, clusters: pd.DataFrame, lab_compute: pd.DataFrame, date: Any) -> pd.DataFrame:
    """Owners of the stock, clusters known by name and laboratories by use, side by side at a date.

    Parameters
    ----------
    world : WorldStock
    clusters : DataFrame
        Table ``gpu_clusters``.
    lab_compute : DataFrame
        Table ``lab_compute``; its date nearest to ``date`` is taken.
    date : date, Timestamp or str

    Returns
    -------
    DataFrame
        ``view, as_of, h100e, share_of_world, largest, largest_share, top5_share, hhi_low, hhi_high``. The bounds are
        of each view's own total, which is why they disagree: the views divide different totals among different
        parties. Those of the laboratories treat all other use as countless users or as one.
    """
    holdings = numpy.median(world.at(date), axis=1)
    stock = float(holdings.sum())
    index = bounds(*named_and_other(world, world.at(date)))
    named, _ = named_and_other(world, holdings)
    rows: list[tuple[Any, ...]] = [
        (
            "owners of the world's stock",
            pd.Timestamp(str(date)[:10]),
            stock,
            1.0,
            world.owners[int(named.argmax())],
            named.max() / stock,
            float(top_share(named, 5)) * named.sum() / stock,
            interval(index.lowest).low,
            interval(index.highest).high,
        )
    ]
    active = active_clusters(clusters, date)
    held, spread = by_owner(active), known_bounds(active)
    rows.append(
        (
            "clusters known by name",
            pd.Timestamp(str(date)[:10]),
            held.sum(),
            held.sum() / stock,
            held.index[0],
            held.iloc[0] / held.sum(),
            float(top_share(held.to_numpy(), 5)),
            spread.lowest,
            spread.highest,
        )
    )
    day, labs = laboratories_at(lab_compute, date)
    then = float(numpy.median(world.at(day).sum(axis=0)))
    use = bounds(labs.to_numpy(), max(then - labs.sum(), 0.0))
    rows.append(
        (
            "laboratories by use",
            day,
            labs.sum(),
            labs.sum() / then,
            labs.idxmax(),
            labs.max() / then,
            float(top_share(labs.to_numpy(), 5)) * labs.sum() / then,
            float(use.lowest),
            float(use.highest),
        )
    )
    return pd.DataFrame(
        rows,
        columns=[
            "view",
            "as_of",
            "h100e",
            "share_of_world",
            "largest",
            "largest_share",
            "top5_share",
            "hhi_low",
            "hhi_high",
        ],
    )
