"""A fit as JSON: what is written, and what is read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy

from gigacluster.scaling.estimate import Flag
from gigacluster.scaling.law import Law, get_law
from gigacluster.scaling.noise import Noise, Shared
from gigacluster.scaling.objective import Objective
from gigacluster.scaling.problem import make_problem
from gigacluster.scaling.runs import Runs
from gigacluster.scaling.search import Solved, StartReport, search

#: What every file of a fit has, whether fitted or published.
_FIELDS = ("form", "parameters", "fixed", "coverage", "kind", "objective", "flags", "replicates")


def write(path: str | Path, fit: Mapping[str, Any]) -> None:
    """Write the fields of a fit as JSON."""
    solved = fit["solved"]
    content: dict[str, Any] = {
        "form": fit["law"].name,
        "parameters": fit["parameters"],
        "fixed": fit["fixed"],
        "coverage": fit["coverage"],
        "kind": fit["kind"],
        "objective": fit["objective"],
        "flags": [[flag.kind, flag.symbol, flag.message] for flag in fit["flags"]],
        "replicates": _lists(fit["replicates"]),
    }
    if solved is not None:
        problem, runs, noise, starts = solved.problem, solved.runs, solved.noise, solved.starts
        content["fitted"] = {
            "columns": _lists(runs.columns),
            "loss_nat": runs.loss.tolist(),
            "budget_flop": None if runs.budget_flop is None else runs.budget_flop.tolist(),
            "weights": problem.weights[0].tolist(),
            "objective": [problem.objective.loss, problem.objective.delta, problem.objective.quantile],
            "starts": {**_lists(vars(starts)), "minima": _lists(starts.minima)},
            "noise": {**_lists(vars(noise)), "shared": None if noise.shared is None else _lists(vars(noise.shared))},
        }
    Path(path).write_text(json.dumps(content), encoding="utf-8")


def read(path: str | Path, form: Law | None = None) -> dict[str, Any]:
    """Return the fields of a fit that :func:`write` wrote; ``form`` is the law where it is one of yours."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON ({error}); give a file that save(path) of a fit wrote") from None
    missing = [name for name in _FIELDS if not isinstance(content, dict) or name not in content]
    if missing:
        raise ValueError(f"{path} holds no fit: it has no {', '.join(missing)}; give a file that save(path) wrote")
    law = form or get_law(content["form"])
    fitted, solved = content.get("fitted"), None
    if fitted is not None:
        budget = fitted["budget_flop"]
        checked = Runs(
            columns=_arrays(fitted["columns"]),
            loss=numpy.asarray(fitted["loss_nat"]),
            notes=(),
            budget_flop=None if budget is None else numpy.asarray(budget),
        )
        loss, delta, quantile = fitted["objective"]
        options = Objective(loss=loss, delta=delta, quantile=quantile)
        problem = make_problem(
            law,
            checked.columns,
            checked.loss,
            options,
            weights=numpy.asarray(fitted["weights"]),
            fixed=content["fixed"],
        )
        values = numpy.asarray([[content["parameters"][name] for name in law.names]])
        point, _ = search(problem, law.to_coordinates(values, problem.units))
        starts = StartReport(**{**_arrays(fitted["starts"]), "minima": _arrays(fitted["starts"]["minima"])})
        shared = fitted["noise"].pop("shared")
        noise = Noise(**_arrays(fitted["noise"]), shared=None if shared is None else Shared(**_arrays(shared)))
        solved = Solved(problem=problem, runs=checked, point=point, starts=starts, noise=noise)
    return {
        "law": law,
        "parameters": content["parameters"],
        "fixed": content["fixed"],
        "coverage": content["coverage"],
        "replicates": _arrays(content["replicates"]),
        "flags": tuple(Flag(*parts) for parts in content["flags"]),
        "kind": content["kind"],
        "objective": content["objective"],
        "solved": solved,
    }


def _lists(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.tolist() if isinstance(value, numpy.ndarray) else value for name, value in fields.items()}


def _arrays(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: numpy.asarray(value) if isinstance(value, list) else value for name, value in fields.items()}
