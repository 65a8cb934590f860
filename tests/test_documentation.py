"""The documentation: reference pages of all public names, collected differences, links between pages."""

import ast
import importlib
import json
import re
from pathlib import Path

import pytest

from docs import figures_of_pages
from docs._ext import api_pages, differences, drawings, reference_tables, sources
from docs._ext.docstring_markup import with_code_blocks
from docs.figures import RESULTS, lacking, paths_of, printed

DOCS = Path(__file__).parents[1] / "docs"
TUTORIALS = sorted((DOCS / "tutorials").glob("*.py"))
PAGES = [*DOCS.glob("*.md"), *DOCS.glob("howto/*.md"), *DOCS.glob("explanations/*.md")]
COMMAND_PAGES = reference_tables.command_pages()[1]
GENERATED = {
    *(f"generated/{name}" for name in ("differences", "commands", "gallery", "protocols", "tutorials/index")),
    *(f"generated/commands/{name.removesuffix('.md')}" for name in COMMAND_PAGES),
    *(f"generated/tutorials/{path.stem}" for path in TUTORIALS),
    *(f"generated/api/{name.removesuffix('.rst')}" for name in api_pages.pages()),
    *(
        f"generated/drawings/{name}.svg"
        for name in ("distance_transform", "penalties", "cascade", "coordinates", "leaderboard")
    ),
}


def test_every_room_has_a_page_with_its_public_names():
    rooms = {room.name: {each.name for each in room.definitions} for room in sources.rooms()}
    for path in sorted((sources.ROOT / "convcorr_jax").glob("*/__init__.py")):
        room = importlib.import_module(f"convcorr_jax.{path.parent.name}")
        if room.__name__ in sources.WITHOUT_PAGE:
            continue
        listed = {
            alias.asname
            for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(statement, ast.ImportFrom)
            for alias in statement.names
            if alias.asname == alias.name
        }
        assert listed == rooms[room.__name__]
        assert all(hasattr(room, name) for name in listed)


@pytest.mark.parametrize("room", ["coords", "flow", "linear.ridge", "datasets.prepared"])
def test_a_page_documents_every_name_of_its_room(room):
    name = f"convcorr_jax.{room}"
    text = api_pages.pages()[f"{name}.rst"]
    (found,) = (each for each in sources.rooms() if each.name == name)
    for definition in found.definitions:
        # A module is documented by the names that it defines.
        inner = r"\.\w+" if definition.kind == "module" else ""
        assert re.search(rf"^\.\. .*:: {name}\.{definition.name}{inner}$", text, flags=re.MULTILINE)


def test_constants_have_their_value_and_the_comment_above_them():
    (temperature,) = (
        each
        for each in sources.defined_in("convcorr_jax.flow.alignment")
        if each.name == "CONFIDENCE_TEMPERATURE"
    )
    assert temperature.value == "1.0"
    assert temperature.text.startswith("Beliefs of this temperature")


def test_indented_paragraphs_become_literal_blocks():
    rest = ["", "    |x|", "", "- an item", "", "      of two paragraphs", "Args:", "    x: y"]
    assert with_code_blocks(["Compute", *rest]) == ["Compute", "", ".. code-block:: text", *rest]


def test_statements_end_where_another_begins():
    text = "Do it.\n\nDiffers from the paper: it\ndoes not. Source: a book.\n\nThe paper leaves open:\n\n- one"
    assert list(differences.statements(text)) == [
        "Differs from the paper: it does not.",
        "The paper leaves open:\n\n- one",
    ]
    assert list(differences.statements("Do (Differs from the paper, which does not.)")) == [
        "Differs from the paper, which does not."
    ]


def test_every_statement_of_a_docstring_is_on_the_page_of_differences():
    phrase = re.compile(r"Differs from the papers?\b|papers? leaves? open\b")
    written = sum(
        len(phrase.findall(" ".join(path.read_text(encoding="utf-8").split())))
        for path in (sources.ROOT / "convcorr_jax").rglob("*.py")
    )
    title, _, page = differences.page().partition("\n")
    assert title == "Differs from the papers"
    assert len(phrase.findall(page)) == len(differences.differences()) == written
    # What a reader of the papers missed on the page.
    for words in (
        *("complete graph", "peak gets the height", "coordinates. Here", "running mean of parameters", "60°"),
        *("make torsos unknown", "layers of the fine net", "windows are rounded", "conv3 and not fc6"),
        *("two rounds of look-back", "no other penalty", "refine flows below a cell"),
    ):
        assert words in re.sub(r"\s+", " ", page), words
    assert page.index("Long, Zhang and Darrell 2014") < page.index("Tompson et al. 2015")


def test_every_page_is_in_a_table_of_contents_and_its_links_lead_somewhere():
    for page in PAGES:
        index = (page.parent / "index.md").read_text(encoding="utf-8")
        assert page.stem == "index" or page.parent == DOCS or f"\n{page.stem}\n" in index
        text = page.read_text(encoding="utf-8")
        targets = re.findall(r"\]\(([^)#:]+)\)", text) + re.findall(r"```\{image\} (\S+)", text)
        targets += [
            line
            for body in re.findall(r"```\{toctree\}\n(.*?)```", text, flags=re.DOTALL)
            for line in filter(None, body.splitlines())
            if not line.startswith(":")
        ]
        for target in targets:
            path = (page.parent / target).resolve()
            inside = path.relative_to(DOCS.resolve()).as_posix()
            exists = path.exists() or path.with_suffix(".md").exists()
            assert exists or inside.removesuffix(".rst").removesuffix(".md") in GENERATED, (page.name, target)


def test_tutorials_are_complete_begin_with_a_title_and_import_rooms_only():
    subjects = ("two_photographs", "keypoints", "features", "cascade", "predictions")
    known = {room.name for room in sources.rooms()} | {"convcorr_jax", "convcorr_jax.datasets.selection"}
    for subject, path in zip(subjects, TUTORIALS, strict=True):
        assert subject in path.stem
        text = path.read_text(encoding="utf-8")
        title, line = (ast.get_docstring(ast.parse(text)) or "").splitlines()[:2]
        assert line == "=" * len(title)
        modules = re.findall(r"^from (convcorr_jax[\w.]*) import", text, flags=re.MULTILINE)
        assert modules
        assert set(modules) <= known


def test_every_subcommand_and_option_is_on_a_page_of_commands():
    found = reference_tables.help_of([])
    assert all(group in found for group in {command.split()[0] for command in reference_tables.COMMANDS})
    for name, option in (("align.md", "--smoothness NUMBER"), ("eval.score_predictions.md", "--metric {")):
        (entry,) = re.findall(rf"^`{re.escape(option)}.*`\n: (.+)$", COMMAND_PAGES[name], flags=re.MULTILINE)
        assert entry.endswith(")")
    assert not re.search("[│╭╰]|─{3}", "".join(COMMAND_PAGES.values()))


def test_pages_print_the_figures_of_recorded_results():
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert list(lacking(figures_of_pages.PAGES, results)) == []
    # One figure that moves by its last digit is found wherever it stands.
    for each in figures_of_pages.PAGES:
        name, _, rest = paths_of(each)[0].partition("/")
        figures = results[name]["figures"]
        moved = {**results, name: {**results[name], "figures": {**figures, rest: [figures[rest][0] + 0.001]}}}
        assert any(line.startswith(f"{each.page}: ") for line in lacking(figures_of_pages.PAGES, moved)), rest


def test_the_drawing_of_the_leaderboard_shows_the_figures_of_the_page(tmp_path):
    page = " ".join((DOCS / "results.md").read_text(encoding="utf-8").split())
    times = "AlexNet takes {} ms an image, MobileNetV2 {}, `vit_s14` {} and VGG16 {}"
    assert times.format(*drawings.MS_PER_IMAGE.values()) in page
    figures = json.loads(RESULTS.read_text(encoding="utf-8"))["leaderboard_flow"]["figures"]
    (axes,) = drawings.leaderboard().axes
    for (name, ms), (point, *_) in zip(drawings.MS_PER_IMAGE.items(), axes.containers, strict=True):
        assert point.get_xydata().tolist() == [[ms, figures[f"flow/{name}/pck/0.1"][0]]]
    drawings.write_drawings(tmp_path)
    assert {f"generated/drawings/{path.name}" for path in tmp_path.iterdir()} <= GENERATED


def test_every_table_of_results_is_recorded_with_its_command_or_says_why_not():
    page = (RESULTS.parent / "results.md").read_text(encoding="utf-8")
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    used = {path.partition("/")[0] for each in figures_of_pages.PAGES for path in paths_of(each)}
    assert used == set(results)
    commands = [
        line for block in re.findall(r"```sh\n(.*?)```", page, flags=re.DOTALL) for line in block.splitlines()
    ]
    for name, result in results.items():
        assert result["command"] in [line.removesuffix(" --data-root ../shared/data") for line in commands], (
            name
        )
    recorded = {row for each in figures_of_pages.PAGES for row in printed(each, results)}
    tables = [
        table
        for table in re.findall(r"(?:^\|.*\n)+", page, flags=re.MULTILINE)
        if re.search(r"\.\d{3}\b", table)
    ]
    by_hand = []
    for table in tables:
        header, _, *rows = table.splitlines()
        # The paper's own figures stand in the first row.
        if not all(row in recorded or row.startswith("| paper, ") for row in rows):
            by_hand.append(header)
    assert by_hand == list(figures_of_pages.NOT_RECORDED)
