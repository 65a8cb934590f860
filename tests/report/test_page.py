"""A page embeds its figures and data, keeps the order of the papers, and escapes what it is given."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.io import write_image, write_json
from convcorr_jax.report import (
    Fold,
    PageFigure,
    Section,
    Table,
    Widget,
    found_sheet,
    in_order_of_papers,
    render_page,
    review_page,
)
from convcorr_jax.report.page import LONG, SHARIF, TOMPSON
from tests.builders.pages import bright_photographs


def test_figures_are_embedded_with_their_size(tmp_path):
    write_image(tmp_path / "wide.png", np.zeros((30, 3200, 3), np.uint8))
    section = Section("A", "", figures=(PageFigure("wide.png", "A wide figure."),))
    page = render_page("title", [section], facts={}, folder=tmp_path)
    assert re.search(
        r'<img src="data:image/webp;base64,[^"]+" width="1600" height="15" alt="A wide figure."', page
    )
    # A changed figure is embedded anew; mostly white ones are charts.
    write_image(tmp_path / "wide.png", np.full((30, 3200, 3), 255, np.uint8))
    assert 'height="15" class="chart" alt' in render_page("title", [section], facts={}, folder=tmp_path)
    missing = section._replace(figures=(PageFigure("absent.png", ""),))
    with pytest.raises(InputError, match=r"absent\.png is missing"):
        render_page("title", [missing], facts={}, folder=tmp_path)


def test_data_of_a_widget_cannot_end_its_element(tmp_path):
    hostile = {"text": "</script><script>alert(1)</script>"}
    write_json(tmp_path / "data.json", hostile)
    for data in (hostile, "data.json"):
        section = Section("A", "", widgets=(Widget("layers", data, ""),))
        page = render_page("title", [section], facts={}, folder=tmp_path)
        assert "alert(1)</script>" not in page
        assert "alert(1)\\u003c/script>" in page


def test_text_is_escaped():
    section = Section("<b>", "<i>", facts={"<u>": "<s>"}, command="a && b", items=("<q>",))
    page = render_page("<h>", [section], facts={"<p>": "<em>"}, lead="<lead>")
    for tag in ("<b>", "<i>", "<u>", "<s>", "<q>", "<em>", "<lead>"):
        assert tag not in page
    assert "a &amp;&amp; b" in page


def test_a_fold_is_closed_and_a_term_is_explained_once_in_a_table_or_text():
    table = Table("PCK", ("method", "PCK 0.1", "PCK 0.2"), (("ours", 0.1, 0.2),), note="PCK and PCK.")
    fold = Fold("Toys", "No PCK <here>.", [Section("B", "", (table,), group=LONG)])
    page = render_page("title", [Section("A", "PCKh")], facts={}, fold=fold)
    shown, folded = page[page.index("<main") :].split('<details class="fold">')
    assert ("<dfn" in shown, 'id="section-2"' in shown) == (False, False)
    assert (folded.count("<dfn"), folded.count('id="section-2"')) == (3, 1)
    assert re.search(r'No <dfn class="term" tabindex="0">PCK<span role="tooltip">.*</dfn> &lt;here&gt;', folded)


def test_sections_are_in_the_order_of_the_papers():
    shuffled = [
        Section("pose", "", group=TOMPSON, items=("Table 1",)),
        Section("averages", "", group=LONG, items=("Figure 2",)),
        Section("prediction", "", group=LONG, items=("Table 4", "Figure 6")),
        Section("landmarks", "", group=SHARIF, items=("Table 1", "Figure 3")),
        Section("matches", ""),
        Section("fields", "", group=LONG, items=("Table 1",)),
        Section("pairs", "", group=LONG, items=("Section 3",)),
        Section("transfer", "", group=LONG, items=("Table 2",)),
    ]
    ordered = in_order_of_papers(shuffled)
    titles = " ".join(section.title for section in ordered)
    assert titles == "matches fields averages transfer pairs prediction landmarks pose"
    headings = re.findall(r'<h2 class="group">(.*?)</h2>', render_page("title", ordered, facts={}))
    assert headings == [LONG, SHARIF, TOMPSON]


def test_a_page_of_review_shows_the_most_useful_and_lists_all(tmp_path):
    found, _ = bright_photographs(tmp_path)
    page = review_page(found, title="</title>", most=2)
    data = json.loads(re.search(r'id="data">(.*?)</script>', page)[1])
    assert [Path(one["file"]).name for one in data["photographs"]] == ["a.png", "b.png", "c.png"]
    assert [one["image"] is None for one in data["photographs"]] == [False, False, True]
    assert data["photographs"][0]["objects"][0]["radius"] == [100, None]
    assert "<title>&lt;/title&gt;</title>" in page
    # What a browser keeps belongs to the content alone.
    keys = {title: re.search(r'"key":"(\w+)"', review_page(found, title=title, most=2))[1] for title in "ab"}
    assert set(keys.values()) == {data["key"]}
    assert data["key"] not in review_page(found, title="a", most=1)


@pytest.mark.parametrize("draw", [found_sheet, lambda found: review_page(found, title="")])
def test_photographs_that_changed_and_none_are_refused(draw, tmp_path):
    found, _ = bright_photographs(tmp_path)
    with pytest.raises(InputError, match="at least one photograph"):
        draw(replace(found, photographs=()))
    write_image(tmp_path / "b.png", np.zeros((200, 301, 3), np.uint8))
    with pytest.raises(InputError, match=r"b\.png has 301 x 200 pixels, but .* in 300 x 200$"):
        draw(found)
