"""Label noise of photographs that occur twice, and of two files of joints."""

import json

import numpy as np
import pytest
from PIL import Image as PillowImage

from convcorr_jax.datasets.official import lsp
from convcorr_jax.errors import InputError
from convcorr_jax.tasks import Output
from eval import label_noise
from tests.builders.genuine import genuine
from tests.builders.mat_files import write_mat
from tests.builders.people import write_people

COUNT, SIDE = 6, 64
WRISTS = [lsp.NAMES.index(f"{side}_wrist") for side in "lr"]


def result_of(out, **options):
    path = label_noise.main(label_noise.Config(output=Output(out), **options))
    assert (out / "pck.png").is_file()
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def offsets(rng):
    return rng.normal(0, 1, (COUNT, 14, 2))


def write_twice(folder, offsets, *, width=2 * SIDE):
    """Write twelve people, of whom the last six are the first six at twice the height, annotated again."""

    def change(arrays):
        second = 2 * (arrays["joints"][:COUNT] + offsets + 0.5) - 0.5
        second[2, WRISTS] = second[2, WRISTS[::-1]]
        arrays["joints"][COUNT:] = second * [width / (2 * SIDE), 1]
        arrays["visible"][0, 0] = arrays["visible"][COUNT, 1] = False
        arrays["size_wh"][COUNT:] = width, 2 * SIDE
        arrays["torso"][:COUNT] = np.arange(20, 20 + COUNT)

    path = write_people(folder, train=2 * COUNT, test=0, side=SIDE, change=change)
    for number in range(COUNT):
        with PillowImage.open(folder / "images" / f"{number}.png") as photograph:
            larger = photograph.resize((width, 2 * SIDE), PillowImage.Resampling.BICUBIC)
        larger.save(folder / "images" / f"{number + COUNT}.png")
    return path


def test_a_photograph_twice_in_a_data_set_has_the_noise_of_its_annotations(tmp_path, offsets):
    result = result_of(tmp_path / "out", dataset=write_twice(tmp_path / "people", offsets), scale=0.5)
    assert (result["people"], result["pairs_exchanged"]) == (COUNT, 1)
    # Each of six pairs of joints of each person; the ankles of one person and the knees too are not compared.
    assert result["pairs_compared"] == 6 * COUNT - 2
    # With two annotations, sigma is the mean distance times sqrt(pi) / 2.
    heads = np.abs(offsets[:, [12, 13]]).mean(axis=(0, 1)) * np.sqrt(np.pi) / 2
    found = result["sides_matched"]["sigma_px"]["head"]
    assert (found["x"], found["y"]) == pytest.approx(0.5 * heads, rel=0.05)
    wrists = np.abs(offsets[:, WRISTS]).mean(axis=(0, 1)) * np.sqrt(np.pi) / 2
    found = {name: result[name]["sigma_px"]["wrist"] for name in ("as_annotated", "sides_matched")}
    assert found["sides_matched"]["x"] == pytest.approx(0.5 * wrists[0], rel=0.1)
    assert found["as_annotated"]["x"] > 1.3 * found["sides_matched"]["x"]
    assert found["as_annotated"]["counted"] == 2 * COUNT
    torsos = np.arange(20, 20 + COUNT)[:, None]
    of_torsos = (np.linalg.norm(offsets[:, WRISTS], axis=-1) / torsos <= 0.1).mean()
    assert result["sides_matched"]["pck"]["0.1"]["wrist"] == pytest.approx(100 * of_torsos, abs=9)
    assert result["published"]["sigma_x_px"]["wrist"] == 1.57


def test_a_data_set_without_copies_or_with_copies_of_other_proportions_is_refused(tmp_path, offsets):
    folder = write_people(tmp_path / "once", train=4, test=1, side=SIDE)
    message = r"no photograph occurs twice with one person each among 5 people; .*--first and --second"
    with pytest.raises(InputError, match=message):
        result_of(tmp_path / "out", dataset=folder)
    folder = write_twice(tmp_path / "twice", offsets, width=SIDE)
    with pytest.raises(InputError, match=r"show one photograph, cropped differently"):
        result_of(tmp_path / "out", dataset=folder)


def test_two_files_agree_with_loops(tmp_path, rng):
    """LSP's joints.mat of four people, and the same joints with noise."""
    stored = rng.uniform(20, 180, (4, 14, 3))
    stored[..., 2] = 0
    first = write_mat(tmp_path / "joints.mat", {"joints": stored.transpose(2, 1, 0)})
    noise = rng.normal(0, 3, (4, 14, 2))
    second = tmp_path / "again.npz"
    np.savez(second, preds=stored[..., :2] + noise)
    result = result_of(tmp_path / "out", first=first, second=second)
    for column, members in {"wrist": WRISTS, "head": [12, 13]}.items():
        of_x = np.abs(noise[:, members, 0]).mean() * np.sqrt(np.pi) / 2
        assert result["as_annotated"]["sigma_px"][column]["x"] == pytest.approx(of_x)
    shoulder, hip = (lsp.NAMES.index(name) for name in ("l_shoulder", "r_hip"))
    near = []
    for person in range(4):
        torso = np.hypot(*(stored[person, shoulder, :2] - stored[person, hip, :2]))
        near += [np.hypot(*noise[person, joint]) <= 0.05 * torso for joint in range(14)]
    assert result["as_annotated"]["pck"]["0.05"]["total"] == pytest.approx(100 * np.mean(near), abs=1e-3)
    with pytest.raises(InputError, match=r"scale is 0\.0; a positive number is expected"):
        result_of(tmp_path / "out", first=first, second=second, scale=0.0)


@pytest.mark.parametrize("options", [{}, {"dataset": "a", "first": "b"}, {"first": "b"}, {"second": "b"}])
def test_either_a_data_set_or_two_files_are_expected(tmp_path, options):
    with pytest.raises(InputError, match="either --dataset, or both --first and --second"):
        result_of(tmp_path / "out", **options)


def test_both_conventions_of_lsps_sides_differ_in_sides_alone(tmp_path):
    """The observer-centric file of LSP has the same positions as the person-centric one."""
    folder = genuine("pose_annotations")
    result = result_of(
        tmp_path / "out", first=folder / "lsp_joints_scaled_PC.mat", second=folder / "lsp_joints_scaled_OC.mat"
    )
    assert result["people"] == 1000
    assert result["as_annotated"]["pck"]["0.2"]["total"] == pytest.approx(75.8286)
    assert result["sides_matched"]["pck"]["0.05"]["total"] == 100
    assert result["sides_matched"]["sigma_px"]["ankle"]["x"] == 0
