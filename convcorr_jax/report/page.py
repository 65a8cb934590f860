"""An HTML page of sections with tables and figures."""

from collections.abc import Sequence
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined


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


class Section(NamedTuple):
    """A part of a page."""

    title: str
    text: str
    """A paragraph on method and data."""
    tables: tuple[Table, ...] = ()
    figures: tuple[PageFigure, ...] = ()


def render_page(title: str, sections: Sequence[Section], *, facts: dict[str, str]) -> str:
    """Render a page as HTML; all text is escaped.

    Args:
        title: of the page.
        sections: in order.
        facts: facts about the whole page (device, versions, date), by name.
    """
    environment = Environment(
        loader=PackageLoader("convcorr_jax", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = cell_text
    template = environment.get_template("page.html")
    return template.render(title=title, sections=sections, facts=facts)


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
