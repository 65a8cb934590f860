"""The architecture of a pose cascade: sizes, depths and options, as one hashable value.

A *stage* is a convolution, its rectifier and, in some stages, pooling. Without a front, each of the levels of
the pyramid has its own bank of stages. They are followed by stages that emulate a fully connected network on a
sliding patch: first one convolution for each level, with a window of `Architecture.patch_window` cells; then,
on the sum of the levels, 1x1 convolutions, the last of which computes one heat-map for each joint.

With a pretrained front (`convcorr_jax.pose.front`) the stages are those of `convcorr_jax.pose.nets`: some on
its maps of 16 pixels a cell, and some on its maps of 8.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_type_hints

from convcorr_jax import coords
from convcorr_jax.errors import InputError
from convcorr_jax.io import check_fields
from convcorr_jax.pose.front import COARSE_STRIDES, FRONTS, Front

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
# The square of a wider prior's standard deviation might overflow; this one is flat over any window.
_WIDEST_PRIOR_PX = 1e6
# The sides of a frame in a photograph: from what an image at least has to beyond what it is read with.
_LEAST_FRAME_PX, _LARGEST_FRAME_PX = 16, 2**16


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The architecture of a pose cascade.

    It is hashable, and so a static argument under jit. Its ``dataclasses.asdict`` is saved with every
    checkpoint.

    Args:
        joints: each has one heat-map.
        left_right_pairs: indices of joints that exchange places when a person is mirrored.
        input_size: of the images that the preset trains on. Others work if they are at least as large as the
            receptive field of a heat-map's cell.
        pooling: pixels of the input for one cell of a heat-map; 8 with a front.
        sigma_px: standard deviation of the coarse net's target Gaussians, in pixels of the input.
        window: side of the stages' convolutions, in cells.
        features: number of features of each convolution of a bank; with a front, of each stage on the maps of
            16 pixels a cell.
        patch_window: side of the first emulated layer's convolution, in cells; not used with a front.
        hidden: number of features of the emulated layers before the heat-maps; the layer over the patch is
            first. With a front, of each stage on the maps of 8 pixels a cell.
        fine_window: side of the fine net's input window, in pixels of the input.
        fine_features: number of features of the fine net's layers.
        levels: number of levels of the pyramid; 1 with a front.
        cascade: whether the input of the fine net is the coarse net's features (``"shared"``) or, for
            comparison, the image (``"standard"``).
        group_norm: whether the coarse net's convolutions are normalized. This is not in the paper.
        front: the network whose pretrained layers are the first of the cascade.
        front_features: number of features to which the front's coarse maps are projected, or that of a map's
            channels if it is smaller.
        frame_px: side of the square around the torso that the input shows, in pixels of photographs of people
            without a known size; None for the whole photograph. See `convcorr_jax.pose.framing`.
        rotated_degrees: the angle of the rotated copies of an image whose coarse heat-maps are averaged with
            its own in prediction, from 0 (no copies, as in the paper) to 90.
        spatial_weight: exponent w of the spatial model's heat-map q in prediction: coarse positions are the
            maxima of ``e ** (1 - w) * q ** w`` with the coarse net's heat-map e; 1 in the paper.
        fine_prior_px: standard deviation of a Gaussian around the coarse position by which predicted fine
            heat-maps are multiplied, in pixels of the input, at least 0.1; None for the paper's fine net, whose
            window alone limits the positions.

    Raises:
        InputError: a field has a value that no cascade can have; there are fewer than two stages; the input
            does not fit (see `check_fits`); the fine window is not a whole number of cells in every map; or the
            numbers of features cannot be divided into groups of normalization.
    """

    name: str
    joints: tuple[str, ...]
    left_right_pairs: tuple[tuple[int, int], ...]
    input_size: coords.Size
    pooling: Pooling
    sigma_px: float
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
    front: Front = "none"
    front_features: int = 256
    frame_px: float | None = None
    rotated_degrees: float = 0.0
    spatial_weight: float = 1.0
    fine_prior_px: float | None = None
    dtype: DType = "float32"

    def __post_init__(self) -> None:
        paired = [joint for pair in self.left_right_pairs for joint in pair]
        possible = {
            "joints": 0 < len(self.joints) == len(set(self.joints)) <= _MOST,
            "left_right_pairs": all(0 <= joint < len(self.joints) for joint in paired)
            and len(set(paired)) == len(paired),
            "front": self.front in get_args(Front),
            "pooling": self.pooling in (POOLINGS if self.front == "none" else COARSE_STRIDES[:1]),
            "sigma_px": 0 < self.sigma_px <= _LARGEST_SIDE_PX,
            "input_size": max(self.input_size) <= _LARGEST_SIDE_PX,
            "window": 0 < self.window <= _WIDEST and self.window % 2 == 1,
            "features": _are_counts(self.features),
            "patch_window": 0 < self.patch_window <= _WIDEST and self.patch_window % 2 == 1,
            "hidden": _are_counts(self.hidden),
            "spatial_dropout": 0 <= self.spatial_dropout < 1,
            "fine_window": 0 < self.fine_window <= _LARGEST_SIDE_PX,
            "fine_features": 0 < self.fine_features <= _MOST,
            "levels": 0 < self.levels <= (_MOST_LEVELS if self.front == "none" else 1),
            "cascade": self.cascade in (get_args(Cascade) if self.front == "none" else get_args(Cascade)[:1]),
            "front_features": 0 < self.front_features <= _MOST,
            "frame_px": self.frame_px is None or _LEAST_FRAME_PX <= self.frame_px <= _LARGEST_FRAME_PX,
            "rotated_degrees": 0 <= self.rotated_degrees <= 90,
            "spatial_weight": 0 <= self.spatial_weight <= 1,
            "fine_prior_px": self.fine_prior_px is None or 0.1 <= self.fine_prior_px <= _WIDEST_PRIOR_PX,
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
        """Number of successive convolutions between an image, or the front's maps, and the heat-maps."""
        return len(self.features) + len(self.hidden) + 1

    @property
    def pools(self) -> tuple[int, ...]:
        """Pooling factor after each stage of a bank: 2 after up to four stages, the rest after the last one."""
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
        """Side of the receptive field of a heat-map's cell in the finest level, in pixels."""
        size, stride = 1, 1
        for pool in self.pools:
            size += (self.window - 1 + pool - 1) * stride
            stride *= pool
        return size + (self.patch_window - 1) * stride

    @property
    def fine_strides(self) -> tuple[int, ...]:
        """Stride of each input map of the fine net, in pixels of the input; the finest level is first."""
        if self.front != "none":
            return FRONTS[self.front].fine_strides
        stages = SHARED_STAGES if self.cascade == "shared" else 1
        own = [math.prod(self.pools[:stage]) for stage in range(stages)]
        return tuple(2**level * stride for level in range(self.levels) for stride in own)

    @property
    def window_stride(self) -> int:
        """Stride of the positions of fine windows, in pixels; at its multiples shared maps have whole cells."""
        if self.front != "none":
            return max(self.fine_strides)
        return 2 ** (self.levels - 1) * math.prod(self.pools[: SHARED_STAGES - 1])

    @property
    def fine_cells(self) -> coords.Transform:
        """Transform from cells (column, row) of a fine heat-map to pixels (x, y) of its window."""
        stride = min(self.fine_strides)
        return coords.grid(stride, (stride - 1) / 2)

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

        An image that does not fit is refused as by `check_fits`.
        """
        self.check_fits(image_size)
        return coords.Size(*(-(-side // self.pooling) for side in image_size))

    def check_fits(self, image_size: coords.Size) -> None:
        """Raise an error if the cascade cannot compute heat-maps of images of this size.

        Raises:
            InputError: the images are smaller than the receptive field of a heat-map's cell; or, with a front,
                their height or width is not a multiple of the front's greatest stride.
        """
        if self.front != "none":
            stride = COARSE_STRIDES[-1]
            if any(side % stride or side < 2 * stride for side in image_size):
                raise InputError(
                    f"an image of {image_size[1]} x {image_size[0]} pixels does not fit {self.name}, "
                    f"whose front {self.front} takes multiples of {stride} from {2 * stride} on"
                )
            return
        if min(image_size) < self.receptive_field_px:
            height, width = image_size
            raise InputError(
                f"an image of {width} x {height} pixels is smaller than the {self.receptive_field_px} x "
                f"{self.receptive_field_px} that {self.name} needs for one cell of a heat-map"
            )


def _are_counts(features: tuple[int, ...]) -> bool:
    return 0 < len(features) <= _DEEPEST and 0 < min(features) and max(features) <= _MOST


def from_dict(fields: dict[str, Any]) -> Architecture:
    """Return the architecture of a mapping that ``dataclasses.asdict`` returned, also from JSON.

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
