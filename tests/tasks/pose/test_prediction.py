import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.pose import small
from convcorr_jax.tasks.pose import PredictedJoints, Scores, predict_joints, prediction, prepare, score
from tests.builders.records import record_of

NAMES = ("l_hand", "r_hand")
ARCHITECTURE = small(NAMES, ((0, 1),))
# Of photographs half as large as the input.
TRUTH = np.array([[[10.0, 20], [30, 40]], [[50, 12], [np.nan, np.nan]], [[5, 5], [60, 60]]])


@pytest.fixture
def people():
    records = [
        record_of(np.full((64, 64, 3), number, np.uint8), names=NAMES, points=points, normalizer_px=20.0)
        for number, points in enumerate(TRUTH)
    ]
    return prepare(records, ARCHITECTURE)


def test_everybody_is_looked_at_once_in_pixels_of_the_photographs(people, monkeypatch):
    def predict(params, images, torso, *, architecture, mirrored, rotated, subcell):
        assert (mirrored, rotated, subcell) == (True, True, False)
        corner = jnp.asarray(images[:, :2, 0, :2], jnp.float32) * 2 + 0.5
        return prediction.cascade.Prediction(corner, corner + 2, corner[..., 0], corner + 4, corner[:, 0, 0])

    monkeypatch.setattr(prediction.cascade, "predict", predict)
    # The last batch is filled up with the last person.
    predicted = predict_joints({"coarse": 1.0}, people, architecture=ARCHITECTURE, batch=2, subcell=False)
    np.testing.assert_allclose(predicted.cascade, np.arange(3.0)[:, None, None] * np.ones((2, 2)))
    np.testing.assert_allclose(predicted.coarse, predicted.cascade + 1)
    np.testing.assert_allclose(predicted.coarse_alone, predicted.cascade + 2)


def test_shares_count_the_joints_that_are_annotated_and_those_not_found_as_wrong(people):
    wrong = TRUTH + np.array([0.0, 3.0])
    right = TRUTH.copy()
    right[0, 0] += [0, 2.01]
    assert score(PredictedJoints(right, wrong, TRUTH), people, NAMES) == Scores(
        (0.8, 0.8, 1.0), (0.0, 0.0, 1.0)
    )
    nowhere = np.full_like(TRUTH, np.nan)
    assert score(PredictedJoints(TRUTH, nowhere, TRUTH), people, NAMES) == Scores((1.0,) * 3, (0.0,) * 3)


def test_nobody_to_compare_with_is_refused(people):
    for record in people.records:
        object.__setattr__(record, "normalizer_px", None)
    with pytest.raises(InputError, match="no person has both an annotated joint and a length"):
        score(PredictedJoints(TRUTH, TRUTH, TRUTH), people, NAMES)
