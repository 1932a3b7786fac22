"""What a giant AI training cluster buys, costs and changes: the command line."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd

from gigacluster.arrays import DEVICE_VARIABLE, NUMPY, device_namespace
from gigacluster.throughput.shipped import Calibration, read_calibration
from gigareport.catalog import CatalogError, data_dir, load, names
from gigareport.fields import Fault, file_text, number, shown, told
from gigareport.scenario import (
    Outlook,
    ScenarioError,
    differences,
    differing_inputs,
    evaluate,
    find,
    search_plan,
    slips,
    taken,
)
from gigareport.scenario import load as load_scenario
from gigareport.scenario import names as scenario_names
from gigareport.words import share as share_text


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 a fault that the output names, 2 wrong usage."""
    try:
        with _printed():
            chosen = _parser().parse_args(arguments)
            _refuse_device()
            return chosen.run(chosen) or 0
    except (CatalogError, ScenarioError) as fault:
        print(told(str(fault)), file=sys.stderr)
        return 1
    except OSError as fault:
        named = f"{fault.filename}: {fault.strerror}" if fault.filename else fault.strerror or str(fault)
        print(told(named), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


@contextmanager
def _printed() -> Iterator[None]:
    """Print what waits to be printed when the block ends; where the output takes no more, forget it and raise."""
    try:
        yield
    finally:
        try:
            if sys.stdout is not None:  # it is closed
                sys.stdout.flush()
        except OSError as fault:
            nowhere = os.open(os.devnull, os.O_WRONLY)  # else Python tries again at its end, and tells in its own words
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
            raise OSError(fault.errno, fault.strerror, "what is printed") from None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        super().error(told(message))


def _refuse_device() -> None:
    """Refuse a device that the environment asks for and that is not there, before any work begins."""
    try:
        device_namespace(os.environ.get(DEVICE_VARIABLE, "cpu"))
    except (RuntimeError, ValueError) as fault:
        raise ScenarioError(f"{DEVICE_VARIABLE}: {fault}") from None


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="gigacluster", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    calibration = _shared(
        "--calibration", type=_calibration, help="file that gigacluster calibrate RUNS.csv --out wrote"
    )
    chips = _shared("--chips", type=Path, help="CSV of chips of your own, like data/chips.csv")
    what = "log of Megatron or torchtitan of one of the runs, which measured it; may be given several times"
    log = _shared("--log", action="append", default=[], metavar="[RUN_ID=]FILE", help=what)
    draws = "draws of the inputs (default: 10,000)"
    form = _shared("--samples", type=partial(_whole, most=10_000_000), default=10_000, help=draws)
    form.add_argument("--seed", type=partial(_whole, least=0, most=2**32), default=7, help="(default: 7)")
    one_of = form.add_mutually_exclusive_group()
    one_of.add_argument("--json", action="store_true", help="print JSON")
    one_of.add_argument("--csv", action="store_true", help="print CSV")

    def add(
        run: Callable[[argparse.Namespace], int | None], about: str, *shared: _Parser
    ) -> Callable[..., argparse.Action]:
        """Add the command that a function runs, with options of others; return what adds one of its own."""
        command = commands.add_parser(run.__name__.strip("_"), help=about, parents=shared)
        command.set_defaults(run=run)
        return command.add_argument

    option = add(_report, "execute the notebooks and write the site of one or more scenarios")
    option("scenarios", nargs="*", default=[""], help="bundled names or YAML files (default: the story)")
    option("--out", type=Path, default=Path("reports"), help="folder of the sites (default: reports)")
    option("--limit", type=_limit_s, default=600.0, help="seconds a notebook may take (default: 600)")
    option("--separate", action="store_true", help="style, pictures and data beside the pages, for strict servers")
    option(
        "--address", type=_address, default="", help="where the site will stand, such as https://example.org/reports"
    )

    option = add(_check, "check scenario files and tables; without names, all of data/")
    option("files", nargs="*", help="scenario YAML, or TABLE=FILE.csv")

    option = add(_evaluate, "print every answer about one scenario, with its interval", form)
    option("scenario", nargs="?", default="", help="bundled name or YAML file (default: the story)")

    option = add(_compare, "print what two scenarios differ in, and what that does to answers", form)
    option("first", help="bundled name or YAML file")
    option("second", help="bundled name or YAML file")
    option("--figure", type=_picture, help="file of a figure of the differences: svg, png or pdf")

    option = add(_plan, "find the clusters that reach a goal: by when, for how much, how surely", form)
    option("goal", nargs="?", help="bundled name or YAML file, such as those of data/goals")
    option("--have", nargs=2, metavar=("CHIP", "COUNT"), help="hardware instead of a goal, with --days")
    option("--days", type=float, help="days that this hardware trains: what is the best model?")
    option("--like", help="scenario of its site, failures and batch (default: the story)")
    option("--workers", type=_whole, help="processes that work on it (default: this one)")
    option("--winner", type=_new_file, help="YAML file for the choice as a scenario, for evaluate and report")

    about = "predict the runs of a CSV like training_runs.csv and score them"
    option = add(_validate, about, chips, calibration, log)
    option("runs", type=Path, nargs="?", help="CSV of measured runs (with --by-source: none)")
    option("--json", action="store_true", help="print JSON")
    option("--vault", action="store_true", help="at a release: write the scores of new sources down")
    option("--by-source", action="store_true", help="errors of data/training_runs.csv, sources left out")

    option = add(_predict, "predict the runs of a CSV like training_runs.csv and print a CSV", chips, calibration)
    option("runs", type=Path, help="CSV of runs")

    option = add(_calibrate, "learn from your runs; without a file, fit the shipped tables again", log)
    option("runs", type=Path, nargs="?", help="CSV of measured runs of one stack")
    option("--out", type=_new_file, help="file for the calibration, which --calibration and scenarios take")

    option = add(_update, "take a publisher's folder, as it was downloaded, over into data/")
    option("folder", type=Path, help="checkout of ai-chip-counts, or the frontier data centres unpacked")
    option("--vintage", help="when the estimates were made: 2026-05-23 or 2026-05 (default: as the files say)")
    option("--into", type=Path, help="folder of the tables (default: data/)")

    add(_readme, "write the headline numbers of README.md again")
    return parser


def _shared(name: str, **how: Any) -> _Parser:
    """Return an option that several commands take."""
    parser = _Parser(add_help=False)
    parser.add_argument(name, **how)
    return parser


def _report(chosen: argparse.Namespace) -> int:
    from gigareport.kernels import give_home, prepare

    started = time.monotonic()
    for name in chosen.scenarios:
        load_scenario(name)  # a fault is told before any process begins
    give_home()
    prepare()  # beside the imports of this process
    from gigareport import pages

    how = {"limit_s": chosen.limit, "separate": chosen.separate, "address": chosen.address}
    try:
        built = pages.build(chosen.scenarios, chosen.out, **how)
    except pages.ReportError as fault:
        print(told(str(fault)), file=sys.stderr)
        return 1
    for failure in built.failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    if built.failures:
        print("An earlier report was left as it is. The incomplete one:", file=sys.stderr)
    print(pages.sizes(built.index.parent))
    print(f"{built.index}  ({time.monotonic() - started:.0f} s)")
    return 1 if built.failures else 0


def _check(chosen: argparse.Namespace) -> int:
    faults = []
    bundled = (file for kind in ("scenarios", "goals") for file in sorted((data_dir() / kind).glob("*.yaml")))
    everything = [*names(), *bundled]
    for item in chosen.files or everything:
        try:
            said = _check_one(str(item))
        except (CatalogError, ScenarioError) as fault:
            faults.append(told(str(fault)))
        else:
            print(f"{item}: good{said}")
    print(*faults, sep="\n", end="\n" if faults else "", file=sys.stderr)
    return 1 if faults else 0


def _check_one(item: str) -> str:
    """Check a table or a scenario; return what to say of a good one beside that it is good."""
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
        return ""
    if _is_goal(item):
        from gigareport import planner

        planner.load(item)
        return ""
    story = load_scenario(item)
    plan = search_plan(story)  # a file can be free of faults and its job impossible
    said = "".join(f"\n  {path}: {words}" for path, words in taken(story).items())
    said += "".join(f"\n  {line}" for line in slips(story))
    if not story.cluster.sites:
        return said
    if len(places := dict.fromkeys(site.name for site in story.cluster.sites)) > 1:
        said += f"\n  cluster.sites: one job over {', '.join(filter(None, places))} is taken as on one fabric"
    found = evaluate(story, samples=1_000, plans=plan, device="cpu")
    idle, need = found.say("idle_chips"), found.say("rated_power_mw")
    share = share_text(found.probability("idle_chips"))
    return f"; {idle} of {story.cluster.n_chips:,} stand idle at most, in {share} of the samples: all need {need}{said}"


def _is_goal(item: str) -> bool:
    """Return whether a name or a file is that of a goal: a file that says what is wanted."""
    if (data_dir() / "goals" / f"{item}.yaml").is_file():
        return True
    try:
        return "\nwant:" in file_text(Path(item), "a goal", largest=1_000_000)
    except Fault:
        return False


def _calibration(path: str) -> Calibration:
    try:
        return read_calibration(path)
    except ValueError as fault:
        raise argparse.ArgumentTypeError(str(fault)) from None


def _whole(text: str, *, least: int = 1, most: int = 10_000) -> int:
    try:
        return int(number(text, least=least, most=most, whole=True))
    except Fault as fault:
        raise argparse.ArgumentTypeError(str(fault)) from None


def _limit_s(text: str) -> float:
    try:
        return number(text, unit="s", least=1, most=1e6)
    except Fault as fault:
        raise argparse.ArgumentTypeError(str(fault)) from None


def _address(text: str) -> str:
    """Return the address of a site as pages name it: other schemes and what ends an attribute are refused."""
    if text and not re.fullmatch(r"https?://[^\s/\"'<>\\]+(/[^\s\"'<>\\?#]*)?", text):
        raise argparse.ArgumentTypeError(f"got {shown(text)}; give an address such as https://example.org/reports")
    return text


def _new_file(text: str) -> Path:
    """Return a file that can be written: told before the work, not after it."""
    file = Path(os.path.realpath(text))
    places = [file] * file.exists() + [file.parent] * (file.is_file() or not file.exists())
    if file.is_dir():
        why = "it is a folder"
    elif not file.parent.is_dir():
        why = f"there is no folder {shown(str(Path(text).parent))}"
    elif not all(os.access(place, os.W_OK) for place in places):
        why = "permission denied"
    else:
        return Path(text)
    raise argparse.ArgumentTypeError(f"{shown(text)} cannot be written: {why}")


def _picture(text: str) -> Path:
    if Path(text).suffix not in (".svg", ".png", ".pdf"):
        raise argparse.ArgumentTypeError(f"got {shown(text)}; give a file that ends in .svg, .png or .pdf")
    return _new_file(text)


def _keep(file: Path | None, *read: str | Path) -> None:
    """Refuse to write over a file that is read."""
    if file is not None and any(file.exists() and Path(one).exists() and file.samefile(one) for one in read):
        raise CatalogError(f"{file} is read by this command; name another file to write")


def _evaluate(chosen: argparse.Namespace) -> None:
    outlook = _outlook(chosen.scenario, chosen)
    print(_written(chosen, {"answers": outlook.to_frame()}, scenario=outlook.scenario.name, verdict=outlook.verdict))


def _compare(chosen: argparse.Namespace) -> None:
    first, second = (_outlook(name, chosen) for name in (chosen.first, chosen.second))
    inputs, answers = differing_inputs(first.scenario, second.scenario), differences(first, second)
    names = {"first": first.scenario.name, "second": second.scenario.name}
    print(_written(chosen, {"inputs": inputs, "differences": answers}, **names))
    if chosen.figure:
        from gigareport.kernels import give_home

        give_home()
        from gigareport.plots import differences as draw

        draw.save_differences(answers, chosen.figure, **names)


def _outlook(name: str, chosen: argparse.Namespace) -> Outlook:
    """Evaluate one scenario, after a line that says what is at work."""
    file, device = find(name), os.environ.get(DEVICE_VARIABLE, "cpu")
    where = "CPU" if device_namespace(device) is NUMPY else "GPU"
    print(
        f"gigacluster {version('gigacluster')}, {where}: {told(str(file))}, {chosen.samples:,} samples, "
        f"seed {chosen.seed}",
        file=sys.stderr,
    )
    return evaluate(load_scenario(file), samples=chosen.samples, seed=chosen.seed, device=device)


def _plan(chosen: argparse.Namespace) -> int:
    from gigareport import planner

    if chosen.have or not chosen.goal or chosen.days is not None or chosen.like is not None:
        _model(chosen)
        return 0
    file = planner.find(chosen.goal)
    _keep(chosen.winner, file)
    print(f"gigacluster {version('gigacluster')}, CPU: {told(str(file))}, {chosen.samples:,} samples", file=sys.stderr)
    goal = planner.load(file)
    found = planner.plan(goal, samples=chosen.samples, seed=chosen.seed, executor=chosen.workers)
    said = {"answer": planner.answer(found), "second": planner.regret(found), "offered": planner.not_offered(found)}
    tables = {"flips": planner.flip_table(found).rename(columns={"from where": "from_where"})}
    if chosen.json or chosen.csv:
        tables["others"] = pd.DataFrame(planner.losers(found), columns=["chip", "why it is not the choice"])
        tables["options"] = found.to_frame()
    else:
        tables["front"] = planner.by_deadline(found)
        reasons = [f"  {chips}: {why}" for chips, why in planner.lose_table(found).itertuples(index=False)]
        said["why not another chip"] = "\n" + "\n".join(reasons) if reasons else ""
    print(_written(chosen, tables, goal=goal.name, **{name: text for name, text in said.items() if text}))
    if found.interrupted:
        raise KeyboardInterrupt  # what was found is told; the choice may be another, and is not written
    if chosen.winner and found.best:
        planner.write_scenario(found.best, chosen.winner)
    return 0 if found.best else 3


def _model(chosen: argparse.Namespace) -> None:
    """Say what hardware that is there trains in given days, and how."""
    from gigareport import planner

    of_a_goal = chosen.goal or chosen.winner or chosen.workers
    if not chosen.have or chosen.days is None or of_a_goal:
        _usage("plan GOAL.yaml, or gigacluster plan --have H200 2048 --days 60")
    chip, count = chosen.have
    try:
        n_chips = _whole(count, most=100_000_000)
        like = load_scenario(chosen.like or "")
        found = planner.best_model(like, chip, n_chips, chosen.days, samples=chosen.samples, seed=chosen.seed)
    except (argparse.ArgumentTypeError, ValueError) as fault:
        raise ScenarioError(f"--have {shown(chip)} {shown(count)} --days {chosen.days:g}: {fault}") from None
    hints = planner.advice(found.outlook.scenario)
    print(_written(chosen, {"model": found.to_frame()}, shape=found.shape, plan=found.plan, hints=hints.say()))


def _usage(text: str) -> NoReturn:
    print(f"usage: gigacluster {text}", file=sys.stderr)
    raise SystemExit(2)


def _written(chosen: argparse.Namespace, tables: dict[str, pd.DataFrame], **texts: str) -> str:
    """Return tables as JSON, CSV or text."""
    if chosen.json:
        rows = {
            name: json.loads(table.to_json(orient="records", double_precision=15)) for name, table in tables.items()
        }
        return json.dumps({**texts, "samples": chosen.samples, "seed": chosen.seed, **rows}, indent=1)
    if chosen.csv:
        return next(reversed(tables.values())).to_csv(index=False).rstrip()
    heads = [f"{name}: {text}" for name, text in texts.items()]
    filled = [table.to_string(index=False) for table in tables.values() if len(table)]
    return "\n\n".join(["\n".join(heads), *filled])


def _validate(chosen: argparse.Namespace) -> None:
    from gigareport.calibration import validation

    if chosen.runs is None:
        if not chosen.by_source:
            _usage("validate RUNS.csv, or --by-source for the project's own table")
        table = validation.source_table()
        print(json.dumps(validation.by_source(), indent=2) if chosen.json else table.round(1).to_string(index=False))
        return
    if chosen.vault and (chosen.calibration is not None or chosen.log):
        raise CatalogError("the vault takes the calibration of the package and rows with their times, no --log")
    result = validation.validate(chosen.runs, chips=chosen.chips, calibration=chosen.calibration, logs=chosen.log)
    if chosen.vault:
        from gigareport.calibration import vault

        vault.enter(result, chosen.runs)  # before anybody looks
        print(vault.told(), file=sys.stderr)
    print(result.to_json() if chosen.json else result.to_text())


def _predict(chosen: argparse.Namespace) -> None:
    from gigacluster.throughput import predict
    from gigareport.calibration import runs as table_of_runs

    chips = table_of_runs.load_chips(chosen.chips)
    found = predict(table_of_runs.columns(table_of_runs.load(chosen.runs)), chips=chips, calibration=chosen.calibration)
    found.to_csv(sys.stdout, index=False, lineterminator="\n")


def _calibrate(chosen: argparse.Namespace) -> None:
    from gigareport.calibration import crossvalidate, own

    if chosen.runs is None:
        print("gigacluster calibrate: fits and cross-validates data/training_runs.csv, minutes", file=sys.stderr)
        crossvalidate.main()
        return
    _keep(chosen.out, chosen.runs, *(log.rpartition("=")[2] for log in chosen.log))
    taught = own.calibrate(chosen.runs, logs=chosen.log)
    print(taught.to_text())
    if chosen.out is not None:
        taught.to_csv(chosen.out)
        print(
            f"written to {chosen.out}; predict and validate use it with --calibration {chosen.out}, "
            f"throughput.search with calibration={str(chosen.out)!r}, a scenario as training.calibration"
        )


def _update(chosen: argparse.Namespace) -> None:
    from gigareport import curation
    from gigareport.facts import headline

    into = chosen.into or data_dir()
    before = headline.numbers(into)
    print(*curation.update(chosen.folder, chosen.vintage, into), sep="\n")
    for name, value in headline.numbers(into).items():
        print(f"{name}: {value}" if before.get(name) in {None, value} else f"{name}: {before[name]} -> {value}")


def _readme(chosen: argparse.Namespace) -> None:
    from gigareport import headlines

    headlines.write(data_dir().parent / "README.md")


if __name__ == "__main__":
    sys.exit(main())
