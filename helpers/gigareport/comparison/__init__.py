"""The same training runs on other clusters and other chips: days, dollars, energy, and how sure the order is."""

from gigareport.comparison.evaluation import MEASURES, Comparison, compare
from gigareport.comparison.options import (
    BASES,
    BASIS_WORDS,
    Option,
    chip_facts,
    clusters,
    equal,
    own_cluster,
    price_text,
    unusable_clusters,
)
from gigareport.comparison.published import beside_published, costs_beside_published
from gigareport.comparison.runs import Run, reference_run, run, runs
from gigareport.facts.prices import quotes

__all__ = [
    "BASES",
    "BASIS_WORDS",
    "MEASURES",
    "Comparison",
    "Option",
    "Run",
    "beside_published",
    "chip_facts",
    "clusters",
    "compare",
    "costs_beside_published",
    "equal",
    "own_cluster",
    "price_text",
    "quotes",
    "reference_run",
    "run",
    "runs",
    "unusable_clusters",
]
