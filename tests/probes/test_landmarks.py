"""The landmark probe on images whose landmarks are visible in the features."""

import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.errors import InputError
from convcorr_jax.io import load_fitted, save_fitted
from convcorr_jax.linear import grouped_folds
from convcorr_jax.linear.ridge import cross_predict, fit_best
from convcorr_jax.probes import (
    Faces,
    FeatureSettings,
    LandmarkModel,
    fit_landmarks,
    predict_landmarks,
    rgb_features,
    rgb_targets,
    to_fractions,
    to_pixels,
    with_mirrored,
)
from convcorr_jax.probes.landmarks import FOLDS

NAMES = ("left", "right", "low")
SETS = {"top": (0, 1), "low": (2,)}
PAIRS = [(0, 1)]
SIZE = 64


def extractor(side=12):
    return rgb_features(side_px=side)


@pytest.fixture(scope="module")
def faces():
    """Three soft blobs of different colours on black, at varying positions."""
    rng = np.random.default_rng(11)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    base = np.array([[20.0, 24.0], [42.0, 24.0], [31.0, 44.0]])
    points, images = [], []
    for _ in range(80):
        marks = base + rng.normal(0, 2.5, (1, 2)) + rng.normal(0, 1.2, (3, 2))
        image = np.zeros((SIZE, SIZE, 3))
        for channel, (x, y) in enumerate(marks):
            image[..., channel] = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 50)
        points.append(marks)
        images.append(image.round().astype(np.uint8))
    frames = (coords.whole_image((SIZE, SIZE)),) * len(images)
    return Faces(images.__getitem__, frames, np.stack(points))


def subset(faces, chosen):
    numbers = list(chosen)
    return Faces(
        lambda i: faces.load_image(numbers[i]),
        tuple(faces.frames[i] for i in numbers),
        faces.points[numbers],
    )


def error(found, truth):
    return np.linalg.norm(found - truth, axis=-1).mean()


@pytest.fixture(scope="module")
def trained(faces):
    train = subset(faces, range(60))
    return fit_landmarks(
        train, extractor(), names=NAMES, people=np.arange(60), sets=SETS, rounds=2, share=1.0
    )


def test_look_back_finds_what_the_whole_face_misses(faces, trained):
    probe, held_out = trained
    test = subset(faces, range(60, 80))
    predictions = predict_landmarks(probe, test, extractor())
    errors = [error(prediction.points, test.points) for prediction in predictions]
    mean = error(np.broadcast_to(faces.points[:60].mean(0), test.points.shape), test.points)
    assert len(predictions) == len(held_out) == 1 + len(probe.rounds) >= 2
    assert errors[0] < mean / 2
    assert errors[-1] < errors[0] / 1.5
    assert error(held_out[-1], faces.points[:60]) < error(held_out[0], faces.points[:60])


def test_the_first_prediction_is_a_ridge_of_the_whole_face(faces, trained):
    _, held_out = trained
    images = [faces.load_image(i) for i in range(60)]
    features = rgb_targets(images, side_px=12)
    frames = faces.frames[:60]
    targets = to_fractions(faces.points[:60], frames)
    folds = grouped_folds(np.arange(60), k=FOLDS)
    _, curve = fit_best(features, targets, folds=folds, k=FOLDS)
    predicted = cross_predict(features, targets, penalty=curve.best(), folds=folds, k=FOLDS)
    np.testing.assert_allclose(held_out[0], to_pixels(predicted, frames), atol=1e-3)


def test_squares_cover_the_landmarks_they_are_for(faces, trained):
    probe, _ = trained
    prediction = predict_landmarks(probe, subset(faces, range(60)), extractor())[1]
    for region in probe.rounds[0]:
        edges = np.array(prediction.squares[region.name])
        inside = faces.points[:60, list(region.members)]
        hit = (edges[:, None, :2] <= inside) & (inside <= edges[:, None, 2:])
        # The margin covers errors on held-out faces, so it is ample for training faces.
        assert hit.all()


def test_mirrored_faces_are_the_faces_of_mirrored_images(faces):
    both = with_mirrored(subset(faces, range(5)), widths=[SIZE] * 5, left_right_pairs=PAIRS)
    assert len(both) == 10
    image, points = both.load_image(7), both.points[7]
    np.testing.assert_array_equal(image, faces.load_image(2)[:, ::-1])
    # The first mark, red, is at the viewer's left; in the mirror image the right mark is red.
    for channel, mark in ((0, 1), (1, 0), (2, 2)):
        row, column = np.unravel_index(image[..., channel].argmax(), (SIZE, SIZE))
        assert np.abs(points[mark] - [column, row]).max() <= 1


def test_a_loaded_probe_predicts_the_same(faces, trained, tmp_path):
    probe, _ = trained
    settings = FeatureSettings("alexnet", "of tests", "conv3", 0.3)
    save_fitted(tmp_path / "probe", LandmarkModel(probe, settings, {"faces": 60}))
    loaded = load_fitted(tmp_path / "probe.json", LandmarkModel)
    assert loaded.features == settings
    assert loaded.training == {"faces": 60}
    test = subset(faces, range(60, 64))
    for prediction, again in zip(
        predict_landmarks(probe, test, extractor()),
        predict_landmarks(loaded.probe, test, extractor()),
        strict=True,
    ):
        np.testing.assert_array_equal(prediction.points, again.points)
        assert prediction.squares == again.squares


def test_a_damaged_probe_is_refused(trained, tmp_path):
    path = tmp_path / "probe.npz"
    settings = FeatureSettings("alexnet", "of tests", "conv3", 0.3)
    save_fitted(path, LandmarkModel(trained.probe, settings))
    text = (tmp_path / "probe.json").read_text()
    for damaged, sentence in (
        (text[:-40], "is damaged, or is no landmark probe"),
        (text.replace('"margin"', '"edge"'), "is no landmark probe"),
        (text.replace('"left",', '"left", "up",'), "does not match its regression"),
        (text.replace('"face",', '"face", "nose",'), "has no array 'nose:weights'"),
    ):
        (tmp_path / "probe.json").write_text(damaged)
        with pytest.raises(InputError, match=sentence):
            load_fitted(path, LandmarkModel)
    (tmp_path / "probe.json").write_text(text)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="is damaged"):
        load_fitted(path, LandmarkModel)


def test_bad_faces_are_refused(faces):
    def broken(points):
        return Faces(faces.load_image, faces.frames[:8], points)

    never, once = faces.points[:8].copy(), faces.points[:8].copy()
    never[:, 1], once[3, 0] = np.nan, np.nan
    for points, sets, people, sentence in (
        (never, SETS, 8, "landmarks right are annotated in none"),
        (once, SETS, 8, "1 of 8 faces lack landmarks"),
        (faces.points[:8], {"all": (0, 3)}, 8, "set 'all' names landmarks beyond the 3"),
        (faces.points[:8], SETS, 3, "there are 3 groups"),
    ):
        with pytest.raises(InputError, match=sentence):
            fit_landmarks(
                broken(points),
                extractor(),
                names=NAMES,
                people=np.arange(8) % people,
                sets=sets,
            )
