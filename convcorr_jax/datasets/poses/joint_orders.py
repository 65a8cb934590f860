"""The orders in which files list a person's joints: those of the releases, and those of published predictions.

An array of joints does not state its order, and two orders can have equally many joints.
"""

import re
from collections.abc import Sequence
from typing import Literal

from convcorr_jax.datasets.official import flic, lsp, mpii

Order = Literal[
    "mpii",
    "mpii-14",
    "lsp",
    "parse",
    "flic",
    "flic-11-face-first",
    "flic-10",
    "flic-9",
    "flic-9-nose-first",
    "flic-7",
    "flic-6",
]
"""The name of an order, with its number of joints where that differs from the release's."""


def common(names: Sequence[str]) -> tuple[str, ...]:
    """Return names under which the joints of all data sets match: MPII's "upper neck" is others' neck.

    >>> common(["upper_neck", "l_hip"])
    ('neck', 'l_hip')
    """
    return tuple("neck" if name == "upper_neck" else name for name in names)


_MPII = common(mpii.NAMES)
_MIRRORED = dict((*lsp.LEFT_RIGHT_PAIRS, *((right, left) for left, right in lsp.LEFT_RIGHT_PAIRS)))
_ARM, _LEG = ("shoulder", "elbow", "wrist"), ("hip",)
_R_SIDE, _L_SIDE = (tuple(f"{side}_{joint}" for joint in _ARM + _LEG) for side in "rl")

ORDERS: dict[Order, tuple[str, ...]] = {
    "mpii": _MPII,
    # Without pelvis and thorax, which PCKh leaves out: Tompson et al., and MPII's own matrices of ids.
    "mpii-14": tuple(name for name in _MPII if name not in ("pelvis", "thorax")),
    "lsp": lsp.NAMES,
    # LSP's, with left and right exchanged.
    "parse": tuple(lsp.NAMES[_MIRRORED.get(index, index)] for index in range(len(lsp.NAMES))),
    # Eleven of the release's 29 columns, in their order.
    "flic": flic.NAMES,
    # Yang, Ouyang, Li, Wang, "End-to-End Learning of Deformable Mixture of Parts and Deep Convolutional
    # Neural Networks for Human Pose Estimation", CVPR 2016: hourglass predictions, and the evaluation's.
    "flic-11-face-first": ("l_eye", "r_eye", "nose", *_R_SIDE, *_L_SIDE),
    "flic-10": ("nose", "neck", *_R_SIDE, *_L_SIDE),
    # Wei, Ramakrishna, Kanade, Sheikh, "Convolutional Pose Machines", CVPR 2016.
    "flic-9": tuple(name for name in flic.NAMES if not name.endswith("_eye")),
    # Chen, Yuille, "Articulated Pose Estimation by a Graphical Model with Image Dependent Pairwise
    # Relations", NIPS 2014.
    "flic-9-nose-first": ("nose", *_R_SIDE, *_L_SIDE),
    # Tompson, Jain, LeCun, Bregler, "Joint Training of a Convolutional Network and a Graphical Model for Human
    # Pose Estimation", NIPS 2014, as `convcorr_jax.pose` predicts them.
    "flic-7": (*flic.NAMES[:6], "nose"),
    # MODEC, which predicts arms only.
    "flic-6": flic.NAMES[:6],
}
"""The common names of the joints of each order."""

_SIDE = r"(?P<side>l|r|left|right)"
_PART = r"(?P<part>ank(?:le)?|kne(?:e)?|hip|wri?(?:st)?|elb(?:ow)?|sho(?:ulder)?|eye)"
_SIDED = (re.compile(_SIDE + _PART), re.compile(_PART + _SIDE))
_JOINTS = ("ankle", "knee", "hip", "wrist", "elbow", "shoulder", "eye")
# PoseTrack calls the upper neck the bottom of the head.
_SINGLE = {
    **dict.fromkeys(("pelv", "pelvis"), "pelvis"),
    **dict.fromkeys(("thor", "thrx", "thorax"), "thorax"),
    **dict.fromkeys(("nose",), "nose"),
    **dict.fromkeys(("neck", "upperneck", "hbot", "headbottom"), "neck"),
    **dict.fromkeys(("head", "htop", "headtop", "tophead", "topofhead"), "head_top"),
}


def joint_name(label: str) -> str | None:
    """Return the common name of a joint that a label names; None for a label of anything else.

    A side may precede or follow its joint. Only whole words match: a left eyebrow is not an eye.

    >>> [joint_name(label) for label in ("lsho", "Right Ankle", "elbow_r", "head_top", "thorax", "cat")]
    ['l_shoulder', 'r_ankle', 'r_elbow', 'head_top', 'thorax', None]
    """
    plain = re.sub(r"[^a-z]", "", label.lower())
    for pattern in _SIDED:
        if sided := pattern.fullmatch(plain):
            joint = next(joint for joint in _JOINTS if joint.startswith(sided["part"]))
            return f"{sided['side'][0]}_{joint}"
    return _SINGLE.get(plain)
