"""A scenario file in, every answer about its cluster out: :func:`load`, :func:`evaluate`."""

from gigareport.scenario.evaluation import cash_flows, deciding_inputs, evaluate
from gigareport.scenario.inputs import inputs_of, words_of
from gigareport.scenario.loading import STORY, ScenarioError, find, json_schema, load, names
from gigareport.scenario.outlook import Outlook
from gigareport.scenario.plans import Rivals, TrainingPlan, job_of, rivals, search_plan
from gigareport.scenario.schema import Scenario

__all__ = [
    "STORY",
    "Outlook",
    "Rivals",
    "Scenario",
    "ScenarioError",
    "TrainingPlan",
    "cash_flows",
    "deciding_inputs",
    "evaluate",
    "find",
    "inputs_of",
    "job_of",
    "json_schema",
    "load",
    "names",
    "rivals",
    "search_plan",
    "words_of",
]
