"""Ground truth of pose predictions, read from the official annotation files, without images.

- MPII, for PCKh: the hourglass's ``valid.h5``, the ``detections.mat`` of Tompson et al., and the
  ``gt_valid.mat`` (or ``detections_our_format.mat``) that many training codes carry: the same 2958 people. Of
  its flat forms ``.json``, which lacks the heads.
- FLIC: ``examples.mat``, ``flic.npz`` (the same in plain arrays), and ``joints`` (2, 10, n), observer-centric.
- LSP, LSPET and PARSE: ``joints.mat``, of PARSE also ``ptsAll``.
"""

from pathlib import Path
from typing import Literal, NamedTuple

import h5py
import numpy as np
from jaxtyping import Bool, Float, Int

from convcorr_jax.datasets.formats import mat
from convcorr_jax.datasets.official import flic, lsp, mpii
from convcorr_jax.datasets.official.mpii import Person
from convcorr_jax.datasets.poses import coco
from convcorr_jax.datasets.poses.joint_orders import ORDERS, Order, common
from convcorr_jax.errors import InputError
from convcorr_jax.io import Expected, array_headers, json_file, load_arrays, read_arrays
from convcorr_jax.metrics import head_sizes

Sides = Literal["observer", "person"]
"""Which side is left: as if every person faced the camera ("observer"), or the person's own ("person")."""

Release = Literal["MPII", "FLIC", "LSP"]
"""The data set of an official file; LSP is also LSPET and PARSE."""

# The HDF5 files of MATLAB 7.3 begin with it.
_MATLAB = b"MATLAB 7.3"
# The first people of PARSE are for training, the others are its test set.
_PARSE_TRAIN = 100
# The number of joints in the observer-centric file of FLIC, by which it is known from LSP's.
_FLIC_JOINTS = 10


class GroundTruth(NamedTuple):
    """Annotated people in the file's order, with the joints' common names and order (`joint_orders`)."""

    points: Float[np.ndarray, "people joints 2"]
    """Joints (x, y) in pixels, 0-based; NaN where a joint is absent."""
    joints: tuple[str, ...]
    normalizer: Float[np.ndarray, " people"]
    """The length in pixels by which errors are divided; NaN where it is absent."""
    tested: Bool[np.ndarray, " people"]
    """Which people are in the test set; all of them if the file has only one set."""
    order: Order
    first_pixel: int
    """The coordinate of the first pixel of an image in the file: 1 or 0."""
    sides: str
    visible: Bool[np.ndarray, "people joints"] | None = None
    image_sizes: Int[np.ndarray, "people 2"] | None = None

    def test_people(self) -> "GroundTruth":
        """Return the people of the test set alone."""
        tested, visible, sizes = self.tested, self.visible, self.image_sizes
        return self._replace(
            points=self.points[tested],
            normalizer=self.normalizer[tested],
            tested=tested[tested],
            visible=None if visible is None else visible[tested],
            image_sizes=None if sizes is None else sizes[tested],
        )


def release_of(path: Path) -> Release | Literal["COCO"] | None:
    """Return the data set of an official file, or the format of COCO; None for a plain file."""
    if h5py.is_hdf5(path):
        return "MPII"
    if path.suffix == ".json":
        with json_file(path, "ground truth", most_bytes=coco.MAX_BYTES) as content:
            return "MPII" if isinstance(content, list) else "COCO" if "annotations" in content else None
    if path.suffix == ".npz":
        return "FLIC" if array_headers(path, names=("joints_pc",)) else None
    variables = mat.read(path)
    if "annolist" in variables or "pos_gt_src" in variables:
        return "MPII"
    if "examples" in variables:
        return "FLIC"
    if "ptsAll" in variables:
        return "LSP"
    if "joints" in variables:
        is_flic = variables.array("joints").shape[:2] == (2, _FLIC_JOINTS)
        return "FLIC" if is_flic else "LSP"
    raise InputError(
        f"{path} has {', '.join(map(str, variables))}; annolist or pos_gt_src of MPII, examples of FLIC, or "
        "joints of FLIC or LSP is expected"
    )


def read_mpii(path: Path, *, needs_heads: bool = True) -> GroundTruth:
    """Read MPII's people and the sizes of their heads, which those of ``.json`` lack."""
    if h5py.is_hdf5(path):
        return _of_people(mpii.read_h5({"valid": path}))
    if path.suffix == ".json" and not needs_heads:
        return _of_people(mpii.read_json({"valid": path}))
    if path.suffix in (".npz", ".json"):
        raise InputError(
            f"{path}: flat forms of MPII lack the boxes of heads, which PCKh divides by; valid.h5 of the "
            "hourglass or detections.mat of Tompson et al. is expected"
        )
    variables = mat.read(path)
    if "pos_gt_src" in variables:
        return _gt_valid(variables)
    if "annolist" not in variables:
        raise InputError(
            f"{path} has neither annolist, as detections.mat has, nor pos_gt_src, as gt_valid.mat has"
        )
    people = variables.structs("annolist")
    return _of_people(
        tuple(
            mpii.read_person(person.only_struct("annorect"), frame="", place=0, split="valid")
            for person in people
        )
    )


def read_flic(path: Path, *, sides: Sides = "observer") -> GroundTruth:
    """Read FLIC's people and their torsos, with the neck half-way between the shoulders."""
    sizes = None
    if path.suffix == ".npz":
        expected = {
            "joints_pc": Expected(np.floating, ("n", len(flic.NAMES), 2)),
            "istest": Expected(np.bool_, ("n",)),
        }
        arrays = read_arrays(path, expected)
        # Not every copy of this file has the frames' sizes.
        dims = load_arrays(path, names=("imgdims",)).get("imgdims")
        if dims is not None and dims.shape == (len(arrays["istest"]), 3):
            sizes = dims[:, :2].astype(int)
        points, tested = arrays["joints_pc"].astype(np.float64) - 1, arrays["istest"]
    elif "examples" in (variables := _mat(path, "FLIC's examples.mat, flic.npz or joints.mat")):
        examples = flic.read_examples(path)
        points, sizes = examples.points, examples.sizes
        tested = np.array([split == "test" for split in examples.splits])
    else:
        if sides != "observer":
            raise InputError(f"{path} is observer-centric; it does not state the person's own sides")
        points = _joints(variables, "joints", (2, _FLIC_JOINTS)) - 1
        return _flic(points, "flic-10", np.ones(len(points), np.bool_), sides)
    points = flic.observer_centric(points) if sides == "observer" else points
    return _flic(points, "flic", tested, sides)._replace(image_sizes=sizes)


def read_lsp(path: Path) -> GroundTruth:
    """Read the people of LSP, LSPET or PARSE, and their torsos."""
    variables = _mat(path, "joints.mat of LSP, LSPET or PARSE")
    order: Order = "lsp"
    first_pixel, visible = 1, None
    if "ptsAll" in variables or variables.array("joints").shape[:2] == (2, 14):
        key, shape = ("ptsAll", (14, 2)) if "ptsAll" in variables else ("joints", (2, 14))
        order, points = "parse", _joints(variables, key, shape) - first_pixel
        tested = np.arange(len(points)) >= _PARSE_TRAIN
    else:
        people = lsp.read_joints(path)
        points, visible = people.points, people.visible
        tested = np.array([split == "test" for split in people.splits])
        # What `lsp.read_joints` subtracted is the first pixel.
        stored = variables.array("joints")[0, 0, 0]
        first_pixel = round(float(stored - points[0, 0, 0])) if people.release == "lsp" else 0
    # PARSE has the mirrored joints in LSP's places, so that its diagonal is right shoulder to left hip.
    lengths = [lsp.torso_diagonal(person) or np.nan for person in points]
    return GroundTruth(
        points,
        ORDERS[order],
        np.array(lengths),
        tested if tested.any() else ~tested,
        order,
        first_pixel,
        "as the ground truth's file has them",
        visible,
    )


def _of_people(people: tuple[Person, ...]) -> GroundTruth:
    """Return people of MPII as ground truth; the normalizer of one without a head is NaN."""
    sizes = [np.nan if person.head_size is None else person.head_size for person in people]
    truth = _mpii_truth(np.array([person.points for person in people]), np.array(sizes, np.float64))
    return truth._replace(visible=np.array([person.visible for person in people]))


def _gt_valid(variables: mat.Group) -> GroundTruth:
    absent = variables.array("jnt_missing").T != 0
    points = _joints(variables, "pos_gt_src", (16, 2), absent=absent) - 1
    boxes = variables.array("headboxes_src").astype(np.float64)
    if boxes.shape != (2, 2, len(points)):
        raise InputError(
            f"{variables.where}: headboxes_src is {boxes.shape}; {(2, 2, len(points))} is expected, one "
            "box for each person of pos_gt_src"
        )
    sizes = head_sizes(boxes.transpose(2, 0, 1).reshape(-1, 4))
    return _mpii_truth(points, sizes)


def _mpii_truth(points: np.ndarray, sizes: np.ndarray) -> GroundTruth:
    tested = np.ones(len(points), np.bool_)
    return GroundTruth(points, ORDERS["mpii"], sizes, tested, "mpii", 1, "the person's own")


def _flic(points: np.ndarray, order: Order, tested: np.ndarray, sides: Sides) -> GroundTruth:
    joints = common(ORDERS[order])
    place = {name: points[:, index] for index, name in enumerate(joints)}
    if "neck" not in joints:
        neck = (place["l_shoulder"] + place["r_shoulder"]) / 2
        points, joints = np.concatenate([points, neck[:, None]], axis=1), (*joints, "neck")
    torso = flic.torso_diagonals(points, names=joints)
    return GroundTruth(points, joints, torso, tested, order, 1, f"{sides}-centric")


def _mat(path: Path, expected: str) -> mat.Group:
    """Read the variables of a MATLAB file; another HDF5 file is refused, with what is ``expected``."""
    if path.is_file() and h5py.is_hdf5(path):
        with path.open("rb") as stream:
            by_matlab = stream.read(len(_MATLAB)) == _MATLAB
        if not by_matlab:
            raise InputError(f"{path} is an HDF5 file, such as MPII's valid.h5; {expected} is expected")
    return mat.read(path)


def _joints(
    variables: mat.Group, key: str, shape: tuple[int, int], *, absent: np.ndarray | None = None
) -> np.ndarray:
    """Return an array ``[*shape, people]`` as ``[people, joints, 2]``, with NaN for absent joints."""
    where = variables.where
    array = variables.array(key).astype(np.float64)
    if array.ndim != 3 or array.shape[:2] != shape:
        raise InputError(f"{where}: {key} is {array.shape}; {(*shape, 'people')} is expected")
    points = array.transpose(2, 1, 0) if shape[0] == 2 else array.transpose(2, 0, 1)
    if absent is None:
        absent = np.zeros(points.shape[:2], np.bool_)
    if absent.shape != points.shape[:2]:
        raise InputError(
            f"{where}: jnt_missing is {absent.T.shape}; {points.shape[1::-1]} is expected, as in {key}"
        )
    unknown = np.argwhere(~np.isfinite(points).all(axis=-1) & ~absent)
    if len(unknown):
        person, joint = (unknown[0] + 1).tolist()
        raise InputError(
            f"{where}: {key} has no finite position of joint {joint} of person {person}, which is not "
            "marked as missing"
        )
    return np.where(absent[..., None], np.nan, points)
