"""The runs that a law is fitted to: checked once, with every fault named by its row and its remedy.

Columns may carry the names that people use (N, D, C, flops, params_billion, bits_per_token, ...), and any two of
params, tokens and budget_flop give the third.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy

from gigacluster.arrays import to_host
from gigacluster.scaling.law import Law

#: Training FLOP per parameter and token: 2 forward, 4 backward.
FLOP_PER_PARAM_TOKEN = 6.0
#: What a column of runs can hold, in SI units; outside it the unit is almost surely another (billions, trillions).
_RANGES = {
    "params": (1e3, 1e15, "parameters"),
    "tokens": (1e4, 1e17, "tokens"),
    "unique_tokens": (1e4, 1e17, "tokens"),
    "experts": (1.0, 1e7, "experts"),
    "budget_flop": (1e9, 1e32, "FLOP"),
}
#: Columns of which any two give the third.
_TRIPLE = ("params", "tokens", "budget_flop")
#: Names that stand for a column, compared without case, spaces, hyphens and underscores (single letters with case).
_ALIASES = {
    "params": ("N", "nparams", "parameters", "numparams", "modelsize", "size"),
    "tokens": ("D", "ntokens", "trainingtokens", "traintokens", "numtokens"),
    "unique_tokens": ("U", "uniquetokens"),
    "budget_flop": ("C", "flop", "flops", "budget", "budgetflop", "trainingflop", "trainingflops", "compute"),
    "experts": ("nexperts", "numexperts"),
    "loss": ("L", "finalloss", "valloss", "validationloss", "evalloss", "testloss", "lossnats"),
}
_UNITS = {"thousand": 1e3, "million": 1e6, "millions": 1e6, "m": 1e6, "billion": 1e9, "billions": 1e9, "b": 1e9}
_UNITS |= {"trillion": 1e12, "trillions": 1e12, "t": 1e12, "petaflop": 1e15, "exaflop": 1e18, "zettaflop": 1e21}
#: Columns that hold the loss in another unit.
_LOSSES: dict[str, Callable[[numpy.ndarray], numpy.ndarray]] = {
    "lossbits": lambda bits: bits * numpy.log(2.0),
    "bitspertoken": lambda bits: bits * numpy.log(2.0),
    "perplexity": lambda perplexity: numpy.log(perplexity),
    "ppl": lambda perplexity: numpy.log(perplexity),
}
_LOSS_UNITS = {"nat": lambda x: x, "bit": _LOSSES["lossbits"], "perplexity": _LOSSES["perplexity"]}
#: Above ln(vocabulary) of any tokenizer a loss is worse than guessing: it is a perplexity, or not per token.
_LARGEST_LOSS = 16.0
#: Losses over those of Besiroglu et al. (2024) at the same params and tokens: medians of 30 public sets in nats lie
#: from 0.87 to 1.28, so that 1.33 is worth a look (bits are 1.44 times nats), and 2.5 is a perplexity. Losses a byte
#: are a third or a quarter of those a token; nothing is a thirtieth.
_TYPICAL = (482.01, 2085.43, 1.8172, 0.3478, 0.3658)
_DOUBTFUL, _ABSURD, _TINY = 1.33, 2.5, 0.03
#: Tokens a parameter, in the median of a set, below which the two columns are taken for one another.
_LEAST_RATIO = 0.5
#: Factor between budget_flop and 6 params tokens, in the median, beyond which the columns do not belong together.
_CONVENTION = 30.0
_MAX_ROWS_SHOWN = 8


class RunsWarning(UserWarning):
    """Runs that can be fitted but deserve a second look."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Runs:
    """Checked runs on the host: columns as a law reads them, and notes about them."""

    columns: dict[str, numpy.ndarray]
    loss: numpy.ndarray
    notes: tuple[str, ...]
    budget_flop: numpy.ndarray | None = None

    def __len__(self) -> int:
        return len(self.loss)

    @property
    def flop(self) -> numpy.ndarray | None:
        """Compute of each run, None where the columns do not tell."""
        if self.budget_flop is not None:
            return self.budget_flop
        return known_columns(self.columns, ("budget_flop",)).get("budget_flop")


def read_columns(runs: Any, names: tuple[str, ...]) -> dict[str, numpy.ndarray]:
    """Return columns by their standard names, in SI units, on the host; missing ones are derived from C = 6 N D."""
    if not is_table(runs):
        raise ValueError(
            f"runs must be a table or a mapping of columns, got a {type(runs).__name__}; pandas.DataFrame(runs) makes "
            "one of a list of records"
        )
    found = {name: values.ravel() for name, values in known_columns(runs, names).items()}
    missing = [name for name in names if name not in found]
    if missing:
        also = f", or two of {', '.join(_TRIPLE)}" if missing[0] in _TRIPLE else ""
        raise ValueError(
            f"the runs have no column {missing[0]!r}; they have {_names(runs)}. Rename the column{also}, or "
            "choose another form"
        )
    lengths = {name: len(values) for name, values in found.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"the columns of the runs have different lengths: {lengths}")
    return found


def is_table(values: object) -> bool:
    """Tell whether something has named columns."""
    return isinstance(values, Mapping) or hasattr(values, "columns")


def _names(runs: Any) -> list[Any]:
    return list(runs.columns if hasattr(runs, "columns") else runs.keys())


def known_columns(runs: Any, names: tuple[str, ...]) -> dict[str, numpy.ndarray]:
    """Return those of the columns that the runs tell, of any shape, by their standard names in SI units."""
    found = {name: values for name in names if (values := _column(runs, name)) is not None}
    for name in _TRIPLE:
        if name in names and name not in found:
            parts = {other: _column(runs, other) for other in _TRIPLE if other != name}
            if all(values is not None for values in parts.values()):
                found[name] = _third(name, parts)
    return {name: found[name] for name in names if name in found}


def _third(name: str, parts: Mapping[str, Any]) -> numpy.ndarray:
    with numpy.errstate(all="ignore"):  # rows that are not positive are named later
        if name == "budget_flop":
            return numpy.asarray(FLOP_PER_PARAM_TOKEN * parts["params"] * parts["tokens"])
        other = parts["tokens" if name == "params" else "params"]
        return numpy.asarray(parts["budget_flop"] / (FLOP_PER_PARAM_TOKEN * other))


def read_runs(runs: Any, law: Law, free: int, loss_unit: str | None = None) -> Runs:
    """Check a table of runs against what a law with so many ``free`` parameters needs.

    ``loss_unit``: ``nat``, ``bit`` or ``perplexity``; None takes nats and refuses what cannot be. Every fault is named
    at once: column, rows (counted from 0) and what to do.
    """
    if loss_unit is not None and loss_unit not in _LOSS_UNITS:
        raise ValueError(f"loss_unit is {loss_unit!r}; it can be {', '.join(map(repr, _LOSS_UNITS))}")
    columns = read_columns(runs, (*law.columns, "loss"))
    loss = columns.pop("loss")
    budget = _column(runs, "budget_flop")
    budget = None if budget is None else budget.ravel()
    faults = list(_cell_faults({**columns, "loss": loss}))
    if not faults and loss_unit is not None:
        loss = _LOSS_UNITS[loss_unit](loss)
        faults = list(_cell_faults({"loss": loss}))
    if not faults:
        together = (_unit_faults(columns), _loss_faults(columns, loss, loss_unit), _order_faults(columns, budget))
        faults = [*chain(*together)] or list(_design_faults(columns, free))
    _refuse(f"the runs cannot be fitted by {law.name!r}", faults)
    if "unique_tokens" in columns:
        columns["unique_tokens"] = numpy.minimum(columns["unique_tokens"], columns["tokens"])
    notes = list(_duplicates(columns, loss))
    for note in notes:
        warnings.warn(note, RunsWarning, stacklevel=3)
    if loss_unit is None:
        notes += _doubtful_unit(columns, loss)
    usable = budget is not None and bool(numpy.isfinite(budget).all() and (budget > 0).all())
    return Runs(columns=columns, loss=loss, notes=tuple(notes), budget_flop=budget if usable else None)


def check_columns(columns: Mapping[str, numpy.ndarray]) -> None:
    """Refuse columns that no run can have: missing or negative cells, wrong units, params and tokens swapped."""
    faults = [] if all(map(len, columns.values())) else ["there are no rows"]
    faults = faults or list(_cell_faults(columns))
    faults = faults or [*_unit_faults(columns), *_order_faults(columns, columns.get("budget_flop"))]
    if not faults and "loss" in columns:
        faults = list(_loss_faults(columns, columns["loss"], "nat"))
    _refuse("the runs cannot be used", faults)


def _refuse(what: str, faults: list[str]) -> None:
    if faults:
        raise ValueError(f"{what}:\n" + "\n".join(f"  {fault}" for fault in faults))


def positive(name: str, values: object) -> numpy.ndarray:
    """Return values on the host: finite, above 0 and in the unit of the column that they are named like, or refused."""
    host = numbers(name, values)
    faults = list(_cell_faults({name: host.ravel()})) or list(_unit_faults({name: host.ravel()}))
    if faults:
        raise ValueError("; ".join(faults))
    return host


def _plain(name: object) -> str:
    return re.sub(r"[\s_-]+", "", str(name)).lower()


def _column(runs: Any, name: str) -> numpy.ndarray | None:
    """Return a column by its standard name, one of its other names, or with a unit behind the name."""
    if name in _names(runs):
        return numbers(name, runs[name])
    found = {}
    for key in _names(runs):
        reading = _reading(str(key), name)
        if reading is not None:
            with numpy.errstate(all="ignore"):  # a perplexity of 0 is named later
                found[key] = reading(numbers(str(key), runs[key]))
    values = list(found.values())
    if any(not numpy.array_equal(values[0], other, equal_nan=True) for other in values):
        raise ValueError(
            f"the columns {', '.join(map(repr, found))} can all be {name!r} and differ; call the one that is meant "
            f"{name!r}, or drop the others"
        )
    return values[0] if values else None


def _reading(key: str, name: str) -> Callable[[numpy.ndarray], numpy.ndarray] | None:
    """Return how a column called ``key`` gives the standard column ``name``, None where it does not."""
    plain, others = _plain(key), _ALIASES.get(name, ())
    if key in others or plain == _plain(name) or (plain in others and len(plain) > 1):
        return lambda values: values
    if name == "loss" and plain in _LOSSES:
        return _LOSSES[plain]
    stem, _, unit = key.lower().rpartition("_")
    if unit in _UNITS and _plain(stem) in (_plain(name), name[0] * (name == "flop"), *others):
        return lambda values: _UNITS[unit] * values
    return None


def numbers(name: str, values: Any) -> numpy.ndarray:
    """Return values on the host as float64, what is missing among them as ``nan``; they go by ``name`` in messages."""
    if hasattr(values, "columns"):
        raise ValueError(f"the runs have {len(values.columns)} columns {name!r}; drop all but one")
    try:
        if hasattr(values, "isna") and values.dtype.kind not in "bcmM":  # missing cells of pandas, of any type
            return numpy.asarray(values.to_numpy(dtype=float, na_value=numpy.nan))
        if isinstance(values, numpy.ma.MaskedArray):
            values = numpy.ma.filled(values.astype(float), numpy.nan)
        host = to_host(values.to_numpy() if hasattr(values, "to_numpy") else values)
        if host.dtype.kind in "bcmM":
            raise TypeError(f"it holds {host.dtype}")
        return numpy.asarray(host, dtype=float)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} is not numeric: {error}") from None


def _rows(mask: numpy.ndarray) -> str:
    rows = numpy.flatnonzero(mask)
    more = f" and {len(rows) - _MAX_ROWS_SHOWN} more" if len(rows) > _MAX_ROWS_SHOWN else ""
    return f"row{'s' if len(rows) > 1 else ''} {', '.join(map(str, rows[:_MAX_ROWS_SHOWN]))}{more}"


def _where(name: str, values: numpy.ndarray, wrong: numpy.ndarray) -> str:
    """Say the first value that is wrong, and in which rows they are."""
    return f"{name} is {values[numpy.flatnonzero(wrong)[0]]:g} in {_rows(wrong)}"


def _cell_faults(columns: Mapping[str, numpy.ndarray]) -> Iterator[str]:
    for name, values in columns.items():
        missing = ~numpy.isfinite(values)
        if missing.any():
            yield f"{name} is missing or infinite in {_rows(missing)}; drop these runs or fill in the value"
        small = ~missing & (values <= 0)
        if small.any():
            first = values[numpy.flatnonzero(small)[0]]
            yield f"{name} is zero or negative in {_rows(small)} (the first is {first:g}); drop these runs"


def _unit_faults(columns: Mapping[str, numpy.ndarray]) -> Iterator[str]:
    for name, values in columns.items():
        low, high, unit = _RANGES.get(name, (0.0, numpy.inf, ""))
        for outside, remedy in ((values < low, "multiply"), (values > high, "divide")):
            if outside.any():
                yield (
                    f"{_where(name, values, outside)}, outside [{low:g}, {high:g}] {unit}: the unit looks wrong; "
                    f"{remedy} by 1e9 if it is billions or billionths, or drop these runs"
                )


def _loss_faults(columns: Mapping[str, numpy.ndarray], loss: numpy.ndarray, loss_unit: str | None) -> Iterator[str]:
    wrong = loss > _LARGEST_LOSS
    if wrong.any():
        yield (
            f"{_where('loss', loss, wrong)}, above {_LARGEST_LOSS:g} nats a token: take the logarithm if it is a "
            "perplexity, or drop these runs"
        )
    ratio = _over_typical(columns, loss)
    if ratio is None:
        return
    middle = numpy.median(ratio)
    said = f"loss is {numpy.median(loss):.3g} in the median"
    what = f"{middle:.2g} times what models of these params and tokens reach in nats"
    if not wrong.any() and loss_unit is None and middle > _ABSURD:
        yield (
            f"{said}, {what} ({_rows(ratio > _ABSURD)}): it looks like a perplexity; name the column 'perplexity', or "
            "say loss_unit='perplexity' (or 'nat' if it is right)"
        )
    if middle < _TINY:
        yield f"{said} ({_rows(ratio < _TINY)}), {what} a token: it is in another unit"


def _over_typical(columns: Mapping[str, numpy.ndarray], loss: numpy.ndarray) -> numpy.ndarray | None:
    if not {"params", "tokens"} <= set(columns) or not len(loss):
        return None
    A, B, E, alpha, beta = _TYPICAL
    return loss / (E + A / columns["params"] ** alpha + B / columns["tokens"] ** beta)


def _order_faults(columns: Mapping[str, numpy.ndarray], budget: numpy.ndarray | None) -> Iterator[str]:
    """Refuse columns that have been taken for one another."""
    if not {"params", "tokens"} <= set(columns) or not len(columns["params"]):
        return
    params, tokens = columns["params"], columns["tokens"]
    few = tokens < _LEAST_RATIO * params
    if numpy.median(tokens / params) < _LEAST_RATIO:
        first = numpy.flatnonzero(few)[0]
        yield (
            f"tokens is below {_LEAST_RATIO:g} params in {_rows(few)} (the first is {tokens[first]:g} tokens for "
            f"{params[first]:g} params): the columns params and tokens look swapped; exchange them"
        )
    if budget is not None and len(budget) == len(params) and (budget > 0).all():
        ratio = budget / (FLOP_PER_PARAM_TOKEN * params * tokens)
        middle = float(numpy.median(ratio))
        if not 1 / _CONVENTION <= middle <= _CONVENTION:
            wrong = (ratio < 1 / _CONVENTION) | (ratio > _CONVENTION)
            yield (
                f"budget_flop is {middle:.3g} times 6 params tokens in the median ({_rows(wrong)}), outside "
                f"[{1 / _CONVENTION:.2g}, {_CONVENTION:g}]: a column is swapped or in another unit"
            )


def _design_faults(columns: Mapping[str, numpy.ndarray], free: int) -> Iterator[str]:
    count = len(next(iter(columns.values())))
    if count < max(free, 1):
        yield (
            f"there are {count} runs for {free} free parameters; at least {max(free, 1)} are needed: add runs, or hold "
            "parameters fixed with fixed={...}"
        )
    for name, values in columns.items():
        if count and free > 1 and name != "unique_tokens" and numpy.ptp(numpy.log(values)) < 1e-3:
            yield (
                f"all runs have one value of {name}, {values[0]:g} (rows 0 to {count - 1}), so nothing shows how loss "
                f"depends on it: add runs with other {name}, or choose a form without it"
            )


def _duplicates(columns: Mapping[str, numpy.ndarray], loss: numpy.ndarray) -> Iterator[str]:
    table = numpy.stack([*columns.values(), loss], axis=1)
    _, first, place = numpy.unique(table, axis=0, return_index=True, return_inverse=True)
    earlier = first[place.ravel()]
    repeated = numpy.arange(len(loss)) != earlier
    if repeated.any():
        row = int(numpy.flatnonzero(repeated)[0])
        yield (
            f"duplicate runs: {_rows(repeated)} repeat an earlier run exactly (row {row} repeats row {earlier[row]}) "
            "and count twice; drop them with drop_duplicates() unless they are separate measurements"
        )


def _doubtful_unit(columns: Mapping[str, numpy.ndarray], loss: numpy.ndarray) -> Iterator[str]:
    ratio = _over_typical(columns, loss)
    if ratio is not None and numpy.median(ratio) >= _DOUBTFUL:
        yield (
            f"the losses are {numpy.median(ratio):.2g} times what models of these params and tokens usually reach in "
            "nats: if they are bits (1.44 times nats) say loss_unit='bit', if they are right say loss_unit='nat'"
        )
