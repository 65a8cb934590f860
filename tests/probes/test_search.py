"""The search for a face in photographs where the face is a pattern of three blobs."""

import numpy as np
import pytest

from convcorr_jax import coords, probes
from convcorr_jax.errors import InputError
from convcorr_jax.images import crop_and_resize
from convcorr_jax.linear.ridge import fit, prediction_subspace, reduce_rank

NAMES = ("left", "right", "low")
MARGIN, SIDE, PHOTOGRAPH = 0.25, 12, (90, 120)
BASE = np.array([[-0.5, -0.4], [0.5, -0.4], [0.0, 0.6]])
EXTRACTOR = probes.rgb_features(side_px=SIDE)


def painted(center, half, size):
    """Return a photograph with a red, a green and a blue blob around a center, and these points."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    points = np.array(center) + half * BASE
    image = np.full((*size, 3), 20.0)
    for channel, (x, y) in enumerate(points):
        distance = ((columns - x) ** 2 + (rows - y) ** 2) / (0.3 * half) ** 2
        image[..., channel] += 230 * np.exp(-distance)
    return image.round().astype(np.uint8), points


@pytest.fixture(scope="module")
def trained():
    """A landmark probe of jittered frames, and the regression of presence."""
    rng = np.random.default_rng(3)
    examples = [painted(rng.uniform(35, 55, 2), rng.uniform(12, 18), (90, 90)) for _ in range(60)]
    images, points = [image for image, _ in examples], np.stack([marks for _, marks in examples])
    frames = tuple(coords.grow(coords.square(coords.tight_box(one)), MARGIN) for one in points)
    faces = probes.Faces(images.__getitem__, frames, points)
    jittered = probes.jitter_frames(faces, copies=3, shift=0.12, scale=0.15)
    probe = probes.fit_landmarks(
        jittered, EXTRACTOR, names=NAMES, people=np.tile(np.arange(60), 3), sets={}, rounds=0
    ).probe
    squares, targets = [], []
    for number, frame in enumerate(jittered.frames):
        beside = coords.Box(*(np.array(frame) + 0.8 * frame.width * (-1) ** number))
        for box, target in ((frame, 1.0), (beside, 0.0)):
            squares.append((jittered.load_image(number), box))
            targets.append([target])
    features = EXTRACTOR.extract(crop_and_resize(image, box, (SIDE, SIDE)).image for image, box in squares)
    full = fit(features, np.array(targets, np.float32), penalty=0.1)
    subspace = prediction_subspace(np.asarray(full.predict(features)), rank=1)
    return probe, probes.FaceFinder(reduce_rank(full, subspace), 0.5)


@pytest.mark.parametrize(("center", "half"), [((30.0, 40.0), 13.0), ((88.0, 52.0), 17.0), ((60.0, 45.0), 30.0)])
def test_a_face_is_found_at_any_place_and_size(trained, center, half):
    probe, finder = trained
    photograph, points = painted(center, half, PHOTOGRAPH)
    found = probes.find_face(photograph, probe.face, finder, EXTRACTOR, margin=MARGIN)
    truth = coords.square(coords.tight_box(points))
    assert found.sure
    assert found.presence > 0.5
    assert np.abs(np.array(found.box) - np.array(truth)).max() < 0.15 * truth.width


def test_an_empty_photograph_has_no_sure_face_and_a_presence_that_is_nan_is_refused(trained):
    probe, finder = trained
    photograph = np.full((*PHOTOGRAPH, 3), 20, np.uint8)
    found = probes.find_face(photograph, probe.face, finder, EXTRACTOR, margin=MARGIN)
    assert not found.sure
    broken = finder._replace(presence=finder.presence._replace(bias=np.full(1, np.nan)))
    with pytest.raises(InputError, match="NaN"):
        probes.find_face(photograph, probe.face, broken, EXTRACTOR, margin=MARGIN)


def test_a_large_photograph_is_searched_like_a_small_one(trained):
    probe, finder = trained
    small, _ = painted((60.0, 45.0), 20.0, PHOTOGRAPH)
    boxes = [
        np.array(probes.find_face(image, probe.face, finder, EXTRACTOR, margin=MARGIN).box)
        for image in (small, np.kron(small, np.ones((4, 4, 1), np.uint8)))
    ]
    np.testing.assert_allclose(boxes[1], 4 * boxes[0] + 1.5, atol=4 * 2)


def test_frames_cover_the_photograph_and_overlap():
    edges = np.array(probes.candidate_frames(coords.Size(100, 160), smallest=0.5))
    assert edges.min() == -0.5
    assert edges[:, 2].max() == pytest.approx(159.5)
    assert edges[:, 3].max() == pytest.approx(99.5)
    sides = edges[:, 2] - edges[:, 0]
    np.testing.assert_allclose(sides, edges[:, 3] - edges[:, 1])
    assert sides.max() == pytest.approx(100)
    assert 50 <= sides.min() < 50 * 1.35
    for side in np.unique(sides.round(6)):
        assert np.diff(np.unique(edges[np.isclose(sides, side), 0])).max() <= 0.25 * side + 1e-6
