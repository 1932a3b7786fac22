"""From a law to a decision, elementwise on arrays of any library: how to split compute between parameters and tokens.

Most functions take the parameters of L = E + A / N^alpha + B / D^beta; arrays of samples and of budgets broadcast.
:func:`law_optimum` and :func:`law_compute_for` take any law of params and tokens, on the host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy

from gigacluster.arrays import Array, Namespace, Samples, as_common
from gigacluster.scaling.derivatives import JetOperations
from gigacluster.scaling.law import Law, get_law
from gigacluster.scaling.runs import FLOP_PER_PARAM_TOKEN

#: Serving needs the forward part of a training step.
SERVING_FLOP_PER_PARAM_TOKEN = 2.0
#: Points of log params at which a law without a closed optimum is looked at before golden section, and the range.
_SCANNED = 60
_LEAST_PARAMS = _LEAST_TOKENS = 1e3
#: Golden-section steps: each shrinks the bracket of log N by 0.618, so that 60 leave 1e-12 of it.
_GOLDEN_STEPS = 60
_BISECTIONS = 60
_GOLDEN = 0.6180339887498949


class Optimum(NamedTuple):
    """The best split of a budget, elementwise."""

    params: Any
    tokens: Any
    loss: Any


class Serving(NamedTuple):
    """The cheapest model of a loss, training and serving together, elementwise."""

    params: Any
    tokens: Any
    training_flop: Any
    total_flop: Any
    #: Total FLOP of the model that is compute-optimal for training alone, at the same loss and service.
    total_flop_if_training_optimal: Any


def optimum(
    budget_flop: Samples,
    A: Samples,
    B: Samples,
    E: Samples,
    alpha: Samples,
    beta: Samples,
    *,
    token_cap: Samples = float("inf"),
    flop_per_param_token: float = FLOP_PER_PARAM_TOKEN,
) -> Optimum:
    """Return the compute-optimal model.

    Parameters
    ----------
    budget_flop : Training compute. [FLOP]
    A, B, E, alpha, beta : Parameters of the law; all inputs broadcast.
    token_cap : Most tokens there are; where it binds, the rest of the budget goes into parameters.
    flop_per_param_token : Compute convention: C = 6 N D. [FLOP]

    Returns
    -------
    Optimum
        Parameters N, tokens D and loss, of the broadcast shape; ``nan`` where an input is not positive (E may be 0).

    Notes
    -----
    Setting the derivative of L along C = k N D to zero gives N = G (C/k)^(beta/(alpha+beta)) with
    G = (alpha A / (beta B))^(1/(alpha+beta)), and D = C / (k N). data/sources.csv, id ``hoffmann-2022``, eq. 4.

    Examples
    --------
    >>> best = optimum(5.76e23, 482.01, 2085.43, 1.8172, 0.3478, 0.3658)
    >>> round(float(best.params) / 1e9), round(float(best.tokens) / float(best.params))
    (72, 18)
    """
    xp, (C, A, B, E, alpha, beta, cap) = as_common(budget_flop, A, B, E, alpha, beta, token_cap)
    valid = (C > 0) & (A > 0) & (B > 0) & (alpha > 0) & (beta > 0) & (E >= 0) & (cap > 0)
    C, A, B, alpha, beta, cap = (xp.where(valid, value, 1.0) for value in (C, A, B, alpha, beta, cap))
    balance = xp.log(alpha * A) - xp.log(beta * B)
    params = xp.exp((balance + beta * xp.log(C / flop_per_param_token)) / (alpha + beta))
    tokens = xp.minimum(C / (flop_per_param_token * params), cap)
    params = C / (flop_per_param_token * tokens)
    loss = E + A * params**-alpha + B * tokens**-beta
    return Optimum(*(xp.where(valid, value, xp.nan) for value in (params, tokens, loss)))


def excess_compute(params_ratio: Samples, alpha: Samples, beta: Samples) -> Array:
    """Return how much more compute a model of the wrong size needs for the same loss.

    Parameters
    ----------
    params_ratio : Parameters over the compute-optimal ones, both at the budget spent.
    alpha, beta : Exponents of the law.

    Returns
    -------
    array
        Compute spent over the compute of an optimal run with the same loss, at least 1.

    Notes
    -----
    At the optimum the terms in N and D are beta and alpha parts of alpha + beta, and the reducible loss falls as
    C^-g with g = alpha beta / (alpha + beta). A ratio r multiplies it by m = (beta r^-alpha + alpha r^beta) /
    (alpha + beta); the excess is m^(1/g). Neither A, B nor E matter.

    Examples
    --------
    >>> round(float(excess_compute(0.5, 0.35, 0.37)), 3)
    1.186
    """
    xp, (ratio, alpha, beta) = as_common(params_ratio, alpha, beta)
    valid = (ratio > 0) & (alpha > 0) & (beta > 0)
    ratio, alpha, beta = (xp.where(valid, value, 1.0) for value in (ratio, alpha, beta))
    more = (beta * ratio**-alpha + alpha * ratio**beta) / (alpha + beta)
    return xp.where(valid, more ** ((alpha + beta) / (alpha * beta)), xp.nan)


def cheapest_to_serve(
    loss: Samples,
    served_tokens: Samples,
    A: Samples,
    B: Samples,
    E: Samples,
    alpha: Samples,
    beta: Samples,
) -> Serving:
    """Return the model that reaches a loss and then serves tokens with the least compute in total.

    Parameters
    ----------
    loss : Loss to reach, above E. [nat/token]
    served_tokens : Tokens read and written in service over the model's life.
    A, B, E, alpha, beta : Parameters of the law.

    Returns
    -------
    Serving
        ``nan`` where the loss cannot be reached, or an input is not positive (E and served tokens may be 0).

    Notes
    -----
    Total = 6 N D + 2 N T at fixed loss (data/sources.csv, id ``sardana-2023``), least over N by golden section: along
    the curve of one loss it has one minimum. Serving at the same utilization as training is assumed.

    Examples
    --------
    >>> plan = cheapest_to_serve(1.95, 1e13, 482.01, 2085.43, 1.8172, 0.3478, 0.3658)
    >>> bool(plan.total_flop < plan.total_flop_if_training_optimal)
    True
    """
    xp, given = as_common(loss, served_tokens, A, B, E, alpha, beta)
    loss, served, A, B, E, alpha, beta = xp.broadcast_arrays(*given)
    valid = (loss > E) & (E >= 0) & (served >= 0) & (A > 0) & (B > 0) & (alpha > 0) & (beta > 0)
    values = (loss - E, served, A, B, alpha, beta)
    reducible, served, A, B, alpha, beta = (xp.where(valid, value, 1.0) for value in values)

    def tokens_for(log_params: Array) -> Any:
        left = xp.maximum(reducible - A * xp.exp(-alpha * log_params), 1e-300)
        return xp.exp((xp.log(B) - xp.log(left)) / beta)

    def total(log_params: Array) -> Any:
        training = FLOP_PER_PARAM_TOKEN * xp.exp(log_params) * tokens_for(log_params)
        return xp.log(training + SERVING_FLOP_PER_PARAM_TOKEN * xp.exp(log_params) * served)

    least = (xp.log(A) - xp.log(reducible)) / alpha  # parameters that reach the loss with endless tokens
    best_trained = least + (xp.log(alpha + beta) - xp.log(beta)) / alpha  # where the N term is its optimal share
    chosen = _golden_section(xp, total, least, best_trained)
    outcome = (
        xp.exp(chosen),
        tokens_for(chosen),
        FLOP_PER_PARAM_TOKEN * xp.exp(chosen) * tokens_for(chosen),
        xp.exp(total(chosen)),
        xp.exp(total(best_trained)),
    )
    return Serving(*(xp.where(valid, value, xp.nan) for value in outcome))


def repeated_optimum(
    budget_flop: Samples,
    unique_tokens: Samples,
    A: Samples,
    B: Samples,
    E: Samples,
    alpha: Samples,
    beta: Samples,
    repeats_scale: Samples,
) -> Optimum:
    """Return the best model where unique tokens are limited and may be repeated, at a falling value.

    Parameters
    ----------
    budget_flop : Training compute. [FLOP]
    unique_tokens : Different tokens there are.
    A, B, E, alpha, beta : Parameters of the law.
    repeats_scale : R_D*: repeats after which another pass adds little (15 as published; poorly known).

    Returns
    -------
    Optimum
        ``tokens`` counts repeats.

    Notes
    -----
    D tokens of which U are unique count as U + U R* (1 - exp(-R / R*)), R = D / U - 1 (data/sources.csv, id
    ``muennighoff-2023``). Parameters are not discounted. Least over N by golden section.

    Examples
    --------
    >>> law = (482.01, 2085.43, 1.8172, 0.3478, 0.3658)
    >>> bool(repeated_optimum(1e26, 1e12, *law, 15.4).loss > optimum(1e26, *law).loss)
    True
    """
    xp, values = as_common(budget_flop, unique_tokens, A, B, E, alpha, beta, repeats_scale)
    C, U, A, B, E, alpha, beta, scale = xp.broadcast_arrays(*values)
    free = optimum(C, A, B, E, alpha, beta)
    valid = xp.isfinite(free.loss) & (U > 0) & (scale > 0)
    C, U, scale = (xp.where(valid, value, 1.0) for value in (C, U, scale))

    def loss_at(log_params: Array) -> Any:
        tokens = C / (FLOP_PER_PARAM_TOKEN * xp.exp(log_params))
        repeats = xp.maximum(tokens / U - 1.0, 0.0)
        worth = xp.minimum(tokens, U) - U * scale * xp.expm1(-repeats / scale)
        return E + A * xp.exp(-alpha * log_params) + B * worth**-beta

    start = xp.where(valid, xp.log(free.params), 0.0)
    all_unique = xp.log(C / (FLOP_PER_PARAM_TOKEN * U))  # repeating nothing
    chosen = _golden_section(xp, loss_at, start, xp.maximum(start, all_unique))
    params = xp.exp(chosen)
    outcome = (params, C / (FLOP_PER_PARAM_TOKEN * params), loss_at(chosen))
    return Optimum(*(xp.where(valid, value, xp.nan) for value in outcome))


def law_optimum(
    law: str | Law,
    symbols: Mapping[str, Any],
    budget_flop: Samples,
    *,
    token_cap: Samples = float("inf"),
    flop_per_param_token: float = FLOP_PER_PARAM_TOKEN,
    given: Mapping[str, Any] | None = None,
) -> Optimum:
    """Return the compute-optimal model of any law of params and tokens, elementwise on host arrays.

    ``given`` holds the law's other columns. In closed form where the law is a sum of two power terms; otherwise the
    least loss of a scan of log params, taken down by golden section. ``nan`` where the least lies at an end of the
    range (at least 1,000 params and tokens), so that the law has no optimum.
    """
    law, given = get_law(law), dict(given or {})
    missing = [name for name in law.columns if name not in ("params", "tokens", *given)]
    if not {"params", "tokens"} <= set(law.columns) or missing:
        also = f"; give {', '.join(missing)} beside the budget" if {"params", "tokens"} <= set(law.columns) else ""
        raise ValueError(
            f"{law.name!r} has no compute optimum: it reads {', '.join(law.columns)}, and a budget is split between "
            f"params and tokens{also}"
        )
    by_column = {term.column: term for term in law.terms}
    if law.derived is None and len(law.terms) == 2 and set(by_column) == {"params", "tokens"}:
        first, second = by_column["params"], by_column["tokens"]
        terms = symbols[first.amplitude], symbols[second.amplitude], symbols.get("E", 0.0)
        exponents = symbols[first.exponent], symbols[second.exponent]
        with numpy.errstate(all="ignore"):  # wild replicates lose where they overflow
            return optimum(
                budget_flop, *terms, *exponents, token_cap=token_cap, flop_per_param_token=flop_per_param_token
            )
    operations = JetOperations(numpy)
    product = numpy.asarray(budget_flop, dtype=float) / flop_per_param_token

    def loss_at(log_params: Array) -> Any:
        tokens = product / numpy.exp(log_params)
        loss = law.loss(operations, symbols, {"params": numpy.exp(log_params), "tokens": tokens, **given})
        return numpy.where(numpy.isfinite(loss), loss, numpy.inf)

    with numpy.errstate(all="ignore"):
        low = numpy.log(numpy.maximum(_LEAST_PARAMS, product / token_cap))
        high = numpy.maximum(numpy.log(product / _LEAST_TOKENS), low)
        step = (high - low) / _SCANNED
        best, least = low, numpy.full_like(low, numpy.inf)
        for point in numpy.linspace(low, high, _SCANNED + 1):
            loss = loss_at(point)
            best, least = numpy.where(loss < least, point, best), numpy.minimum(loss, least)
        library: Any = numpy
        chosen = _golden_section(library, loss_at, numpy.maximum(best - step, low), numpy.minimum(best + step, high))
        inside = (chosen < high - 1e-3 * step) & ((chosen > low + 1e-3 * step) | (product / token_cap > _LEAST_PARAMS))
        inside = inside & numpy.isfinite(least)
        outcome = numpy.exp(chosen), product / numpy.exp(chosen), loss_at(chosen)
    return Optimum(*(numpy.where(inside, value, numpy.nan) for value in outcome))


def law_compute_for(
    law: Law, symbols: Mapping[str, Any], loss: Samples, *, flop_per_param_token: float = FLOP_PER_PARAM_TOKEN
) -> Any:
    """Return the least compute that reaches a loss, elementwise on host arrays; inf where no compute does.

    For a law of budget_flop alone its inverse, otherwise that of the loss of the compute optimum: bisection of log
    compute between 1e6 and 1e60 FLOP.
    """
    operations = JetOperations(numpy)

    def loss_at(log_flop: Array) -> Any:
        flop = numpy.exp(log_flop)
        if law.columns == ("budget_flop",):
            return law.loss(operations, symbols, {"budget_flop": flop})
        return law_optimum(law, symbols, flop, flop_per_param_token=flop_per_param_token).loss

    shape = numpy.broadcast_shapes(numpy.shape(loss), *(numpy.shape(value) for value in symbols.values()))
    low, high = (numpy.full(shape, numpy.log(10.0) * decades) for decades in (6.0, 60.0))
    with numpy.errstate(all="ignore"):
        reached = loss_at(high) <= loss
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            above = loss_at(middle) > loss
            low, high = numpy.where(above, middle, low), numpy.where(above, high, middle)
    return numpy.where(reached, numpy.exp(0.5 * (low + high)), numpy.inf)


def _golden_section(xp: Namespace, function: Callable[[Any], Any], low: Array, high: Array) -> Any:
    """Return where a function with one minimum in [low, high] is least, elementwise."""
    for _ in range(_GOLDEN_STEPS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        keep_left = function(left) < function(right)
        low, high = xp.where(keep_left, low, left), xp.where(keep_left, right, high)
    return 0.5 * (low + high)
