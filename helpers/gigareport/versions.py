"""The versions of everything that computes, in words."""

from __future__ import annotations

import platform
from importlib.metadata import version

import gigacluster

_LIBRARIES = ("numpy", "scipy", "pandas", "matplotlib", "seaborn")


def versions() -> str:
    """Return the versions of this package, of Python and of the libraries that compute and draw."""
    libraries = [f"{name} {version(name)}" for name in _LIBRARIES]
    return ", ".join([f"gigacluster {gigacluster.__version__}", f"Python {platform.python_version()}", *libraries])
