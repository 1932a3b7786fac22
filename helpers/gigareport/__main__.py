"""What a giant AI training cluster buys, costs and changes: the command line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gigareport.catalog import CatalogError, data_dir, load, names
from gigareport.scenario import ScenarioError, search_plan
from gigareport.scenario import load as load_scenario
from gigareport.scenario import names as scenario_names

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 a fault that the output names, 2 wrong usage."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    try:
        return int(chosen.run(chosen))
    except (CatalogError, ScenarioError, OSError) as fault:
        print(fault, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gigacluster", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    report = commands.add_parser("report", help="execute the notebooks and write the site of one or more scenarios")
    report.add_argument("scenarios", nargs="*", default=[""], help="bundled names or YAML files (default: the story)")
    report.add_argument("--out", type=Path, default=Path("reports"), help="folder of the sites (default: reports)")
    report.add_argument("--fresh", action="store_true", help="execute every notebook, also unchanged ones")
    report.set_defaults(run=_report)

    check = commands.add_parser("check", help="check scenario files and tables; without names, all of data/")
    check.add_argument("files", nargs="*", help="scenario YAML, or TABLE=FILE.csv")
    check.set_defaults(run=_check)

    validate = commands.add_parser("validate", help="predict the runs of a CSV like training_runs.csv and score them")
    validate.add_argument("runs", type=Path, help="CSV of measured runs")
    validate.add_argument("--json", action="store_true", help="print JSON")
    validate.set_defaults(run=_validate)

    bench = commands.add_parser("bench", help="time the models (from a checkout: make bench)")
    bench.set_defaults(run=_bench)

    readme = commands.add_parser("readme", help="write the headline numbers of README.md again")
    readme.set_defaults(run=_readme)
    return parser


def _report(chosen: argparse.Namespace) -> int:
    from gigareport import pages as report

    return report.main(chosen.scenarios, chosen.out, fresh=chosen.fresh)


def _check(chosen: argparse.Namespace) -> int:
    faults = []
    everything = [*names(), *sorted((data_dir() / "scenarios").glob("*.yaml"))]
    for item in chosen.files or everything:
        try:
            _check_one(str(item))
        except (CatalogError, ScenarioError) as fault:
            faults.append(str(fault))
        else:
            print(f"{item}: good")
    print(*faults, sep="\n", end="\n" if faults else "", file=sys.stderr)
    return 1 if faults else 0


def _check_one(item: str) -> None:
    table, given, file = item.partition("=")
    if given and not file:
        raise CatalogError(f"{item!r} names no file; write {table}=FILE.csv, or {table!r} for the table of data/")
    if not item:
        raise ScenarioError(
            f"got an empty name; give a scenario file, one of {', '.join(scenario_names())}, or a table"
        )
    if Path(item).suffix == ".csv" and not given:
        raise CatalogError(f"{item}: of which table? Write TABLE={item}; the tables are: {', '.join(names())}")
    if table in names() or (given and not Path(item).exists()):
        load(table, file or None)
    else:
        search_plan(load_scenario(item))  # a file can be free of faults and its job impossible


def _validate(chosen: argparse.Namespace) -> int:
    from gigareport.calibration import validation

    result = validation.validate(chosen.runs)
    print(result.to_json() if chosen.json else result.to_text())
    return 0


def _bench(chosen: argparse.Namespace) -> int:
    import runpy

    root = data_dir().parent
    if not (root / "benchmarks" / "__main__.py").exists():
        print("The benchmarks are in the checkout; clone it and run: make bench", file=sys.stderr)
        return 1
    sys.path.insert(0, str(root))
    sys.argv = ["benchmarks", "cpu"]
    runpy.run_module("benchmarks", run_name="__main__")
    return 0


def _readme(chosen: argparse.Namespace) -> int:
    from gigareport import headlines

    headlines.write(data_dir().parent / "README.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
