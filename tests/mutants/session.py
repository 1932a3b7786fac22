"""Tests collected once, then run in a forked process for every mutant, fastest first, until one fails."""

from __future__ import annotations

import ast
import functools
import gc
import importlib
import json
import math
import os
import random
import re
import resource
import signal
import sys
import time
import traceback
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.mutants.operators import Site, sites

#: Beyond this many times its tests' own time a mutant counts as killed: it hangs.
PATIENCE = 5
#: Memory of one mutant. [bytes]
MEMORY_BYTES = 8 * 2**30


@dataclass
class Outcome:
    """What became of one module's sample."""

    sites: int
    sampled: int = 0
    killed: int = 0
    hung: int = 0
    survivors: list[dict[str, str]] = field(default_factory=list)


def in_child(work: Callable[[], object], limit_s: float) -> object:
    """Return what ``work`` returns in a process of its own, or None where it dies or takes more of the processor."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        cpu_s = math.ceil(limit_s)
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
        try:
            with os.fdopen(send, "w") as out:
                try:
                    answer = work()
                except BaseException:
                    answer = {"fault": traceback.format_exc()}
                json.dump(answer, out)
        finally:
            os._exit(0)
    os.close(send)
    # The limit is one of the processor's time; a child that only waits is ended much later: the machine may be busy.
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, 20 * limit_s)
    try:
        with os.fdopen(receive) as answer:
            text = answer.read()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        os.waitpid(child, 0)
    found = json.loads(text) if text else None
    if isinstance(found, dict) and "fault" in found:
        raise RuntimeError(found["fault"])
    return found


class Mutants:
    """A plugin of pytest: instead of running the tests once, it runs them against a sample of mutants."""

    def __init__(self, modules: list[str], *, per_module: int, seed: int, seconds: float) -> None:
        self.modules, self.per_module, self.seed, self.seconds = modules, per_module, seed, seconds
        self.outcomes: dict[str, Outcome] = {}

    def pytest_configure(self) -> None:
        """Let hypothesis draw the same examples every time, and not shrink those that fail."""
        import hypothesis  # after pytest has started, which rewrites the asserts of plugins

        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile("mutants", derandomize=True, database=None, deadline=None, phases=phases)
        hypothesis.settings.load_profile("mutants")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run each module's sample."""
        files = {str(Path(importlib.import_module(name).__file__ or "").resolve()): name for name in self.modules}
        sources = {
            file: Path(file).read_text() for file in files
        }  # as they were imported, whatever is edited meanwhile
        known = in_child(lambda: _baseline(session, files), limit_s=3600)
        if not isinstance(known, dict) or known["failed"]:
            raise pytest.UsageError(f"the tests must pass without a mutant: {known and known['failed']}")
        for file, name in files.items():
            self.outcomes[name] = self._module(session, file, name, ast.parse(sources[file]), known["tests"])
        return True

    def _module(
        self, session: pytest.Session, file: str, name: str, tree: ast.Module, tests: dict[str, dict[str, object]]
    ) -> Outcome:
        every = sites(tree)
        sample = random.Random(f"{self.seed}:{name}").sample(every, min(self.per_module, len(every)))
        functions = [
            one for one in gc.get_objects() if isinstance(one, types.FunctionType) and one.__code__.co_filename == file
        ]
        outcome = Outcome(sites=len(every))
        for site in sorted(sample, key=lambda one: one.line):
            chosen = _tests_of(site, tests, file, self.seconds)
            cost_s = sum(float(str(tests[one]["seconds"])) for one in chosen)
            code = site.compiled(tree, file)
            work = functools.partial(
                _survives, session, chosen, sys.modules[name], functions, code, constants=not site.function
            )
            answer = in_child(work, limit_s=20 + PATIENCE * cost_s)
            outcome.sampled += 1
            if answer == "survived":
                outcome.survivors.append({"function": site.function, "change": site.change, "line": str(site.line)})
                print(f"survived {name}:{site.line} {site.function}: {site.change} ({len(chosen)} tests)", flush=True)
            else:
                outcome.killed += 1
                outcome.hung += answer is None
        print(f"{name}: {outcome.killed} of {outcome.sampled} killed", flush=True)
        return outcome


def _run(session: pytest.Session, items: list[pytest.Item]) -> Iterator[pytest.Item]:
    for item, following in zip(items, [*items[1:], None], strict=False):  # of no tests the None is left
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        yield item


def _baseline(session: pytest.Session, files: dict[str, str]) -> dict[str, object]:
    """Run every test as it is: its time, and the lines of each module that ran in it."""
    seen: dict[str, set[int]] = {file: set() for file in files}

    def line(frame: types.FrameType, event: str, _: object) -> object:
        seen[frame.f_code.co_filename].add(frame.f_lineno)
        return line

    def call(frame: types.FrameType, event: str, _: object) -> object:
        return line(frame, event, _) if frame.f_code.co_filename in seen else None

    tests: dict[str, dict[str, object]] = {}
    began = time.process_time()
    sys.settrace(call)
    for item in _run(session, session.items):
        lines = {file: sorted(found) for file, found in seen.items() if found}
        tests[item.nodeid] = {"seconds": time.process_time() - began, "lines": lines}
        if session.testsfailed:
            sys.settrace(None)
            return {"tests": tests, "failed": item.nodeid}
        for found in seen.values():
            found.clear()
        began = time.process_time()
    sys.settrace(None)
    return {"tests": tests, "failed": ""}


def _tests_of(site: Site, tests: dict[str, dict[str, object]], file: str, seconds: float) -> list[str]:
    """Return the tests that run a site's lines, or share a file with one that does: fixtures run only in the first.

    The quickest come first, file by file; those beyond ``seconds`` of all are left out.
    """
    where = set(site.lines)

    def runs(test: dict[str, object]) -> bool:
        return bool(where & set(test["lines"].get(file, ())))  # type: ignore[attr-defined]

    def cost(name: str) -> float:
        return float(str(tests[name]["seconds"]))

    touched = {name for name, test in tests.items() if not site.function or runs(test)}
    files = {name.split("::")[0] for name in touched}
    direct = sorted(touched, key=cost)
    beside = sorted((name for name in tests if name.split("::")[0] in files and name not in touched), key=cost)
    chosen, spent_s = [], 0.0
    for name in [*direct, *beside]:
        spent_s += cost(name)
        if chosen and spent_s > seconds:
            break
        chosen.append(name)
    first = {name.split("::")[0]: index for index, name in reversed(list(enumerate(chosen)))}
    return sorted(chosen, key=lambda name: (first[name.split("::")[0]], cost(name)))


def _survives(
    session: pytest.Session,
    chosen: list[str],
    module: types.ModuleType,
    functions: list[types.FunctionType],
    code: types.CodeType,
    *,
    constants: bool,
) -> str:
    try:
        _install(module, functions, code, constants=constants)
    except Exception as error:  # the module cannot even be imported
        return f"killed by its import: {error}"
    items = {item.nodeid: item for item in session.items}
    for item in _run(session, [items[name] for name in chosen]):
        if session.testsfailed:
            return f"killed by {item.nodeid}"
    return "survived"


def _install(
    module: types.ModuleType, functions: list[types.FunctionType], code: types.CodeType, *, constants: bool
) -> None:
    """Give the functions of a loaded module the changed code, and its changed constants to all who imported them."""
    changed: dict[tuple[str, int], types.CodeType] = {}
    waiting = [code]
    while waiting:
        one = waiting.pop()
        changed[one.co_qualname, one.co_firstlineno] = one
        waiting += [inner for inner in one.co_consts if isinstance(inner, types.CodeType)]
    for function in functions:
        new = changed.get((function.__code__.co_qualname, function.__code__.co_firstlineno))
        if new is not None and new.co_freevars == function.__code__.co_freevars:
            function.__code__ = new
    if constants:
        _pass_on(module, code)


def _pass_on(module: types.ModuleType, code: types.CodeType) -> None:
    """Give what a module holds besides functions and classes, where it changed, to all who imported it."""
    fresh = dict(vars(module))

    class Names(dict[str, object]):
        """What the changed code names; a class stays the one that others know."""

        def __setitem__(self, name: str, value: object) -> None:
            fresh[name] = vars(module).get(name, value) if isinstance(value, type) else value

    exec(code, fresh, Names())
    for name, new in fresh.items():
        old = vars(module).get(name)
        if name.startswith("__") or isinstance(new, type | types.FunctionType | types.ModuleType):
            continue
        if _without_addresses(old) != _without_addresses(new):
            for other in list(sys.modules.values()):
                if vars(other).get(name, vars) is old:
                    setattr(other, name, new)


def _without_addresses(value: object) -> str:
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
