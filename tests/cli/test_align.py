"""``convcorr align`` through its entry point: what it writes, and one sentence on bad input."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import cv2
import jax
import numpy as np
import pytest
import skimage.data
from matplotlib.figure import Figure
from PIL import Image as PillowImage
from scipy.interpolate import RegularGridInterpolator

from convcorr_jax import coords
from convcorr_jax.cli import align, aligner
from convcorr_jax.cli.arguments import as_json
from convcorr_jax.descriptors import RECIPES
from convcorr_jax.flow import SMOOTHNESS
from convcorr_jax.io import read_points
from tests.builders.command_line import assert_failed, assert_refused, needs_weights, output_of, run

CAT = skimage.data.chelsea()
SHIFT = np.array([40.0, 24.0])


def write_photographs(folder, **photographs):
    for name, photograph in photographs.items():
        PillowImage.fromarray(photograph).save(folder / name.replace("_", "."), quality=95)
    (folder / "points.csv").write_text("name,x,y\nnose,290,220\nleft eye,180,120\n")
    return folder


@pytest.fixture
def folder(tmp_path):
    """A folder with two photographs and points, to be left as it is by whatever is refused."""
    return write_photographs(tmp_path, a_png=CAT[:270, :400], b_png=CAT[24:294, 40:440])


@pytest.fixture
def unchanged(folder):
    def snapshot():
        return {
            path.relative_to(folder): path.read_bytes() if path.is_file() else None
            for path in folder.rglob("*")
        }

    before = snapshot()
    yield
    assert snapshot() == before


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """What a whole run leaves, with points and a box in a, in place of an older figure."""
    folder = tmp_path_factory.mktemp("written")
    (folder / "new").mkdir()
    (folder / "new" / "match.png").write_bytes(b"an older figure")
    write_photographs(folder, a_png=CAT[:270, :400], b_jpg=CAT[24:294, 40:440])
    results, align_all = [], align.Align.run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(align.Align, "run", lambda self: results.append(align_all(self)) or results[0])
        ended = run(
            *("align", folder / "a.png", folder / "b.jpg", "--out", folder / "new" / "match.png"),
            *("--points", folder / "points.csv", "--box", 20, 10, 380, 260, "--smoothness", 0.2),
        )
    assert ended.status == 0, ended.err
    with np.load(folder / "new" / "match.npz", allow_pickle=False) as arrays:
        of_run = {"values": as_json(results[0].values), "arrays": dict(arrays)}
        return SimpleNamespace(folder=folder / "new", ended=ended, **of_run)


@needs_weights
def test_it_writes_the_figure_the_arrays_and_the_points(written):
    names = ["match.csv", "match.npz", "match.png"]
    assert sorted(path.name for path in written.folder.iterdir()) == names
    for name in names:
        assert str(written.folder / name) in written.ended.out
        assert (written.folder / name).stat().st_size < 1.5e6
    with PillowImage.open(written.folder / "match.png") as figure:
        assert figure.format == "PNG"
        assert min(figure.size) > 400
    assert f"{written.folder / 'match.png'} (replaced)\n{written.folder / 'match.npz'}\n" in written.ended.out
    # Progress is for terminals.
    assert written.ended.err == ""


@needs_weights
def test_the_object_says_what_the_summary_and_the_files_say(written):
    (pair,) = written.values["pairs"]
    for name, ending in (("figure", ".png"), ("arrays", ".npz"), ("table", ".csv")):
        assert pair[name] == str(written.folder / f"match{ending}")
    settings = json.loads(str(written.arrays["settings"]))
    assert {name: pair[name] for name in settings} == settings
    assert pair["cells"] == list(written.arrays["confidence"].shape)
    percent = f"{100 * pair['probability']:.0f} % of the matches are expected to be right"
    assert written.ended.out.startswith(f"{pair['verdict']}: {percent}")
    shown = re.escape(f"; {100 * pair['mutual']:.0f} % of 400 cells agree both ways. ")
    assert re.search(rf"alexnet [\w +]+conv5, smoothness 0.2{shown}[\d.]+ seconds", written.ended.out)
    table = read_points(written.folder / "match.csv")
    assert tuple(one["name"] for one in pair["points"]) == table.names
    np.testing.assert_allclose([(one["x"], one["y"]) for one in pair["points"]], table.points, atol=1e-2)


@pytest.fixture(scope="module")
def several(written, tmp_path_factory):
    """What a folder of photographs of several sizes leaves, one of which is damaged, with a page."""
    folder, durations = tmp_path_factory.mktemp("several"), []
    photographs = {"1_png": CAT[:270, :400], "2_jpg": CAT[24:, 40:], "3_png": CAT[:240, 40:300]}
    write_photographs(folder, **photographs)
    (folder / "4.jpg").write_text("no photograph")

    def listen(event, duration, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            durations.append(duration)

    jax.monitoring.register_event_duration_secs_listener(listen)
    page = folder / "page.html"
    with pytest.MonkeyPatch.context() as patch:
        # Each factor aligns each pair once more.
        patch.setattr(aligner, "_PAGE_FACTORS", (4.0,))
        ended = run("align", folder, "--out", folder / "out", "--html", page, "--json")
    jax.monitoring.unregister_event_duration_listener(listen)
    return SimpleNamespace(folder=folder, ended=ended, compiled=len(durations))


@needs_weights
def test_each_photograph_of_a_folder_is_aligned_with_the_next(several):
    ended, folder = several.ended, several.folder
    failed = f"{folder / '3.png'} and {folder / '4.jpg'}"
    assert (ended.status, ended.out.count("\n")) == (2, 1)
    assert re.fullmatch(f"convcorr: {failed}: {folder / '4.jpg'} is not an image [^\n]+\n", ended.err)
    found = json.loads(ended.out)
    assert [(Path(one["a"]).name, Path(one["b"]).name) for one in found["pairs"]] == [
        *(("1.png", "2.jpg"), ("2.jpg", "3.png"), ("3.png", "4.jpg"))
    ]
    assert "is not an image" in found["pairs"][2]["error"]
    assert json.loads((folder / "out" / "index.json").read_text()) | {"replaced": []} == found
    names = {"1-2.png", "1-2.npz", "2-3.png", "2-3.npz", "index.json"}
    assert {path.name for path in (folder / "out").iterdir()} == names
    # The first pair shows the same cat, moved by a known number of pixels.
    with np.load(folder / "out" / "1-2.npz") as arrays:
        moved = np.median((arrays["places_b"] - arrays["cells_a"])[3:-3, 3:-3], axis=(0, 1))
    assert np.abs(moved + SHIFT).max() < 8


@needs_weights
def test_the_page_holds_every_pair_that_was_aligned(several):
    page = (several.folder / "page.html").read_text(encoding="utf-8")
    assert json.loads(several.ended.out)["page"] == str(several.folder / "page.html")
    for name in ("1.png and 2.jpg", "2.jpg and 3.png"):
        assert name in page
    assert "4.jpg" not in page
    assert "conv3 + conv4 + conv5" in page
    assert page.count('"smoothness":[0.05,0.2]') == 2
    assert not re.search(r"(src|href)=.https?:", page)
    # Pairs of all sizes share the programs of the first.
    assert several.compiled == 0


@needs_weights
def test_pairs_of_a_table_have_boxes_and_points_of_their_own(several):
    folder = several.folder
    (folder / "pairs.csv").write_text(
        "a,b,box_a,points\n1.png,2.jpg,20 10 380 260,points.csv\n1.png,none.png,,\n"
    )
    out = folder / "table"
    ended = run("align", "--pairs", folder / "pairs.csv", "--out", out)
    assert ended.status == 2
    assert "none.png does not exist" in ended.err
    first, last = ended.out.splitlines()
    assert re.fullmatch(rf"1\.png 2\.jpg: \w+: \d+ % of the matches .*; {out / '1-2.png'}", first)
    assert last.startswith("1 of 2 pairs; ")
    one, _ = json.loads((out / "index.json").read_text())["pairs"]
    assert one["box_a"] == [20, 10, 380, 260]
    assert [point["name"] for point in one["points"]] == ["nose", "left eye"]
    assert read_points(out / "1-2.csv").names == ("nose", "left eye")


def test_the_help_states_the_smoothness_of_the_library_and_the_arrays(written):
    text = " ".join(output_of("align", "--help").split())
    assert f"(default: {SMOOTHNESS['box']:g} for two boxes, {SMOOTHNESS['image']:g} for whole" in text
    for name in written.arrays:
        assert re.search(rf"\b{name}\b", text), f"{name} is not in the help"
    assert {
        *("cells_a", "places_b", "flow", "flow_px", "confidence", "distinctness", "cycle_error"),
        *("cells_b", "places_a", "flow_back", "matched_a", "matched_b", "matched_confidence"),
        *("shown_a", "shown_b", "energy_data", "energy_smoothness", "settings"),
    } == set(written.arrays)


@needs_weights
def test_a_mirrored_photograph_a_mask_and_a_dense_flow(folder):
    PillowImage.fromarray(CAT[24:294, 440:40:-1]).save(folder / "b.png")
    mask = np.zeros((270, 400), np.uint8)
    mask[60:220, 120:330] = 3
    PillowImage.fromarray(mask).save(folder / "mask.png")
    options = ("--mask", folder / "mask.png", "--mirror", "auto", "--out", folder / "m.png")
    for flow in ("m.flo", "n.npz"):
        ended = run("align", folder / "a.png", folder / "b.png", "--flow", folder / flow, *options, "--json")
        (pair,) = json.loads(ended.out)["pairs"]
        assert (pair["b_mirrored"], pair["b_turned_degrees"], pair["flow"]) == (True, 0, str(folder / flow))
    # OpenCV reads the file as any other program does.
    flow = cv2.readOpticalFlow(str(folder / "m.flo"))
    np.testing.assert_array_equal(flow, np.load(folder / "n.npz")["flow"])
    places = coords.cell_grid((270, 400)) + flow
    # A pixel of a is 40 to the left and 24 higher in what b mirrors.
    error = np.linalg.norm(places - [[399 + 40, -24]] - coords.cell_grid((270, 400)) * [-1, 1], axis=-1)
    assert np.median(error[60:220, 120:330]) < 4
    carried = np.asarray(PillowImage.open(folder / "m-mask.png"))
    expected = np.zeros((270, 400), np.uint8)
    expected[36:196, 440 - 330 : 440 - 120] = 3
    assert set(np.unique(carried)) == {0, 3}
    assert (carried == expected).mean() > 0.95


@needs_weights
def test_the_arrays_agree_with_one_another(written):
    arrays = written.arrays
    assert arrays["cells_a"].shape == (20, 20, 2)
    cell_px = arrays["cells_a"][1, 1] - arrays["cells_a"][0, 0]
    np.testing.assert_allclose(arrays["flow_px"], arrays["flow"] * cell_px, rtol=1e-5, atol=1e-4)
    # Cells of b, read at those cells of b's grid where a's cells go.
    axes = (np.arange(20), np.arange(20))
    goal = coords.cell_grid((20, 20)) + arrays["flow"]
    inside = ((goal >= 0) & (goal <= 19)).all(axis=-1)
    expected = RegularGridInterpolator(axes, arrays["cells_b"])(goal[inside][:, ::-1])
    np.testing.assert_allclose(arrays["places_b"][inside], expected, atol=1e-2)
    assert len(arrays["matched_a"]) == len(arrays["matched_b"]) == len(arrays["matched_confidence"])
    assert len(arrays["matched_a"]) > 10
    # A margin of 0.15 of 360 and 250 pixels on either side; b is whole.
    np.testing.assert_allclose(arrays["shown_a"], [-34, -27.5, 434, 297.5])
    np.testing.assert_allclose(arrays["shown_b"], [-0.5, -0.5, 399.5, 269.5])
    settings = json.loads(str(arrays["settings"]))
    assert settings["box_a"] == [20, 10, 380, 260]
    assert settings["box_b"] is None
    assert settings["smoothness"] == 0.2
    assert settings["layers"] == list(RECIPES["alexnet"].layers)


@needs_weights
def test_points_are_transferred_to_their_matches(written):
    found = read_points(written.folder / "match.csv")
    assert found.names == ("nose", "left eye")
    assert (written.folder / "match.csv").read_text().splitlines()[0] == "name,x,y,confidence"
    # Half a cell of a is 12 by 8 pixels.
    assert np.abs(found.points - (np.array([[290.0, 220.0], [180.0, 120.0]]) - SHIFT)).max() < 8
    cells = written.arrays["cells_a"]
    axes = (cells[:, 0, 1], cells[0, :, 0])
    at = np.array([[220.0, 290.0], [120.0, 180.0]])
    np.testing.assert_allclose(
        found.points, RegularGridInterpolator(axes, written.arrays["places_b"])(at), atol=2e-3
    )


@needs_weights
@pytest.mark.parametrize(("ending", "kind"), [(".jpg", b"\xff\xd8"), (".PDF", b"%PDF")])
def test_the_ending_decides_on_the_format(folder, ending, kind):
    out = folder / f"match{ending}"
    # The second photograph is grey with 16 bits, and the first is turned by its camera.
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    PillowImage.fromarray(np.rot90(CAT)).save(folder / "a.png", exif=exif)
    grey = np.asarray(PillowImage.fromarray(CAT).convert("L"))
    PillowImage.fromarray(grey.astype(np.uint16) * 257).save(folder / "b.png")
    out.write_bytes(b"an older figure")
    ran = run("align", folder / "a.png", folder / "b.png", "--out", out)
    assert ran.status == 0
    assert "b.png: of 16 bits a channel, the upper 8 are read" in ran.err
    assert "a.png" not in ran.err
    assert out.read_bytes().startswith(kind)
    with np.load(out.with_suffix(".npz")) as arrays:
        # Upright, a is b in colour: everything stays where it is.
        assert np.median(np.linalg.norm(arrays["flow"], axis=-1)) < 0.2
    assert not out.with_suffix(".csv").exists()


# More are in `test_start`, and what is wrong with a file's content in the tests of its reader.
BAD_OPTIONS = {
    "a.png . --out match.png": r"match\.png must be a folder, since there are several pairs",
    "a.png b.png --box nan 10 20 60": "four finite numbers",
    "a.png b.png --box -1e8 -1e8 1e8 1e8": "reaches beyond the image of 400 x 270",
    "a.png b.png --box 1 2 3": "--box.* Expected 4 values",
    "a.png b.png --box 1 2 3 four": "--box.*'four'",
    "a.png b.png --layer conv9": "alexnet has no layer 'conv9'; it has conv1, ",
    "a.png b.png --layer conv4 fc6": "weights of alexnet end before fc6",
    "a.png b.png --layer conv1": "conv1 has 84 x 84 cells",
    "a.png b.png --smoothness -1": "smoothness is -1.0; a finite number",
    "a.png b.png --smoothness nan": "smoothness is nan",
    "a.png b.png --smoothness much": "--smoothness.*'much'",
    "a.png b.png --weights points.csv": "is in no format known here",
    "a.png b.png --points a.png": "not a CSV file in UTF-8",
    "a.png b.png --out folder.png": "is a folder; a file name is expected",
    "a.png b.png --out taken.png": "taken.npz is a folder",
    "a.png b.png --out folder.png/../b.png": "would overwrite .*b.png",
    "a.png b.png --out points.png --points points.csv": "overwrite .*points.csv",
    "a.png b.png --out w.png --weights w.npz": "overwrite .*w.npz",
    "a.png b.png --out match.png --html folder.png/../match.png": "would overwrite .*match.png, another output",
    "a.png b.png --html b.png": "would overwrite .*b.png, which is read",
    "a.png b.png a.png": "Unrecognized options: .*a.png",
    "a.png b.png --out": "Missing value for argument '--out'",
    # No pair overwrites what another one reads.
    ". --out .": "a-b.png would overwrite .*a-b.png, which is read",
    "a.png . --out x/..": "a-b.png would overwrite .*a-b.png, which is read",
    ". --out x --html x/a-b-a.png": "a-b-a.png, another output",
    ". --out x --html x/index.json": "index.json, another output",
    "--pairs index.json --out .": "index.json would overwrite .*index.json, which",
    "--pairs later.csv --out x": "a-b.png would overwrite .*a-b.png, which is read",
}


@needs_weights
@pytest.mark.parametrize("words", BAD_OPTIONS)
def test_bad_options_are_refused(folder, request, monkeypatch, words):
    monkeypatch.chdir(folder)
    for name in ("folder.png", "taken.npz"):
        (folder / name).mkdir()
    for name, content in (
        ("w.npz", b"weights"),
        ("a-b.png", (folder / "a.png").read_bytes()),
        ("index.json", b"a,b\na.png,b.png\n"),
        ("later.csv", b"a,b\na.png,b.png\nx/a-b.png,b.png\n"),
    ):
        (folder / name).write_bytes(content)
    request.getfixturevalue("unchanged")
    assert_refused(run("align", *words.split()), BAD_OPTIONS[words])


@needs_weights
@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_what_stops_the_writing_leaves_nothing(folder, monkeypatch, failure):
    def stop(self, path, **_):
        Path(path).write_bytes(b"half a fig")
        raise failure

    monkeypatch.setattr(Figure, "savefig", stop)
    ended = run("align", folder / "a.png", folder / "b.png", "--out", folder / "match.png")
    if failure is KeyboardInterrupt:
        assert (ended.status, ended.err) == (130, "")
    else:
        assert_failed(ended, "match.png cannot be written: No space left on device")
