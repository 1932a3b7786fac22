"""A scenario file in, every answer about its cluster out: :func:`load`, :func:`evaluate`."""

from gigacluster.scenario.loading import ScenarioError, find, json_schema, load, names
from gigacluster.scenario.schema import Scenario

__all__ = ["Scenario", "ScenarioError", "find", "json_schema", "load", "names"]
