"""From a law to a decision: how to split a compute budget between parameters and tokens."""

from __future__ import annotations

from typing import Any, NamedTuple

from gigacluster.arrays import as_common

__all__ = ["Optimum", "optimum"]

#: Training FLOP per parameter and token: 2 forward, 4 backward.
FLOP_PER_PARAM_TOKEN = 6.0


class Optimum(NamedTuple):
    """The best split of a budget, elementwise."""

    params: Any
    tokens: Any
    loss: Any


def optimum(
    budget_flop: Any,
    A: Any,
    B: Any,
    E: Any,
    alpha: Any,
    beta: Any,
    *,
    flop_per_param_token: float = FLOP_PER_PARAM_TOKEN,
) -> Optimum:
    """Return the compute-optimal model of L = E + A / N^alpha + B / D^beta, elementwise.

    Parameters
    ----------
    budget_flop : float or array
        Training compute. [FLOP]
    A, B, E, alpha, beta : float or array
        Parameters of the law; all inputs broadcast.
    flop_per_param_token : float, default 6
        Compute convention: C = 6 N D. [FLOP]

    Returns
    -------
    Optimum
        Parameters N, tokens D and loss, of the broadcast shape; ``nan`` where an input is not positive.

    Notes
    -----
    Setting the derivative of L along C = k N D to zero gives N = G (C/k)^(beta/(alpha+beta)) with
    G = (alpha A / (beta B))^(1/(alpha+beta)), and D = C / (k N). Hoffmann et al. (2022), eq. 4.

    Examples
    --------
    >>> best = optimum(5.76e23, 482.01, 2085.43, 1.8172, 0.3478, 0.3658)
    >>> round(float(best.params) / 1e9), round(float(best.tokens) / float(best.params))
    (72, 18)
    """
    xp, C, A, B, E, alpha, beta = as_common(budget_flop, A, B, E, alpha, beta)
    valid = (C > 0) & (A > 0) & (B > 0) & (alpha > 0) & (beta > 0) & (E >= 0)
    one = xp.ones_like(C * A * B * E * alpha * beta)
    C, A, B, alpha, beta = (xp.where(valid, value * one, one) for value in (C, A, B, alpha, beta))
    balance = xp.log(alpha * A) - xp.log(beta * B)
    params = xp.exp((balance + beta * xp.log(C / flop_per_param_token)) / (alpha + beta))
    tokens = C / (flop_per_param_token * params)
    loss = E + A * params**-alpha + B * tokens**-beta
    return Optimum(*(xp.where(valid, value, xp.nan) for value in (params, tokens, loss)))
