"""An HTML page of sections with tables, figures and interactive widgets, in one file."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from convcorr_jax.report.embedding import embedded_figure


class Table(NamedTuple):
    """A table of text and numbers; None is an empty cell."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float | None, ...], ...]
    note: str = ""


class PageFigure(NamedTuple):
    """A figure with its caption."""

    source: str
    """File name relative to the page, or the image itself as a ``data:`` URL."""
    caption: str


class Widget(NamedTuple):
    """An interactive part of a page; ``explorer.js`` has a function for each kind."""

    kind: Literal["matches", "directions", "joints", "layers"]
    """Matches of a point; faces moved along directions; joints by network; responses by layer."""
    data: Mapping[str, Any] | str
    """What the function reads, or the name of a JSON file with it, relative to the page."""
    caption: str


class Section(NamedTuple):
    """A part of a page."""

    title: str
    text: str
    """A paragraph on method and data."""
    tables: tuple[Table, ...] = ()
    figures: tuple[PageFigure, ...] = ()
    widgets: tuple[Widget, ...] = ()
    group: str = ""
    """The heading that neighbouring sections share, such as a paper."""
    items: tuple[str, ...] = ()
    """The tables and figures of the paper that the section reproduces, such as "Table 2"."""
    facts: Mapping[str, str] = {}
    """Facts about the results (protocol, network, data, seconds), by name."""
    command: str = ""
    """The command line that reproduces the results."""


def render_page(
    title: str,
    sections: Sequence[Section],
    *,
    facts: Mapping[str, str],
    lead: str = "",
    folder: Path | None = None,
) -> str:
    """Render a page as HTML; all text is escaped.

    Args:
        title: of the page.
        sections: in order; neighbours of the same group share its heading.
        facts: facts about the whole page (device, versions, date), by name.
        lead: a paragraph below the title.
        folder: the folder of the page, from which figures and data are embedded; None if all of them are part
            of the sections.

    Raises:
        InputError: the file of a figure is missing or no image.
    """
    environment = Environment(
        loader=PackageLoader("convcorr_jax", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = cell_text
    environment.filters["widget_json"] = partial(_widget_json, folder=folder)
    environment.filters["image"] = partial(_image_attributes, folder=folder)
    numbered = [(f"section-{number}", section) for number, section in enumerate(sections, start=1)]
    groups = groupby(numbered, key=lambda entry: entry[1].group)
    return environment.get_template("page.html").render(
        title=title,
        lead=lead,
        groups=[(name, list(entries)) for name, entries in groups],
        facts=facts,
        style=_asset("page.css"),
        script=_asset("explorer.js"),
    )


def cell_text(value: str | float | None) -> str:
    """Format a table's cell: three decimals for fractions, none for whole numbers, a dash for None.

    >>> cell_text(0.12345), cell_text(195.0), cell_text(None), cell_text("conv4")
    ('0.123', '195', '–', 'conv4')
    """
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if float(value).is_integer() and abs(value) > 1 else f"{value:.3f}"


@lru_cache
def _asset(name: str) -> Markup:
    """Read a style sheet or a script of this room, which is trusted as it is."""
    return Markup((resources.files("convcorr_jax.report") / name).read_text(encoding="utf-8"))


def _widget_json(widget: Widget, *, folder: Path | None) -> Markup:
    """Return a widget's data as JSON that cannot end the element that contains it."""
    data = widget.data
    if isinstance(data, str):
        text = ((folder or Path()) / data).read_text(encoding="utf-8")
        data = json.loads(text)
    compact = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return Markup(compact.replace("<", "\\u003c"))


def _image_attributes(figure: PageFigure, *, folder: Path | None) -> Markup:
    """Return the source of a figure's image, and its size where it is known, as HTML attributes."""
    if folder is None or figure.source.startswith("data:"):
        return Markup('src="{}"').format(figure.source)
    url, width, height = embedded_figure(folder / figure.source)
    return Markup('src="{}" width="{}" height="{}"').format(url, width, height)
