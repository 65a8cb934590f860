"""The presets: the paper's two architectures, a small one, and one for people in photographs.

The paper leaves open, and here is chosen:

- FLIC's 7 stages are 3 and 4, as the text says; MPII's 11 are 8 and 3. All convolutions of the banks have 128
  features, the emulated layers 512 and 256 (as in the paper's predecessor, Tompson et al. 2014).
- FLIC's stages have 5x5 windows and are pooled by 2 one after the other until the total is reached; a total of
  16 needs pooling by 4 after the third. MPII's have 3x3 windows and are pooled after every second one.
- The patch is 9x9 cells.
- The rate of SpatialDropout is 0.5.
- Windows of the fine net are 40 pixels wide, so that it can move a joint by up to 20 pixels.
- Targets of the paper's architectures have the same standard deviation in pixels with every pooling, so that
  Figure 9 compares pooling and not the width of targets.

Differs from the paper: every preset normalizes the convolutions of the coarse net by groups, without which the
small one needs twice as many steps. ``group_norm=False`` of `flic` and `mpii` gives the paper's own net.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from convcorr_jax import coords
from convcorr_jax.pose.architecture import Architecture, Cascade, Pooling
from convcorr_jax.pose.front import Front

PAPER_SIGMA_PX = 12.0
"""The standard deviation of targets in the paper: "about 1.5 pixels" of the heat-map, with 8x pooling."""
SMALL_SIGMA_PX = 5.0
"""A fifth of the median torso of LSPET's people in a whole photograph of 128 pixels."""

_PAPER: Mapping[str, Any] = MappingProxyType(
    dict(sigma_px=PAPER_SIGMA_PX, patch_window=9, spatial_dropout=0.5, fine_window=40, fine_features=128)
)

FLIC_JOINTS = (*("l_shoulder", "l_elbow", "l_wrist"), *("r_shoulder", "r_elbow", "r_wrist", "nose"))
FLIC_PAIRS = ((0, 3), (1, 4), (2, 5))
MPII_JOINTS = (
    *("r_ankle", "r_knee", "r_hip", "l_hip", "l_knee", "l_ankle", "upper_neck", "head_top"),
    *("r_wrist", "r_elbow", "r_shoulder", "l_shoulder", "l_elbow", "l_wrist"),
)
MPII_PAIRS = ((5, 0), (4, 1), (3, 2), (13, 8), (12, 9), (11, 10))


def flic(*, pooling: Pooling = 8, cascade: Cascade = "shared", group_norm: bool = True) -> Architecture:
    """Return the paper's model of the upper body: 7 joints, 7 stages, 320 x 240 pixels.

    The paper's joint "face" is the nose.
    """
    return Architecture(
        name=f"flic-{pooling}x",
        joints=FLIC_JOINTS,
        left_right_pairs=FLIC_PAIRS,
        input_size=coords.Size(240, 320),
        pooling=pooling,
        window=5,
        features=(128,) * 3,
        hidden=(512, 256, 256),
        **_PAPER,
        cascade=cascade,
        group_norm=group_norm,
    )


def mpii(*, pooling: Pooling = 8, cascade: Cascade = "shared", group_norm: bool = True) -> Architecture:
    """Return the paper's model of the whole body: 14 joints, 11 stages, 256 x 256 pixels."""
    return Architecture(
        name=f"mpii-{pooling}x",
        joints=MPII_JOINTS,
        left_right_pairs=MPII_PAIRS,
        input_size=coords.Size(256, 256),
        pooling=pooling,
        window=3,
        features=(128,) * 8,
        hidden=(512, 256),
        **_PAPER,
        cascade=cascade,
        group_norm=group_norm,
    )


def small(
    joints: tuple[str, ...],
    left_right_pairs: tuple[tuple[int, int], ...],
    *,
    pooling: Pooling = 8,
    cascade: Cascade = "shared",
) -> Architecture:
    """Return a small model of 7 stages, which two processor cores train within an hour.

    The patch is 5x5 cells, so that it fits into 128 pixels with every pooling. With group normalization the
    coarse net reaches the same accuracy in half as many steps. After an hour of training, a pooling of 4 makes
    the coarse net more accurate, but not the cascade. With a pooling of 16, targets are 0.6 cells wide, because
    a narrower Gaussian may lie between all cells.
    """
    return Architecture(
        name=f"small-{pooling}x",
        joints=joints,
        left_right_pairs=left_right_pairs,
        input_size=coords.Size(128, 128),
        pooling=pooling,
        sigma_px=max(SMALL_SIGMA_PX, 0.6 * pooling),
        window=5,
        features=(16, 32, 64),
        patch_window=5,
        hidden=(128, 64, 64),
        spatial_dropout=0.2,
        fine_window=24,
        fine_features=32,
        cascade=cascade,
        group_norm=True,
    )


def person(
    joints: tuple[str, ...], left_right_pairs: tuple[tuple[int, int], ...], *, front: Front = "vgg16"
) -> Architecture:
    """Return the model of the person cascade that the package ships: a pretrained front, 192 x 192 pixels.

    The input shows a square of 200 pixels around the torso, which holds 99.5 % of the joints of LSPET; the
    median torso is then 46 pixels long, and the standard deviation of targets .17 of that.

    The people for validation chose how the heat-maps are combined. Of their joints, without a torso, the model
    of the package before its last run found within 0.2 of a torso: .628 by the spatial model's heat-maps, .634
    with a weight of 1/2, .637 with 1/4, and .638 by the coarse net's heat-maps. With 1/4 it found, after the
    fine net, .636 (within 0.05: .156) with a prior of 2 pixels, .633 (.163) with 3, and .627 (.165) with 4. The
    preset keeps a quarter of the spatial model, which selects among several people.
    """
    return Architecture(
        name=f"person-{front}",
        joints=joints,
        left_right_pairs=left_right_pairs,
        input_size=coords.Size(192, 192),
        pooling=8,
        sigma_px=8.0,
        window=3,
        features=(128,) * 4,
        patch_window=1,
        hidden=(64,) * 3,
        spatial_dropout=0.1,
        fine_window=24,
        fine_features=32,
        levels=1,
        group_norm=True,
        front=front,
        frame_px=200.0,
        rotated_degrees=30.0,
        spatial_weight=0.25,
        fine_prior_px=3.0,
    )
