"""Settings of Sphinx; docs/build.py runs it."""

import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(os.environ.get("SEQDL_ROOT", Path(__file__).resolve().parent.parent))
sys.path[:0] = [str(ROOT / part) for part in ("", "data", "vision", "cli", "docs/extensions")]
from seqdl_data.version import VERSION  # noqa: E402

project, author, release = "seqdl", "The seqdl developers", VERSION
language = "en"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "plain_docstrings",
    "command_reference",
    "model_cards",
    "module_map",
    "real_output",
]
seqdl_root = str(ROOT)
smartquotes = False  # "--motifs" is two hyphens
html_theme = "furo"
html_title = "seqdl"
html_static_path = ["_static"]
html_css_files = ["seqdl.css"]
html_copy_source = False
html_show_sourcelink = False
html_domain_indices = False
html_use_index = False
html_show_copyright = False
html_show_search_summary = False  # it would be fetched, which no browser does from disk
templates_path: list[str] = []
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# The reference: what is public, as the code says it.
autodoc_member_order = "groupwise"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
toc_object_entries_show_parents = "hide"

# Each chapter is executed anew, one after the other, on all cores; an error in one ends the build.
nb_execution_mode = "force"
nb_execution_timeout = 1800
nb_execution_raise_on_error = False  # but a warning, so that one run tells of all faulty chapters
nb_merge_streams = True
nb_render_markdown_format = "myst"  # tables that cells give
nb_execution_show_tb = True

_only = [name for name in os.environ.get("SEQDL_CHAPTERS", "").split(",") if name]
if _only:
    _chapters = [path.name for path in Path(__file__).parent.glob("chapters/[0-9]*.md")]
    nb_execution_excludepatterns = ["howto/*", "reference/*"]
    suppress_warnings = ["toc", "ref", "myst.xref_missing"]  # of what leads to the others
    exclude_patterns = [f"chapters/{name}" for name in _chapters if not name.startswith(tuple(_only))]


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("build-finished", _tell_times)


def _tell_times(app: Any, exception: Exception | None) -> None:
    """What each chapter took, on stdout."""
    for name, about in sorted(getattr(app.env, "nb_metadata", {}).items()):
        executed = about.get("exec_data")
        if executed:
            print(f"{name}: {executed['runtime'] or 0:.1f} s" + ("" if executed["succeeded"] else ", FAILED"))
