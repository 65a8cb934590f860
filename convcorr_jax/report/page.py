"""Pages in one file: sections in the order of the papers, rendered as HTML, and the findings of the doctor."""

import base64
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from PIL import Image as PillowImage

from convcorr_jax.datasets import Record, load_image
from convcorr_jax.doctor import Case, Finding, changes_scores
from convcorr_jax.errors import InputError
from convcorr_jax.report.drawing import pixels
from convcorr_jax.report.grids import contact_sheet, image_grid
from convcorr_jax.report.plots import embedded_figure
from convcorr_jax.shapes import Image


class Table(NamedTuple):
    """A table of text and numbers; None is an empty cell."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float | None, ...], ...]
    note: str = ""


class PageFigure(NamedTuple):
    """A figure with its caption; the source is a file name relative to the page, or a ``data:`` URL."""

    source: str
    caption: str


class Widget(NamedTuple):
    """An interactive part of a page; the scripts of this room have a function for each kind.

    The data are what the function reads, or the name of a JSON file with it, relative to the page.
    """

    kind: Literal["matches", "directions", "joints", "layers"]
    data: Mapping[str, Any] | str
    caption: str


class Section(NamedTuple):
    """A part of a page; neighbours of one group, such as a paper, share its heading.

    ``items`` are the tables and figures of the paper that the section reproduces, such as "Table 2"; ``facts``
    are facts about the results by name; the command line reproduces them.
    """

    title: str
    text: str
    tables: tuple[Table, ...] = ()
    figures: tuple[PageFigure, ...] = ()
    widgets: tuple[Widget, ...] = ()
    group: str = ""
    items: tuple[str, ...] = ()
    facts: Mapping[str, str] = {}
    command: str = ""


class Fold(NamedTuple):
    """A part of a page that is folded until its title is clicked; the text says what its sections are."""

    title: str
    text: str
    sections: Sequence[Section]


LONG = "Long, Zhang and Darrell: Do Convnets Learn Correspondence? (NIPS 2014)"
SHARIF = "Sharif Razavian et al.: Persistent Evidence of Local Image Properties in Generic ConvNets (SCIA 2015)"
TOMPSON = "Tompson et al.: Efficient Object Localization Using Convolutional Networks (CVPR 2015)"

# The first item of a section decides its place.
_ORDER = {
    "": (),
    LONG: ("Table 1", "Figure 1", "Figure 2", "Table 2", "Section 3", "Table 3", "Table 4"),
    SHARIF: ("Table 1", "Table 2", "Figure 4", "Table 3", "Figure 6"),
    TOMPSON: ("Table 1", "Table 2", "Table 3", "Table 4"),
}


def in_order_of_papers(sections: Iterable[Section]) -> list[Section]:
    """Sort sections: those of no paper, then paper by paper in the order of its tables and figures."""
    papers = tuple(_ORDER)

    def place(section: Section) -> tuple[int, int]:
        items = _ORDER[section.group]
        first = section.items[0] if section.items else None
        return papers.index(section.group), items.index(first) if first in items else len(items)

    return sorted(sections, key=place)


def render_page(
    title: str,
    sections: Sequence[Section],
    *,
    facts: Mapping[str, str],
    lead: str = "",
    folder: Path | None = None,
    fold: Fold | None = None,
) -> str:
    """Render a page as HTML; all text is escaped, and terms are explained where they are first used.

    ``facts`` are of the whole page (device, versions, date), ``lead`` is a paragraph below the title, ``fold``
    is at the end. Figures and data are embedded from the folder of the page; None if all of them are part of
    the sections. A file that is missing or no image is an `InputError`.
    """
    folded = () if fold is None else fold.sections
    numbered = [(f"section-{number}", section) for number, section in enumerate((*sections, *folded), start=1)]
    parts = (numbered[: len(sections)], numbered[len(sections) :])
    shown, below = (
        [(name, list(each)) for name, each in groupby(part, lambda entry: entry[1].group)] for part in parts
    )
    return fill_template(
        "page.html",
        ("explorer.js", "widgets.js"),
        title=title,
        lead=lead,
        shown=shown,
        fold=fold,
        below=below,
        facts=facts,
        explain=explain,
        cell=cell_text,
        widget_json=partial(_widget_json, folder=folder),
        image=partial(_image_attributes, folder=folder),
    )


def fill_template(name: str, scripts: Sequence[str], **values: Any) -> str:
    """Fill a template of this room with values, the style sheet, and scripts after that of every page."""
    loader, blocks = PackageLoader("convcorr_jax", "report"), {"trim_blocks": True, "lstrip_blocks": True}
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, **blocks)
    script = Markup("\n").join(map(_asset, ("page.js", *scripts)))
    return environment.get_template(name).render(values, style=_asset("page.css"), script=script)


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


_TERMS = {
    "PCK": "Percentage of correct keypoints: the share of points that lie nearer to the truth than a "
    "threshold. PCK 0.1 allows a tenth of a length: of the object, the photograph or the torso.",
    "bootstrap interval": "The range of 95 % of the scores when the tested images are drawn again and again, "
    "with repetition: how much a score depends on which images happened to be tested.",
    "belief propagation": "Neighbouring cells tell each other which matches suit them, until they agree.",
    "mutual cost": "A match is cheap where both cells prefer each other over all others.",
    "endpoint error": "The mean distance in pixels between where a pixel is carried and where it belongs.",
    "smoothness": "How strictly neighbouring cells move alike: low values follow the pictures, high values "
    "keep the shape.",
    "SIFT": "A description of a point by the directions of the edges around it; nothing is learned.",
    "receptive field": "The part of the image that a cell of a layer sees.",
    "cascade": "Two networks, one after the other: the coarse one finds a joint in the whole picture, the "
    "fine one looks again in a small window around it.",
    "look-back": "Landmarks are predicted again from parts of the image around their first predictions.",
    "IoU": "Intersection over union: the pixels that truth and prediction share, over those of either.",
    "ridge": "Linear regression that keeps its weights small.",
}
_TERM = re.compile(rf"\b({'|'.join(map(re.escape, _TERMS))})\b")


def explain(*texts: str) -> list[Markup]:
    """Escape texts, and mark the first use of each term with its meaning, which hover and focus show."""
    unused = dict(_TERMS)

    def mark(found: re.Match[str]) -> str:
        meaning = unused.pop(found[0], None)
        if meaning is None:
            return found[0]
        return Markup('<dfn class="term" tabindex="0">{}<span role="tooltip">{}</span></dfn>').format(
            found[0], meaning
        )

    return [Markup(_TERM.sub(mark, escape(text))) for text in texts]


@lru_cache
def _asset(name: str) -> Markup:
    """Read a style sheet or a script of this room, which is trusted as it is."""
    return Markup((resources.files("convcorr_jax.report") / name).read_text(encoding="utf-8"))


def _widget_json(widget: Widget, *, folder: Path | None) -> Markup:
    """Return a widget's data as JSON."""
    data = widget.data
    if isinstance(data, str):
        data = json.loads(((folder or Path()) / data).read_text(encoding="utf-8"))
    return script_json(data)


def script_json(data: Any) -> Markup:
    """Return JSON for a script element, which it cannot end."""
    return Markup(json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"))


def _image_attributes(figure: PageFigure, *, folder: Path | None) -> Markup:
    """Return the source of a figure's image, and its size where it is known, as HTML attributes."""
    if folder is None or figure.source.startswith("data:"):
        return Markup('src="{}"').format(figure.source)
    embedded = embedded_figure(folder / figure.source)
    kind = Markup(' class="chart"') if embedded.is_chart else ""
    return Markup('src="{}" width="{}" height="{}"{}').format(*embedded[:3], kind)


_PAIR_PX = 150
# A page of a hundred pairs is 1 MB; table rows are smaller.
_MOST_FIGURES, _MOST_ROWS = 100, 500
_MOST_ON_SHEET = 8


def finding_lines(findings: Sequence[Finding], *, most_cases: int = 10) -> list[str]:
    """Return findings as lines of plain text, each with its first cases below it.

    >>> finding_lines([Finding("repeated ids", "changes scores", "One.", (Case(("a",), "twice"),))])
    ['changes scores: repeated ids. One.', '    a (twice)']
    """
    lines = []
    for finding in findings:
        lines.append(f"{finding.severity}: {finding.check}. {finding.sentence}")
        lines += [f"    {_case_line(case)}" for case in finding.cases[:most_cases]]
        if len(finding.cases) > most_cases:
            lines.append(f"    and {len(finding.cases) - most_cases:,} more")
    return lines or ["Nothing was found."]


def findings_page(
    findings: Sequence[Finding], records: Sequence[Record], *, title: str, facts: Mapping[str, str]
) -> str:
    """Return findings as one HTML page without other files; duplicates are shown side by side."""
    by_id = {record.source_id: record for record in records}
    outcome = "Scores would change." if changes_scores(findings) else "No score would change."
    return render_page(
        title,
        [_section(finding, by_id) for finding in findings],
        facts={"records": f"{len(records):,}", "outcome": outcome, **facts},
    )


def _case_line(case: Case) -> str:
    names = " = ".join(case.source_ids)
    return f"{names} ({case.note})" if case.note else names


def _section(finding: Finding, by_id: Mapping[str, Record]) -> Section:
    rows = tuple((" = ".join(case.source_ids), case.note) for case in finding.cases[:_MOST_ROWS])
    left_out = len(finding.cases) - len(rows)
    note = f"and {left_out:,} more" if left_out else ""
    tables = (Table("Cases", ("object", "what was seen"), rows, note),) if rows else ()
    title = f"{finding.check} ({finding.severity})"
    return Section(title, finding.sentence, tables, _figures(finding, by_id))


def _figures(finding: Finding, by_id: Mapping[str, Record]) -> tuple[PageFigure, ...]:
    """Draw the objects of each case side by side, and the first single objects on one sheet."""
    figures, single = [], []
    for case in finding.cases[:_MOST_FIGURES]:
        members = [by_id[name] for name in case.source_ids if name in by_id]
        if len(case.source_ids) > 1:
            row = [_image_of(record) for record in members]
            figures.append(_figure(pixels(image_grid([row], cell_px=_PAIR_PX)), _case_line(case)))
        elif len(single) < _MOST_ON_SHEET:
            single += [record for record in members if _image_of(record) is not None]
    if single:
        sheet = contact_sheet([replace(record, label_map=None) for record in single])
        figures.append(_figure(sheet, "The first of them."))
    return tuple(figures)


def _image_of(record: Record) -> Image | None:
    try:
        return load_image(record)
    except InputError:
        return None


def _figure(image: Image, caption: str) -> PageFigure:
    stream = io.BytesIO()
    PillowImage.fromarray(image).save(stream, "JPEG", quality=85)
    encoded = base64.b64encode(stream.getvalue()).decode("ascii")
    return PageFigure(f"data:image/jpeg;base64,{encoded}", caption)
