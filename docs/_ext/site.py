"""The hooks of Sphinx: generated pages are written before sources are read, and names are linked."""

import functools
from collections import defaultdict
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from docs._ext import api_pages, differences, drawings, gallery, reference_tables, sources


def write_pages(folder: Path, texts: dict[str, str]) -> None:
    """Write the pages that changed, so that Sphinx does not read the others again."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


@functools.cache
def _objects_by_last_name(env: BuildEnvironment) -> dict[str, list[str]]:
    names = defaultdict(list)
    for name in env.get_domain("py").objects:
        names[name.rpartition(".")[2]].append(name)
    return names


def _resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.Node | None:
    """Link a name that is documented under its room but named otherwise, if only one object can be meant.

    Docstrings name what their own module defines; annotations name the module that defines a class. A name that
    the reference does not hold, such as a parameter's, stays plain.
    """
    if node.get("refdomain") != "py" or node.get("reftype") not in {"obj", "class", "exc"}:
        return None
    *modules, last = node["reftarget"].split(".")
    found = _objects_by_last_name(env).get(last, [])
    if modules[:1] == [sources.PACKAGE]:
        found = [name for name in found if name.startswith(".".join(modules[:2]))]
    elif modules:
        found = [name for name in found if name.endswith("." + node["reftarget"])]
    elif node["reftype"] != "obj":
        found = []
    room = node.get("py:module") or ""
    near = [name for name in found if room and name.startswith(f"{room}.")]
    chosen = near if len(near) == 1 else found
    labels = env.get_domain("std").anonlabels
    if len(chosen) == 1:
        entry = env.get_domain("py").objects[chosen[0]]
        page, anchor = entry.docname, entry.node_id
    elif api_pages.label(node["reftarget"]) in labels:
        page, anchor = labels[api_pages.label(node["reftarget"])]
    else:
        return content
    uri = app.builder.get_relative_uri(node["refdoc"], page)
    reference = nodes.reference("", "", internal=True, refuri=f"{uri}#{anchor}")
    reference.append(content)
    return reference


def _resolve_exactly(app: Sphinx, doctree: nodes.document) -> None:
    """Keep Sphinx from comparing every annotation with the end of every documented name.

    It searches so wherever the attribute is present, whatever its value.
    """
    for node in doctree.findall(pending_xref):
        if "refspecific" in node and not node["refspecific"]:
            del node["refspecific"]


def _write(app: Sphinx) -> None:
    generated = Path(app.srcdir) / "generated"
    pages = api_pages.pages()
    for path in (generated / "api").glob("*.rst"):
        if path.name not in pages:
            path.unlink()
    write_pages(generated / "api", pages)
    write_pages(generated, {"differences.rst": differences.page()})
    write_pages(generated, {"protocols.md": reference_tables.protocols()})
    commands, pages_of_commands = reference_tables.command_pages()
    write_pages(generated / "commands", pages_of_commands)
    write_pages(generated, {"commands.md": commands})
    write_pages(generated, {"gallery.md": gallery.write_gallery(generated / "gallery", Path(app.outdir))})
    drawings.write_drawings(generated / "drawings")


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before the sources are read."""
    app.connect("builder-inited", _write)
    app.connect("doctree-read", _resolve_exactly)
    app.connect("missing-reference", _resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
