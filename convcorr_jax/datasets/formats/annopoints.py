"""MPII's joints of a person in ``.mat`` files: ``annopoints.point(j)`` with ``x``, ``y`` and ``id``."""

from convcorr_jax.datasets.formats import mat
from convcorr_jax.errors import InputError

JOINTS = 16
"""The number of MPII's joints, whose ids count from 0."""


def points_by_id(person: mat.Group) -> dict[int, mat.Group]:
    """Return the points of an ``annorect`` by their ids; joints that are not annotated have none.

    Raises:
        InputError: a point has no valid id, or the id of another point.
    """
    points: dict[int, mat.Group] = {}
    for joints in person.structs("annopoints") if person.has("annopoints") else ():
        for joint in joints.structs("point"):
            number = joint.number("id")
            if number not in range(JOINTS) or int(number) in points:
                raise InputError(
                    f"{joint.where} has the id {number}; 0 to {JOINTS - 1} once each are expected"
                )
            points[int(number)] = joint
    return points
