"""From a goal to a cluster: which chips, how many, owned or rented, from when, and how surely: :func:`plan`."""

from gigareport.planner.export import scenario_text, write_scenario
from gigareport.planner.flips import Flip, flips
from gigareport.planner.hardware import Advice, Model, advice, best_model, chips_needed, on, renting_wins
from gigareport.planner.load import find, goal_of, load, names
from gigareport.planner.plan import Found, Plan, Regret, plan
from gigareport.planner.register import Aim, Goal
from gigareport.planner.words import Bind, answer, binding, day_of, losers, not_offered, regret

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
    "chips_needed",
    "day_of",
    "find",
    "flips",
    "goal_of",
    "load",
    "losers",
    "names",
    "not_offered",
    "on",
    "plan",
    "regret",
    "renting_wins",
    "scenario_text",
    "write_scenario",
]
