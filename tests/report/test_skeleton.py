import numpy as np

from convcorr_jax.datasets.official import flic, lsp, mpii
from convcorr_jax.metrics import limbs
from convcorr_jax.report.drawing import LEFT, NEITHER, RIGHT, skeleton
from tests.builders.leeds_tree import HEIGHT, UPRIGHT, WIDTH

SCALE = 6
GREY = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)


def drawn(points: np.ndarray, **options) -> np.ndarray:
    return skeleton(GREY, points, lsp.NAMES, longest_px=SCALE * HEIGHT, **options)


def color_between(picture: np.ndarray, points: np.ndarray, a: str, b: str) -> np.ndarray:
    """The colour in the middle of two joints, between 0 and 1."""
    ends = points[[lsp.NAMES.index(a), lsp.NAMES.index(b)]]
    x, y = np.round((ends.mean(axis=0) + 0.5) * SCALE - 0.5).astype(int)
    return picture[y, x] / 255


def test_limbs_have_the_colours_of_their_sides():
    picture = drawn(UPRIGHT)
    for a, b, color in (
        *(("r_knee", "r_ankle", RIGHT), ("r_shoulder", "r_hip", RIGHT), ("l_shoulder", "l_elbow", LEFT)),
        *(("l_shoulder", "r_shoulder", NEITHER), ("neck", "head_top", NEITHER)),
    ):
        found = color_between(picture, UPRIGHT, a, b)
        np.testing.assert_allclose(found, color, atol=0.02, err_msg=f"{a} {b}")


def test_a_joint_that_is_absent_takes_its_limbs_with_it():
    points = UPRIGHT.copy()
    points[lsp.NAMES.index("r_knee")] = np.nan
    picture = drawn(points)
    for other in ("r_hip", "r_ankle"):
        np.testing.assert_allclose(color_between(picture, UPRIGHT, "r_knee", other), 128 / 255, atol=0.01)
    np.testing.assert_allclose(color_between(picture, points, "l_knee", "l_ankle"), LEFT, atol=0.02)


def test_unsure_joints_are_rings():
    hollow = np.array([name == "l_ankle" for name in lsp.NAMES])
    x, y = np.round((UPRIGHT[lsp.NAMES.index("l_ankle")] + 0.5) * SCALE).astype(int)
    y += 2
    filled, ring = drawn(UPRIGHT), drawn(UPRIGHT, hollow=hollow)
    np.testing.assert_allclose(filled[y, x] / 255, LEFT, atol=0.02)
    assert np.abs(filled.astype(int) - ring).max() > 50


def test_every_data_set_has_its_limbs():
    assert [len(limbs(names)) for names in (lsp.NAMES, mpii.NAMES, flic.NAMES)] == [13, 13, 8]
    for names in (lsp.NAMES, mpii.NAMES):
        assert {names[end] for limb in limbs(names) for end in limb} == set(names) - {"pelvis", "thorax"}
