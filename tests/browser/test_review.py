"""The page of review in a real browser: what is corrected by mouse, fingers or keys is what the file says."""

import json
from pathlib import Path

import numpy as np
import pytest

from convcorr_jax.datasets.poses.coco import read_annotations
from convcorr_jax.report import review_page
from tests.builders.command_line import needs_weights, run
from tests.builders.pages import LIGHT, bright_photographs, exported
from tests.builders.pasted_objects import learning_little, paste_objects, write_labels

# The longer side of the copies on the page.
COPY_PX = 512
FIRST, SECOND = '.pin[data-id="0-0"]', '.pin[data-id="0-1"]'


@pytest.fixture(scope="module")
def lamps(tmp_path_factory):
    """What was found, where the spots are, and the page's file."""
    folder = tmp_path_factory.mktemp("review")
    found, spots = bright_photographs(folder)
    page = folder / "review.html"
    page.write_text(review_page(found, title="Review of lamps", longest_px=COPY_PX), encoding="utf-8")
    return found, spots, page


@pytest.fixture
def review(open_page, lamps):
    return lambda **options: open_page(lamps[2], **options)


def spot_on_screen(tab) -> tuple[float, float]:
    """Pixels of the window where the photograph's spot is seen."""
    tab.wait_for_function("document.querySelector('.sheet img').complete")
    x, y = tab.locator(".sheet img").evaluate(LIGHT)
    box = tab.locator(".sheet").bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def middle(tab, selector) -> tuple[float, float]:
    box = tab.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def progress(tab) -> str:
    return tab.locator(".progress span").inner_text()


def saved(tab, folder) -> dict:
    """The images of the exported file by name, with annotations, and the pixels of one on the page."""
    content, by_name = json.loads(exported(tab, "Export", folder).read_text()), {}
    for image in content["images"]:
        image["lamps"] = [one for one in content["annotations"] if one["image_id"] == image["id"]]
        image["pixel"] = max(1, max(image["width"], image["height"]) / COPY_PX)
        by_name[Path(image["file_name"]).name] = image
    return by_name


def assert_at_spot(image, spot) -> None:
    """The first point of the only object is at the file's pixel, to a third of a pixel that is shown."""
    (one,) = image["lamps"]
    np.testing.assert_allclose(one["keypoints"][:2], spot, atol=0.3 * image["pixel"])
    assert one["keypoints"][2] == 2
    x, y, width, height = one["bbox"]
    assert one["area"] == width * height
    # Edges lie between pixels, half of one before the centre of the first.
    assert x <= one["keypoints"][0] + 0.5 <= x + width
    assert y <= one["keypoints"][1] + 0.5 <= y + height


def test_what_is_corrected_by_mouse_is_kept_and_exported_in_pixels_of_the_file(review, lamps, tmp_path):
    found, spots, _ = lamps
    tab = review()

    def press(button, times=1) -> None:
        for _ in range(times):
            tab.get_by_role("button", name=button).click()

    def drag_to_spot() -> None:
        tab.mouse.move(*middle(tab, FIRST))
        tab.mouse.down()
        tab.mouse.move(*spot_on_screen(tab), steps=4)
        tab.mouse.up()

    # a.png: drag the point, mark the other one absent, undo and redo both, accept.
    assert progress(tab) == "0 of 3 reviewed"
    drag_to_spot()
    assert progress(tab) == "1 of 3 reviewed"
    tab.locator(SECOND).press("x")
    press("Undo", 2)
    assert progress(tab) == "0 of 3 reviewed"
    press("Redo", 2)
    press("Accept")
    # b.png: look nearer with the wheel, so that a pixel of the file is many of the window.
    tab.mouse.move(*spot_on_screen(tab))
    before = tab.locator(".sheet").bounding_box()["width"]
    tab.mouse.wheel(0, -300)
    assert tab.locator(".sheet").bounding_box()["width"] > 1.4 * before
    drag_to_spot()
    # c.png: delete the object and add another one by clicks, without its second point.
    for button in ("Next", "Delete", "Add a lamp"):
        press(button)
    tab.mouse.click(*spot_on_screen(tab))
    press("Skip")
    tab.reload()
    tab.wait_for_selector("[data-ready]")
    assert progress(tab) == "3 of 3 reviewed"
    assert "c.png" in tab.locator("#file").inner_text()
    images = saved(tab, tmp_path)
    for name, spot in spots.items():
        assert images[name]["reviewed"]
        assert_at_spot(images[name], spot)
    tail = found.photographs[1].objects[0].points[1]
    seconds = [images[name]["lamps"][0]["keypoints"][3:] for name in spots]
    assert seconds == [[0, 0, 0], [*tail, 2], [0, 0, 0]]
    assert [images[name]["lamps"][0]["num_keypoints"] for name in spots] == [1, 2, 1]
    # Our own reader of COCO's files takes it.
    objects = read_annotations(next(tmp_path.iterdir()))
    assert objects.names == ("spot", "tail")
    assert objects.lists["categories"] == [
        {"id": 1, "name": "lamp", "keypoints": ["spot", "tail"], "skeleton": [[1, 2]]}
    ]


def test_what_is_not_reviewed_is_exported_as_it_was_found(review, lamps, tmp_path):
    tab = review()
    tab.get_by_role("button", name="Delete").click()
    images = saved(tab, tmp_path)
    assert images["a.png"]["reviewed"]
    assert images["a.png"]["lamps"] == []
    one = lamps[0].photographs[0].objects[0]
    (kept,) = images["c.png"]["lamps"]
    assert not images["c.png"]["reviewed"]
    # The second point is doubtful.
    np.testing.assert_allclose(np.reshape(kept["keypoints"], (2, 3)), np.column_stack([one.points, [2, 1]]))
    box = one.box
    np.testing.assert_allclose(kept["bbox"], [box.x0 + 0.5, box.y0 + 0.5, box.width, box.height])
    assert kept["score"] == 0.8


def test_keys_alone_correct_accept_add_and_export(review, lamps, tmp_path):
    tab = review()
    press = tab.keyboard.press
    press("1")
    spot, longest = np.array(lamps[1]["a.png"]), 1000
    for axis, keys in enumerate((("ArrowLeft", "ArrowRight"), ("ArrowUp", "ArrowDown"))):
        way = spot[axis] - (300, 280)[axis]
        coarse, fine = divmod(abs(way), longest / 50)
        for key, count in ((keys[int(way > 0)], coarse), ("Shift+" + keys[int(way > 0)], fine)):
            for _ in range(round(count)):
                press(key)
    # The steps are undone together.
    press("u")
    assert progress(tab) == "0 of 3 reviewed"
    for key in ("r", "2", "Delete"):
        press(key)
    assert tab.locator("[role=status]").inner_text() == "tail is absent."
    # In b.png, a second object of one point beside the middle of the photograph; undoing leads back to it.
    for key in ("a", "o", "Shift+ArrowRight", "Enter", "s", "n", "u"):
        press(key)
    assert "b.png" in tab.locator("#file").inner_text()
    assert progress(tab) == "1 of 3 reviewed"
    with tab.expect_download() as started:
        press("e")
    assert started.value.suggested_filename == "corrected.json"
    press("r")
    images = saved(tab, tmp_path)
    assert_at_spot(images["a.png"], spot)
    first, second = images["b.png"]["lamps"]
    assert second["keypoints"] == [150.5, 99.5, 2, 0, 0, 0]
    assert "score" not in first


def test_fingers_zoom_and_drag_and_a_tap_places(review, lamps, tmp_path):
    tab = review(width=390, touch=True)
    session = tab.context.new_cdp_session(tab)

    def touch(kind, *places) -> None:
        points = [{"x": x, "y": y, "id": k} for k, (x, y) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})

    x, y = middle(tab, ".stage")
    before = tab.locator(".sheet").bounding_box()["width"]
    touch("Start", (x - 30, y), (x + 30, y))
    touch("Move", (x - 60, y), (x + 60, y))
    touch("End")
    np.testing.assert_allclose(tab.locator(".sheet").bounding_box()["width"], 2 * before, rtol=0.02)
    # A second finger takes the point back to where it was.
    start = np.array(middle(tab, FIRST))
    touch("Start", start)
    touch("Move", start + 20)
    assert abs(np.array(middle(tab, FIRST)) - start - 20).max() < 1
    touch("Start", start + 20, start + 90)
    assert abs(np.array(middle(tab, FIRST)) - start).max() < 1
    touch("End")
    assert progress(tab) == "0 of 3 reviewed"
    tab.get_by_role("button", name="Show the whole photograph").tap()
    # The click that a tap becomes may be later than the tap.
    shown = "width => Math.abs(document.querySelector('.sheet').getBoundingClientRect().width - width) < 1"
    tab.wait_for_function(shown, arg=before)
    touch("Start", middle(tab, FIRST))
    touch("Move", spot_on_screen(tab))
    touch("End")
    seen = tab.locator(".sheet img").get_attribute("src")
    tab.get_by_role("button", name="Next").tap()
    tab.wait_for_function("seen => document.querySelector('.sheet img').src !== seen", arg=seen)
    tab.get_by_role("button", name="Delete").tap()
    tab.wait_for_function("!document.querySelector('.pin')")
    tab.get_by_role("button", name="Add a lamp").tap()
    tab.touchscreen.tap(*spot_on_screen(tab))
    tab.get_by_role("button", name="End").tap()
    images = saved(tab, tmp_path)
    for name in ("a.png", "b.png"):
        images[name]["pixel"] = max(images[name]["width"] / tab.locator(".stage").bounding_box()["width"], 1)
        assert_at_spot(images[name], lamps[1][name])


def test_the_list_follows_the_filter_and_signs_follow_the_confidence(review):
    tab = review()
    seen = tab.locator(".thumbnails button:visible")
    labels = seen.evaluate_all("all => all.map(one => one.ariaLabel.split(', ')[1])")
    assert labels == ["poor", "doubtful", "good"]
    hollow = tab.locator(".pin").evaluate_all("all => all.map(one => one.matches('.unreliable'))")
    assert hollow == [False, True]
    assert float(tab.locator(".radius").first.get_attribute("r")) == 100
    tab.locator(".strip select").select_option("open")
    tab.get_by_role("button", name="Accept").click()
    assert seen.count() == 2
    tab.locator(".strip select").select_option("doubtful")
    assert seen.count() == 2
    tab.keyboard.press("n")
    tab.get_by_role("checkbox", name="Reviewed").check()
    assert progress(tab) == "2 of 3 reviewed"


def test_a_browser_that_keeps_nothing_still_exports(review, tmp_path):
    tab = review()
    tab.evaluate("Storage.prototype.setItem = () => { throw new Error('full'); }; 0")
    tab.get_by_role("button", name="Accept").click()
    assert saved(tab, tmp_path)["a.png"]["reviewed"]
    # Leaving is asked about, since the corrections would be lost.
    with tab.expect_event("dialog") as asked:
        tab.close(run_before_unload=True)
    assert asked.value.type == "beforeunload"
    asked.value.accept()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")])
def test_axe_finds_no_violation_and_targets_fit_a_finger(review, width, scheme):
    tab = review(width=width, scheme=scheme, touch=width == 390)
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe").Axe()
    for keys in ("1x", "a", "o", "?"):
        for key in keys:
            tab.keyboard.press(key)
        violations = axe.run(tab).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in violations] == []
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    if width == 390:
        tab.keyboard.press("Escape")
        sizes = tab.locator("button:visible").evaluate_all("all => all.map(one => one.offsetHeight)")
        assert min(sizes) >= 44


@needs_weights
@pytest.mark.slow
def test_three_corrections_are_kept_and_do_not_make_the_others_worse(open_page, tmp_path):
    truth = paste_objects(tmp_path, [[angle] for angle in (0, 50, -75, 140, 20, -160, 95, -30)])
    out, labels = tmp_path / "out", write_labels(tmp_path / "a.csv", dict([next(iter(truth.items()))]))

    def annotate(examples) -> dict[Path, np.ndarray]:
        with learning_little():
            assert run("annotate", tmp_path, "--examples", examples, "--out", out).status == 0
        objects = read_annotations(out / "points.json")
        paths = {one["id"]: tmp_path / Path(one["file_name"]).name for one in objects.lists["images"]}
        return {
            paths[one["image_id"]]: np.reshape(one["keypoints"], (4, 3))[:, :2]
            for one in objects.lists["annotations"]
        }

    def error(found, paths) -> float:
        return float(np.mean([np.linalg.norm(found[path] - truth[path][0], axis=1).mean() for path in paths]))

    first = annotate(labels)
    tab, corrected = open_page(out / "review.html"), []
    for _ in range(3):
        path = Path(tab.locator("#file").get_attribute("title"))
        corrected.append(path)
        for number, place in enumerate(truth[path][0]):
            tab.wait_for_function("document.querySelector('.sheet img').complete")
            box = tab.locator(".sheet").bounding_box()
            tab.mouse.move(*middle(tab, f'.pin[data-id="0-{number}"]'))
            tab.mouse.down()
            shares = (place + 0.5) / (160, 120)
            tab.mouse.move(box["x"] + shares[0] * box["width"], box["y"] + shares[1] * box["height"], steps=4)
            tab.mouse.up()
        tab.get_by_role("button", name="Accept").click()
    assert progress(tab) == "4 of 8 reviewed"
    second = annotate(exported(tab, "Export", out))
    assert error(second, corrected) < 0.3
    others = [path for path in list(truth)[1:] if path not in corrected]
    assert len(others) == 4
    assert error(second, others) <= error(first, others) + 0.3
