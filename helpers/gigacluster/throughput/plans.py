"""Parallel plans: one, checked against its job; or every feasible one, as a table of small integers.

A plan says how a job is split: tensor (tp, with or without sequence parallel sp), pipeline (pp, with vpp chunks of the
model a rank), data (dp), context (cp) and expert parallel (ep), the micro-batch, what is computed again, and what is
sharded over which chips.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy

from gigacluster.arrays import NUMPY, AnyArray, Namespace, as_common, moved, namespace_of, to_host
from gigacluster.names import outside_schedule, unknown
from gigacluster.throughput.case import Case
from gigacluster.throughput.job import Job
from gigacluster.throughput.rules import HYBRID, RULES, SEARCHED, SHARDINGS, ZERO1, ZERO2, Rule, divisors, widths
from gigacluster.throughput.software import Software
from gigacluster.throughput.words import PARTS_AGAIN, RECOMPUTE, RECOMPUTED, SHARDING

#: Every axis of a plan: a field of :class:`Plan`, a column of :class:`PlanTable`. A search can be restricted in all
#: but dp, which follows from the number of chips.
AXES = ("tp", "sp", "pp", "vpp", "dp", "cp", "ep", "micro_batch", "recompute", "sharding", "shard_group")
RECOMPUTES = ("none", "selective", "full")
#: Axes whose values are words: their vocabulary, and the words that a plan can have, in the order of their codes.
_WORDS = {"recompute": (RECOMPUTE, RECOMPUTES), "sharding": (SHARDING, SHARDINGS)}
#: The two axes of how states are sharded, which come in pairs.
_OPTION = ("sharding", "shard_group")


class UnevenChipsError(ValueError):
    """No plan uses just the chips of the job; ``n_chips`` is the next lower number that one uses."""

    def __init__(self, message: str, *, n_chips: int) -> None:
        super().__init__(message)
        self.n_chips = n_chips


@dataclass(frozen=True, kw_only=True)
class Plan(Software):
    """One parallel plan, with the software inputs that go before those of its job."""

    tp: int = 1
    sp: bool = False
    pp: int = 1
    vpp: int = 1
    dp: int = 1
    cp: int = 1
    ep: int = 1
    micro_batch: int = 1
    recompute: str = "none"
    sharding: str = "zero1"
    shard_group: int = 0  # chips that states are sharded over, each group with a copy; 0: all replicas, dp x cp

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.shard_group:
            object.__setattr__(self, "shard_group", self.dp * self.cp)

    def _faults(self) -> list[str]:
        faults = super()._faults()
        for name in ("tp", "pp", "vpp", "dp", "cp", "ep", "micro_batch"):
            value = getattr(self, name)
            if not (value >= 1 and value == int(value)):
                faults.append(f"{name} must be a whole number, at least 1, got {value!r}")
        for name in _WORDS:
            try:
                object.__setattr__(self, name, read_word(name, getattr(self, name)))
            except ValueError as fault:
                faults.append(str(fault))
        return faults

    def __str__(self) -> str:
        shown = [n for n in ("tp", "pp", "vpp", "cp", "ep", "dp", "micro_batch") if getattr(self, n) > 1]
        words = [f"{name}={getattr(self, name)}" for name in shown or ["dp"]]
        words += ["sp"] * self.sp + [f"recompute={self.recompute}", self.sharding]
        return " ".join(words) + (f" in groups of {self.shard_group}" if self.shard_group < self.dp * self.cp else "")

    def codes(self) -> dict[str, int]:
        """Return every axis as a whole number: words as their codes."""
        return {axis: _code(axis, getattr(self, axis)) for axis in AXES}


class PlanTable(SimpleNamespace):
    """Many plans: an array of whole numbers for each of :data:`AXES`, words as their codes."""

    def __len__(self) -> int:
        return int(self.tp.shape[0])

    def take(self, index: Any) -> PlanTable:
        """Return the plans at an index: a slice, or an array of numbers or flags."""
        return PlanTable(**{name: column[index] for name, column in self.columns().items()})

    def columns(self) -> dict[str, Any]:
        """Return every column by name, without copying."""
        return dict(vars(self))

    def space(self) -> PlanSpace:
        """Return the same plans by their numbers: rows that say all, in one group with one option."""
        group = Group(0, numpy.arange(len(self)), numpy.zeros(1, dtype=int))
        return PlanSpace(rows=self.columns(), options=numpy.zeros((1, 2), dtype=int), groups=(group,))

    def plan(self, index: int) -> Plan:
        """Return one plan as a record."""
        row: dict[str, Any] = {name: int(column[index]) for name, column in self.columns().items()}
        words = {axis: allowed[row[axis]] for axis, (_, allowed) in _WORDS.items()}
        return Plan(**{**row, "sp": bool(row["sp"]), **words})


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Rows of plans that allow the same shardings: every row with every option, numbered row by row from ``first``."""

    first: int
    rows: Any  # in the library of the space
    options: numpy.ndarray

    @property
    def stop(self) -> int:
        """Number after that of the last plan."""
        return self.first + int(self.rows.shape[0]) * len(self.options)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PlanSpace:
    """Every feasible plan of a job by its number: what has ten million plans is a table of the rows without sharding.

    A number is in mixed radix: the group, the row within it, the sharding. Columns are made where they are used, rows
    lie where they were enumerated: on the host, or on a device.
    """

    rows: Mapping[str, Any]  # a column of whole numbers for each axis but sharding and shard_group, or for all
    options: Any  # (options, 2): code of the sharding and size of its groups, 0 for all replicas
    groups: tuple[Group, ...]

    def __len__(self) -> int:
        return self.groups[-1].stop

    def group_of(self, number: int) -> Group:
        """Return the group that a number falls into."""
        return next(group for group in self.groups if number < group.stop)

    def places(self, index: Any) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Return row and option of the plans at an index, on the host: a slice, or an array of numbers or flags."""
        number = numpy.arange(len(self))[index]
        row, option = numpy.empty(len(number), dtype=numpy.int64), numpy.empty(len(number), dtype=numpy.int64)
        for group in self.groups:
            here = (number >= group.first) & (number < group.stop)
            down, across = numpy.divmod(number[here] - group.first, len(group.options))
            row[here], option[here] = _at(group.rows, down), group.options[across]
        return row, option

    def take(self, index: Any) -> PlanTable:
        """Return the plans at an index as a table, on the host."""
        row, option = self.places(index)
        columns = {name: _at(column, row) for name, column in self.rows.items()}
        sharding, group = self.options[option].T
        return PlanTable(
            **columns, sharding=sharding, shard_group=numpy.where(group > 0, group, columns["dp"] * columns["cp"])
        )

    def plan(self, index: int) -> Plan:
        """Return one plan as a record."""
        return self.take(slice(index, index + 1)).plan(0)


def _at(column: Any, places: numpy.ndarray) -> AnyArray:
    """Return the elements of a column at places, on the host."""
    xp = namespace_of(column)
    return column[places] if xp is NUMPY else to_host(xp.take(column, moved(places, column, whole=True)))


def distinct(code: Any, most: int) -> AnyArray:
    """Return the whole numbers below ``most`` that a column holds, rising, on the host."""
    xp = namespace_of(code)
    if xp is NUMPY:
        return numpy.flatnonzero(numpy.bincount(code, minlength=most))
    ordered = xp.sort(code)
    first = xp.nonzero(ordered[1:] != ordered[:-1])[0] + 1
    return to_host(xp.concat([ordered[:1], xp.take(ordered, first)]))


def lookup(numbers: AnyArray, used: AnyArray, code: Any) -> Any:
    """Return the number that belongs to each code: ``numbers`` are those of the codes that are used."""
    table = numpy.zeros(int(used[-1]) + 1, dtype=numpy.int64)
    table[used] = numbers
    return namespace_of(code).take(moved(table, code, whole=True), code)


def check_plan(plan: Plan, job: Job) -> None:
    """Refuse a plan that its job cannot run.

    Raises
    ------
    ValueError
        With every rule that fails: what was given, and what would fit.
    """
    row = SimpleNamespace(**plan.codes())
    faults = [rule.says(job, row) for rule in RULES if not rule.holds(job, row)]
    if faults:
        raise ValueError("; ".join(faults))


def case_of_plan(job: Job, plan: Plan) -> Case:
    """Return the case of one checked plan."""
    check_plan(plan, job)
    row = SimpleNamespace(**{name: float(v) for name, v in plan.codes().items()})
    return job.case(
        plan.software(), **plan_fields(replace(job, recompute_modules=plan.over(job).recompute_modules), row)
    )


def plan_fields(job: Job, plans: Any) -> dict[str, Any]:
    """Return the plan fields of a :class:`~gigacluster.throughput.case.Case`, with what a sharding code stands for.

    Parameters
    ----------
    plans : object with the columns of :class:`PlanTable`
        Floats, or float64 arrays of one library.
    """
    xp, (code,) = as_common(plans.sharding)
    return {
        **{axis: getattr(plans, axis) for axis in AXES if axis not in _WORDS},
        **again_fields(job, plans.recompute),
        "n_chips": plans.tp * plans.pp * plans.cp * plans.dp,
        "shard_params": xp.astype(code > 2.5, xp.float64),
        "shard_grads": xp.astype(code > 1.5, xp.float64),
        "shard_optimizer": xp.astype(code > 0.5, xp.float64),
    }


def again_fields(job: Job, recompute: Any) -> dict[str, Any]:
    """Return the shares of a layer that are computed again, for codes of :data:`RECOMPUTES`.

    ``selective`` stands for the modules that the job names, otherwise for what its framework means by it.
    """
    xp, (code,) = as_common(recompute)
    policy = "selective" if job.framework == "megatron" else "selective by operation"
    shares = job.again() or dict(zip(PARTS_AGAIN, RECOMPUTED[policy], strict=True))
    selective = xp.astype(code == 1.0, xp.float64)
    full = xp.astype(code == 2.0, xp.float64)
    return {part: full + share * selective for part, share in shares.items()}


def read_word(axis: str, said: object) -> str:
    """Return the word of an axis of plans that is meant.

    Raises
    ------
    ValueError
        If it is none that a plan can have.
    """
    vocabulary, allowed = _WORDS[axis]
    word = vocabulary.read(said)
    if word not in allowed:
        raise ValueError(unknown(axis, said, allowed))
    return word


def _code(axis: str, value: Any) -> int:
    """Return a value of an axis as a whole number: a word as its place."""
    return _WORDS[axis][1].index(value) if axis in _WORDS else int(value)


def axis_values(job: Job, limits: Mapping[str, Iterable[Any]] | None = None) -> dict[str, list[int]]:
    """Return the values that each axis of a plan can take by itself, before any rule about several axes.

    In the order in which a search joins them.

    Parameters
    ----------
    limits : mapping of axis to allowed values, optional
        For instance ``{"tp": [4, 8], "sharding": ["zero1"]}``; see :data:`AXES`. Groups of hybrid sharding are one and
        eight scale-up domains unless ``shard_group`` says otherwise; without hybrid sharding, it says those of ZeRO-1
        and ZeRO-2.

    Raises
    ------
    ValueError
        If an axis is unknown, or can have none of its allowed values.
    """
    model, domain, limits = job.model, job.cluster.fabric.scaleup_domain, dict(limits or {})
    restricted = [axis for axis in AXES if axis != "dp"]
    values: dict[str, list[Any]] = {
        "pp": list(range(1, model.n_layers + 1)),
        "vpp": list(range(1, model.n_layers + 1)),
        "tp": widths(job),
        "cp": divisors(job.seq_len),
        "dp": divisors(job.global_batch),
        "micro_batch": divisors(job.global_batch),
        "ep": divisors(max(model.n_experts, 1)),
        "sp": [0, 1],
        "recompute": list(RECOMPUTES),
        "sharding": list(SHARDINGS),
        "shard_group": [domain, 8 * domain],
    }
    if unknown := set(limits) - set(restricted):
        said = f"unknown axes {', '.join(sorted(unknown))}; a search can be restricted in: {', '.join(restricted)}"
        asked = [*unknown, *(word for axis in unknown for word in limits[axis])]
        raise ValueError("; ".join(filter(None, [said, outside_schedule(*asked)])))
    for axis, allowed in limits.items():
        wanted = [read_word(axis, word) for word in allowed] if axis in _WORDS else list(allowed)
        kept = wanted if axis == "shard_group" else [value for value in values[axis] if value in wanted]
        if not kept:
            raise ValueError(f"{axis} can be {', '.join(map(str, values[axis]))}; none of them is in {wanted}")
        values[axis] = kept
    # A fused kernel computes the core of attention again anyway: unless asked for, it would be the same plan twice.
    fused = job.framework == "megatron" and job.attention != "unfused" and not job.recompute_modules
    if "recompute" not in limits and fused:
        values["recompute"].remove("selective")
    return {axis: [_code(axis, value) for value in kept] for axis, kept in values.items()}


def enumerate_plans(
    job: Job, limits: Mapping[str, Iterable[Any]] | None = None, xp: Namespace = NUMPY
) -> tuple[PlanSpace, int]:
    """Return every feasible plan of a job, and how many tuples of axis values there are before any rule.

    Axis by axis, the tuples so far meet the values of the next axis, and a rule applies as soon as its axes are there:
    on the arrays of ``xp``, where the rows stay.

    Raises
    ------
    ValueError
        If no plan is feasible: which rule the last ones broke, and what would fit.
    """
    values = axis_values(job, limits)
    options = _options(values, asked="shard_group" in (limits or {}))
    # Of all combinations; dp follows from the others.
    considered = math.prod(len(v) for axis, v in values.items() if axis not in ("dp", *_OPTION)) * len(options)
    try:
        return _table(job, values, options, (*RULES, *SEARCHED.values()), xp), considered
    except UnevenChipsError:
        raise
    except ValueError:
        if not set(SEARCHED) & set(limits or {}):
            raise
        # What is asked for has no plan that a search would look at.
        return _table(job, values, options, RULES, xp), considered


def _table(
    job: Job,
    values: dict[str, list[int]],
    pairs: list[tuple[int, int]],
    rules: tuple[Rule, ...],
    xp: Namespace,
) -> PlanSpace:
    """Return the plans of a job that hold some rules."""
    options = numpy.asarray(pairs, dtype=numpy.int32)
    sharding = dict(zip(_OPTION, options.T, strict=True))
    asked = set().union(*(rule.needs for rule in rules if rule.needs & set(sharding))) - set(sharding)
    rows: dict[str, Any] = {}
    code, radix = xp.zeros(1, dtype=xp.int64), {}  # the axes that rules about sharding ask for, in mixed radix
    for axis in (axis for axis in values if axis not in _OPTION):
        choices = numpy.asarray(values[axis], dtype=numpy.int64)
        across = {axis: moved(choices, code, whole=True)}
        down, right = xp.nonzero(_allowed(rows, across, job, rules))
        rows = {name: xp.take(column, down) for name, column in rows.items()} | {axis: xp.take(across[axis], right)}
        code = xp.take(code, down)
        if axis in asked:
            code, radix[axis] = code * len(choices) + right, choices
    rows = {name: xp.astype(column, numpy.int32 if xp is NUMPY else xp.int64) for name, column in rows.items()}
    # Rules about sharding look at each combination of their axes once.
    shape = tuple(len(choices) for choices in radix.values())
    used = distinct(code, math.prod(shape))
    places = zip(radix.items(), numpy.unravel_index(used, shape), strict=True)
    flags = _allowed({axis: choices[place] for (axis, choices), place in places}, sharding, job, rules)
    patterns, pattern = numpy.unique(flags, axis=0, return_inverse=True)
    pattern = lookup(pattern.ravel(), used, code)
    groups: list[Group] = []
    for which in numpy.flatnonzero(patterns.any(axis=1)).tolist():
        start = groups[-1].stop if groups else 0
        groups.append(Group(start, xp.nonzero(pattern == which)[0], numpy.flatnonzero(patterns[which])))
    return PlanSpace(rows=rows, options=options, groups=tuple(groups))


def _options(values: dict[str, list[int]], *, asked: bool) -> list[tuple[int, int]]:
    """Return sharding with its groups: whole replicas, 0, are one; hybrid sharding comes once for every size of group.

    Groups that are asked for without hybrid sharding are those of ZeRO-1 and ZeRO-2.
    """
    whole = [(code, 0) for code in values["sharding"] if code != HYBRID]
    in_groups = [HYBRID] if HYBRID in values["sharding"] else [ZERO1, ZERO2]
    in_groups = [code for code in in_groups if code in values["sharding"] and (code == HYBRID or asked)]
    return whole + [(code, size) for code in in_groups for size in values["shard_group"]]


def _allowed(table: dict[str, Any], choices: dict[str, Any], job: Job, rules: tuple[Rule, ...]) -> Any:
    """Tell which tuples of a table may have which choice of a further axis (or of two): flags, tuples down."""
    rows = {name: column[:, None] for name, column in table.items()}
    across = {name: values[None, :] for name, values in choices.items()}
    first = next(iter(choices.values()))
    xp = namespace_of(first)
    shape = (next(iter(table.values())).shape[0] if table else 1, first.shape[0])
    flags = xp.broadcast_to(first[None, :] >= 0, shape)
    if "shard_group" in across:  # 0 stands for all replicas, which no size of a group stands for a second time
        replicas, size = rows["dp"] * rows["cp"], across["shard_group"]
        flags = size != replicas
        across["shard_group"] = numpy.where(size > 0, size, replicas)
    seen = SimpleNamespace(**rows, **across)
    applied = [rule for rule in rules if rule.needs & set(choices) and rule.needs <= set(rows) | set(choices)]
    for rule in applied:
        flags = flags & rule.holds(job, seen)
    if not bool(xp.any(flags)):
        raise _fault(SimpleNamespace(**{name: to_host(column) for name, column in vars(seen).items()}), applied, job)
    return flags


def _fault(seen: SimpleNamespace, rules: list[Rule], job: Job) -> ValueError:
    """Return what says of one tuple, the nearest where that can be told, which rule it breaks."""
    if hasattr(seen, "dp") and not (hasattr(seen, "micro_batch") or hasattr(seen, "sharding")):
        used = seen.tp * seen.pp * seen.cp * seen.dp
        most = int(used[used <= job.cluster.n_chips].max())
        idle_frac = math.ceil(1e4 * (1 - most / job.cluster.n_chips)) / 1e4
        said = (
            f"no tp*pp*cp*dp with dp dividing global_batch={job.global_batch} is n_chips={job.cluster.n_chips}; "
            f"{most} chips would fit: let the others stand idle with idle_frac={idle_frac:g}, or change the batch"
        )
        return UnevenChipsError(f"no feasible plan: {said}", n_chips=most)
    row = SimpleNamespace(**{name: int(column.flat[0]) for name, column in vars(seen).items()})
    broken = "; ".join(rule.says(job, row) for rule in rules if not rule.holds(job, row))
    return ValueError(f"no feasible plan: {broken}")
