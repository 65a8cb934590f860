"""The size and shape of a pose cascade, as one value that is known before anything is compiled.

A *stage* is a convolution, its rectifier and, maybe, its pooling. Each of the three levels of the pyramid has
its own bank of stages; then come the stages that emulate a fully connected net on a sliding patch: one with a
window of `Architecture.patch_window` cells, still a level each, then, on the sum of the levels, 1x1
convolutions, the last of which gives one heat-map a joint.

The paper leaves open, and here is chosen:

- FLIC's 7 stages are 3 and 4, as the text says; MPII's 11 are 8 and 3. All convolutions of the banks have 128
  features, the emulated layers 512 and 256 (as in the paper's predecessor, Tompson et al. 2014).
- FLIC's stages have 5x5 windows and are pooled by 2 one after the other until the wanted total is reached; 16
  takes a pooling by 4 after the third. MPII's have 3x3 windows and are pooled after every second one.
- The patch is 9x9 cells.
- The rate of SpatialDropout is 0.5.
- Windows of the fine net are 40 pixels wide, whence it can move a joint by 20.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from convcorr_jax import coords
from convcorr_jax.errors import InputError

Pooling = Literal[4, 8, 16]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
Cascade = Literal["shared", "standard"]
DType = Literal["float32", "bfloat16"]

# The fine net looks at this many of a bank's first stages.
SHARED_STAGES = 2

# Group normalisation takes so many maps together.
NORM_GROUP = 8

FLIC_JOINTS = (
    *("l_shoulder", "l_elbow", "l_wrist"),
    *("r_shoulder", "r_elbow", "r_wrist", "nose"),
)
FLIC_PAIRS = ((0, 3), (1, 4), (2, 5))
MPII_JOINTS = (
    *("r_ankle", "r_knee", "r_hip", "l_hip", "l_knee", "l_ankle", "upper_neck", "head_top"),
    *("r_wrist", "r_elbow", "r_shoulder", "l_shoulder", "l_elbow", "l_wrist"),
)
MPII_PAIRS = ((5, 0), (4, 1), (3, 2), (13, 8), (12, 9), (11, 10))


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A pose cascade; hashable, so static under jit. ``dataclasses.asdict`` of it goes with a checkpoint.

    Args:
        name: of the preset, with what was chosen in it.
        joints: their names, one heat-map each.
        left_right_pairs: joints that exchange places when a person is mirrored.
        input_size: of the images that the preset trains on. Others work, if the patch fits into them.
        pooling: pixels of the input for one cell of a heat-map.
        window: side of a bank's convolutions.
        features: of each of them.
        patch_window: cells seen by the first layer that emulates a fully connected one.
        hidden: features of the emulated layers before the heat-maps, the one over the patch first.
        spatial_dropout: how likely a whole map is dropped in training.
        fine_window: pixels of the input, across, that the fine net sees of each joint.
        fine_features: of the fine net's layers.
        levels: of the pyramid.
        cascade: whether the fine net looks at the coarse net's features or, for comparison, at the image.
        group_norm: whether the coarse net's convolutions are normalised. Not in the paper.
        dtype: in which to compute; parameters are float32 always.

    Raises:
        InputError: a field has a value that no cascade can have, fewer than two stages, an input smaller than
            the patch, a fine window that is no whole number of cells in every bank, or features that cannot be
            normalised in whole groups.
    """

    name: str
    joints: tuple[str, ...]
    left_right_pairs: tuple[tuple[int, int], ...]
    input_size: coords.Size
    pooling: Pooling
    window: int
    features: tuple[int, ...]
    patch_window: int
    hidden: tuple[int, ...]
    spatial_dropout: float
    fine_window: int
    fine_features: int
    levels: int = 3
    cascade: Cascade = "shared"
    group_norm: bool = False
    dtype: DType = "float32"

    def __post_init__(self) -> None:
        paired = (joint for pair in self.left_right_pairs for joint in pair)
        possible = {
            "joints": len(self.joints) > 0,
            "left_right_pairs": all(0 <= joint < len(self.joints) for joint in paired),
            "pooling": self.pooling in POOLINGS,
            "window": self.window > 0 and self.window % 2 == 1,
            "features": min(self.features, default=0) > 0,
            "patch_window": self.patch_window > 0 and self.patch_window % 2 == 1,
            "hidden": min(self.hidden, default=0) > 0,
            "spatial_dropout": 0 <= self.spatial_dropout < 1,
            "fine_window": self.fine_window > 0,
            "fine_features": self.fine_features > 0,
            "levels": self.levels > 0,
            "cascade": self.cascade in get_args(Cascade),
            "dtype": self.dtype in get_args(DType),
        }
        for field, can_be in possible.items():
            if not can_be:
                raise InputError(f"a pose cascade cannot have {field} {getattr(self, field)!r}")
        if len(self.features) < SHARED_STAGES:
            raise InputError(f"features {self.features} must be those of two stages or more")
        if self.fine_window % self.window_stride:
            raise InputError(
                f"fine_window {self.fine_window} must be a multiple of {self.window_stride} pixels"
            )
        if self.group_norm and any(count % NORM_GROUP for count in (*self.features, *self.hidden)):
            raise InputError(
                f"features {self.features} and hidden {self.hidden} must be multiples of {NORM_GROUP} with "
                "group_norm"
            )
        self.check_fits(self.input_size)

    @property
    def stages(self) -> int:
        """Convolutions that an image goes through on its way to the heat-maps.

        >>> flic().stages, mpii().stages
        (7, 11)
        """
        return len(self.features) + len(self.hidden) + 1

    @property
    def pools(self) -> tuple[int, ...]:
        """The pooling after each stage of a bank, by 2 at up to four places; the last does what is left.

        >>> flic(pooling=4).pools, flic(pooling=16).pools
        ((2, 2, 1), (2, 2, 4))
        >>> mpii(pooling=16).pools
        (1, 2, 1, 2, 1, 2, 1, 2)
        """
        stages, left = len(self.features), self.pooling
        between = max(1, stages // 4)
        pools = [1] * stages
        for stage in range(between - 1, stages - 1, between):
            if left > 1:
                pools[stage], left = 2, left // 2
        pools[-1] = left
        return tuple(pools)

    @property
    def receptive_field_px(self) -> int:
        """Side of the patch that a cell of a heat-map sees in the finest level.

        >>> [flic(pooling=pooling).receptive_field_px for pooling in (4, 8, 16)]
        [64, 100, 172]
        """
        size, stride = 1, 1
        for pool in self.pools:
            size += (self.window - 1 + pool - 1) * stride
            stride *= pool
        return size + (self.patch_window - 1) * stride

    @property
    def fine_strides(self) -> tuple[int, ...]:
        """Pixels of the input for one cell of each map that the fine net looks at, the finest level first.

        >>> flic().fine_strides, flic(cascade="standard").fine_strides
        ((1, 2, 2, 4, 4, 8), (1, 2, 4))
        """
        stages = SHARED_STAGES if self.cascade == "shared" else 1
        own = [math.prod(self.pools[:stage]) for stage in range(stages)]
        return tuple(2**level * stride for level in range(self.levels) for stride in own)

    @property
    def window_stride(self) -> int:
        """Fine windows start at multiples of this, where all shared maps have whole cells.

        >>> flic().window_stride, mpii().window_stride
        (8, 4)
        """
        return 2 ** (self.levels - 1) * math.prod(self.pools[: SHARED_STAGES - 1])

    @property
    def padding_multiple(self) -> int:
        """Images are padded to a multiple of this, so that every level has whole cells."""
        return self.pooling * 2 ** (self.levels - 1)

    @property
    def cells(self) -> coords.Transform:
        """Cells (column, row) of a heat-map to pixels (x, y) of the input."""
        return coords.grid(self.pooling, (self.pooling - 1) / 2)

    def heatmap_size(self, image_size: coords.Size) -> coords.Size:
        """Cells of the heat-maps of an image: as many as it takes to cover it.

        >>> flic().heatmap_size(coords.Size(240, 320))
        Size(height=30, width=40)

        Raises:
            InputError: as `check_fits`.
        """
        self.check_fits(image_size)
        return coords.Size(*(-(-side // self.pooling) for side in image_size))

    def check_fits(self, image_size: coords.Size) -> None:
        """Refuse images that are smaller than the patch.

        Raises:
            InputError: as said.
        """
        if min(image_size) < self.receptive_field_px:
            height, width = image_size
            raise InputError(
                f"an image of {width} x {height} pixels is smaller than the {self.receptive_field_px} x "
                f"{self.receptive_field_px} that {self.name} looks at for one cell of a heat-map"
            )


def flic(*, pooling: Pooling = 8, cascade: Cascade = "shared") -> Architecture:
    """The paper's model of the upper body: 7 joints, 7 stages, 320 x 240 pixels; its face is the nose."""
    return Architecture(
        name=f"flic-{pooling}x",
        joints=FLIC_JOINTS,
        left_right_pairs=FLIC_PAIRS,
        input_size=coords.Size(240, 320),
        pooling=pooling,
        window=5,
        features=(128,) * 3,
        patch_window=9,
        hidden=(512, 256, 256),
        spatial_dropout=0.5,
        fine_window=40,
        fine_features=128,
        cascade=cascade,
    )


def mpii(*, pooling: Pooling = 8, cascade: Cascade = "shared") -> Architecture:
    """The paper's model of the whole body: 14 joints, 11 stages, 256 x 256 pixels."""
    return Architecture(
        name=f"mpii-{pooling}x",
        joints=MPII_JOINTS,
        left_right_pairs=MPII_PAIRS,
        input_size=coords.Size(256, 256),
        pooling=pooling,
        window=3,
        features=(128,) * 8,
        patch_window=9,
        hidden=(512, 256),
        spatial_dropout=0.5,
        fine_window=40,
        fine_features=128,
        cascade=cascade,
    )


def small(
    joints: tuple[str, ...],
    left_right_pairs: tuple[tuple[int, int], ...],
    *,
    pooling: Pooling = 8,
    cascade: Cascade = "shared",
) -> Architecture:
    """The 7 stages with fewer features and pixels: what two processor cores train within an hour.

    The patch is 5x5 cells, so that it fits into 128 pixels with every pooling. With group normalisation the
    coarse net comes as far in half as many steps. With 4 as the pooling an hour's training finds more with the
    coarse net, and no more with the cascade.
    """
    return Architecture(
        name=f"small-{pooling}x",
        joints=joints,
        left_right_pairs=left_right_pairs,
        input_size=coords.Size(128, 128),
        pooling=pooling,
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


def from_dict(fields: dict[str, Any]) -> Architecture:
    """The architecture whose ``dataclasses.asdict`` this is, also after a way through JSON.

    >>> import dataclasses, json
    >>> from_dict(json.loads(json.dumps(dataclasses.asdict(flic())))) == flic()
    True
    """
    whole: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
    }
    whole["input_size"] = coords.Size(*whole["input_size"])
    whole["left_right_pairs"] = tuple((left, right) for left, right in whole["left_right_pairs"])
    return Architecture(**whole)
