"""All Newton iterations of every fit as one kernel for a GPU, a thread a fit, written from the models themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy

from gigacluster.arrays import moved
from gigacluster.emission import c, input_names
from gigacluster.scaling import newton
from gigacluster.trace import Record


def iteration(problem: Any, scale: float, tolerance: float) -> Record:
    """Record one iteration: of the fields of a :class:`~gigacluster.scaling.newton.Solution`, a column each.

    The output ``done`` says whether a fit needs no further one. Runs of the ``problem`` (a
    :class:`~gigacluster.scaling.problem.Problem`) are tables of the record, or inputs where every fit has its own
    weights or losses; ``scale`` and ``tolerance`` are those of :func:`gigacluster.scaling.newton.minimise`.
    """
    size, (_, runs) = len(problem.law.names), problem.log_loss.shape
    record = Record()
    xp: Any = record.space

    def columns(name: str, count: int) -> Any:
        return xp.stack([record.input(f"{name}.{i}") for i in range(count)], axis=1)

    now = newton.Solution(
        problem=record.input("problem"),
        theta=columns("theta", size),
        model=columns("model", 1 + size + size * (size + 1) // 2),
        damping=record.input("damping"),
        gradient=record.input("gradient"),
        iterations=record.input("iterations"),
    )
    own: dict[str, Any] = {
        name: record.input(name, rows=runs) for name in ("weights", "log_loss") if len(getattr(problem, name)) > 1
    }
    symbolic = replace(problem, like=now.damping, **own)
    prediction, move = symbolic._prediction()
    function = symbolic._function(prediction, numpy.zeros(1))
    lower = xp.asarray(problem.law.lower)
    new = newton._advance(xp, function, move, now, lower, columns("held", size), scale)
    for field in fields(newton.Solution):
        record.output(field.name, getattr(new, field.name))
    record.output("done", newton.is_done(new, tolerance))
    return record


def fused(
    problem: Any, scale: float, numbers: Any, compiled: Callable[[str], Any], *, tolerance: float, max_iterations: int
) -> Callable[[newton.Solution, Any], newton.Solution]:
    """Return what takes fits to their minima in one launch, for ``minimise``.

    ``numbers`` says which weights and losses each fit has; ``compiled`` makes a function of a kernel's text.
    """
    xp, record = problem.xp, iteration(problem, scale, tolerance)
    run = compiled(c(record, "newton", cuda=True, most_steps=max_iterations))
    tables = [problem.array(table) for table in record.tables]
    outputs = [name for name in record.outputs if name != "done"]
    rows = {name: problem.array(getattr(problem, name).T) for name in ("weights", "log_loss")}
    names, of_fit = input_names(record), moved(numbers, problem.like, whole=True)

    def finish(now: newton.Solution, held: Any) -> newton.Solution:
        which = xp.take(of_fit, now.problem)

        def column(name: str) -> Any:
            if name in rows:
                return xp.take(rows[name], which, axis=1)
            first, _, place = name.partition(".")
            values = held if first == "held" else getattr(now, first)
            return xp.astype(values[:, int(place)] if place else values, xp.float64)

        count = now.problem.shape[0]
        out = run([column(name) for name in names], tables, len(outputs), count)
        found = {name: out[i, ...] for i, name in enumerate(outputs)}
        new = {}
        for field in fields(now):
            parts = [value for name, value in found.items() if name.partition(".")[0] == field.name]
            new[field.name] = xp.stack(parts, axis=1) if getattr(now, field.name).ndim == 2 else parts[0]
        return newton.Solution(**new | {"problem": now.problem})

    return finish
