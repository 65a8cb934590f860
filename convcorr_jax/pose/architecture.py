"""The architecture of a pose cascade: sizes, depths and options, as one hashable value.

A *stage* is a convolution, its rectifier and, in some stages, pooling. Each of the three levels of the pyramid
has its own bank of stages. They are followed by stages that emulate a fully connected network on a sliding
patch: first one convolution for each level, with a window of `Architecture.patch_window` cells; then, on the
sum of the levels, 1x1 convolutions, the last of which computes one heat-map for each joint.

The paper leaves open, and here is chosen:

- FLIC's 7 stages are 3 and 4, as the text says; MPII's 11 are 8 and 3. All convolutions of the banks have 128
  features, the emulated layers 512 and 256 (as in the paper's predecessor, Tompson et al. 2014).
- FLIC's stages have 5x5 windows and are pooled by 2 one after the other until the total is reached; a total of
  16 needs pooling by 4 after the third. MPII's have 3x3 windows and are pooled after every second one.
- The patch is 9x9 cells.
- The rate of SpatialDropout is 0.5.
- Windows of the fine net are 40 pixels wide, so that it can move a joint by up to 20 pixels.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_type_hints

from convcorr_jax import coords
from convcorr_jax.errors import InputError
from convcorr_jax.io import check_fields

Pooling = Literal[4, 8, 16]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
Cascade = Literal["shared", "standard"]
DType = Literal["float32", "bfloat16"]

SHARED_STAGES = 2
"""The input of the fine net is the output of this many of a bank's first stages (Figure 7 of the paper)."""

NORM_GROUP = 8
"""The number of maps in a group of group normalization; it divides the features of all presets."""

# Beyond the sizes of any published cascade: of an input, a window, a layer, a network and a pyramid.
_LARGEST_SIDE_PX = 1024
_WIDEST = 63
_MOST = 4096
_DEEPEST = 32
_MOST_LEVELS = 6

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
    """The architecture of a pose cascade.

    It is hashable, and so a static argument under jit. Its ``dataclasses.asdict`` is saved with every
    checkpoint.

    Args:
        name: name of the preset and its pooling.
        joints: names of the joints; each has one heat-map.
        left_right_pairs: indices of joints that exchange places when a person is mirrored.
        input_size: size of the images that the preset trains on. Images of another size work if they are at
            least as large as the receptive field of a heat-map's cell.
        pooling: pixels of the input for one cell of a heat-map.
        window: side of the banks' convolutions, in cells.
        features: number of features of each convolution of a bank.
        patch_window: side of the first emulated layer's convolution, in cells.
        hidden: number of features of the emulated layers before the heat-maps; the layer over the patch is
            first.
        spatial_dropout: probability that a whole map is dropped in training.
        fine_window: side of the fine net's input window, in pixels of the input.
        fine_features: number of features of the fine net's layers.
        levels: number of levels of the pyramid.
        cascade: whether the input of the fine net is the coarse net's features (``"shared"``) or, for
            comparison, the image (``"standard"``).
        group_norm: whether the coarse net's convolutions are normalized. This is not in the paper.
        dtype: type of the computations; parameters are always float32.

    Raises:
        InputError: a field has a value that no cascade can have; there are fewer than two stages; the input is
            smaller than the patch; the fine window is not a whole number of cells in every bank; or the numbers
            of features cannot be divided into groups of normalization.
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
            "joints": 0 < len(self.joints) <= _MOST,
            "left_right_pairs": all(0 <= joint < len(self.joints) for joint in paired),
            "pooling": self.pooling in POOLINGS,
            "input_size": max(self.input_size) <= _LARGEST_SIDE_PX,
            "window": 0 < self.window <= _WIDEST and self.window % 2 == 1,
            "features": _are_counts(self.features),
            "patch_window": 0 < self.patch_window <= _WIDEST and self.patch_window % 2 == 1,
            "hidden": _are_counts(self.hidden),
            "spatial_dropout": 0 <= self.spatial_dropout < 1,
            "fine_window": 0 < self.fine_window <= _LARGEST_SIDE_PX,
            "fine_features": 0 < self.fine_features <= _MOST,
            "levels": 0 < self.levels <= _MOST_LEVELS,
            "cascade": self.cascade in get_args(Cascade),
            "dtype": self.dtype in get_args(DType),
        }
        for field, is_possible in possible.items():
            if not is_possible:
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
        """Number of successive convolutions between an image and its heat-maps.

        >>> flic().stages, mpii().stages
        (7, 11)
        """
        return len(self.features) + len(self.hidden) + 1

    @property
    def pools(self) -> tuple[int, ...]:
        """Pooling factor after each stage of a bank: 2 after up to four stages, the rest after the last stage.

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
        """Side of the receptive field of a heat-map's cell in the finest level, in pixels.

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
        """Stride of each input map of the fine net, in pixels of the input; the finest level is first.

        >>> flic().fine_strides, flic(cascade="standard").fine_strides
        ((1, 2, 2, 4, 4, 8), (1, 2, 4))
        """
        stages = SHARED_STAGES if self.cascade == "shared" else 1
        own = [math.prod(self.pools[:stage]) for stage in range(stages)]
        return tuple(2**level * stride for level in range(self.levels) for stride in own)

    @property
    def window_stride(self) -> int:
        """Stride of the positions of fine windows, in pixels.

        At its multiples all shared maps have whole cells.

        >>> flic().window_stride, mpii().window_stride
        (8, 4)
        """
        return 2 ** (self.levels - 1) * math.prod(self.pools[: SHARED_STAGES - 1])

    @property
    def padding_multiple(self) -> int:
        """Number of pixels of which padded images are a multiple, so that every level has whole cells."""
        return self.pooling * 2 ** (self.levels - 1)

    @property
    def cells(self) -> coords.Transform:
        """Transform from cells (column, row) of a heat-map to pixels (x, y) of the input."""
        return coords.grid(self.pooling, (self.pooling - 1) / 2)

    def heatmap_size(self, image_size: coords.Size) -> coords.Size:
        """Return the size of an image's heat-maps, in cells: the smallest that covers the image.

        >>> flic().heatmap_size(coords.Size(240, 320))
        Size(height=30, width=40)

        Args:
            image_size: size of the image, in pixels.

        Raises:
            InputError: the image is smaller than the receptive field of a heat-map's cell.
        """
        self.check_fits(image_size)
        return coords.Size(*(-(-side // self.pooling) for side in image_size))

    def check_fits(self, image_size: coords.Size) -> None:
        """Raise an error if images are smaller than the receptive field of a heat-map's cell.

        Args:
            image_size: size of the images, in pixels.

        Raises:
            InputError: the images are smaller.
        """
        if min(image_size) < self.receptive_field_px:
            height, width = image_size
            raise InputError(
                f"an image of {width} x {height} pixels is smaller than the {self.receptive_field_px} x "
                f"{self.receptive_field_px} that {self.name} needs for one cell of a heat-map"
            )


def _are_counts(features: tuple[int, ...]) -> bool:
    return 0 < len(features) <= _DEEPEST and 0 < min(features) and max(features) <= _MOST


def flic(*, pooling: Pooling = 8, cascade: Cascade = "shared") -> Architecture:
    """Return the paper's model of the upper body: 7 joints, 7 stages, 320 x 240 pixels.

    The paper's joint "face" is the nose.

    Args:
        pooling: pixels of the input for one cell of a heat-map.
        cascade: the input of the fine net: the coarse net's features, or the image.
    """
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
    """Return the paper's model of the whole body: 14 joints, 11 stages, 256 x 256 pixels.

    Args:
        pooling: pixels of the input for one cell of a heat-map.
        cascade: the input of the fine net: the coarse net's features, or the image.
    """
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
    """Return a small model of 7 stages, which two processor cores train within an hour.

    The patch is 5x5 cells, so that it fits into 128 pixels with every pooling. With group normalization the
    coarse net reaches the same accuracy in half as many steps. After an hour of training, a pooling of 4 makes
    the coarse net more accurate, but not the cascade.

    Args:
        joints: names of the joints.
        left_right_pairs: indices of joints that exchange places when a person is mirrored.
        pooling: pixels of the input for one cell of a heat-map.
        cascade: the input of the fine net: the coarse net's features, or the image.
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
    """Return the architecture of a mapping that ``dataclasses.asdict`` returned, also from JSON.

    >>> import dataclasses, json
    >>> from_dict(json.loads(json.dumps(dataclasses.asdict(flic())))) == flic()
    True

    Args:
        fields: the fields of an architecture by their names; JSON makes lists of tuples.

    Raises:
        InputError: a field is missing, unknown or of another type, or no cascade can have such an
            architecture.
    """
    optional = [field.name for field in dataclasses.fields(Architecture) if _has_default(field)]
    check_fields(fields, get_type_hints(Architecture), name="architecture", optional=optional)
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
    }
    values["input_size"] = coords.Size(*values["input_size"])
    values["left_right_pairs"] = tuple((left, right) for left, right in values["left_right_pairs"])
    return Architecture(**values)


def _has_default(field: dataclasses.Field) -> bool:
    return field.default is not dataclasses.MISSING
