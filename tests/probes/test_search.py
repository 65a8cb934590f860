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


def faces_in(trained, *photographs):
    probe, finder = trained
    mosaics = [probes.mosaic(one, EXTRACTOR) for one in photographs]
    return probes.find_faces(mosaics, probe.face, finder, EXTRACTOR, margin=MARGIN)


def assert_found(found, *points):
    """Assert that exactly the faces with these landmarks were found."""
    assert len(found) == len(points)
    assert [one.presence for one in found] == sorted((one.presence for one in found), reverse=True)
    for landmarks in points:
        truth = coords.square(coords.tight_box(landmarks))
        errors = [np.abs(np.array(one.box) - np.array(truth)).max() for one in found]
        assert min(errors) < 0.15 * truth.width


def test_faces_are_found_at_any_place_and_size_and_none_where_there_is_none(trained):
    places = (((30.0, 40.0), 13.0), ((88.0, 52.0), 17.0), ((60.0, 45.0), 30.0))
    painted_ones = [painted(*place, PHOTOGRAPH) for place in places]
    (first, points), (second, more), _ = painted_ones
    both = np.maximum(first, second)
    empty = np.full((*PHOTOGRAPH, 3), 20, np.uint8)
    found = faces_in(trained, *(image for image, _ in painted_ones), both, empty, both.transpose(1, 0, 2))
    for (_, landmarks), of_one in zip(painted_ones, found, strict=False):
        assert_found(of_one, landmarks)
    assert_found(found[3], points, more)
    assert found[4] == []
    probe, finder = trained
    broken = finder._replace(presence=finder.presence._replace(bias=np.full(1, np.nan)))
    with pytest.raises(InputError, match="NaN"):
        faces_in((probe, broken), empty)


def test_a_large_photograph_is_searched_like_a_small_one(trained):
    small, _ = painted((60.0, 45.0), 20.0, PHOTOGRAPH)
    large = np.kron(small, np.ones((4, 4, 1), np.uint8))
    ((first, *_), (second, *_)) = faces_in(trained, small, large)
    np.testing.assert_allclose(second.box, 4 * np.array(first.box) + 1.5, atol=4 * 2)


@pytest.mark.parametrize("size", [(90, 120), (120, 90), (100, 100), (40, 200)])
def test_windows_of_the_mosaic_are_the_frames_of_the_photograph(rng, trained, size):
    """The presence that one product computes for all windows is that of each frame's own features."""
    _, finder = trained
    photograph = np.kron(rng.integers(0, 255, (size[0] // 10, size[1] // 10, 3)), np.ones((10, 10, 1)))
    one = probes.mosaic(photograph.astype(np.uint8), EXTRACTOR)
    presence = probes.search.window_presence(one, finder, EXTRACTOR)
    edges = one.frames
    assert len(presence) == len(one.windows) == len(edges)
    inside = np.flatnonzero((edges.min(axis=1) >= -0.5) & (edges[:, 2] <= size[1]) & (edges[:, 3] <= size[0]))
    chosen = inside[:: max(1, len(inside) // 40)]
    squares = [crop_and_resize(one.shown, coords.Box(*edges[i]), (SIDE, SIDE)).image for i in chosen]
    expected = np.asarray(finder.presence.predict(EXTRACTOR.extract(squares)))[:, 0]
    assert np.corrcoef(presence[chosen], expected)[0, 1] > 0.98
