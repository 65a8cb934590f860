"""The landmark probe on images whose landmarks are visible in the features."""

import numpy as np
import pytest

from convcorr_jax import coords, probes
from convcorr_jax.errors import InputError
from convcorr_jax.io import load_arrays, load_fitted, save_fitted
from convcorr_jax.linear import grouped_folds
from convcorr_jax.linear.ridge import fit_best
from convcorr_jax.probes.landmarks import FOLDS
from tests.builders.fitted_files import change_arrays, change_facts, seal

NAMES = ("left", "right", "low")
SETS = {"top": (0, 1), "low": (2,)}
PAIRS = [(0, 1)]
SIZE = 64
EXTRACTOR = probes.rgb_features(side_px=12)
SETTINGS = probes.FeatureSettings("alexnet", "of tests", "conv3", 0.3)


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
    return probes.Faces(images.__getitem__, frames, np.stack(points))


def subset(faces, chosen):
    numbers = list(chosen)
    return probes.Faces(
        lambda i: faces.load_image(numbers[i]), tuple(faces.frames[i] for i in numbers), faces.points[numbers]
    )


def error(found, truth):
    return np.linalg.norm(found - truth, axis=-1).mean()


@pytest.fixture(scope="module")
def trained(faces):
    train = subset(faces, range(60))
    return probes.fit_landmarks(
        train, EXTRACTOR, names=NAMES, people=np.arange(60), sets=SETS, rounds=2, share=1.0
    )


def test_look_back_finds_what_the_whole_face_misses(faces, trained):
    probe, held_out, _ = trained
    test = subset(faces, range(60, 80))
    predictions = probes.predict_landmarks(probe, test, EXTRACTOR)
    errors = [error(prediction.points, test.points) for prediction in predictions]
    mean = error(np.broadcast_to(faces.points[:60].mean(0), test.points.shape), test.points)
    assert len(predictions) == len(held_out) == 1 + len(probe.rounds) >= 2
    assert errors[0] < mean / 2
    assert errors[-1] < errors[0] / 1.5
    assert error(held_out[-1], faces.points[:60]) < error(held_out[0], faces.points[:60])


def test_the_first_prediction_is_a_ridge_of_the_whole_face(faces, trained):
    _, held_out, _ = trained
    features = probes.rgb_targets([faces.load_image(i) for i in range(60)], side_px=12)
    frames = faces.frames[:60]
    targets = probes.to_fractions(faces.points[:60], frames)
    folds = grouped_folds(np.arange(60), k=FOLDS)
    _, curve = fit_best(features, targets, folds=folds, k=FOLDS)
    predicted = np.zeros(targets.shape)
    for fold in range(FOLDS):
        x, y = (rows[folds != fold].astype(np.float64) for rows in (features, targets))
        centered = x - x.mean(0)
        system = centered @ centered.T + curve.best() * np.eye(len(x))
        weights = centered.T @ np.linalg.solve(system, y - y.mean(0))
        predicted[folds == fold] = (features[folds == fold] - x.mean(0)) @ weights + y.mean(0)
    np.testing.assert_allclose(held_out[0], probes.to_pixels(predicted, frames), atol=1e-3)


def test_squares_cover_the_landmarks_they_are_for(faces, trained):
    probe, _, _ = trained
    prediction = probes.predict_landmarks(probe, subset(faces, range(60)), EXTRACTOR)[1]
    for region in probe.rounds[0]:
        edges = np.array(prediction.squares[region.name])
        inside = faces.points[:60, list(region.members)]
        # The margin covers errors on held-out faces, so it is ample for training faces.
        assert ((edges[:, None, :2] <= inside) & (inside <= edges[:, None, 2:])).all()


def test_mirrored_faces_are_the_faces_of_mirrored_images(faces):
    both = probes.add_mirrored(subset(faces, range(5)), widths=[SIZE] * 5, left_right_pairs=PAIRS)
    assert len(both) == 10
    image, points = both.load_image(7), both.points[7]
    np.testing.assert_array_equal(image, faces.load_image(2)[:, ::-1])
    # The first mark, red, is at the viewer's left; in the mirror image the right mark is red.
    for channel, mark in ((0, 1), (1, 0), (2, 2)):
        row, column = np.unravel_index(image[..., channel].argmax(), (SIZE, SIZE))
        assert np.abs(points[mark] - [column, row]).max() <= 1


def test_a_loaded_probe_predicts_the_same_and_one_of_an_earlier_version_is_read(faces, trained, tmp_path):
    probe, _, _ = trained
    save_fitted(tmp_path / "probe", probes.LandmarkModel(probe, SETTINGS, {"faces": 60}))
    loaded = load_fitted(tmp_path / "probe.json", probes.LandmarkModel)
    assert (loaded.features, loaded.training) == (SETTINGS, {"faces": 60})
    test = subset(faces, range(60, 64))
    for prediction, again in zip(
        probes.predict_landmarks(probe, test, EXTRACTOR),
        probes.predict_landmarks(loaded.probe, test, EXTRACTOR),
        strict=True,
    ):
        np.testing.assert_array_equal(prediction.points, again.points)
        assert prediction.squares == again.squares
    change_facts(tmp_path / "probe", dict.fromkeys(("low_rank", "presence_threshold", "reads.side_px")))
    earlier = load_fitted(tmp_path / "probe", probes.LandmarkModel)
    assert (earlier.features, earlier.finder) == (SETTINGS, None)


def test_a_damaged_probe_is_refused(trained, tmp_path):
    path = tmp_path / "probe.npz"
    save_fitted(path, probes.LandmarkModel(trained.probe, SETTINGS))
    arrays = load_arrays(path)
    name = next(name for name, array in arrays.items() if array.ndim == 2)
    for value in (np.nan, np.inf):
        change_arrays(path, **{name: np.full_like(arrays[name], value)})
        with pytest.raises(InputError, match=f"array '{name}' has values that are not finite"):
            load_fitted(path, probes.LandmarkModel)
    save_fitted(path, probes.LandmarkModel(trained.probe, SETTINGS))
    text = (tmp_path / "probe.json").read_text()
    for damaged, sentence in (
        (text[:-40], "is damaged, or is no landmark probe"),
        (text.replace('"margin"', '"edge"'), "region 'round_1_.*' has no 'margin'; name, "),
        (text.replace('"margin": 0.', '"margin": -1.'), "its margin of region '.*' is -1"),
        (text.replace('"side_px": null', '"side_px": 8.0'), "reads has side_px 8.0; an integer or"),
        (text.replace('"frame_margin": 0.3', '"frame_margin": 1e9'), "its frame_margin is 1000000000"),
        (text.replace('"left",', '"left", "up",'), "does not match its regression"),
        (text.replace('"face",', '"face", "nose",'), "has no array 'nose:weights'"),
    ):
        (tmp_path / "probe.json").write_text(damaged)
        with pytest.raises(InputError, match=sentence):
            load_fitted(path, probes.LandmarkModel)
    (tmp_path / "probe.json").write_text(text)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"does not have the arrays_sha256 that .*probe\.json states"):
        load_fitted(path, probes.LandmarkModel)
    seal(path)
    with pytest.raises(InputError, match="is damaged"):
        load_fitted(path, probes.LandmarkModel)


def test_bad_faces_are_refused(faces):
    def broken(points):
        return probes.Faces(faces.load_image, faces.frames[:8], points)

    never, once = faces.points[:8].copy(), faces.points[:8].copy()
    never[:, 1], once[3, 0] = np.nan, np.nan
    for points, sets, people, sentence in (
        (never, SETS, 8, "landmarks right are annotated in none"),
        (once, SETS, 8, "1 of 8 faces lack landmarks"),
        (faces.points[:8], {"all": (0, 3)}, 8, "set 'all' names landmarks beyond the 3"),
        (faces.points[:8], SETS, 3, "there are 3 groups"),
    ):
        with pytest.raises(InputError, match=sentence):
            probes.fit_landmarks(
                broken(points), EXTRACTOR, names=NAMES, people=np.arange(8) % people, sets=sets
            )


def test_jittered_frames_move_and_points_stay(faces):
    few = subset(faces, range(20))
    jittered = probes.jitter_frames(few, copies=50, shift=0.1, scale=0.2, seed=4)
    assert len(jittered) == 1000
    np.testing.assert_array_equal(jittered.points[23], few.points[3])
    np.testing.assert_array_equal(jittered.load_image(23), few.load_image(3))
    edges = np.array(jittered.frames)
    sides, middles = edges[:, 2] - edges[:, 0], (edges[:, :2] + edges[:, 2:]) / 2
    center = (SIZE - 1) / 2
    assert ((middles - center) / SIZE).std(axis=0) == pytest.approx([0.1, 0.1], rel=0.1)
    assert ((middles - center) / SIZE).mean() == pytest.approx(0, abs=0.01)
    assert np.log(sides / SIZE).std() == pytest.approx(0.2, rel=0.1)
    np.testing.assert_allclose(sides, edges[:, 3] - edges[:, 1])
    for options in ({"copies": 0}, {"shift": -0.1}, {"scale": -0.1}):
        with pytest.raises(InputError, match="at least 1, 0 and 0 are expected"):
            probes.jitter_frames(few, **({"copies": 1, "shift": 0.1, "scale": 0.1} | options))


@pytest.fixture(scope="module")
def compressed(faces):
    """The probe of rank 2; its face has six targets, its region "top" four."""
    train, calls = subset(faces, range(60)), []

    def cache(name, compute):
        calls.append(name)
        return compute()

    fitted = probes.fit_landmarks(
        train, EXTRACTOR, names=NAMES, people=np.arange(60), sets=SETS, rounds=1, rank=2, cache=cache
    )
    return fitted, calls


def test_a_probe_of_low_rank_is_smaller_and_less_accurate(faces, trained, compressed):
    (probe, held_out, full_rank), calls = compressed
    assert calls == ["face", "round_1_top", "round_1_low"]
    assert probe.face.probe.basis.shape == (12 * 12 * 3, 2)
    # A rank that the targets do not exceed changes nothing.
    assert [type(region.probe).__name__ for region in probe.rounds[0]] == ["LowRankRidge", "Ridge"]
    np.testing.assert_allclose(full_rank[0], trained.held_out[0], atol=1e-3)
    assert error(held_out[0], faces.points[:60]) > error(full_rank[0], faces.points[:60])
    with pytest.raises(InputError, match="rank is 0; at least 1"):
        probes.fit_landmarks(faces, EXTRACTOR, names=NAMES, people=np.arange(80), sets={}, rank=0)


def test_a_compressed_probe_is_stored_in_half_precision(faces, compressed, tmp_path):
    probe = compressed[0].probe
    settings = probes.FeatureSettings("alexnet", "of tests", "conv3", 0.3, 128)
    presence = probe.face.probe._replace(
        loadings=probe.face.probe.loadings[:, :1], bias=probe.face.probe.bias[:1]
    )
    model = probes.LandmarkModel(probe, settings, finder=probes.FaceFinder(presence, 0.4))
    save_fitted(tmp_path / "probe", model)
    with np.load(tmp_path / "probe.npz") as arrays:
        assert arrays["face:basis"].dtype == np.float16
        assert arrays["face:bias"].dtype == np.float32
    loaded = load_fitted(tmp_path / "probe", probes.LandmarkModel)
    assert (loaded.features, loaded.finder.threshold) == (settings, 0.4)
    np.testing.assert_allclose(loaded.finder.presence.basis, presence.basis, atol=5e-4)
    test = subset(faces, range(60, 70))
    before, after = (probes.predict_landmarks(one, test, EXTRACTOR)[-1].points for one in (probe, loaded.probe))
    np.testing.assert_allclose(after, before, atol=0.1)
    assert not np.array_equal(after, before)
