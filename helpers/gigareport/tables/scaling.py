"""Schemas of the tables about scaling."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AliasChoices, Field

from gigareport.tables.row import Fraction, Id, Missing, NonNegative, Positive, Row

__all__ = [
    "TABLES",
    "BenchmarkModelRow",
    "DataConstrainedRunRow",
    "PublishedLawRow",
    "RoutingRunRow",
    "ScalingLawReplicateRow",
    "ScalingRunRow",
    "TokenSupplyRow",
]


class ScalingRunRow(Row):
    """Final loss of one training run."""

    ABOUT: ClassVar = "one training run: parameters, tokens and the loss reached"

    params: Positive = Field(validation_alias=AliasChoices("params", "Model Size", "N"))
    tokens: Positive = Field(validation_alias=AliasChoices("tokens", "D"))
    loss: Positive  # nats a token
    source_id: Id


class DataConstrainedRunRow(ScalingRunRow):
    """Final loss of one training run that may repeat its tokens."""

    ABOUT: ClassVar = "one training run on repeated tokens; `tokens` counts repeats, `unique_tokens` does not"

    unique_tokens: Positive


class RoutingRunRow(Row):
    """Final loss of one mixture-of-experts run."""

    ABOUT: ClassVar = "one run of a routed model: dense parameters, experts of each routed layer, validation loss"

    router: Literal["Dense", "S-Base", "Hash", "RL-R"]
    params: Positive  # of the dense model that the experts multiply
    experts: Annotated[float, Field(ge=1)]
    loss: Positive  # nats a token
    source_id: Id


class PublishedLawRow(Row):
    """One parameter of a published scaling law."""

    KEY: ClassVar = ("law", "symbol")
    ABOUT: ClassVar = "one parameter of a published law, in parameters, tokens and nats a token"

    law: Id
    label: str
    form: Literal["chinchilla", "kaplan"]
    symbol: str
    value: Positive
    training_text: str  # losses of two laws compare only on the same text and tokenizer
    note: Annotated[str | None, Missing] = None
    source_id: Id


class ScalingLawReplicateRow(Row):
    """One bootstrap replicate of the law that scenarios use."""

    KEY: ClassVar = ("replicate",)
    ABOUT: ClassVar = "one bootstrap replicate of the fit to scaling_chinchilla_runs; made by code, never by hand"

    replicate: int
    A: Positive
    B: Positive
    E: NonNegative
    alpha: Positive
    beta: Positive
    source_id: Id


class BenchmarkModelRow(Row):
    """Benchmark scores of one base model with its training compute."""

    KEY: ClassVar = ("model",)
    ABOUT: ClassVar = "one base model: training compute and benchmark scores"

    model: str
    family: str
    params: Positive
    tokens: Positive
    training_flop: Positive
    mmlu_frac: Fraction
    arc_c_frac: Annotated[Fraction | None, Missing] = None
    hellaswag_frac: Annotated[Fraction | None, Missing] = None
    gsm8k_frac: Annotated[Fraction | None, Missing] = None
    source_id: Id


class TokenSupplyRow(Row):
    """How much text there is, or was used."""

    KEY: ClassVar = ("supply",)
    ABOUT: ClassVar = "one amount of training text, in tokens, with its 90 % interval where one is given"

    supply: Id
    name: str
    tokens_low: Positive
    tokens: Positive
    tokens_high: Positive
    note: Annotated[str | None, Missing] = None
    source_id: Id


TABLES: dict[str, type[Row]] = {
    "token_supplies": TokenSupplyRow,
    "scaling_chinchilla_runs": ScalingRunRow,
    "scaling_data_constrained_runs": DataConstrainedRunRow,
    "scaling_routing_runs": RoutingRunRow,
    "scaling_published_laws": PublishedLawRow,
    "scaling_law_replicates": ScalingLawReplicateRow,
    "scaling_benchmark_models": BenchmarkModelRow,
}
