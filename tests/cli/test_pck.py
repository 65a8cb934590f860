"""The command that computes PCK under every protocol."""

import io
import json
import sys

import h5py
import numpy as np
import pytest

from convcorr_jax.cli import pck
from convcorr_jax.io import write_arrays
from convcorr_jax.metrics import GRID_ALPHAS, ProtocolChoices
from tests.builders.command_line import Terminal, assert_refused, run, run_all
from tests.builders.genuine import genuine
from tests.builders.pck_files import PckFiles, write_mpii, write_plain
from tests.builders.processes import end, start
from tests.reference.protocol_loops import pck_by_loops

FIELDS = ProtocolChoices._fields


def words(files, *more):
    return "pck", "--predictions", files.predictions, "--ground-truth", files.truth, *more


def values(files, *more):
    ended = run(*words(files, *more, "--json"))
    assert (ended.status, ended.err) == (0, "")
    return json.loads(ended.out)


def write_pair(folder, predicted, **truth):
    files = PckFiles(folder / "truth.npz", folder / "predictions.npz")
    write_arrays(files.truth, **truth)
    write_arrays(files.predictions, points=predicted)
    return files


def choices_of(entry) -> ProtocolChoices:
    return ProtocolChoices(**{name: entry[name] for name in FIELDS})


def test_the_json_has_every_protocol_and_its_words(tmp_path):
    found = values(write_plain(tmp_path))
    assert found["alphas"] == list(GRID_ALPHAS)
    assert found["explain"] is None
    normalizers = {"box", "box-diagonal", "keypoints", "image", "torso", "other-torso"}
    protocols = found["protocols"]
    assert {entry["normalizer"] for entry in protocols} == normalizers
    # Frames, visibility, groups, averages, `<` or `<=`, and missing predictions.
    assert len(protocols) == len(normalizers) * 2 * 2 * 2 * 3 * 2 * 2
    for entry in protocols:
        assert len(entry["pck"]) == len(GRID_ALPHAS)
        assert set(entry["protocol"]) == {
            *("name", "normalizer", "frame", "strict", "average", "counted", "overall")
        }


def test_figures_are_those_of_loops(tmp_path):
    files = write_plain(tmp_path)
    comparison = pck.Pck(files.predictions, files.truth)._read()
    for entry in values(files, "--alphas", "0.1", "0.07")["protocols"][::7]:
        expected = [
            pck_by_loops(comparison.truth, comparison.predicted, choices_of(entry), alpha)
            for alpha in (0.1, 0.07)
        ]
        assert entry["pck"] == pytest.approx(expected)


def test_every_figure_is_explained_by_its_protocol(tmp_path):
    files = write_plain(tmp_path)
    protocols = values(files, "--alphas", "0.1")["protocols"]
    figures = sorted({f"{entry['pck'][0]:.3f}" for entry in protocols})
    # Searching in all figures of a grid is tested without the command.
    for text in figures[:: len(figures) // 2]:
        explained = values(files, "--alphas", "0.1", "--explain", text)["explain"]
        found = {choices_of(match) for match in explained["matches"]}
        expected = {choices_of(each) for each in protocols if f"{each['pck'][0]:.3f}" == text}
        assert found >= expected
        assert all(abs(match["difference"]) < 0.000501 for match in explained["matches"])
        assert explained["nearest"] == []


def test_a_figure_of_no_protocol_has_neighbours(tmp_path):
    ended, found = run_all(*words(write_plain(tmp_path), "--explain", "0.123456"))
    explained = found["explain"]
    assert explained["matches"] == []
    differences = [abs(match["difference"]) for match in explained["nearest"]]
    assert len(differences) == 5
    assert differences == sorted(differences)
    assert ended.status == 0
    assert "No protocol gives 0.123456: none of the grid's" in ended.out


def test_the_table_marks_the_protocol_of_the_data_set(tmp_path):
    files = write_mpii(tmp_path)
    found = values(files)
    (own,) = [entry for entry in found["protocols"] if entry["default"]]
    assert choices_of(own) == ProtocolChoices("head", scored=True)
    ended = run(*words(files, "--explain", f"{100 * own['pck'][4]:.4f}"))
    assert (ended.status, ended.err) == (0, "")
    marked = [line.split() for line in ended.out.splitlines() if line.startswith(" *")]
    shown = [f"{100 * float(f'{value:.3f}'):.1f}" for value in own["pck"]]
    assert marked[0] == ["*", "annotated,", "scored", "pooled", *shown]
    # Narrow terminals cut the words that follow.
    assert marked[1][:3] == ["*", f"{100 * own['pck'][4]:.4f}", "0.5"]
    assert marked[1][3].endswith("%")
    (header,) = [line.split() for line in ended.out.splitlines() if "chance" in line.split()]
    assert header[:4] == ["PCK", "@", "chance", "normalizer"]
    assert marked[1][4] == "head"
    assert "head: 0.6 times the diagonal of the head's box" in ended.out
    assert "*: the protocol of the data set's own figure" in ended.out
    assert all(len(line) <= 110 for line in ended.out.splitlines() if not line.startswith("PCK in"))


def test_rare_cases_are_listed_where_they_change_a_figure(tmp_path):
    """The error of one of four points is at the threshold, another has no prediction."""
    points = np.array([[[0.0, 0.0], [10.0, 0.0]]] * 2)

    def lines_of(predicted):
        files = write_pair(tmp_path, predicted, points=points)
        return [line.split() for line in run(*words(files, "--alphas", 0.1, 0.2)).out.splitlines()]

    predicted = points.copy()
    predicted[0, 0, 0] = 1
    predicted[1, 1] = np.nan
    lines = lines_of(predicted)
    assert ["annotated", "pooled", "75.0", "75.0"] in lines
    assert ["annotated", "pooled", "<", "50.0", "75.0"] in lines
    assert ["annotated", "pooled", "missing", "left", "out", "100.0", "100.0"] in lines
    assert ["annotated", "pooled", "<,", "missing", "left", "out", "66.7", "100.0"] in lines
    predicted[1, 1] = 10, 0
    lines = lines_of(predicted + 0.01)
    assert ["annotated", "pooled", "75.0", "100.0"] in lines
    assert not [line for line in lines if "<" in line or "missing" in line]


def test_images_that_do_not_count_are_reported(tmp_path):
    points = np.array([[[0.0, 0.0], [10.0, 0.0]], [[0.0, 0.0], [np.nan, np.nan]]] * 15)
    boxes = np.tile([0.0, 0, 9, 9], (30, 1))
    files = write_pair(tmp_path, np.zeros((30, 2, 2)), points=points, boxes=boxes, head_boxes=0 * boxes)
    out = run(*words(files)).out
    unknown = "images do not count, since their length is unknown or not positive:"
    assert f"keypoints: 15 of 30 {unknown} {', '.join(map(str, range(1, 30, 2)))} (" in out
    assert f"head: 30 of 30 {unknown} {', '.join(map(str, range(20)))}, ..." in out
    assert " box: " not in out


def test_the_official_row_stays_where_a_length_is_not_usable(tmp_path):
    files = write_mpii(tmp_path)
    (before,) = [entry for entry in values(files)["protocols"] if entry["default"]]
    with h5py.File(files.truth, "a") as stored:
        stored["normalize"][3], stored["normalize"][7] = 0, -1
    (own,) = [entry for entry in values(files)["protocols"] if entry["default"]]
    assert (own["normalizer"], own["images"]) == ("head", before["images"] - 2)
    assert "head: 2 of 20 images do not count, since their length" in (out := run(*words(files)).out)
    assert "not positive: 3, 7 (counted from 0)" in out


def test_keypoints_are_chosen_by_name(tmp_path):
    files = write_mpii(tmp_path)
    whole = values(files)
    wrists = values(files, "--keypoints", "wrist")
    left = values(files, "--keypoints", "l_wrist")
    counts = [found["protocols"][0]["keypoints"] for found in (whole, wrists, left)]
    assert counts[1] == 2 * counts[2] == 40
    assert counts[0] > counts[1]
    ended = run(*words(files, "--keypoints", "tail", "pelvis"))
    assert_refused(ended, "--keypoints tail: there are r_ankle, r_knee")
    np.savez(tmp_path / "plain.npz", points=np.ones((2, 2, 2)))
    plain = PckFiles(tmp_path / "plain.npz", tmp_path / "plain.npz")
    assert_refused(run(*words(plain, "--keypoints", "a")), "has no array 'names'")
    np.savez(plain.truth, points=np.ones((3, 1, 2)))
    assert_refused(run(*words(plain)), "no length by which errors can be divided: .* boxes, head_boxes")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--explain", "701"], "'701' is no figure of PCK; a share such as 0.701"),
        (["--alphas", "-0.1"], "--alphas -0.1 must be positive numbers"),
        (["--order", "mpii-15"], "--order is mpii-15; one of mpii, mpii-14"),
        (["--axes", "xy"], "--axes is xy; one of people-joints-xy"),
        (["--order", "mpii"], "--order is for predictions of official people"),
        (["--sides", "person"], "--sides is for FLIC only"),
    ],
)
def test_wrong_options_are_one_sentence(tmp_path, more, sentence):
    assert_refused(run(*words(write_plain(tmp_path), *more)), sentence)


def test_the_table_is_printed_on_every_terminal(tmp_path, monkeypatch):
    files = write_plain(tmp_path)
    for encoding in ("utf-8", "ascii"):
        stream = Terminal(io.BytesIO(), encoding)
        monkeypatch.setattr(sys, "stdout", stream)
        lines = pck.Pck(files.predictions, files.truth).run().lines
        monkeypatch.undo()
        assert "\n".join(lines).encode(encoding)


def test_the_whole_command_does_not_import_jax(tmp_path):
    files = write_plain(tmp_path)
    script = (
        "import sys; from convcorr_jax.cli import main; status = main(argv=sys.argv[1:]); "
        'sys.exit(f\'{status} {sorted({"jax", "scipy", "matplotlib"} & set(sys.modules))}\')'
    )
    ended = end(start("-c", script, *words(files, "--explain", "0.5", "--quiet")))
    assert (ended.out, ended.err.strip()) == ("", "0 []")


def test_the_thresholds_of_the_help_are_those_of_the_grid():
    assert pck._ALPHAS == GRID_ALPHAS


@pytest.fixture(scope="module")
def published():
    folder = genuine("pose_annotations")
    return PckFiles(
        folder / "mpii_valid_hourglass.h5", folder / "published_predictions" / "mpii_valid_newell.h5"
    )


@pytest.mark.parametrize(
    ("figure", "alpha", "value"), [("88.4257", 0.5, 0.884257), ("0.2120", 0.1, 0.2120), ("56.77", 0.2, 0.5677)]
)
def test_the_published_predictions_are_explained_by_the_official_protocol(published, figure, alpha, value):
    first, *_ = values(published, "--explain", figure)["explain"]["matches"]
    assert first["default"]
    assert choices_of(first) == ProtocolChoices("head", scored=True)
    assert first["alpha"] == alpha
    assert first["value"] == pytest.approx(value, abs=5e-5)


def test_every_published_column_is_explained(published):
    """The figures of the joints, which the official comparison averages over both sides."""
    (expected,) = json.loads(published.truth.with_name("expected_metrics.json").read_text()).values()
    for column in ("head_top neck", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
        figure = f"{expected[column.replace('head_top neck', 'head')]:.2f}"
        more = ("--keypoints", *column.split(), "--alphas", "0.5", "--explain", figure)
        found = {choices_of(match) for match in values(published, *more)["explain"]["matches"]}
        assert ProtocolChoices("head", average="keypoint") in found


def test_copying_on_pf_willow_is_explained_by_the_rules_of_its_paper(tmp_path):
    """The keypoints of one box in another: .444 / .745 / .953 on the page of results."""
    noted = json.loads((genuine("pf_willow") / "annotations.json").read_text())
    images = {image["id"]: image for image in noted["images"]}
    pairs = [(subset, images[a], images[b]) for subset, a, b in noted["pairs"]]
    sources, targets = (np.array([pair[place]["keypoints"] for pair in pairs]) for place in (1, 2))
    least, extent = (
        [each.min(axis=1, keepdims=True) for each in (sources, targets)],
        [np.ptp(each, axis=1, keepdims=True) for each in (sources, targets)],
    )
    files = write_pair(
        tmp_path,
        (sources - least[0]) / extent[0] * extent[1] + least[1],
        points=targets,
        boxes=np.concatenate([least[1], least[1] + extent[1]], axis=2)[:, 0],
        image_sizes=np.array([(pair[2]["height"], pair[2]["width"]) for pair in pairs]),
        groups=np.array([pair[0] for pair in pairs]),
    )
    official = ProtocolChoices("box", average="image", grouped=True)
    for figure, alpha in ((".444", 0.05), (".745", 0.1), (".953", 0.2)):
        found = values(files, "--explain", figure)["explain"]["matches"]
        assert (official, alpha) in [(choices_of(match), match["alpha"]) for match in found]
