"""The page in a real browser: matches follow pointer, keys and fingers; it is accessible and fits a phone."""

import numpy as np
import pytest

from convcorr_jax.datasets.poses.coco import read_annotations
from convcorr_jax.images import sample
from convcorr_jax.io import read_points, write_image
from convcorr_jax.report import match_page, matches_data
from tests.builders.command_line import needs_weights, run
from tests.builders.pages import CELLS, LIGHT, exported

# One channel of all pixels of a canvas.
CHANNEL = (
    "one => Array.from(one.getContext('2d').getImageData(0, 0, {side}, {side}).data)"
    ".filter((value, k) => k % 4 === {channel})"
)
EXPLORER = '.widget[data-kind="matches"]'


def place_of(tab, selector) -> np.ndarray:
    """The position (x, y) of a mark in pixels of its photograph."""
    mark = tab.locator(f"{EXPLORER} {selector}").first
    return np.array([float(mark.get_attribute(f"data-{axis}")) for axis in "xy"])


def match(tab, method="truth") -> np.ndarray:
    return place_of(tab, f'.panel[data-method="{method}"] g[data-method="{method}"]')


def on_screen(tab, point, size):
    """Pixels of the window of a point (x, y) of a photograph a of a size (height, width)."""
    box = tab.locator(f"{EXPLORER} .stage.source").bounding_box()
    return (
        box["x"] + (point[0] + 0.5) / size[1] * box["width"],
        box["y"] + (point[1] + 0.5) / size[0] * box["height"],
    )


def known_points(pair):
    """The known points in both photographs, and the length of a cell of b."""
    return pair.points_a, pair.points_b, max(pair.b.shape[:2]) / CELLS


@pytest.mark.parametrize("touch", [False, True])
def test_a_point_under_mouse_or_finger_is_matched_within_a_cell_of_the_truth(open_page, page, touch):
    tab = open_page(width=375 if touch else 1280, touch=touch)
    move = tab.touchscreen.tap if touch else tab.mouse.move
    points, truth, cell = known_points(page.pair)
    for k in range(2, len(points), 5):
        tab.locator(f"{EXPLORER} .stage.source").scroll_into_view_if_needed()
        move(*on_screen(tab, points[k], page.pair.a.shape))
        assert np.linalg.norm(match(tab) - truth[k]) < cell
        np.testing.assert_allclose(place_of(tab, ".panel .truth"), truth[k], atol=0.02)
        if touch:  # A finger places points as well, and the next known point may be below this one's pin.
            tab.get_by_role("button", name="Delete all points").tap()
    # Copying is off by far more than a cell somewhere.
    far = np.linalg.norm(points - truth, axis=1).argmax()
    tab.locator(f"{EXPLORER} .stage.source").scroll_into_view_if_needed()
    move(*on_screen(tab, points[far], page.pair.a.shape))
    assert np.linalg.norm(match(tab, "copy") - truth[far]) > cell


def ready(tab, kind: str) -> str:
    """Wait for the widget of a kind, and return its selector."""
    selector = f'.widget[data-kind="{kind}"]'
    tab.locator(selector).scroll_into_view_if_needed()
    tab.wait_for_selector(f"{selector}[data-ready]")
    return selector


def test_any_point_is_matched_as_python_matches_it(open_page, page):
    tab = open_page()
    pair, method = page.pair, page.pair.methods[0]
    for share in ((0.013, 0.02), (0.31, 0.72), (0.985, 0.6)):
        tab.mouse.move(*on_screen(tab, np.array(share) * pair.a.shape[1::-1], pair.a.shape))
        cells = method.a_to_px.inverse(place_of(tab, ".point")[None])
        moved = method.b_to_px(cells + sample(method.flow[0], cells))
        np.testing.assert_allclose(match(tab), moved[0], atol=1e-2)


def test_keys_move_the_point_and_step_through_known_points(open_page, page):
    tab = open_page()
    points, truth, cell = known_points(page.pair)
    tab.locator(f"{EXPLORER} .stage.source").focus()
    tab.keyboard.press("n")
    np.testing.assert_allclose(place_of(tab, ".point"), points[1], atol=0.02)
    assert np.linalg.norm(match(tab) - truth[1]) < cell
    before = place_of(tab, ".point"), match(tab)
    tab.keyboard.press("ArrowRight")
    moved = place_of(tab, ".point") - before[0]
    assert moved[0] > 1
    assert moved[1] == 0
    assert (match(tab) != before[1]).any()
    tab.keyboard.press("p")
    np.testing.assert_allclose(place_of(tab, ".point"), points[-1], atol=0.02)
    assert tab.locator(f"{EXPLORER} [role=status]").inner_text() is not None


def test_the_smoothness_changes_the_flow(open_page, page):
    tab = open_page()
    slider = tab.locator(f"{EXPLORER} input[type=range]")
    assert slider.get_attribute("aria-valuetext") == "truth 0.01"
    tab.locator(f"{EXPLORER} .stage.source").focus()
    tab.keyboard.press("n")
    slider.focus()
    places = [match(tab)]
    for _ in range(2):
        tab.keyboard.press("ArrowRight")
        places.append(match(tab))
    np.testing.assert_allclose(places[1], (places[0] + places[2]) / 2, atol=0.6)
    np.testing.assert_allclose(places[2], match(tab, "copy"), atol=1e-3)
    assert slider.get_attribute("aria-valuetext") == "truth 1"


def test_the_heat_is_greatest_at_the_least_cost(open_page, page):
    tab = open_page()
    canvas = tab.locator(f"{EXPLORER} canvas").first
    tab.locator(f"{EXPLORER} .stage.source").focus()
    tab.keyboard.press("n")
    colors = canvas.evaluate(
        "one => Array.from(one.getContext('2d').getImageData(0, 0, one.width, one.height).data)"
    )
    column = int(np.reshape(colors, (CELLS, CELLS, 4))[..., 3].argmax()) % CELLS
    box = tab.locator(f"{EXPLORER} .stage svg").nth(1).evaluate("one => one.viewBox.baseVal.width")
    assert abs((match(tab)[0] + 0.5) * CELLS / box - 0.5 - column) <= 1
    tab.locator(f"{EXPLORER} input[type=checkbox]").uncheck()
    assert canvas.is_hidden()


@needs_weights
@pytest.mark.parametrize(
    ("size", "bright"), [((300, 200), (213, 47)), ((1000, 700), (640, 555)), ((40, 30), (7, 22))]
)
def test_a_bright_pixel_of_the_file_is_exported_where_the_file_has_it(open_page, tmp_path, size, bright):
    a, b, html = tmp_path / "a.png", tmp_path / "b.png", tmp_path / "page.html"
    light = np.zeros((*size[::-1], 3), np.uint8)
    # With its neighbours, so that it outlives the reduction of a large photograph.
    light[bright[1] - 1 : bright[1] + 2, bright[0] - 1 : bright[0] + 2] = 255
    write_image(a, light)
    write_image(b, np.tile(np.arange(150, dtype=np.uint8)[:, None, None], (1, 220, 3)))
    assert run("align", a, b, "--html", html, "--out", tmp_path / "first.png").status == 0
    tab = open_page(html)
    x, y = tab.locator(".source img").evaluate(LIGHT)
    box = tab.locator(".source").bounding_box()
    tab.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    points = exported(tab, "Points of a, CSV", tmp_path)
    assert points.read_text().startswith("name,x,y\n1,")
    # The photograph's compression moves the centre of the light by at most a quarter of a pixel that is shown.
    np.testing.assert_allclose(read_points(points).points, [bright], atol=0.3 * max(1, max(size) / 512))
    assert run("align", a, b, "--points", points, "--out", tmp_path / "second.png").status == 0
    tables = exported(tab, "Matches in b, CSV", tmp_path), tmp_path / "second.csv"
    ours, theirs = (np.loadtxt(table, delimiter=",", skiprows=1) for table in tables)
    np.testing.assert_allclose(ours, theirs, atol=1e-2)


def test_points_are_placed_moved_named_kept_and_exported(open_page, page, tmp_path):
    tab = open_page()
    source, names = tab.locator(f"{EXPLORER} .source"), tab.get_by_label("Name of point")
    source.focus()
    for keys in ("Enter", "n", "Enter", "Shift+ArrowRight", "Enter"):
        tab.keyboard.press(keys)
    first, second = page.pair.points_a[:2]
    names.nth(0).fill('the "beak", left')
    names.nth(1).fill("tail")
    names.nth(2).fill("tail")
    # A pin follows the mouse and the keys; Delete removes the third.
    pins = tab.locator(f"{EXPLORER} .source .pin")
    pins.nth(2).focus()
    tab.keyboard.press("Delete")
    pins.nth(1).focus()
    tab.keyboard.press("Shift+ArrowDown")
    box = pins.nth(0).bounding_box()
    tab.mouse.move(box["x"] + 9, box["y"] + 9)
    tab.mouse.down()
    scale = source.bounding_box()["width"] / page.pair.a.shape[1]
    tab.mouse.move(box["x"] + 9 + 10 * scale, box["y"] + 9 + 5 * scale, steps=3)
    tab.mouse.up()
    # They stay with their pair, whatever is looked at in between.
    tab.locator(f"{EXPLORER} input[type=range]").press("ArrowRight")
    for k, count in ((1, 0), (0, 2)):
        button = tab.locator(f"{EXPLORER} .pairs button").nth(k)
        button.click()
        assert (pins.count(), button.get_attribute("aria-pressed")) == (count, "true")
    assert tab.locator(f"{EXPLORER} input[type=range]").input_value() == "1"
    named = read_points(exported(tab, "Points of a, CSV", tmp_path))
    assert named.names == ('the "beak", left', "tail")
    np.testing.assert_allclose(named.points, [first + np.array([10, 5]), second + np.array([0, 1])], atol=0.02)
    objects = read_annotations(exported(tab, "COCO", tmp_path))
    assert objects.names == named.names
    of_a, of_b = objects.lists["annotations"]
    assert [each["width"] for each in objects.lists["images"]] == [page.pair.a.shape[1], page.pair.b.shape[1]]
    np.testing.assert_allclose(np.reshape(of_a["keypoints"], (2, 3))[:, :2], named.points, atol=1e-3)
    matches = read_points(exported(tab, "Matches in b, CSV", tmp_path))
    np.testing.assert_allclose(np.reshape(of_b["keypoints"], (2, 3))[:, :2], matches.points, atol=1e-3)


def test_a_verdict_stands_beside_the_pair_and_unreliable_points_are_hollow(open_page, page, tmp_path):
    told = page.pair._replace(verdict="doubtful: Every third such pair is wrong.", reliable=1.1)
    (tmp_path / "page.html").write_text(match_page("A page", matches_data([told]), facts={}), encoding="utf-8")
    tab = open_page(tmp_path / "page.html")
    assert tab.locator(".pair").inner_text().endswith("doubtful Every third such pair is wrong.")
    tab.locator(".source").press("Enter")
    hollow = tab.locator(".pin").evaluate_all("all => all.map(one => one.matches('.unreliable'))")
    assert hollow == [True, True, False]  # In a and by "truth"; copying has no confidence.


def test_faces_move_along_directions(open_page):
    tab = open_page()
    faces = ready(tab, "directions")
    red = CHANNEL.format(side=4, channel=0)
    canvas = tab.locator(f"{faces} canvas").first
    before = np.array(canvas.evaluate(red))
    tab.locator(f"{faces} input").focus()
    tab.keyboard.press("End")
    after = np.array(canvas.evaluate(red))
    np.testing.assert_allclose(after, np.minimum(before + 0.5 * 255, 255), atol=1.5)
    tab.locator(f"{faces} button").click()
    assert (np.array(canvas.evaluate(red)) == before).all()


def test_joints_of_a_network_are_switched_off(open_page):
    tab = open_page()
    people = ready(tab, "joints")
    drawn = tab.locator(f'{people} g[data-network="coarse"]')
    assert drawn.locator("path").count() > 6
    tab.locator(f"{people} input").first.uncheck()
    assert drawn.get_attribute("visibility") == "hidden"
    assert tab.locator(f'{people} g[data-network="annotated"]').get_attribute("visibility") in (None, "visible")


def test_a_slider_chooses_the_layer(open_page):
    tab = open_page()
    responses = ready(tab, "layers")
    strongest = CHANNEL.format(side=6, channel=3)
    canvas = tab.locator(f"{responses} canvas")
    assert int(np.argmax(canvas.evaluate(strongest))) == 2 * 6 + 3
    tab.locator(f"{responses} input").focus()
    tab.keyboard.press("ArrowRight")
    assert int(np.argmax(canvas.evaluate(strongest))) == 3 * 6 + 2
    assert tab.locator(f"{responses} output").inner_text() == "conv2: 30 %"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (375, "light")])
def test_axe_finds_no_violation_and_a_phone_needs_no_sideways_scrolling(open_page, width, scheme):
    tab = open_page(width=width, scheme=scheme)
    tab.locator(".source").press("Enter")
    # Open what is folded, and wait for every widget.
    tab.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    tab.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    tab.wait_for_function("document.querySelectorAll('.widget:not([data-ready])').length === 0")
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe").Axe()
    assert [(one["id"], one["nodes"][0]["html"]) for one in axe.run(tab).response["violations"]] == []


def test_the_page_is_light_or_dark(open_page):
    colors = {}
    read = "getComputedStyle(document.body).backgroundColor"
    for scheme in ("light", "dark"):
        tab = open_page(scheme=scheme)
        colors[scheme] = tab.evaluate(read)
        tab.locator(".theme").click()
        colors[f"{scheme} switched"] = tab.evaluate(read)
    assert colors["light"] == colors["dark switched"] != colors["dark"] == colors["light switched"]
