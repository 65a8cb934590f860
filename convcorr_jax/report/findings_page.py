"""The findings of the data doctor, as lines of text and as one HTML page."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace

from PIL import Image as PillowImage

from convcorr_jax.datasets.records import Record, load_image
from convcorr_jax.doctor import Case, Finding, changes_scores
from convcorr_jax.errors import InputError
from convcorr_jax.report.canvas import pixels
from convcorr_jax.report.contact_sheet import contact_sheet
from convcorr_jax.report.grids import image_grid
from convcorr_jax.report.page import PageFigure, Section, Table, render_page
from convcorr_jax.shapes import Image

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
    findings: Sequence[Finding],
    records: Sequence[Record],
    *,
    title: str,
    facts: Mapping[str, str],
) -> str:
    """Return findings as one HTML page without other files; duplicates are shown side by side.

    Args:
        findings: in the order of the page.
        records: the records that were examined.
        title: of the page.
        facts: further facts about the whole page, such as the date, by name.
    """
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
