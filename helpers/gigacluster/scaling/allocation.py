"""From a law to a decision, elementwise on arrays of any library: how to split compute between parameters and tokens.

All functions take the parameters of L = E + A / N^alpha + B / D^beta; arrays of samples and of budgets broadcast.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from gigacluster.arrays import Namespace, as_common

__all__ = ["Optimum", "Serving", "cheapest_to_serve", "excess_compute", "optimum", "repeated_optimum"]

#: Training FLOP per parameter and token: 2 forward, 4 backward. Serving needs the forward part.
FLOP_PER_PARAM_TOKEN = 6.0
SERVING_FLOP_PER_PARAM_TOKEN = 2.0
#: Golden-section steps: each shrinks the bracket of log N by 0.618, so that 60 leave 1e-12 of it.
_GOLDEN_STEPS = 60
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
    budget_flop: Any,
    A: Any,
    B: Any,
    E: Any,
    alpha: Any,
    beta: Any,
    *,
    token_cap: Any = float("inf"),
    flop_per_param_token: float = FLOP_PER_PARAM_TOKEN,
) -> Optimum:
    """Return the compute-optimal model.

    Parameters
    ----------
    budget_flop : float or array
        Training compute. [FLOP]
    A, B, E, alpha, beta : float or array
        Parameters of the law; all inputs broadcast.
    token_cap : float or array, default inf
        Most tokens there are; where it binds, the rest of the budget goes into parameters.
    flop_per_param_token : float, default 6
        Compute convention: C = 6 N D. [FLOP]

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
    C, A, B, alpha, beta = (xp.where(valid, value, xp.ones_like(value)) for value in (C, A, B, alpha, beta))
    balance = xp.log(alpha * A) - xp.log(beta * B)
    params = xp.exp((balance + beta * xp.log(C / flop_per_param_token)) / (alpha + beta))
    tokens = xp.minimum(C / (flop_per_param_token * params), cap)
    params = C / (flop_per_param_token * tokens)
    loss = E + A * params**-alpha + B * tokens**-beta
    return Optimum(*(xp.where(valid, value, xp.nan) for value in (params, tokens, loss)))


def excess_compute(params_ratio: Any, alpha: Any, beta: Any) -> Any:
    """Return how much more compute a model of the wrong size needs for the same loss.

    Parameters
    ----------
    params_ratio : float or array
        Parameters over the compute-optimal ones, both at the budget spent.
    alpha, beta : float or array

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
    ratio, alpha, beta = (xp.where(valid, value, xp.ones_like(value)) for value in (ratio, alpha, beta))
    more = (beta * ratio**-alpha + alpha * ratio**beta) / (alpha + beta)
    return xp.where(valid, more ** ((alpha + beta) / (alpha * beta)), xp.nan)


def cheapest_to_serve(
    loss: Any,
    served_tokens: Any,
    A: Any,
    B: Any,
    E: Any,
    alpha: Any,
    beta: Any,
) -> Serving:
    """Return the model that reaches a loss and then serves tokens with the least compute in total.

    Parameters
    ----------
    loss : float or array
        Loss to reach, above E. [nat/token]
    served_tokens : float or array
        Tokens read and written in service over the model's life.
    A, B, E, alpha, beta : float or array

    Returns
    -------
    Serving
        ``nan`` where the loss cannot be reached.

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
    xp, (loss, served, A, B, E, alpha, beta) = as_common(loss, served_tokens, A, B, E, alpha, beta)
    one = xp.ones_like(loss * served * A * B * E * alpha * beta)
    valid = one * (loss - E) > 0
    valid = valid & (served >= 0) & (A > 0) & (B > 0) & (alpha > 0) & (beta > 0)
    loss, served, A, B, E, alpha, beta = (value * one for value in (loss, served, A, B, E, alpha, beta))
    reducible = xp.where(valid, loss - E, one)
    A, B, alpha, beta = (xp.where(valid, value, one) for value in (A, B, alpha, beta))

    def tokens_for(log_params: Any) -> Any:
        left = xp.maximum(reducible - A * xp.exp(-alpha * log_params), 1e-300 * one)
        return xp.exp((xp.log(B) - xp.log(left)) / beta)

    def total(log_params: Any) -> Any:
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
    budget_flop: Any,
    unique_tokens: Any,
    A: Any,
    B: Any,
    E: Any,
    alpha: Any,
    beta: Any,
    repeats_scale: Any,
) -> Optimum:
    """Return the best model where unique tokens are limited and may be repeated, at a falling value.

    Parameters
    ----------
    budget_flop : float or array
        Training compute. [FLOP]
    unique_tokens : float or array
        Different tokens there are.
    A, B, E, alpha, beta : float or array
    repeats_scale : float or array
        R_D*: repeats after which another pass adds little (15 as published; poorly known).

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
    xp, (C, U, A, B, E, alpha, beta, scale) = as_common(budget_flop, unique_tokens, A, B, E, alpha, beta, repeats_scale)
    free = optimum(C, A, B, E, alpha, beta)
    one = xp.ones_like(free.loss * U * scale)
    valid = xp.isfinite(free.loss * one) & (U > 0) & (scale > 0)
    U, scale = (xp.where(valid, value * one, one) for value in (U, scale))
    C = xp.where(valid, C * one, one)

    def loss_at(log_params: Any) -> Any:
        tokens = C / (FLOP_PER_PARAM_TOKEN * xp.exp(log_params))
        repeats = xp.maximum(tokens / U - 1.0, 0.0 * one)
        worth = xp.minimum(tokens, U) + xp.where(repeats > 0, -U * scale * xp.expm1(-repeats / scale), 0.0 * one)
        return E + A * xp.exp(-alpha * log_params) + B * worth**-beta

    start = xp.where(valid, xp.log(free.params * one), 0.0 * one)
    all_unique = xp.log(C / (FLOP_PER_PARAM_TOKEN * U))  # repeating nothing
    chosen = _golden_section(xp, loss_at, start, xp.maximum(start, all_unique))
    params = xp.exp(chosen)
    outcome = (params, C / (FLOP_PER_PARAM_TOKEN * params), loss_at(chosen))
    return Optimum(*(xp.where(valid, value, xp.nan) for value in outcome))


def _golden_section(xp: Namespace, function: Callable[[Any], Any], low: Any, high: Any) -> Any:
    """Return where a function with one minimum in [low, high] is least, elementwise."""
    for _ in range(_GOLDEN_STEPS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        keep_left = function(left) < function(right)
        low, high = xp.where(keep_left, low, left), xp.where(keep_left, right, high)
    return 0.5 * (low + high)
