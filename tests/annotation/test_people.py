"""The person cascade as a method: joints by their names, and what it has not."""

import numpy as np
import pytest

from convcorr_jax.annotation import people
from convcorr_jax.annotation.people import PersonCascade, joints
from convcorr_jax.annotation.windows import Extractor
from convcorr_jax.errors import InputError
from convcorr_jax.pose import FoundJoints


@pytest.mark.parametrize(
    "written", ["r_ankle", "right_ankle", "rightAnkle", "RAnkle", "Ankle right", "ankle_R"]
)
def test_joints_have_the_names_that_people_give_them(written):
    assert joints([written]) == joints(["r_ankle"])
    assert joints([written]) != joints(["left ankle"])


def test_a_point_that_is_no_joint_is_refused():
    with pytest.raises(InputError, match="the person cascade has no joint 'nose'; it has r_ankle, "):
        joints(["neck", "nose"])


def test_each_photograph_has_one_person_with_the_points_in_the_order_of_their_names(monkeypatch):
    shown = []

    def predicted(model, photographs, **options):
        shown.append(len(photographs))
        places = np.arange(14.0)[:, None] * [1, 2]
        return [FoundJoints(places + one.mean(), np.linspace(0, 1.3, 14), 0.9) for one in photographs]

    monkeypatch.setattr(people, "predict_photographs", predicted)
    names = ("neck", "leftWrist")
    task = people.Task(
        names=names, mean=np.array([0, 1j]), swaps=(0, 1), mirror=False, mirrored=False, angle_range=0.1,
        aspect=1.0, spread=0.1, objects=1, least_score=0.0, extract=Extractor(None, ()),
    )  # fmt: skip
    method = PersonCascade.plan(task, [], steps=5)
    photographs = [
        people.Photograph(lambda k=k: np.full((20, 20, 3), k, np.uint8), (20, 20)) for k in range(10)
    ]
    found = method.predict(photographs, ())
    assert (shown, len(found)) == ([8, 8], 10)
    for number, (one,) in enumerate(found):
        order = np.array(joints(names))
        np.testing.assert_allclose(one.points, order[:, None] * [1, 2] + number)
        np.testing.assert_allclose(one.confidence, np.linspace(0, 1.3, 14)[order].clip(0, 1))
        assert not one.absent.any()
