"""Hooks of autodoc: docstrings become reStructuredText, generated methods and repeated types are skipped."""

import re

from sphinx.addnodes import desc, desc_content
from sphinx.application import Sphinx
from sphinx.ext.autodoc import Options

from docs._ext.docstring_markup import with_code_blocks


def _process(app: Sphinx, what: str, name: str, obj: object, options: Options, lines: list[str]):
    # What Python says of the fields of tuples that have no docstring of their own.
    lines[:] = with_code_blocks([line for line in lines if not line.startswith("Alias for field number ")])
    if what in {"attribute", "data", "property"}:
        # napoleon takes what stands before a colon of the first line for a type: an empty comment comes first.
        lines[:0] = ["..", ""]


def _is_generated(app: Sphinx, what: str, name: str, obj: object, skip: bool, options: Options) -> bool | None:
    """Skip the methods that scikit-learn adds to every estimator, such as ``set_fit_request``."""
    return True if re.fullmatch(r"set_\w+_request", name) else None


def _types_beside_fields(app: Sphinx, domain: str, objtype: str, content: desc_content) -> None:
    """Leave out the types of those arguments of a class that are fields, which state them below."""
    if objtype == "class":
        signature = content.parent[0]
        name = f"{signature['module']}.{signature['fullname']}"
        types = app.env.current_document.autodoc_annotations.get(name, {})
        for member in content.findall(desc):
            types.pop(member[0]["fullname"].rpartition(".")[2], None)


def setup(app: Sphinx) -> dict[str, bool]:
    """Convert before napoleon and autodoc do, which are connected with the default priority of 500."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", _process, priority=400)
    app.connect("autodoc-skip-member", _is_generated)
    app.connect("object-description-transform", _types_beside_fields, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
