"""Notebooks and a scenario in, a site of pages out that read alone: :func:`build`."""

from gigareport.pages.site import Built, ReportError, build, sizes

__all__ = ["Built", "ReportError", "build", "sizes"]
