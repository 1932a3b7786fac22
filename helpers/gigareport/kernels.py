"""Kernels that begin with the libraries of the notebooks in memory: each is a copy of one process that imported them.

A kernel of its own spends three seconds of CPU on importing what its neighbours import too, a third of what a notebook
takes. The copies share nothing but what was imported. Linux alone copies processes safely once such libraries are in
memory; elsewhere kernels start as they always do.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.metadata import EntryPoint
from typing import Any, NoReturn

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

#: Where a process can be copied after its imports.
CAN_COPY = sys.platform == "linux"
_NAME = "gigareport-copied"
#: One thread for each notebook, since they run side by side.
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
#: What the notebooks import. By name, since a room below none of these asks for them.
_IMPORTED = (
    "ipykernel.kernelapp",
    "gigareport.beside",
    "gigareport.comparison",
    "gigareport.explore",
    "gigareport.planner",
    "gigareport.plots",
)
#: No message is longer: the environment of a kernel. [byte]
_LONGEST = 2**20
#: What a kernel would tell matplotlib before the first import, which comes before the kernel here.
_BACKEND = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}


_SOURCE: _Source | None = None


class Copied(LocalProvisioner):
    """Kernels from the process that imported the libraries."""

    process: Any

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start a kernel; of the command only what follows the module counts."""
        self.process = _source().kernel(cmd[cmd.index("-m") + 2 :], kwargs["env"])
        self.pid = self.pgid = self.process.pid
        return self.connection_info


def copied(manager: Any) -> None:
    """Let a manager's kernel be a copy, where that is possible."""
    if CAN_COPY:
        entry = EntryPoint(_NAME, f"{__name__}:{Copied.__name__}", KernelProvisionerFactory.GROUP_NAME)
        KernelProvisionerFactory.instance().provisioners[_NAME] = entry
        manager.kernel_spec.metadata["kernel_provisioner"] = {"provisioner_name": _NAME}


class _Kernel:
    """A started kernel, as :class:`subprocess.Popen` would give it."""

    stdin = stdout = stderr = None

    def __init__(self, source: _Source, pid: int) -> None:
        self._source, self.pid = source, pid

    def poll(self) -> int | None:
        return self._source.ended(self.pid)

    def wait(self) -> int:
        while (status := self.poll()) is None:
            select.select([self._source.channel], [], [], 0.1)
        return status

    def send_signal(self, signum: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, signum)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


class _Source:
    """The process that is copied, as seen from here."""

    def __init__(self) -> None:
        # Each message arrives whole and alone.
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ended: dict[int, int] = {}
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 the command is this module's own
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**os.environ, **THREADS, **_BACKEND},
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the process that waits for the kernels
            )
        atexit.register(self.close)

    def kernel(self, arguments: Sequence[str], environment: Mapping[str, str]) -> _Kernel:
        """Start a kernel with these arguments of its command and this environment."""
        self.channel.send(json.dumps({"arguments": arguments, "environment": dict(environment)}).encode())
        while "started" not in (told := self._told()):
            pass  # others ended
        return _Kernel(self, told["started"])

    def ended(self, pid: int) -> int | None:
        """Return the exit status of a kernel, less than 0 for a signal; nothing while it runs."""
        while pid not in self._ended and select.select([self.channel], [], [], 0)[0]:
            self._told()
        return self._ended.get(pid)

    def _told(self) -> dict[str, int]:
        message = self.channel.recv(_LONGEST)
        if not message:
            raise RuntimeError("the process that kernels are copied from has ended; run the command again")
        told: dict[str, int] = json.loads(message)
        if "ended" in told:
            self._ended[told["ended"]] = told["status"]
        return told

    def close(self) -> None:
        """End the process, and with it what kernels it has."""
        self.channel.close()
        self.process.terminate()
        self.process.wait()


def give_home() -> None:
    """Where the reader's home cannot be written, let matplotlib and IPython use a folder that goes with this process.

    They would do so too, but say it once for each process, and IPython's would stay behind.
    """
    wanted = {"MPLCONFIGDIR", "IPYTHONDIR"} - os.environ.keys()
    if wanted and not os.access(os.path.expanduser("~"), os.W_OK):  # noqa: PTH111 a home may be unknown
        folder = tempfile.mkdtemp(prefix="gigacluster-home-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ.update(dict.fromkeys(wanted, folder))


def prepare() -> None:
    """Begin the imports that all kernels share, in a process of their own, so that the caller can make its own."""
    if CAN_COPY:
        _source()


def _source() -> _Source:
    """Return the process to copy, started at the first need, and again should it have been killed."""
    global _SOURCE
    if _SOURCE is None or _SOURCE.process.poll() is not None:
        _SOURCE = _Source()
    return _SOURCE


def main(descriptor: int) -> None:
    """Import what notebooks import, then copy this process for every message that asks for a kernel."""
    running: set[int] = set()

    def end(*_: Any) -> NoReturn:
        for pid in running:
            os.killpg(pid, signal.SIGKILL)
        os._exit(0)

    woken, wakes = socket.socketpair()
    for one in (woken, wakes):
        one.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, end)
    signal.set_wakeup_fd(wakes.fileno())
    _import()
    gc.collect()
    gc.freeze()  # memory that is swept would be copied
    channel = socket.socket(fileno=descriptor)
    with suppress(ConnectionError):  # whoever asks may be killed
        while True:
            ready, _, _ = select.select([channel, woken], [], [])
            if woken in ready:
                woken.recv(_LONGEST)
                _tell_of_ended(channel, running)
            if channel in ready:
                message = channel.recv(_LONGEST)
                if not message:
                    break
                pid = os.fork()
                if pid == 0:
                    channel.close()
                    _become_kernel(**json.loads(message))
                os.setpgid(pid, pid)
                running.add(pid)
                _tell(channel, started=pid)
    end()


def _import() -> None:
    try:
        for name in _IMPORTED:
            import_module(name)
    except OSError as fault:  # such as no folder that can be written, which matplotlib needs
        sys.exit(f"kernels cannot start: {fault}")


def _tell_of_ended(channel: socket.socket, running: set[int]) -> None:
    for pid in running.copy():
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            running.remove(pid)
            _tell(channel, ended=pid, status=os.waitstatus_to_exitcode(status))


def _tell(channel: socket.socket, **told: int) -> None:
    channel.send(json.dumps(told).encode())


def _become_kernel(arguments: list[str], environment: dict[str, str]) -> NoReturn:
    from ipykernel.kernelapp import IPKernelApp

    status = 1
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        for signum in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(signum, signal.SIG_DFL)
        os.environ.clear()
        os.environ.update(environment)
        # Should the process that it was copied from be killed, a kernel ends by itself.
        IPKernelApp.launch_instance([*arguments, f"--IPKernelApp.parent_handle={os.getppid()}"])
        status = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    del sys.path[0]  # the working directory, which IPython puts elsewhere
    main(int(sys.argv[1]))
