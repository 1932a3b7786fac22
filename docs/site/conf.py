"""Builds the API reference: `make docs`. Nothing is fetched while it is built or read."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import reference  # noqa: E402

project = "gigacluster"
version = release = version_of("gigacluster")
extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary"]
exclude_patterns = ["templates"]
templates_path = ["templates"]

autosummary_generate = True
autosummary_ignore_module_all = False  # where a face says what it offers, that is what is shown
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {
    "exclude-members": "AnyArray, Array, Mask",
    "no-value": True,
}  # aliases that autodoc cannot print
numpydoc_show_class_members = False
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing"]  # the documents of the checkout also point to files that are no pages

html_theme = "alabaster"
html_theme_options = {
    "description": "What a giant training cluster buys, costs and changes",
    "page_width": "1400px",
    "font_family": "sans-serif",
}
html_static_path = ["static"]
html_css_files = ["tables.css"]
html_copy_source = False

reference.write(HERE / "generated")
