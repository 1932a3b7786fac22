"""A scenario file in, every answer about its cluster out: :func:`load`, :func:`evaluate`."""

from gigareport.scenario.chips import h100e_of, taken
from gigareport.scenario.difference import differences, differing_inputs
from gigareport.scenario.evaluate import cash_flows, deciding_inputs, evaluate
from gigareport.scenario.inputs import inputs_of, words_of
from gigareport.scenario.load import STORY, ScenarioError, find, load, menu, names, plain, slips
from gigareport.scenario.outlook import Outlook
from gigareport.scenario.plans import (
    BATCH_RATIOS,
    Rivals,
    TrainingPlan,
    job_of,
    mfu_by_size,
    rivals,
    search_plan,
    search_step,
)
from gigareport.scenario.record import leaves, with_value
from gigareport.scenario.reference import entry_of, json_schema
from gigareport.scenario.register import Delivery, Scenario, Site
from gigareport.scenario.splits import roofline, split_words, splits, step_parts

__all__ = [
    "BATCH_RATIOS",
    "STORY",
    "Delivery",
    "Outlook",
    "Rivals",
    "Scenario",
    "ScenarioError",
    "Site",
    "TrainingPlan",
    "cash_flows",
    "deciding_inputs",
    "differences",
    "differing_inputs",
    "entry_of",
    "evaluate",
    "find",
    "h100e_of",
    "inputs_of",
    "job_of",
    "json_schema",
    "leaves",
    "load",
    "menu",
    "mfu_by_size",
    "names",
    "plain",
    "rivals",
    "roofline",
    "search_plan",
    "search_step",
    "slips",
    "split_words",
    "splits",
    "step_parts",
    "taken",
    "with_value",
    "words_of",
]
