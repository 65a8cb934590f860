"""The landmark scripts on a few rendered faces, and the command on one of them."""

import json

import numpy as np
import pytest
from PIL import Image as PillowImage

from convcorr_jax import synthetic
from convcorr_jax.cli import main as convcorr
from convcorr_jax.errors import InputError
from convcorr_jax.report.sections import probes
from convcorr_jax.tasks import Output
from convcorr_jax.tasks.landmarks import LandmarkOptions, fitting, frame_of, read_faces
from eval import face_landmarks
from tests.builders.genuine import genuine
from tests.builders.shown import assert_shown, result_of
from train import ridge_probes

pytestmark = pytest.mark.usefixtures("small_network")
FEW = {"layer": "conv3", "options": LandmarkOptions(rounds=1), "rendered_train": 24}
METHODS = ["random_face", "mean", "rgb_ridge", "convnet_ridge", "look_back"]


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return face_landmarks.Config(**FEW, rendered_test=6, shown=2, output=Output(tmp_path_factory.mktemp("out")))


@pytest.fixture(scope="module")
def result(config):
    return result_of(face_landmarks.main, config)


def test_the_result_has_every_method(result):
    for name in ("nme_outer", "nme_pupil"):
        assert set(result[name]) == {*METHODS}
    # Rendered heads turn; in an oblique view the pupils are nearer to each other than their outer corners.
    for method, error in result["nme_outer"].items():
        assert 0 < error < result["nme_pupil"][method]
    errors = result["nme_outer"]
    assert errors["convnet_ridge"] < errors["mean"] < errors["random_face"]
    assert result["rounds"][0] == pytest.approx(result["nme_outer"]["convnet_ridge"])
    assert result["rounds"][-1] == pytest.approx(result["nme_outer"]["look_back"])


def test_the_page_and_its_figures_show_it(config, result):
    for name in ("figure_3.jpg", "cumulative_error.png", "jitter.png"):
        with PillowImage.open(config.output.out / name) as picture:
            assert min(picture.size) > 100
    section = assert_shown(probes.landmarks, result, config.output.out)
    assert [row[0] for row in section.tables[0].rows] == METHODS


def test_cached_predictions_are_not_computed_again(config, result, monkeypatch):
    monkeypatch.setattr(fitting, "fit_faces", None)
    assert json.loads(face_landmarks.main(config).read_text()) == result


def test_a_trained_probe_predicts_landmarks_of_a_photograph(tmp_path, capsys):
    """A probe of other weights is refused."""
    facts = result_of(ridge_probes.main, ridge_probes.Config(**FEW, side_px=64, output=Output(tmp_path)))
    assert facts["faces"] == 24
    assert len(facts["held_out_error"]) >= 1
    record = next(synthetic.instances("face", split="test", count=1))
    PillowImage.fromarray(record.image).save(tmp_path / "face.png")
    command = ["landmarks", str(tmp_path / "face.png"), "--model", str(tmp_path / "landmarks.npz")]
    box = [f"{edge:.2f}" for edge in record.box]
    status = convcorr(argv=[*command, "--box", *box, "--out", str(tmp_path / "landmarks.png")])
    assert status == 0
    assert f"{len(record.names)} landmarks" in capsys.readouterr().out
    rows = (tmp_path / "landmarks.csv").read_text().splitlines()
    assert rows[0] == "name,x,y"
    points = np.array([[float(x) for x in row.split(",")[1:]] for row in rows[1:]])
    assert np.linalg.norm(points - record.points, axis=1).mean() < 0.2 * record.box.longer_side
    with PillowImage.open(tmp_path / "landmarks.png") as picture:
        assert picture.size[0] >= 256
    listing = tmp_path / "landmarks.json"
    listing.write_text(listing.read_text().replace('"fingerprint": "', '"fingerprint": "0'))
    assert convcorr(argv=command) == 2
    assert "was trained with alexnet and other weights" in capsys.readouterr().err


def test_faces_of_another_mark_up_are_refused(tmp_path):
    few = FEW | {"rendered_train": 4, "test": (str(genuine("lfpw68")),), "output": Output(tmp_path)}
    with pytest.raises(InputError, match="not marked up like those to learn from"):
        face_landmarks.main(face_landmarks.Config(**few))


def test_compact_crops_are_their_own_frames():
    for record in read_faces([str(genuine("lfpw68"))], test=True, rendered=0).records[:40]:
        frame = frame_of(record)
        # The data set was cropped to these frames, to about a pixel.
        np.testing.assert_allclose(frame, (-0.5, -0.5, *(side - 0.5 for side in record.size)), atol=1.5)
