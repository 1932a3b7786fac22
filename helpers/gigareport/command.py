"""The command ``gigacluster``, which says what to install where only the library is."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line, or say in one line which package it lacks; see :func:`gigareport.__main__.main`."""
    try:
        from gigareport.__main__ import main as run
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith(("gigacluster", "gigareport")):
            raise
        print(
            f"gigacluster: the command needs the packages of the report, and {missing.name!r} is not installed. The "
            "models work without it (import gigacluster); for the command: pip install 'gigacluster[report]'",
            file=sys.stderr,
        )
        return 1
    return run()
