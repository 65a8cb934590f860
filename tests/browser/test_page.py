"""The page in a real browser: matches follow pointer, keys and fingers; it is accessible and fits a phone."""

import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.images import sample
from tests.builders.pages import CELLS

# One channel of all pixels of a canvas.
CHANNEL = (
    "one => Array.from(one.getContext('2d').getImageData(0, 0, {side}, {side}).data)"
    ".filter((value, k) => k % 4 === {channel})"
)
EXPLORER = '.widget[data-kind="matches"]'


def place_of(tab, selector) -> np.ndarray:
    """The position (x, y) of a mark in pixels of its embedded photograph."""
    mark = tab.locator(f"{EXPLORER} {selector}").first
    return np.array([float(mark.get_attribute(f"data-{axis}")) for axis in "xy"])


def match(tab, method="truth") -> np.ndarray:
    return place_of(tab, f'.panel[data-method="{method}"] g[data-method="{method}"]')


def embedded_frames(tab, pair):
    """The transforms from pixels of both photographs to pixels of the embedded ones."""
    views = tab.locator(f"{EXPLORER} .stage svg").evaluate_all(
        "all => all.map(one => one.viewBox.baseVal).map(box => [box.height, box.width])"
    )
    return [
        coords.resize(image.shape[:2], tuple(map(int, size)))
        for image, size in zip((pair.a, pair.b), views, strict=False)
    ]


def on_screen(tab, point, size):
    """Pixels of the window of a point in pixels of the first embedded photograph."""
    box = tab.locator(f"{EXPLORER} .stage.source").bounding_box()
    return (
        box["x"] + (point[0] + 0.5) / size[1] * box["width"],
        box["y"] + (point[1] + 0.5) / size[0] * box["height"],
    )


def known_points(tab, pair):
    """The known points in the embedded photographs, and the length of a cell there."""
    a_frame, b_frame = embedded_frames(tab, pair)
    return a_frame(pair.points_a), b_frame(pair.points_b), max(b_frame.scale * pair.b.shape[1::-1]) / CELLS


def embedded_size(pair, frame):
    return np.round(np.array(pair.a.shape[:2]) * frame.scale[::-1])


@pytest.mark.parametrize("touch", [False, True])
def test_a_point_under_mouse_or_finger_is_matched_within_a_cell_of_the_truth(open_page, page, touch):
    tab = open_page(width=375 if touch else 1280, touch=touch)
    move = tab.touchscreen.tap if touch else tab.mouse.move
    points, truth, cell = known_points(tab, page.pair)
    size = embedded_size(page.pair, embedded_frames(tab, page.pair)[0])
    tab.locator(f"{EXPLORER} .stage.source").scroll_into_view_if_needed()
    for k in range(2, len(points), 5):
        move(*on_screen(tab, points[k], size))
        assert np.linalg.norm(match(tab) - truth[k]) < cell
        np.testing.assert_allclose(place_of(tab, ".panel .truth"), truth[k], atol=0.02)
    # Copying is off by far more than a cell somewhere.
    far = np.linalg.norm(points - truth, axis=1).argmax()
    move(*on_screen(tab, points[far], size))
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
    a_frame, b_frame = embedded_frames(tab, pair)
    size = embedded_size(pair, a_frame)
    for share in ((0.013, 0.02), (0.31, 0.72), (0.985, 0.6)):
        tab.mouse.move(*on_screen(tab, np.array(share) * size[::-1], size))
        cells = method.a_to_px.inverse(a_frame.inverse(place_of(tab, ".point")[None]))
        moved = method.b_to_px(cells + sample(method.flow[0], cells))
        np.testing.assert_allclose(match(tab), b_frame(moved)[0], atol=0.3)


def test_keys_move_the_point_and_step_through_known_points(open_page, page):
    tab = open_page()
    points, truth, cell = known_points(tab, page.pair)
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


def test_another_pair_is_chosen(open_page):
    tab = open_page()
    buttons = tab.locator(f"{EXPLORER} .pairs button")
    before = tab.locator(f"{EXPLORER} .stage.source img").get_attribute("src")
    buttons.nth(1).click()
    assert tab.locator(f"{EXPLORER} .stage.source img").get_attribute("src") != before
    assert buttons.nth(1).get_attribute("aria-pressed") == "true"


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
