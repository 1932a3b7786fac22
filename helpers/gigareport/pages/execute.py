"""Execute notebooks side by side, each in a fresh kernel of its own and within a time limit."""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from jupyter_core.utils import ensure_async
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from tqdm import tqdm
from traitlets.config import Config

from gigareport.kernels import THREADS, copied
from gigareport.pages.folders import short_folder
from gigareport.plots.display import PAGE_VARIABLE

#: How long one notebook may take, unless a caller says otherwise. [s]
LIMIT_S = 600.0
_INJECTED = "injected-parameters"


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


def run_all(
    jobs: Sequence[Job],
    processes: int,
    limit_s: float = LIMIT_S,
    keep: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Execute all jobs, ``processes`` at a time.

    Parameters
    ----------
    jobs : What to execute.
    processes : Kernels at a time.
    limit_s : How long one notebook may take. [s]
    keep : Takes each result as soon as it is there, before the others end.

    Returns
    -------
    list of Result
        In the order of the jobs; a notebook that failed carries what it had done, and the others go on.
    """
    with closing(asyncio.new_event_loop()) as loop, short_folder() as sockets, ThreadPoolExecutor(1) as thread:
        work = loop.create_task(_run(jobs, processes, limit_s, sockets, keep))
        # In a thread: a caller may be in an event loop already, and in the main thread nbclient would take Ctrl-C.
        done = thread.submit(loop.run_until_complete, work)
        try:
            return done.result()
        except BaseException:
            loop.call_soon_threadsafe(work.cancel)  # which ends the kernels
            raise


async def _run(
    jobs: Sequence[Job], processes: int, limit_s: float, sockets: Path | None, keep: Callable[[Result], None]
) -> list[Result]:
    gate, started, ended = asyncio.Semaphore(processes), time.monotonic(), 0
    n_cells = sum(_count_cells(job.notebook) for job in jobs)

    async def one(place: int, job: Job) -> Result:
        nonlocal ended
        async with gate:
            bar.set_postfix_str(job.name)
            begun = time.monotonic()
            result = await _execute(job, limit_s, _channel(sockets, place), bar)
        keep(result)
        ended += 1
        outcome = f"FAILED at {result.failure}" if result.failure else f"executed in {time.monotonic() - begun:.1f} s"
        line = f"[{ended}/{len(jobs)}] {job.scenario}: {job.name} {outcome}"
        bar.write(f"{line} ({time.monotonic() - started:.0f} s so far)", file=sys.stdout)
        sys.stdout.flush()
        return result

    with tqdm(total=n_cells, unit="cell", disable=None, leave=False) as bar:
        tasks = [asyncio.create_task(one(place, job)) for place, job in enumerate(jobs)]
        try:
            return await asyncio.gather(*tasks)
        finally:  # interrupted, or a result could not be kept: every kernel ends before this does, then what watched it
            await _ended(tasks)
            await _ended(asyncio.all_tasks() - {asyncio.current_task()})


async def _ended(tasks: Collection[asyncio.Task[Any] | None]) -> None:
    """Cancel tasks, each once, since a second time would cut short how it ends, and wait for them."""
    for task in filter(None, tasks):
        if not task.cancelling():
            task.cancel()
    await asyncio.gather(*filter(None, tasks), return_exceptions=True)


async def _execute(job: Job, limit_s: float, channel: Config, bar: Any) -> Result:
    notebook = nbformat.read(job.notebook, as_version=4)
    _inject(notebook, job.parameters)
    deadline, running = time.monotonic() + limit_s, [""]

    def on_start(cell: Any, cell_index: int) -> None:
        running[0] = _cell_name(notebook, cell_index)

    client = NotebookClient(
        notebook,
        kernel_name="python3",
        config=channel,
        timeout_func=lambda _: max(1, round(deadline - time.monotonic())),
        record_timing=False,
        shutdown_kernel="immediate",
        extra_arguments=["--IPKernelApp.log_level=CRITICAL"],
        on_cell_start=on_start,
        on_cell_executed=lambda **_: bar.update(),
    )
    copied(client.create_kernel_manager())
    failure = ""
    try:
        await client.async_execute(env={**os.environ, **THREADS, PAGE_VARIABLE: "1"})
    except asyncio.CancelledError:
        if client.km is not None and client.km.has_kernel:  # it was starting, which the client does not end
            await ensure_async(client.km.shutdown_kernel(now=True))
        raise
    except CellExecutionError as error:
        failure = f"{running[0]}: {error.ename}: {error.evalue}"
    except CellTimeoutError:
        failure = f"{running[0]}: the notebook ran past its limit of {limit_s:,.0f} s; the cell was stopped"
    except Exception as error:  # the kernel did not start, or died: whatever stops one notebook, the others go on
        if (task := asyncio.current_task()) and task.cancelling():  # which the client takes for a dead kernel
            raise asyncio.CancelledError from None
        failure = f"{running[0] or 'no cell of its own'}: {type(error).__name__}: {error}"
    finally:  # the client leaves it where a kernel did not start, and it fails
        atexit.unregister(client._cleanup_kernel)
    notebook.cells = [cell for cell in notebook.cells if _INJECTED not in cell.metadata.get("tags", [])]
    for cell in notebook.cells:
        if cell.get("outputs"):
            cell.outputs = [output for output in cell.outputs if not _is_about_the_machine(output)]
    return Result(job, notebook, failure)


def _is_about_the_machine(output: nbformat.NotebookNode) -> bool:
    """Tell whether an output is the library's word on where it computes, which is no part of a page."""
    return output.output_type == "stream" and output.text.startswith("gigacluster: computing on")


def _channel(sockets: Path | None, place: int) -> Config:
    """Let a kernel talk through files that only this user reads, instead of ports that two kernels may fight for."""
    if sockets is None:
        return Config()
    files = {"transport": "ipc", "ip": str(sockets / f"{place}"), "connection_file": str(sockets / f"{place}.json")}
    return Config(KernelManager=files)


def _inject(notebook: nbformat.NotebookNode, parameters: Mapping[str, Any]) -> None:
    """Set parameters in a cell of their own, behind the one tagged ``parameters``, or first where there is none."""
    tagged = [place for place, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", [])]
    source = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": [_INJECTED]}, id=_INJECTED)
    notebook.cells.insert(tagged[0] + 1 if tagged else 0, cell)


def _cell_name(notebook: nbformat.NotebookNode, index: int) -> str:
    """Name a code cell by its number in the stored notebook and its first line."""
    codes = [
        cell
        for cell in notebook.cells[: index + 1]
        if cell.cell_type == "code" and _INJECTED not in cell.metadata.get("tags", [])
    ]
    first_line = notebook.cells[index].source.strip().partition("\n")[0]
    return f"code cell {len(codes)} ({first_line})"


def _count_cells(notebook: Path) -> int:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return 1 + sum(cell["cell_type"] == "code" for cell in cells)
