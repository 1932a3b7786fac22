"""The headline numbers of the README: computed from the story, the calibration and the recorded benchmarks."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gigacluster.units import SECONDS_PER_HOUR
from gigareport import audit as claims
from gigareport import catalog, decision, hindsight, scenario, words
from gigareport.answers import say_difference
from gigareport.calibration.validation import by_source

_START, _END = "<!-- headlines: written by `make readme`, checked by a test -->", "<!-- /headlines -->"
NOT_MEASURED = "not measured"
_PARITY = "parity_largest_relative_difference"
#: What owning saves, in a list of it.
_SAVED = words.Difference("{}", "costs {} more", "{} less", "{} more")


def lines() -> list[str]:
    """Return the headline numbers, a Markdown line each."""
    story = scenario.load(scenario.STORY)
    run_days = story.training.run_days
    outlook = scenario.evaluate(story, device="cpu")
    verdicts = claims.audit(outlook)["verdict"].value_counts()
    told = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
    better = say_difference(outlook, "advantage_usd", words.BETTER)
    return [
        f"For 100,000 H100 against a rental, over {story.horizon_months} months (medians, 5 to 95 % in brackets):",
        "",
        _by_price(outlook),
        f"- **Inside that contract.** {outlook.verdict} Owning costs {outlook.say('own_usd')}, renting "
        f"{outlook.say('rent_usd')} for the same useful work; a run is done "
        f"{say_difference(outlook, 'months_gained', words.EARLIER)}, and with the months of each counted owning is "
        f"{better}. {_by_kind(outlook)}",
        f"- **What happened**, for the useful work of {hindsight.MONTHS} months, net present: {_happened()}.",
        f"- **Speed.** {outlook.say('mfu_frac')} of peak while training; failures every "
        f"{outlook.say('mttf_hours')} leave {outlook.say('goodput_frac')} of the time useful "
        f"under {outlook.recovery}. "
        f"A run of Grok-2's size takes {outlook.say('reference_run_days')}; one of {run_days.low:.0f} to "
        f"{run_days.high:.0f} days has {outlook.say('run_flop')}; compute-optimal that is "
        f"{outlook.say('run_params')}, at a loss of {outlook.say('run_loss')} if the form of the law holds so far out.",
        f"- **Place.** {outlook.say('share_of_world')} of the world’s AI compute when it started; a listed "
        f"site of others was as large {outlook.say('lead_months')} after it was complete. Of what was claimed for it "
        f"in July 2024, by our rules: {told}.",
        "",
        *_accuracy(),
        *_speed(),
    ]


def _by_price(outlook: scenario.Outlook) -> str:
    """Say at what price of a contract the answer turns."""
    rent_below, parity, own_above = (words.usd(float(usd), 3) for usd in decision.price_map(outlook).parity_usd[:, -1])
    price = words.usd(outlook.scenario.rent.committed_usd_per_chip_hour.median, 3)
    return (
        f"- **It depends on the rent.** Over {outlook.scenario.horizon_months} months the same work costs the same at "
        f"{parity} a chip-hour; below {rent_below} nine in ten samples say rent, above {own_above} own. The deal of "
        f"$10 billion is {price} if it ran four years."
    )


def _by_kind(outlook: scenario.Outlook) -> str:
    """Say what owning saves beside the first kind of rent, and beside all others from the least to the most."""
    kinds = decision.by_kind(outlook)
    first, others = kinds.iloc[0], kinds.iloc[1:]
    least, most = (
        words.difference_alone(usd, _SAVED) for usd in (others["saving_usd"].min(), others["saving_usd"].max())
    )
    low, high = (words.share(share) for share in (others["cheaper_frac"].min(), others["cheaper_frac"].max()))
    return (
        f"Owning saves, beside a {first['against']} {words.difference_alone(first['saving_usd'], _SAVED)}, beside the "
        f"{len(others)} other kinds of rent on page 50 {least} to {most} (in {low} to {high} of the samples)."
    )


def _happened() -> str:
    rows = hindsight.hindsight().table.itertuples()
    return "; ".join(f"{row.choice} {words.usd(row.median)}" for row in rows)


def write(readme: Path) -> None:
    """Write the headline numbers into the README, between their marks, and draw its first picture."""
    before, _, rest = readme.read_text(encoding="utf-8").partition(_START)
    after = rest.partition(_END)[2]
    text = "\n".join([before + _START, *lines(), _END]) + after
    catalog.write_whole(readme, text)
    picture = readme.parent / "docs" / "pictures" / "choice.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    found = scenario.evaluate(scenario.load(scenario.STORY), device="cpu")
    draw_choice(found, picture, "Own 100,000 H100 or rent them?")
    print(f"Written: {readme}, {picture}")


def draw_choice(found: scenario.Outlook, file: Path, title: str, size_in: tuple[float, float] | None = None) -> None:
    """Draw the map of price and term on which owning, renting or neither is better, as a picture.

    Parameters
    ----------
    file : Where to write it.
    title : Above the map.
    size_in : Width and height at 120 dots an inch; otherwise that of a figure on a page. [in]
    """
    import matplotlib.pyplot as plt

    from gigareport.plots import use

    use()
    chart = decision.draw_map(found, decision.price_map(found))
    chart.ax.set_title(title)
    chart.place_names()
    if size_in:
        chart.fig.set_size_inches(*size_in)
    chart.fig.savefig(file, dpi=120, metadata={"Software": None})
    plt.close(chart.fig)


def _accuracy() -> list[str]:
    table = catalog.load("throughput_accuracy")
    rows = table[table["family"] == "all"].set_index(["split", "arch"])

    def said(arch: str) -> str:
        new, known = rows.loc[("family", arch)], rows.loc[("group", arch)]
        return f"{known['mape']:.1f} % on new runs of known sources, {new['mape']:.1f} % on makers never seen"

    dense = rows.loc[("family", "dense")]
    return [
        "How far to trust it (mean absolute error of step time, everything refitted without the runs it is scored on):",
        "",
        f"- dense models: {said('dense')}; a constant utilisation has {dense['constant_mfu_mape']:.0f} %;",
        f"- mixtures of experts: {said('moe')};",
        f"- source by source, each left out in turn: {_by_source()};",
        f"- 80 % intervals held {dense['coverage80']:.0f} % of the dense runs of makers never seen.",
        "",
    ]


def _by_source() -> str:
    found = by_source()
    return "; ".join(
        f"{name} {found[arch]['mean_over_sources']:.0f} % in the mean of {len(found[arch]['sources'])}, "
        f"{found[arch]['worst']['mape']:.0f} % at worst"
        for arch, name in (("dense", "dense"), ("moe", "mixtures"))
    )


def _records(gpu: bool) -> list[dict[str, Any]]:
    """Return what was recorded in ``benchmarks/results``: of one core, or of each GPU."""
    files = sorted((catalog.data_dir().parent / "benchmarks" / "results").glob("*.json"))
    return [record for record in (json.loads(file.read_text()) for file in files) if (_PARITY in record) is gpu]


def on_gpu() -> str:
    """Say what was measured on GPUs, or that nothing was."""
    said = []
    for record in _records(gpu=True):
        parity = max(value for part in record[_PARITY].values() for value in part.values())
        said.append(f"{record['device']} ({record['date']}): equal to NumPy within {parity:.0e}")
    return "; ".join(said) or NOT_MEASURED


def measured_on() -> str:
    """Return the day on which one core was measured last, as ``YYYY-MM-DD``; nothing where none was."""
    return str(_newest().get("date", ""))


def _figures(gpu: bool = False) -> dict[str, Any]:
    """Return the figures by benchmark that were recorded last; empty if there are none."""
    return dict(_newest(gpu).get("figures", {}))


def _newest(gpu: bool = False) -> dict[str, Any]:
    return max(_records(gpu), key=lambda record: record["date"], default={})


#: Work beyond one machine: what, how much of it, and its benchmark with what gives its rate a second.
_WORK: tuple[tuple[str, float, str, Callable[[dict[str, Any]], float], str], ...] = (
    ("10 billion parallel plans", 1e10, "search", lambda f: 1e6 * f["million_plans_per_s_with_enumeration"], "search"),
    ("18 million fits of a scaling law", 18e6, "scaling", lambda f: 4000 / f["bootstrap_4000_s"], "bootstrap"),
    # 131,072 GPUs of Meta's RSC-1, 8 a node, with 6.5 failures in 1,000 node days.
    (
        "a million years of a cluster of 131,072 GPUs",
        1e6 * 365.25 * 131_072 / 8 * 6.5e-3,
        "reliability",
        lambda f: 1e9 / f["exponential_ns_per_failure"],
        "",
    ),
)
_ON_GPU: dict[str, Callable[[dict[str, Any]], float]] = {
    "search": lambda f: 1e6 * f["million_plans_per_s_with_transfers"],
    "scaling": lambda f: 4000 / f["starts_1_4000_s"],
    "reliability": lambda f: 1e9 / f["exponential_ns_per_failure"],
}


def past_this_machine() -> list[dict[str, Any]]:
    """Return how long work beyond one machine takes, from measured rates: a row a work and machine.

    ``hours`` is nan where nothing was measured. ``known`` says what was: a rate of one core, and for 100 workers how
    much two of them gain over one, taken to hold for all.
    """
    rows, core, gpu = [], _figures(), _figures(gpu=True)
    for work, amount, name, rate, shared in _WORK:
        hours = amount / rate(core[name]) / SECONDS_PER_HOUR if name in core else math.nan
        gain = core.get("workers", {}).get(f"{shared}_speed_up_of_2_by_cpu")
        on_gpu_hours = amount / _ON_GPU[name](gpu[name]) / SECONDS_PER_HOUR if name in gpu else math.nan
        told = "two workers measured, 100 projected" if gain else "one core measured, 100 projected without loss"
        measured = "rate measured" if gpu else NOT_MEASURED
        ways = (
            ("1 core", hours, "rate measured" if name in core else NOT_MEASURED),
            ("100 workers", hours / (100 * min((gain or 2) / 2, 1)), told),
            ("1 GPU", on_gpu_hours, measured),
            ("8 GPUs", on_gpu_hours / 8, "one measured, 8 projected without loss" if gpu else NOT_MEASURED),
        )
        rows += [{"work": work, "on": on, "hours": taken, "known": known} for on, taken, known in ways]
    return rows


_GROWN = ("done", "cpu_s", "peak_memory_mb")
#: Other ways to the same fits: what they are called, and their figures.
_OTHER_FITS = {
    "SciPy's BFGS as in the replication": "scipy_bfgs_as_published",
    "SciPy's BFGS, exact gradients, to the same gradient": "scipy_bfgs_tight",
    "SciPy's L-BFGS-B, the same": "scipy_lbfgsb_tight",
    "SciPy's trust-exact, exact Hessian": "scipy_trust_exact_tight",
    "the chinchilla package": "chinchilla_package",
}


def beside_others() -> list[dict[str, Any]]:
    """Return how long the same work takes otherwise, on one core: a row a work and way.

    ``times`` is over ours. ``limit`` is the share of the machine's limit that ours reaches: the time of the same
    operations alone, each at the rate that was measured for it. Both are nan where nothing was measured.
    """
    found, none = _figures(), math.nan
    fits, failures, machine = (found.get(name, {}) for name in ("scaling", "reliability", "machine"))
    version = f"version {fits.get('chinchilla_package', 'not installed')}"
    others = [
        (
            way,
            fits.get(f"{name}_times_slower", none),
            version if name == "chinchilla_package" else "a sample of them measured",
        )
        for way, name in _OTHER_FITS.items()
    ]
    fitted, failed, planned = "4,000 fits of a scaling law", "simulated failures", "parallel plans"
    rows = [
        (fitted, "ours", 1.0, machine.get("bootstrap_4000_share_of_limit", none), "measured"),
        *((fitted, way, times, none, known) for way, times, known in others),
        (failed, "ours", 1.0, none, "measured"),
        (failed, "a loop in Python", failures.get("times_faster_than_loop", none), none, "measured"),
        (planned, "ours", 1.0, machine.get("search_share_of_limit", none), "measured"),
        (planned, "Calculon", none, none, "its rate stands in none of our sources"),
    ]
    columns = ("work", "by", "times", "limit", "known")
    return [dict(zip(columns, row, strict=True)) for row in rows] if found else []


def growth() -> list[dict[str, Any]]:
    """Return how CPU time and memory of one core grew with the work: a row a work and size; none if not measured."""
    found = _figures().get("growth", {})
    columns = ("done", "CPU time [s]", "peak memory [MB]")
    return [
        {"work": what, **dict(zip(columns, row, strict=True)), "a second": row[0] / row[1]}
        for what in ("plans", "fits", "runs", "failures")
        for row in zip(*(found.get(f"{what}_{column}", []) for column in _GROWN), strict=True)
    ]


def _speed() -> list[str]:
    figures = _figures()

    def figure(module: str, name: str, form: str) -> str:
        value = figures.get(module, {}).get(name)
        return NOT_MEASURED if value is None else form.format(value)

    return [
        "How fast (one core, one thread; `make bench` writes `benchmarks/results/cpu.json`):",
        "",
        f"- parallel plans: {figure('search', 'million_plans_per_s', '{:.1f} million a second')}, each in full;",
        f"- 4,000 bootstrap fits of a scaling law: {figure('scaling', 'bootstrap_4000_s', '{:.1f} s')}, "
        f"{figure('scaling', 'scipy_bfgs_tight_times_slower', '{:.0f} times')} faster than a loop of SciPy's BFGS with "
        "exact gradients;",
        f"- simulated failures: {figure('reliability', 'exponential_ns_per_failure', '{:.0f} ns each')};",
        f"- every answer about a scenario, 10,000 samples: "
        f"{figure('scenario', 'evaluate_10000_samples_cpu_s', '{:.2f} s')};",
        f"- on a GPU: {on_gpu()}.",
    ]
