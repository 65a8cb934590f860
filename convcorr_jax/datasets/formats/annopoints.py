"""MPII's joints of a person in ``.mat``: ``annopoints.point(j)`` with ``x``, ``y`` and ``id``."""

from convcorr_jax.datasets.formats import mat
from convcorr_jax.errors import InputError

# MPII numbers its joints from 0.
JOINTS = 16


def points_by_id(person: mat.Group) -> dict[int, mat.Group]:
    """The points of an ``annorect`` by their ids; those of joints that are not there are absent.

    Raises:
        InputError: a point has no valid id, or that of another.
    """
    found: dict[int, mat.Group] = {}
    for joints in person.structs("annopoints") if person.has("annopoints") else ():
        for joint in joints.structs("point"):
            number = joint.number("id")
            if number not in range(JOINTS) or int(number) in found:
                raise InputError(
                    f"{joint.where} has the id {number}; 0 to {JOINTS - 1} once each are expected"
                )
            found[int(number)] = joint
    return found
