"""The documentation site: `sphinx-build -W --keep-going docs build/site`, without a network.

The pages beside this file are written by hand. Those of commands, Python names and cards, and the gallery, are made of
hepad itself by the extensions in `_ext` whenever the site is built.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import hepad

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "hepad"
author = "The hepad developers"
copyright = author  # noqa: A001  Sphinx's own name
version = release = hepad.__version__
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_design",
    "hepad_api",
    "hepad_cards",
    "hepad_commands",
    "hepad_runs",
    "hepad_validation",
    "mathml",
    "selfcontained",
    "titles",
]
exclude_patterns = ["_ext", "_static", "validation/runs/*.md"]  # pages are made of the last
show_warning_types = True
smartquotes = False  # --json is an option, not a dash

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4

nb_execution_mode = "force"
nb_execution_in_temp = True  # what they write is nobody's
nb_execution_timeout = 120
nb_execution_raise_on_error = True
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two things run at a time
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # notebooks call hepad

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
default_role = "py:obj"  # a name in single quotes is a link if it is known, and code in any case
python_use_unqualified_type_names = True
maximum_signature_line_length = 88
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "pydata_sphinx_theme"
html_title = f"hepad {release}"
html_static_path = ["_static"]
html_css_files = ["hepad.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "header_links_before_dropdown": 7,
    "navigation_with_keys": False,
    "show_nav_level": 1,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
