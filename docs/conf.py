"""Configuration of the documentation, which `make docs` builds."""

import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

import matplotlib

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
matplotlib.use("agg")
# The tutorials compile more than they compute. Programs that are compiled without LLVM's optimizations
# are ready sooner, and the next build reads them again.
os.environ["XLA_FLAGS"] = (
    f"{os.environ.get('XLA_FLAGS', '')} --xla_backend_optimization_level=0 "
    "--xla_cpu_parallel_codegen_split_count=1"
)
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(ROOT / "out" / "docs_compiled")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.5"

project = "convcorr_jax"
author = "the contributors of convcorr_jax"
project_copyright = f"{author}, Apache-2.0"
version = release = installed_version("convcorr_jax")

extensions = [
    "docs._ext.autodoc_docstrings",
    "docs._ext.mathml",
    "docs._ext.site",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_ext", "generated/protocols.md", "tutorials/*.rst"]
default_role = "py:obj"
nitpicky = True
# Annotations name classes of other projects, whose pages would have to be fetched.
nitpick_ignore_regex = [("py:(class|obj|exc|data)", ".*")]
suppress_warnings = ["config.cache"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "description"
autodoc_typehints_format = "short"
maximum_signature_line_length = 80
napoleon_numpy_docstring = False
napoleon_use_rtype = False
python_use_unqualified_type_names = True
add_module_names = False
toc_object_entries = False

html_theme = "furo"
html_title = "convcorr_jax"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
pygments_style = "friendly"
pygments_dark_style = "monokai"

sphinx_gallery_conf = {
    "examples_dirs": "tutorials",
    "gallery_dirs": "generated/tutorials",
    "filename_pattern": r"\.py$",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_signature": False,
    "min_reported_time": 1000,
    "write_computation_times": False,
    "plot_gallery": True,
    "matplotlib_animations": False,
    "within_subsection_order": "FileNameSortKey",
}
