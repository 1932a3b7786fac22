"""What survives failures of a scenario's job: under each recovery scheme, and at any size, as tables to draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy

from gigacluster import reliability
from gigacluster.uncertainty import Uncertain, interval
from gigacluster.units import SECONDS_PER_DAY
from gigareport.facts.recovery import WORDS, size_power
from gigareport.scenario.inputs import Step, alike, draw_inputs, inputs_from, uncertain_of
from gigareport.scenario.known import RECOVERY_TIMES, blast_of, job_chips, scheme_of
from gigareport.scenario.outlook import Outlook
from gigareport.scenario.record import with_value
from gigareport.scenario.register import Scenario
from gigareport.scenario.spine import after_failures

if TYPE_CHECKING:
    import pandas as pd


#: Where the time goes, in the words of a chart.
PARTS = {
    "goodput_frac": "progress",
    "overhead_frac": "steady overhead",
    "checkpoint_frac": "checkpoints",
    "rework_frac": "lost work",
    "restart_frac": "restarts",
    "waiting_frac": "detection, stalls",
    "planned_frac": "planned stops",
}


def survived(
    story: Scenario,
    *,
    scheme: str | None = None,
    n_chips: int | None = None,
    chips_per_replica: float,
    samples: int = 1000,
    seed: int = 7,
) -> reliability.Goodput:
    """Return where the time of a job goes, with the same draws as :func:`gigareport.scenario.evaluate`.

    A scheme in the place of the scenario's own brings its published times; with another size go the rate and the times
    that grow. ``chips_per_replica`` are those of one data-parallel replica.
    """
    if scheme is not None and scheme != scheme_of(story):
        nothing = dict.fromkeys((path.partition(".")[2] for path in RECOVERY_TIMES), Uncertain.left_out())
        story = replace(story, reliability=replace(story.reliability, **nothing, recovery=scheme))  # type: ignore[arg-type]
    elif scheme is not None:
        story = with_value(story, "reliability.recovery", scheme)
    if n_chips is not None:
        story = _grown(story, n_chips)
        story = with_value(with_value(story, "cluster.n_chips", n_chips), "training.n_chips", n_chips)
    (settled,) = alike([story])
    drawn = draw_inputs([uncertain_of(settled)], samples, seed)
    size = float(job_chips(story))
    n_replicas = max(2.0, size / chips_per_replica)
    one = numpy.ones((1, 1))
    step = Step(
        job_chips=size * one,
        peak_bf16_flop_per_s=one,
        step_flop=one,
        step_time_s=one,
        n_replicas=n_replicas * one,
        replicas_lost=float(blast_of(story).replicas_lost(max(1.0, size / n_replicas))) * one,
        schemes=(scheme_of(story),),
    )
    return after_failures(inputs_from([settled], drawn), step)


def _grown(story: Scenario, n_chips: int) -> Scenario:
    """Take times that the file gives at its own size to another; those of the tables follow by themselves."""
    own = job_chips(story)
    for name, scheme in (("restart_s", "restart_all"), ("resume_s", scheme_of(story))):
        given = getattr(story.reliability, name)
        power = story.reliability.size_power.median
        power = size_power(scheme).median if math.isnan(power) else power
        if not math.isnan(given.median):
            ends = [
                float(reliability.at_size_s(end, n_chips, measured_at_gpus=own, size_power=power))
                for end in (given.low, given.median, given.high)
            ]
            grown = Uncertain(low=ends[0], median=ends[1], high=ends[2])
            story = with_value(story, f"reliability.{name}", grown)
    return story


def by_scheme(outlook: Outlook, *, samples: int = 2000) -> pd.DataFrame:
    """Set the schemes beside each other for one job.

    Parameters
    ----------
    outlook : as :func:`gigareport.scenario.evaluate` returns it.

    Returns
    -------
    pandas.DataFrame
        A row a scheme: ``label``, ``low``, ``median``, ``high`` of goodput (5, 50 and 95 %), ``own`` (the scenario's),
        ``never`` (share of samples that never finish), and the mean share of time of each of :data:`PARTS`.
    """
    import pandas as pd

    rows = []
    for scheme in reliability.SCHEMES:
        found, kept = _of_outlook(outlook, scheme, samples=samples)
        rows.append(
            {"scheme": scheme, "label": WORDS[scheme], **kept, "own": scheme == scheme_of(outlook.scenario)}
            | {"never": float(numpy.mean(found.never_finishes))}
            | {word: float(numpy.mean(getattr(found, name))) for name, word in PARTS.items()}
        )
    return pd.DataFrame(rows)


def by_size(
    outlook: Outlook, n_chips: Sequence[float], schemes: Sequence[str] = (), *, samples: int = 500
) -> pd.DataFrame:
    """Return goodput against the size of the job, under each scheme.

    Parameters
    ----------
    outlook : as :func:`gigareport.scenario.evaluate` returns it.
    n_chips : sizes. [chip]
    schemes : of recovery; left out, all of them.

    Returns
    -------
    pandas.DataFrame
        ``scheme``, ``label``, ``n_chips``, ``low``, ``median``, ``high`` (5, 50 and 95 %).
    """
    import pandas as pd

    cases = [(scheme, round(size)) for scheme in schemes or reliability.SCHEMES for size in n_chips]
    return pd.DataFrame(
        [
            {"scheme": scheme, "label": WORDS[scheme], "n_chips": size}
            | _of_outlook(outlook, scheme, n_chips=size, samples=samples)[1]
            for scheme, size in cases
        ]
    )


def _of_outlook(
    outlook: Outlook, scheme: str, *, n_chips: int | None = None, samples: int
) -> tuple[reliability.Goodput, dict[str, float]]:
    """Return where the time of an outlook's job goes under a scheme, and goodput with its interval."""
    found = survived(
        outlook.scenario,
        scheme=scheme,
        n_chips=n_chips,
        chips_per_replica=outlook.plan.n_chips / outlook.plan.n_replicas,
        samples=samples,
        seed=outlook.seed,
    )
    kept = interval(found.goodput_frac)
    return found, {"low": kept.low, "median": kept.median, "high": kept.high}


def median_job(outlook: Outlook) -> dict[str, Any]:
    """Return MTTF, restart and stall of a checkpoint at the middle of the inputs: for formulas of one number. [s]"""
    (settled,) = alike([outlook.scenario])
    given = settled.reliability
    mttf_s = 1000 * SECONDS_PER_DAY * 8 / (outlook.plan.n_chips * given.failures_per_1000_node_days.median)
    quick_s = given.resume_s.median if scheme_of(settled) == "hot_spare" else given.restart_s.median
    return {"mttf_s": mttf_s, "restart_s": quick_s, "checkpoint_write_s": given.checkpoint_stall_s.median}
