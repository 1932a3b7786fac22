"""Folders that are whole or not there: a site takes another's place at once, and what a killed run left is swept.

A folder in work is locked by the process that fills it. The lock ends with the process, however that ends; so a folder
whose lock is free was left behind. (A number of a process would not tell: another container may share the disk.)
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: Names the files of a site that we wrote, a line each: all others belong to the reader.
MANIFEST = ".gigacluster-files"
#: A socket's path holds 107 bytes (104 on macOS), of which a kernel's own name takes 20. [byte]
LONGEST_PLACE = 84
_SOCKETS = "gigacluster-"


@contextmanager
def short_folder() -> Iterator[Path | None]:
    """Give a private folder whose sockets have short names, or nothing where every place has a long name."""
    places = [place for place in (Path(tempfile.gettempdir()), Path("/tmp")) if os.access(place, os.W_OK)]  # noqa: S108
    place = min(places, key=lambda place: len(os.fsencode(place)))
    if len(os.fsencode(place)) + len(_SOCKETS) + 9 > LONGEST_PLACE:
        yield None
        return
    _sweep(place, _SOCKETS)
    with _locked_folder(place, _SOCKETS) as folder:
        yield folder


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a new folder that takes the place of ``target`` when the block ends well, and vanishes otherwise.

    A target that is a link stays one. Files in it that are not of an earlier site are carried over, and said.

    Notes
    -----
    Where the system can exchange two names at once, ``target`` exists whole at every moment. Elsewhere a kill between
    two renames leaves it under the name ``.<target>-*.old``, and the next call restores it.
    """
    target = target.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{target.name}-"
    if not target.exists():
        for left in sorted(target.parent.glob(f"{prefix}????????.old"), key=lambda folder: folder.stat().st_mtime)[-1:]:
            left.rename(target)
    _sweep(target.parent, prefix)
    with _locked_folder(target.parent, prefix) as new:
        yield new
        ours = sorted(file.relative_to(new).as_posix() for file in new.rglob("*") if file.is_file())
        (new / MANIFEST).write_text("".join(f"{name}\n" for name in ours), encoding="utf-8")
        new.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o755)
        if target.exists():
            if kept := _carry_over(target, new):
                print(f"kept in {target}, since it is not of this report: {', '.join(kept)}", flush=True)
            _exchange(new, target)
        else:
            new.rename(target)


def _exchange(new: Path, target: Path) -> None:
    """Let ``new`` and ``target`` swap their names; what was at ``target`` lies at ``new`` or is gone after it."""
    if _exchanged_at_once(new, target):
        return
    old = new.with_name(f"{new.name}.old")
    target.rename(old)
    try:
        new.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _exchanged_at_once(one: Path, other: Path) -> bool:
    """Swap two names in one step of the system, where it offers that (Linux, macOS)."""
    library, here, exchange = ctypes.CDLL(None, use_errno=True), -100, 2  # AT_FDCWD, RENAME_EXCHANGE, RENAME_SWAP
    names = os.fsencode(one), os.fsencode(other)
    if hasattr(library, "renameat2"):
        return bool(library.renameat2(here, names[0], here, names[1], exchange) == 0)
    return hasattr(library, "renamex_np") and bool(library.renamex_np(*names, exchange) == 0)


def _carry_over(old: Path, new: Path) -> list[str]:
    """Copy the reader's own files of ``old`` into ``new`` and return their names."""
    written = (old / MANIFEST).read_text(encoding="utf-8").splitlines() if (old / MANIFEST).is_file() else []
    kept = []
    for file in sorted(old.rglob("*")):
        name = file.relative_to(old)
        if file.is_dir() and not file.is_symlink():
            continue
        if name.as_posix() not in {*written, MANIFEST}:
            place = new / name
            if place.exists():
                place = place.with_name(f"{place.stem}.kept{place.suffix}")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, place, follow_symlinks=False)
            kept.append(place.relative_to(new).as_posix())
    return kept


@contextmanager
def _locked_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Give a new folder that is locked while the block runs and removed after it, where it still has its name."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        lock = os.open(folder, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():  # else another run swept it before it was locked
            break
        os.close(lock)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _sweep(parent: Path, prefix: str) -> None:
    """Remove folders of runs that were killed."""
    for folder in parent.glob(f"{prefix}????????*"):  # the prefix and eight letters, as ``mkdtemp`` makes them
        if folder.is_symlink() or not folder.is_dir():
            continue
        with suppress(OSError):  # another user's, or another run removes it too
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
