"""Folders that are whole or not there: a site takes another's place at once, and what a killed run left is swept.

A folder in work is locked by the process that fills it. The lock ends with the process, however that ends; so a folder
whose lock is free was left behind. (A number of a process would not tell: another container may share the disk.)
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from gigareport.catalog import write_whole

#: Names the files of a site that we wrote, a line each: all others belong to the reader.
MANIFEST = ".gigacluster-files"
#: A socket's path holds 107 bytes (104 on macOS), of which a kernel's own name takes 20. [byte]
LONGEST_PLACE = 84
#: No name of a reader's: folders that begin so were left behind. A site's begin with a point and its name, too.
_WORK = "gigacluster-work-"


@contextmanager
def short_folder() -> Iterator[Path | None]:
    """Give a private folder whose sockets have short names, or nothing where every place has a long name."""
    places = [place for place in (Path(tempfile.gettempdir()), Path("/tmp")) if os.access(place, os.W_OK)]  # noqa: S108
    place = min(places, key=lambda place: len(os.fsencode(place)))
    if len(os.fsencode(place)) + len(_WORK) + 9 > LONGEST_PLACE:
        yield None
        return
    _sweep(place, _WORK)
    with _locked_folder(place, _WORK) as folder:
        yield folder


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a new folder that takes the place of ``target`` when the block ends well, and vanishes otherwise.

    A target that is a link stays one. Files in it that are not of an earlier site are carried over, and said.

    Notes
    -----
    Where the system can exchange two names at once, ``target`` exists whole at every moment. Elsewhere a kill between
    two renames leaves it under the name of work with ``.old``, and the next call restores it.
    """
    target, prefix = _place(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        for left in sorted(target.parent.glob(f"{prefix}????????.old"), key=lambda folder: folder.stat().st_mtime)[-1:]:
            left.rename(target)
    _sweep(target.parent, prefix)
    with _locked_folder(target.parent, prefix) as new:
        yield new
        ours = (file.relative_to(new).as_posix() for file in new.rglob("*") if file.is_file())
        (new / MANIFEST).write_text(_manifest(ours), encoding="utf-8")
        new.chmod(0o755)
        if not _took_free_name(new, target):
            _say_kept(target, _carry_over(target, new))
            new.chmod(stat.S_IMODE(target.stat().st_mode))
            _exchange(new, target)


def check_target(target: Path) -> None:
    """Raise OSError where :func:`replacing` could not write, before the work for it begins."""
    target, prefix = _place(target)
    there = next(folder for folder in target.parents if os.path.lexists(folder))
    with _locked_folder(there, prefix):
        pass


def put(folder: Path, files: Mapping[str, str]) -> None:
    """Write files into a folder that holds others too, each whole, in place of those of an earlier call.

    The reader's own file of such a name gets another one, which is said.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        before, kept = _written(folder), []
        for name in sorted(files.keys() - before):
            if os.path.lexists(folder / name):
                kept.append(_kept_name(folder / name).name)
                (folder / name).rename(folder / kept[-1])
        _say_kept(folder, kept)
        write_whole(folder / MANIFEST, _manifest(before | files.keys()))
        for name, text in files.items():
            write_whole(folder / name, text)
        for name in before - files.keys():
            (folder / name).unlink(missing_ok=True)
        write_whole(folder / MANIFEST, _manifest(files))


def _place(target: Path) -> tuple[Path, str]:
    """Return where a target leads, and how names of work on it begin."""
    target = Path(os.path.realpath(target))
    if os.path.lexists(target) and not target.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(target))
    return target, f".{target.name}.{_WORK}"


def _took_free_name(new: Path, target: Path) -> bool:
    if target.exists():
        return False
    try:
        new.rename(target)
    except OSError as fault:
        if fault.errno not in (errno.EEXIST, errno.ENOTEMPTY):  # another run took it just now
            raise
        return False
    return True


def _say_kept(folder: Path, names: list[str]) -> None:
    if names:
        print(f"kept in {folder}, since it is not of this report: {', '.join(names)}", flush=True)


def _kept_name(file: Path) -> Path:
    """Return a free name for a file whose own is taken."""
    while os.path.lexists(file):
        file = file.with_name(f"{file.stem}.kept{file.suffix}")
    return file


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
    _remove(old)


def _exchanged_at_once(one: Path, other: Path) -> bool:
    """Swap two names in one step of the system, where it offers that (Linux, macOS)."""
    library, here, exchange = ctypes.CDLL(None, use_errno=True), -100, 2  # AT_FDCWD, RENAME_EXCHANGE, RENAME_SWAP
    names = os.fsencode(one), os.fsencode(other)
    if hasattr(library, "renameat2"):
        return bool(library.renameat2(here, names[0], here, names[1], exchange) == 0)
    return hasattr(library, "renamex_np") and bool(library.renamex_np(*names, exchange) == 0)


def _carry_over(old: Path, new: Path) -> list[str]:
    """Let the reader's own files of ``old`` stand in ``new`` too and return their names."""
    written, kept = _written(old) | {MANIFEST}, []
    for file in sorted(old.rglob("*")):
        name = file.relative_to(old)
        is_folder = file.is_dir() and not file.is_symlink()
        if name.as_posix() in written or (is_folder and any(file.iterdir())):
            continue
        place = _kept_name(new / name)
        place.parent.mkdir(parents=True, exist_ok=True)
        if is_folder:
            place.mkdir()
        else:
            try:  # the file itself, whatever its kind: the site of before goes
                os.link(file, place, follow_symlinks=False)
            except OSError:  # on a disk without second names
                shutil.copy2(file, place, follow_symlinks=False)
        kept.append(place.relative_to(new).as_posix())
    return kept


def _manifest(names: Iterable[str]) -> str:
    return "".join(f"{name}\n" for name in sorted(names))


def _written(folder: Path) -> set[str]:
    """Return the names of the files in a folder that an earlier call wrote."""
    manifest = folder / MANIFEST
    return set(manifest.read_text(encoding="utf-8").splitlines()) if manifest.is_file() else set()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


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
        _remove(folder)
        os.close(lock)


def _sweep(parent: Path, prefix: str) -> None:
    """Remove folders of runs that were killed."""
    ours = re.compile(re.escape(prefix) + r"[a-z0-9_]{8}(\.old)?")  # as ``mkdtemp`` makes them
    for folder in parent.glob("*"):  # none of a parent that cannot be listed
        if not ours.fullmatch(folder.name) or folder.is_symlink() or not folder.is_dir():
            continue
        with suppress(OSError):  # another user's, or another run removes it too
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder)
            finally:
                os.close(lock)


def _remove(folder: Path) -> None:
    """Remove a folder with all that it holds, where that is read-only too."""
    with suppress(OSError):  # another user's, or another run removes it too
        folder.chmod(0o700)
        for place, inner, _ in os.walk(folder):
            for one in (Path(place, name) for name in inner):
                if not one.is_symlink():
                    one.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
