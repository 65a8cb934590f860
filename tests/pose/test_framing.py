import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.errors import InputError
from convcorr_jax.pose.framing import framed

SIZE = coords.Size(96, 128)
BOXES = [None, coords.Box(30.0, 10.0, 60.0, 80.0), coords.Box(-10.0, 60.0, 50.0, 90.0)]


def photograph(at: tuple[int, int], shape=(100, 90)) -> np.ndarray:
    """Black but for one bright spot of 3 x 3 pixels around ``at`` (x, y)."""
    image = np.zeros((*shape, 3), np.uint8)
    x, y = at
    image[y - 1 : y + 2, x - 1 : x + 2] = 255
    return image


@pytest.mark.parametrize("person", BOXES)
def test_a_bright_spot_lies_where_the_transform_says(person):
    at = (43, 70)
    found = framed(photograph(at), person, SIZE)
    assert found.image.shape == (*SIZE, 3)
    weights = found.image[..., 0] / found.image[..., 0].sum()
    rows, columns = np.indices(SIZE)
    center = [(weights * columns).sum(), (weights * rows).sum()]
    expected = coords.apply(found.transform, np.array([at], float))[0]
    np.testing.assert_allclose(center, expected, atol=0.1)


@pytest.mark.parametrize("shape", [(100, 90), (50, 200), (96, 128)])
def test_the_whole_photograph_is_shown_in_the_middle(shape):
    height, width = shape
    found = framed(np.zeros((*shape, 3), np.uint8), None, SIZE)
    edges = np.array([[-0.5, -0.5], [width - 0.5, height - 0.5]])
    (left, top), (right, bottom) = coords.apply(found.transform, edges)
    assert (right - left) / (bottom - top) == pytest.approx(width / height)
    margins = [left + 0.5, SIZE.width - 0.5 - right, top + 0.5, SIZE.height - 0.5 - bottom]
    assert margins[0] == pytest.approx(margins[1])
    assert margins[2] == pytest.approx(margins[3])
    assert min(margins) == pytest.approx(0, abs=1e-9)


def test_a_person_takes_four_fifths_of_the_frame():
    person = BOXES[1]
    found = framed(photograph((43, 70)), person, SIZE)
    corners = coords.apply(
        found.transform, np.array([[person.x0, person.y0], [person.x1, person.y1]])
    )
    assert corners[1, 1] - corners[0, 1] == pytest.approx(0.8 * SIZE.height)
    middle = corners.mean(axis=0)
    np.testing.assert_allclose(middle, [(SIZE.width - 1) / 2, (SIZE.height - 1) / 2])


def test_a_person_who_is_not_there_is_refused():
    with pytest.raises(InputError, match="no area"):
        framed(photograph((43, 70)), coords.Box(5.0, 5.0, 5.0, 9.0), SIZE)
    with pytest.raises(InputError, match="box"):
        framed(photograph((43, 70)), coords.Box(500.0, 5.0, 510.0, 9.0), SIZE)
