"""How the manual is built: ``make manual``. Nothing is fetched, neither here nor by its pages."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmark import __version__

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]
# Tutorials call fer-bench as a reader does, and fill no cache of the user's.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
os.environ.setdefault("XDG_CACHE_HOME", str(HERE.parent / "build" / "manual-cache"))
os.environ.update(COLUMNS="100", NO_COLOR="1", OMP_NUM_THREADS="1")
os.environ["IPYTHONDIR"] = str(HERE / "_ext" / "ipython")

project = "fer-bench"
author = "the fer-bench developers"
copyright = author  # Sphinx's own name
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "fields",
    "outside",
]
exclude_patterns = ["_build", "_ext"]
source_suffix = {".md": "myst-nb"}
myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # a page may begin with a table below its title

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = True
napoleon_use_ivar = True

nb_execution_mode = "auto"
nb_execution_timeout = 600
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_execution_show_tb = True

html_theme = "furo"
html_title = f"fer-bench {version}"
html_static_path = ["_static"]
html_theme_options = {"navigation_with_keys": True}
html_show_copyright = False
html_copy_source = False
