"""The result of a script, and the section of the results page that it becomes."""

import html
import json
from pathlib import Path
from typing import Any

from convcorr_jax.report import Section, render_page


def result_of(main: Any, config: Any) -> dict[str, Any]:
    """Run a script; return its result, beside which is a ``run.json``."""
    path = main(config)
    assert (path.parent / "run.json").is_file()
    return json.loads(path.read_text(encoding="utf-8"))


def assert_shown(build_section: Any, result: dict[str, Any], out: Path) -> Section:
    """Check a result's section: its tables are complete, its figures exist, and the page renders."""
    section = build_section(out.name, result)
    assert section.tables
    for table in section.tables:
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.columns)}
    for figure in section.figures:
        assert (out.parent / figure.source).is_file()
    page = html.unescape(render_page("title", [section], facts={}, folder=out.parent))
    assert all(table.title in page for table in section.tables)
    return section
