"""Do the tests see a wrong number? Changes each number-making module in small ways and runs its package's tests.

``make mutants`` runs a seeded sample of every module and writes ``docs/mutants.md``; ``python -m tests.mutants
throughput`` runs the modules whose name contains a word. A module's own tests are those of the folder that mirrors
its package. Counts of this run replace the earlier ones of the same modules; reasons of survivors are kept.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.mutants.session import Mutants

ROOT = Path(__file__).resolve().parents[2]
RECORD = Path(__file__).with_name("record.json")
_OWN = "tests/gigacluster"
#: The files of tests of a module or package, where they are fewer than those of the folder that mirrors the package.
_QUICK = {
    "throughput": ("frozen_parts", "step_time", "kernels", "memory", "properties", "plans", "operations"),
    "throughput.roofline": ("roofline", "operations"),
    "scaling.law": ("formulas",),
    "scaling.objective": ("objective",),
    "scaling.optimum": ("decisions", "any_law"),
    "scaling.isoflop": ("budgets", "isoflop"),
    "scaling.parabola": ("parabola",),
    "scaling.estimate": ("estimate",),
    "scaling.noise": ("noise",),
}
#: Tests, by the beginning of a module's name (the longest that fits), without simulations and searches.
TESTS = {
    **{
        f"gigacluster.{name}": [f"{_OWN}/{name.split('.')[0]}/test_{one}.py" for one in files]
        for name, files in _QUICK.items()
    },
    **{f"gigacluster.{name}": [f"{_OWN}/{name}"] for name in ("cost", "reliability", "concentration")},
    **{f"gigacluster.{name}": [f"{_OWN}/test_{name}.py"] for name in ("uncertainty", "race")},
}
MODULES = [
    "gigacluster.uncertainty",
    "gigacluster.race",
    *(f"gigacluster.throughput.{name}" for name in ("step", "layers", "memory", "network", "kernels", "roofline")),
    *(f"gigacluster.cost.{name}" for name in ("own", "flows", "rent", "decide")),
    *(f"gigacluster.reliability.{name}" for name in ("goodput", "checkpoints", "rates", "recovery")),
    *(f"gigacluster.concentration.{name}" for name in ("measures", "bounds")),
    *(
        f"gigacluster.scaling.{name}"
        for name in ("law", "objective", "optimum", "isoflop", "parabola", "estimate", "noise")
    ),
]


def main() -> int:
    """Run the sample, write the record and the page; 1 where a module stays under the share asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("words", nargs="*", help="only modules whose name contains one of these")
    parser.add_argument("--each", type=int, default=25, help="mutants a module")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60, help="tests a mutant, at most")
    parser.add_argument("--asked", type=float, default=0.9, help="share that must be killed")
    given = parser.parse_args()
    os.chdir(ROOT)
    chosen = [name for name in MODULES if not given.words or any(word in name for word in given.words)]
    for start, tests in TESTS.items():
        modules = [name for name in chosen if max((one for one in TESTS if name.startswith(one)), key=len) == start]
        if not modules:
            continue
        plugin = Mutants(modules, per_module=given.each, seed=given.seed, seconds=given.seconds)
        pytest.main(["-q", "-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", *tests], [plugin])
        if set(plugin.outcomes) != set(modules):
            return 1
        record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
        for module, outcome in plugin.outcomes.items():
            reasons = {
                (one["function"], one["change"]): one["equivalent"]
                for one in record.get(module, {}).get("survivors", ())
                if "equivalent" in one
            }
            for one in outcome.survivors:
                reason = reasons.get((one["function"], one["change"]))
                one |= {"equivalent": reason} if reason else {}
            record[module] = {"seed": given.seed, **asdict(outcome)}
        RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    (ROOT / "docs" / "mutants.md").write_text(page(record))
    low = [name for name in chosen if share(record[name]) < given.asked]
    print(*(f"under {given.asked:.0%}: {name} ({share(record[name]):.0%})" for name in low), sep="\n")
    return int(bool(low))


def share(outcome: dict) -> float:
    """Return the share of a module's mutants that died, of those that compute something else."""
    same = sum("equivalent" in one for one in outcome["survivors"])
    return outcome["killed"] / max(outcome["sampled"] - same, 1)


def page(record: dict) -> str:
    """Return the document: counts by module, then every survivor."""
    lines = [
        "# Mutants: do the tests see a wrong number?",
        "Each module that makes numbers is changed in one small way at a time (an operator, a comparison, a constant,",
        "a term left out, two values exchanged), and the tests of its package run until one fails. Places are drawn",
        "with a seed. A survivor is read: it is killed by a test that states a law, or it computes the same number,",
        "and why is said below. `make mutants` writes this page. Share: killed, of those that compute something else.",
        "A mutant that a new test was shown to kill counts as killed.",
        "",
        "| module | places | drawn | killed | of them hung | the same number | share |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in sorted(record.items()):
        same = sum("equivalent" in survivor for survivor in one["survivors"])
        lines.append(
            f"| `{name.removeprefix('gigacluster.')}` | {one['sites']} | {one['sampled']} | {one['killed']} | "
            f"{one['hung']} | {same} | {share(one):.0%} |"
        )
    total = {key: sum(one[key] for one in record.values()) for key in ("sites", "sampled", "killed", "hung")}
    same = sum("equivalent" in survivor for one in record.values() for survivor in one["survivors"])
    rate = total["killed"] / max(total["sampled"] - same, 1)
    lines.append(
        f"| all | {total['sites']} | {total['sampled']} | {total['killed']} | {total['hung']} | {same} | {rate:.0%} |"
    )
    missing = [name.removeprefix("gigacluster.") for name in MODULES if name not in record]
    if missing:
        lines += ["", f"Not run yet: {', '.join(missing)}."]
    lines += ["", "## Survivors", ""]
    for name, one in sorted(record.items()):
        for survivor in one["survivors"]:
            change = " ".join(survivor["change"].split()).replace("`", "'")
            reason = survivor.get("equivalent", "not killed")
            lines.append(
                f"- `{name.removeprefix('gigacluster.')}`, `{survivor['function'] or 'module'}`: `{change}`. {reason}"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
