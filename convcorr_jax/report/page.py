"""One HTML page of tables and figures, ours beside the published numbers."""

from collections.abc import Sequence
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined


class Table(NamedTuple):
    """A table of text and numbers; None is a cell without a figure."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float | None, ...], ...]
    note: str = ""


class Picture(NamedTuple):
    """A picture, beside the page or in it."""

    file_name: str
    """Relative to the page, or the picture itself as a ``data:`` address."""
    caption: str


class Section(NamedTuple):
    """Part of the page: what was done, on which data, and what came out."""

    title: str
    text: str
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()


def render_page(title: str, sections: Sequence[Section], *, facts: dict[str, str]) -> str:
    """The page as HTML; everything in it is escaped.

    Args:
        title: of the page.
        sections: in order.
        facts: what holds for the whole page (device, versions, date), by name.
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
    """A table's cell as text: three digits of a fraction, none of a missing figure.

    >>> cell_text(0.12345), cell_text(195.0), cell_text(None), cell_text("conv4")
    ('0.123', '195', '–', 'conv4')
    """
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if float(value).is_integer() and abs(value) > 1 else f"{value:.3f}"
