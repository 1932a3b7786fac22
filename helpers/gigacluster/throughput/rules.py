"""What makes a parallel plan feasible: each rule once, on numbers or arrays, with what to say where it fails."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, gcd
from types import SimpleNamespace
from typing import Any, NamedTuple

from gigacluster.throughput.job import Job
from gigacluster.throughput.words import SHARDING

#: Shortest half of a sequence that is worth a chip under context parallelism: half a tile of a matmul. [token]
_LEAST_TOKENS = 64
#: Nothing; optimizer state; gradients too; parameters too; the same in groups, each with a copy of everything: in the
#: order of their codes in a table of plans.
SHARDINGS = tuple(SHARDING.words)
ZERO1, ZERO2, HYBRID = (SHARDINGS.index(word) for word in ("zero1", "zero2", "hsdp"))


class Rule(NamedTuple):
    """A condition on a plan, or on many, of a job; the axes it needs; and the message where it fails."""

    needs: frozenset[str]
    holds: Callable[[Job, Any], Any]
    says: Callable[[Job, Any], str]


def _rule(needs: str, holds: Callable[[Job, Any], Any]) -> Callable[[Callable[[Job, Any], str]], Rule]:
    """Make a rule of what to say where it fails: the axes that it needs, and when it holds, stand above."""
    return lambda says: Rule(frozenset(needs.split()), holds, says)


def divisors(whole: int) -> list[int]:
    """Return the divisors of a number, rising.

    Examples
    --------
    >>> divisors(12)
    [1, 2, 3, 4, 6, 12]
    """
    small = [d for d in range(1, int(whole**0.5) + 1) if whole % d == 0]
    return sorted({*small, *(whole // d for d in small)})


def _list(values: list[int]) -> str:
    return ", ".join(map(str, values[:12])) + (", ..." if len(values) > 12 else "")


def _multiplies_out(job: Job, p: Any) -> Any:
    used, n_chips = p.tp * p.pp * p.cp * p.dp, job.cluster.n_chips
    return (used <= n_chips) & (used >= ceil((1.0 - job.idle_frac) * n_chips))


@_rule("tp pp cp dp", _multiplies_out)
def _chips(job: Job, p: Any) -> str:
    n_chips, rest = job.cluster.n_chips, p.tp * p.pp * p.cp
    fits = f"dp={n_chips // rest} would fit" if n_chips % rest == 0 else f"no dp fits: {rest} does not divide {n_chips}"
    idle = f", of which {job.idle_frac:.3g} may stand idle" if job.idle_frac else ""
    return f"tp*pp*cp*dp = {p.tp}*{p.pp}*{p.cp}*{p.dp} = {rest * p.dp} is not n_chips = {n_chips}{idle}; {fits}"


def widths(job: Job) -> list[int]:
    """Return the tensor-parallel widths that divide the heads, the key-value heads and the FFN of the model."""
    return divisors(gcd(job.model.n_heads, job.model.n_kv_heads, job.model.d_ff))


@_rule("tp", lambda job, p: gcd(job.model.n_heads, job.model.n_kv_heads, job.model.d_ff) % p.tp == 0)
def _heads(job: Job, p: Any) -> str:
    model = job.model
    return (
        f"tp={p.tp} does not divide the {model.n_heads} heads, {model.n_kv_heads} key-value heads and the FFN width "
        f"{model.d_ff} of {model.name}; tp can be {_list(widths(job))}"
    )


@_rule("pp", lambda job, p: p.pp <= job.model.n_layers)
def _stages(job: Job, p: Any) -> str:
    return f"pp={p.pp} is more than the {job.model.n_layers} layers; pp can be up to that"


def _cuts_sequence(job: Job, p: Any) -> Any:
    return (p.cp == 1) | ((job.seq_len % (2 * p.cp) == 0) & (job.seq_len // (2 * p.cp) >= _LEAST_TOKENS))


@_rule("cp", _cuts_sequence)
def _sequence(job: Job, p: Any) -> str:
    fits = [cp for cp in divisors(job.seq_len) if _cuts_sequence(job, SimpleNamespace(cp=cp))]
    return (
        f"cp={p.cp} does not cut sequences of {job.seq_len} tokens into 2*cp equal parts of at least {_LEAST_TOKENS}; "
        f"cp can be {_list(fits)}"
    )


@_rule("tp cp dp ep", lambda job, p: (max(job.model.n_experts, 1) % p.ep == 0) & ((p.dp * p.cp * p.tp) % p.ep == 0))
def _experts(job: Job, p: Any) -> str:
    experts, chips = job.model.n_experts, p.dp * p.cp * p.tp
    fits = divisors(gcd(max(experts, 1), chips))
    return f"ep={p.ep} does not divide both the {experts} experts and dp*cp*tp = {chips}; ep can be {_list(fits)}"


@_rule("dp micro_batch", lambda job, p: job.global_batch % (p.dp * p.micro_batch) == 0)
def _batch(job: Job, p: Any) -> str:
    batch = job.global_batch
    if batch % p.dp == 0:
        fits = f"micro_batch can be {_list(divisors(batch // p.dp))}"
    else:
        fits = f"a batch of {-(-batch // p.dp) * p.dp} sequences would fit, or dp of {_list(divisors(batch))}"
    return f"global_batch={batch} is not a multiple of dp*micro_batch = {p.dp}*{p.micro_batch}; {fits}"


@_rule("pp vpp", lambda job, p: (p.vpp == 1) | ((p.pp > 1) & (p.pp * p.vpp <= job.model.n_layers + 2)))
def _chunks(job: Job, p: Any) -> str:
    most = max((job.model.n_layers + 2) // p.pp, 1) if p.pp > 1 else 1  # the embedding and the loss may count
    return (
        f"vpp={p.vpp} needs pp > 1 and a layer for each of the pp*vpp = {p.pp * p.vpp} chunks of "
        f"{job.model.n_layers} layers; with pp={p.pp}, vpp can be up to {most}"
    )


@_rule(
    "pp vpp dp micro_batch", lambda job, p: (p.vpp == 1) | ((job.global_batch // (p.dp * p.micro_batch)) % p.pp == 0)
)
def _rounds(job: Job, p: Any) -> str:
    n_micro = job.global_batch // (p.dp * p.micro_batch)
    return f"vpp={p.vpp} needs micro-batches in multiples of pp={p.pp}, and there are {n_micro}; vpp=1 would fit"


@_rule("tp cp sp", lambda job, p: (p.sp == 0) | ((p.tp > 1) & ((job.seq_len // p.cp) % p.tp == 0)))
def _tokens(job: Job, p: Any) -> str:
    return f"sp needs tp > 1 that divides the {job.seq_len // p.cp} tokens of a chip; got tp={p.tp}; sp=False would fit"


@_rule("tp sp", lambda job, p: (p.sp == 1) | (p.tp == 1) | (job.model.n_experts == 0))
def _routed(job: Job, p: Any) -> str:
    return f"experts with tp={p.tp} need sequence parallelism; sp=True would fit"


def _shards(job: Job, p: Any) -> Any:
    replicas = p.dp * p.cp
    parts = (p.shard_group > 1) & (p.shard_group < replicas) & (replicas % p.shard_group == 0)
    whole = (p.shard_group == replicas) & ((p.sharding == 0) | (replicas > 1))
    in_groups = (p.sharding == ZERO1) | (p.sharding == ZERO2) | (p.sharding == HYBRID)
    return (parts & in_groups) | (whole & (p.sharding < HYBRID))


@_rule("dp cp sharding shard_group", _shards)
def _groups(job: Job, p: Any) -> str:
    replicas = p.dp * p.cp
    if replicas == 1:
        return "one replica cannot be sharded; sharding='none' would fit"
    return (
        f"shard_group={p.shard_group} does not fit the sharding over dp*cp = {replicas} replicas: hsdp needs a divisor "
        f"between 1 and {replicas} ({_list(divisors(replicas)[1:-1]) or 'there is none'}), zero1 and zero2 may have "
        "one; the others take all replicas"
    )


RULES = (_chips, _heads, _stages, _sequence, _experts, _batch, _chunks, _rounds, _tokens, _routed, _groups)


def _divides_layers(job: Job, chunks: Any) -> Any:
    """Tell whether the layers divide into chunks, the embedding and the loss counted as layers or not."""
    n_layers = job.model.n_layers
    return (n_layers % chunks == 0) | ((n_layers + 1) % chunks == 0) | ((n_layers + 2) % chunks == 0)


@_rule("pp vpp", lambda job, p: (p.vpp == 1) | _divides_layers(job, p.pp * p.vpp))
def _even_chunks(job: Job, p: Any) -> str:
    most = job.model.n_layers // p.pp
    fits = [v for v in range(1, most + 1) if v == 1 or (p.pp > 1 and _divides_layers(job, p.pp * v))]
    return (
        f"vpp={p.vpp} needs {job.model.n_layers} layers that divide into pp*vpp = {p.pp * p.vpp} chunks, "
        f"the embedding and the loss counted as layers or not; with pp={p.pp}, vpp can be {_list(fits)}"
    )


@_rule("pp sharding", lambda job, p: (p.sharding != ZERO2) | (p.pp == 1))
def _whole_gradients(job: Job, p: Any) -> str:
    return f"with pp={p.pp}, zero2 adds whole gradients up and is zero1; zero1 would fit"


#: What a search asks besides of an axis, unless no value that it may look at would be left: chunks of one size, as
#: recipes have them; and no ZeRO-2 with a pipeline, where it is ZeRO-1 by another name.
SEARCHED = {"vpp": _even_chunks, "sharding": _whole_gradients}
