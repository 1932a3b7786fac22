"""A fit as JSON: what is written, and what is read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
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

#: What every file of a fit has, whether fitted or published: the fields of a fit by their own names.
_FIELDS = ("parameters", "fixed", "coverage", "kind", "objective", "flags", "replicates")


def write(path: str | Path, fit: Mapping[str, Any]) -> None:
    """Write the fields of a fit as JSON."""
    solved = fit["solved"]
    content = {"form": fit["law"].name, **{name: fit[name] for name in _FIELDS}}
    if solved is not None:
        content["fitted"] = {
            "runs": solved.runs,
            "weights": solved.problem.weights[0],
            "objective": solved.problem.objective,
            "starts": solved.starts,
            "noise": solved.noise,
        }
    Path(path).write_text(json.dumps(content, default=_plain), encoding="utf-8")


def read(path: str | Path, form: Law | None = None) -> dict[str, Any]:
    """Return the fields of a fit that :func:`write` wrote; ``form`` is the law where it is one of yours."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON ({error}); give a file that save(path) of a fit wrote") from None
    missing = [name for name in ("form", *_FIELDS) if not isinstance(content, dict) or name not in content]
    if missing:
        raise ValueError(f"{path} holds no fit: it has no {', '.join(missing)}; give a file that save(path) wrote")
    fitted, solved, law = content.get("fitted"), None, form or get_law(content["form"])
    if fitted is not None:
        runs = Runs(**_arrays({**fitted["runs"], "notes": ()}))
        problem = make_problem(
            law,
            runs.columns,
            runs.loss,
            Objective(**fitted["objective"]),
            weights=numpy.asarray(fitted["weights"]),
            fixed=content["fixed"],
        )
        values = numpy.asarray([[content["parameters"][name] for name in law.names]])
        point, _ = search(problem, law.to_coordinates(values, problem.units))
        shared = fitted["noise"].pop("shared")
        noise = Noise(**_arrays(fitted["noise"]), shared=None if shared is None else Shared(**_arrays(shared)))
        starts = StartReport(**_arrays(fitted["starts"]))
        solved = Solved(problem=problem, runs=runs, point=point, starts=starts, noise=noise)
    return {
        **{name: content[name] for name in _FIELDS},
        "law": law,
        "replicates": _arrays(content["replicates"]),
        "flags": tuple(Flag(**flag) for flag in content["flags"]),
        "solved": solved,
    }


def _plain(value: Any) -> Any:
    """Return an array as a list, and a record as its fields, for JSON."""
    return {item.name: getattr(value, item.name) for item in fields(value)} if is_dataclass(value) else value.tolist()


def _arrays(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was read with its lists as arrays, those of a mapping too."""
    read_back = {name: _arrays(value) if isinstance(value, dict) else value for name, value in content.items()}
    return {name: numpy.asarray(value) if isinstance(value, list) else value for name, value in read_back.items()}
