"""What the page of the papers' tables makes of a script's result."""

import html
from pathlib import Path
from typing import Any

from convcorr_jax.report.page import Section, render_page


def assert_shown(show: Any, result: dict[str, Any], out: Path) -> Section:
    """The result's section: its tables are whole, its pictures are there, the page renders."""
    section = show(out.name, result)
    assert section.tables
    for table in section.tables:
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.columns)}
    for picture in section.pictures:
        assert (out.parent / picture.file_name).is_file()
    page = html.unescape(render_page("title", [section], facts={}))
    assert all(table.title in page for table in section.tables)
    return section
