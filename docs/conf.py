"""How Sphinx makes the documentation: `make docs`."""

from __future__ import annotations

import roost

project = "roost"
author = "The roost authors"
version = release = roost.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = False
myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "undoc-members": False, "show-inheritance": True}
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "furo"
html_title = "roost"
