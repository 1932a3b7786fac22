"""From a goal to a cluster: which chips, how many, owned or rented, from when, and how surely: :func:`plan`."""

from gigareport.planner.flips import Flip, flips
from gigareport.planner.hardware import Advice, Model, advice, best_model, chips_needed, on
from gigareport.planner.load import find, goal_of, load, names
from gigareport.planner.plan import Found, Plan, Regret, plan
from gigareport.planner.register import Aim, Goal
from gigareport.planner.tables import (
    by_deadline,
    chosen,
    draw_front,
    flip_table,
    happened,
    lose_table,
    offered_table,
    promise,
    with_probability,
    write_scenario,
)
from gigareport.planner.words import Bind, answer, binding, losers, not_offered, regret

__all__ = [
    "Advice",
    "Aim",
    "Bind",
    "Flip",
    "Found",
    "Goal",
    "Model",
    "Plan",
    "Regret",
    "advice",
    "answer",
    "best_model",
    "binding",
    "by_deadline",
    "chips_needed",
    "chosen",
    "draw_front",
    "find",
    "flip_table",
    "flips",
    "goal_of",
    "happened",
    "load",
    "lose_table",
    "losers",
    "names",
    "not_offered",
    "offered_table",
    "on",
    "plan",
    "promise",
    "regret",
    "with_probability",
    "write_scenario",
]
