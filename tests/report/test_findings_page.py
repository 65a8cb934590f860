"""Findings in words and on a page: all of them, escaped, with pictures of what can be shown."""

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as PillowImage

from convcorr_jax.datasets import Record
from convcorr_jax.doctor import Case, Finding
from convcorr_jax.report import finding_lines, findings_page
from convcorr_jax.synthetic import render


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return [render("face", seed=2, index=index, size=(64, 64)) for index in range(3)]


def findings(records: list[Record]) -> list[Finding]:
    a, b, c = (record.source_id for record in records)
    pairs = (Case((a, b), "correlation 0.990"), Case((b, c)))
    return [
        Finding("near duplicates", "changes scores", "2 pairs.", pairs),
        Finding("repeated ids", "worth a look", "<b>12</b> ids.", (Case((c,)), *[Case(("gone",))] * 11)),
        Finding("official counts", "worth a look", "Split 'val' is not there."),
    ]


def test_lines_hold_every_finding_and_the_first_cases(records: list[Record]):
    a, b, c = (record.source_id for record in records)
    assert finding_lines(findings(records), most_cases=3) == [
        "changes scores: near duplicates. 2 pairs.",
        f"    {a} = {b} (correlation 0.990)",
        f"    {b} = {c}",
        "worth a look: repeated ids. <b>12</b> ids.",
        f"    {c}",
        *["    gone"] * 2,
        "    and 9 more",
        "worth a look: official counts. Split 'val' is not there.",
    ]
    assert finding_lines([]) == ["Nothing was found."]


def embedded(page: str) -> list[np.ndarray]:
    encoded = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    return [np.asarray(PillowImage.open(io.BytesIO(base64.b64decode(text)))) for text in encoded]


def test_the_page_shows_pairs_side_by_side_and_single_ones_on_a_sheet(records: list[Record]):
    page = findings_page(findings(records), records, title="faces & co", facts={"date": "today"})
    assert "<h1>faces &amp; co</h1>" in page
    assert "&lt;b&gt;12&lt;/b&gt; ids." in page
    assert "Scores would change." in page
    assert "today" in page
    pictures = embedded(page)
    assert len(pictures) == 3
    # Each pair: two photographs in one row.
    assert pictures[0].shape[1] > 1.9 * pictures[0].shape[0] - 20
    assert len(re.findall("<td>correlation 0.990</td>", page)) == 1


def test_what_cannot_be_shown_is_named_all_the_same(records: list[Record]):
    broken = replace(records[0], image=b"no image")
    found = [
        Finding("unreadable images", "changes scores", "One.", (Case((broken.source_id,), "why"),)),
        Finding("exact duplicates", "worth a look", "Two.", (Case((broken.source_id, "gone")),)),
    ]
    page = findings_page(found, [broken], title="t", facts={})
    assert broken.source_id in page
    assert "why" in page
    assert "gone" in page
    clean = findings_page([], records, title="t", facts={})
    assert "No score would change." in clean
    assert embedded(clean) == []
