"""From a goal to a cluster: which chips, how many, owned or rented, from when, and how surely: :func:`plan`."""

from gigareport.planner.export import scenario_text, write_scenario
from gigareport.planner.flips import Flip, flips
from gigareport.planner.load import find, goal_of, load, names
from gigareport.planner.plan import Found, Plan, Regret, plan
from gigareport.planner.register import Aim, Goal
from gigareport.planner.words import Bind, answer, binding, day_of, losers, not_offered, regret

__all__ = [
    "Aim",
    "Bind",
    "Flip",
    "Found",
    "Goal",
    "Plan",
    "Regret",
    "answer",
    "binding",
    "day_of",
    "find",
    "flips",
    "goal_of",
    "load",
    "losers",
    "names",
    "not_offered",
    "plan",
    "regret",
    "scenario_text",
    "write_scenario",
]
