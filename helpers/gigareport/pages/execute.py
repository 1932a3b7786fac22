"""Execute notebooks side by side, each in a kernel of its own, and remember the results by what went in."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from tqdm import tqdm

import gigacluster
from gigareport import catalog
from gigareport.plots.display import PAGE_VARIABLE

__all__ = ["Job", "Result", "digest_of_inputs", "run_all"]

#: What papermill writes into a notebook that differs from run to run, or that only it needs.
_VOLATILE = ("papermill", "execution", "ExecuteTime")
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_PAPERMILL_TAGS = {"injected-parameters", "papermill-error-cell-tag"}


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One notebook to execute for one scenario."""

    notebook: Path
    scenario: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the page."""
        return self.notebook.stem


@dataclass(frozen=True, slots=True)
class Result:
    """An executed notebook; ``failure`` names the cell and the cause where it stopped."""

    job: Job
    notebook: nbformat.NotebookNode
    failure: str = ""


def run_all(jobs: Sequence[Job], cache: Path, processes: int) -> list[Result]:
    """Execute all jobs, ``processes`` at a time, taking those from the cache whose inputs have not changed.

    Parameters
    ----------
    jobs : sequence of Job
    cache : path
        Folder of earlier results; cleared of results that these jobs replace.
    processes : int
        Kernels at a time.

    Returns
    -------
    list of Result
        In the order of the jobs; a notebook that failed carries what it had done, and is not remembered.
    """
    shared = digest_of_inputs()
    kept = {job: cache / f"{job.scenario}-{job.name}-{_key(job, shared)}.ipynb" for job in jobs}
    results = {job: Result(job, nbformat.read(file, as_version=4)) for job, file in kept.items() if file.is_file()}
    todo = [job for job in jobs if job not in results]
    if results:
        print(f"{len(results)} of {len(jobs)} notebooks are unchanged since they were executed", flush=True)
    if todo:
        results |= {result.job: result for result in _execute(todo, processes)}
    for job in todo:
        if not results[job].failure:
            for old in cache.glob(f"{job.scenario}-{job.name}-*.ipynb"):
                old.unlink()
            nbformat.write(results[job].notebook, kept[job])
    return [results[job] for job in jobs]


@contextmanager
def _environment_of_kernels() -> Iterator[None]:
    """Make pages rather than live figures, and one thread for each notebook, since they run side by side."""
    before = dict(os.environ)
    os.environ.update({PAGE_VARIABLE: "1"} | dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _execute(jobs: Sequence[Job], processes: int) -> Iterator[Result]:
    n_cells = {job: _count_cells(job.notebook) for job in jobs}
    started = time.monotonic()
    with (
        _environment_of_kernels(),
        tqdm(total=sum(n_cells.values()), unit="cell", disable=None, leave=False) as bar,
        ThreadPoolExecutor(processes) as pool,
    ):

        def on_cell(**_: Any) -> None:
            bar.update()

        waiting = [pool.submit(_execute_one, job, on_cell, bar.set_postfix_str) for job in jobs]
        for number, future in enumerate(as_completed(waiting), start=1):
            result, seconds = future.result()
            outcome = f"FAILED at {result.failure}" if result.failure else f"executed in {seconds:.1f} s"
            line = f"[{number}/{len(jobs)}] {result.job.scenario}: {result.job.name} {outcome}"
            bar.write(f"{line} ({time.monotonic() - started:.0f} s so far)", file=sys.stdout)
            sys.stdout.flush()
            yield result


def _execute_one(job: Job, on_cell: Callable[..., Any], on_notebook: Callable[[str], Any]) -> tuple[Result, float]:
    import papermill
    from jupyter_core.utils import ensure_event_loop

    logging.getLogger("papermill").setLevel(logging.ERROR)  # it does not know names assigned several to a line
    started, fault = time.monotonic(), None
    on_notebook(job.name)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / job.notebook.name
        try:
            papermill.execute_notebook(
                str(job.notebook),
                str(output),
                parameters=dict(job.parameters),
                kernel_name="python3",
                progress_bar=False,
                on_cell_executed=on_cell,
                config=_private_channel(Path(folder)),
                extra_arguments=["--IPKernelApp.log_level=CRITICAL"],  # it calls its own shutdown an error
            )
        except Exception as error:  # whatever stops one notebook, the others go on
            fault = error
        finally:
            ensure_event_loop().close()  # the kernel's client opened it in this thread
        done = _cleaned(nbformat.read(output if output.is_file() else job.notebook, as_version=4))
    return Result(job, done, _cause(fault, done) if fault else ""), time.monotonic() - started


def _private_channel(folder: Path) -> Any:
    """Let a kernel talk through files that only this user reads, instead of ports that two kernels may fight for."""
    from traitlets.config import Config

    files = {"transport": "ipc", "ip": str(folder / "kernel")}
    return Config(KernelManager=files if os.name == "posix" else {})


def _cause(error: Exception, notebook: nbformat.NotebookNode) -> str:
    """Name the code cell that stopped, by its number and first line, and why."""
    for number, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), start=1):
        for output in cell.outputs:
            if output.output_type == "error":
                first_line = cell.source.strip().partition("\n")[0]
                return f"code cell {number} ({first_line}): {output.ename}: {output.evalue}"
    return f"no cell of its own: {type(error).__name__}: {error}"  # the kernel did not start, or died


def _cleaned(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop what differs from run to run, and the cells that papermill added."""
    cells = [cell for cell in notebook.cells if not _PAPERMILL_TAGS & set(cell.metadata.get("tags", []))]
    for part in (notebook, *cells):
        for name in _VOLATILE:
            part.metadata.pop(name, None)
    notebook.cells = cells
    return notebook


def _count_cells(notebook: Path) -> int:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return 1 + sum(cell["cell_type"] == "code" for cell in cells)


def _key(job: Job, shared: str) -> str:
    parameters = json.dumps(dict(job.parameters), sort_keys=True, default=str)
    parts = [shared, job.notebook.read_text(encoding="utf-8"), parameters]
    if Path(scenario_file := str(job.parameters.get("scenario_name", ""))).is_file():
        parts.append(Path(scenario_file).read_text(encoding="utf-8"))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


@cache
def digest_of_inputs() -> str:
    """Return a digest of everything that all notebooks depend on: package, tables, scenarios, libraries, Python."""
    helpers = Path(gigacluster.__file__).parents[1]
    code = [file for name in ("gigacluster", "gigareport") for file in (helpers / name).rglob("*.py")]
    tables = [file for file in catalog.data_dir().rglob("*") if file.is_file() and file.suffix != ".py"]
    results = (helpers.parent / "benchmarks" / "results").glob("*.json")
    lock = [file for file in (helpers.parent / "requirements.lock",) if file.is_file()]
    digest = hashlib.sha256(sys.version.encode())
    for file in sorted([*code, *tables, *results, *lock]):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
