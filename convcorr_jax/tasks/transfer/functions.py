"""Features of any network, as a function of a square photograph, in the place of the weights of ours."""

import functools
import hashlib
import importlib
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from convcorr_jax import coords
from convcorr_jax.errors import InputError

# Prevents a division by zero, as `convcorr_jax.descriptors.unit_length` does.
_LEAST_LENGTH = 1e-6
# The seed of the square whose features identify a function.
_SEED = 14


@dataclass(frozen=True, eq=False)
class FeatureFunction:
    """A function from a square RGB photograph to features of its cells, with the place of its cells.

    Attributes:
        function: Maps ``[side_px, side_px, 3]`` of uint8 to ``[rows, columns, c]`` of real numbers: an array of
            NumPy or JAX, or anything that `numpy.asarray` converts, such as a tensor of torch on the CPU.
        side_px: The side of the squares, to which whole photographs or boxes are resized.
        stride_px: The distance of neighbouring cells, in pixels of the square.
        offset_px: The centre of the first cell, in pixels, on both axes: pixel 0 has its centre at 0. Of
            patches it is ``(patch - 1) / 2``, which is the default for a stride of one patch.
    """

    function: Callable[[UInt8[np.ndarray, "side side 3"]], Any]
    _: KW_ONLY
    side_px: int
    stride_px: float
    offset_px: float | None = None

    def __post_init__(self) -> None:
        if self.side_px < 1 or not 0 < self.stride_px < np.inf:
            raise InputError(
                f"side_px is {self.side_px} and stride_px {self.stride_px}; positive numbers are expected"
            )

    @property
    def to_square_px(self) -> coords.Transform:
        """Cells (column, row) to pixels of the square."""
        offset = (self.stride_px - 1) / 2 if self.offset_px is None else self.offset_px
        return coords.grid(self.stride_px, offset)

    @functools.cached_property
    def fingerprint(self) -> str:
        """A hash of the features of one random square, and of the place of cells."""
        square = np.random.default_rng(_SEED).integers(0, 256, (1, self.side_px, self.side_px, 3), np.uint8)
        digest = hashlib.blake2b(digest_size=16)
        digest.update(self.describe(square, center=False).tobytes())
        digest.update(np.concatenate(self.to_square_px).tobytes())
        return f"function {digest.hexdigest()}"

    def describe(
        self, squares: UInt8[np.ndarray, "squares side side 3"], *, center: bool
    ) -> Float[np.ndarray, "squares rows columns c"]:
        """Compute features of unit length of every square; with ``center``, first less their mean column.

        Raises:
            InputError: the function returns anything but ``[rows, columns, c]`` of finite real numbers, of one
                shape for all squares; or the last cell is beyond the square.
        """
        maps = [self._checked(self.function(square)) for square in squares]
        if len(shapes := {one.shape for one in maps}) > 1:
            raise InputError(
                f"the features of squares of one size have the shapes {sorted(shapes)}; one is expected"
            )
        columns = np.stack(maps)
        if center:
            columns = columns - columns.mean(axis=(1, 2), keepdims=True)
        squared = np.sum(columns**2, axis=-1, keepdims=True)
        return columns / np.sqrt(squared + np.float32(_LEAST_LENGTH**2))

    def _checked(self, features: Any) -> Float[np.ndarray, "rows columns c"]:
        try:
            array = np.asarray(features).astype(np.float32)
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(f"the features are no array of real numbers: {error}") from error
        if array.ndim != 3 or not array.size:
            raise InputError(f"the features have the shape {array.shape}; [rows, columns, c] is expected")
        if not np.isfinite(array).all():
            raise InputError("the features hold values that are not finite")
        corners = self.to_square_px(np.array([[0.0, 0.0], [array.shape[1] - 1.0, array.shape[0] - 1.0]]))
        if not coords.inside(corners, coords.whole_image((self.side_px, self.side_px))).all():
            raise InputError(
                f"the {array.shape[1]} x {array.shape[0]} cells have their first and last centres at "
                f"{corners[0].tolist()} and {corners[1].tolist()}, not both in a square of {self.side_px} "
                "pixels; another stride_px or offset_px is expected"
            )
        return array


def find_function(name: str) -> FeatureFunction:
    """Import the `FeatureFunction` of a name such as ``my_module:function``.

    Raises:
        InputError: there is no such module, or it has no `FeatureFunction` of this name.
    """
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except (ImportError, ValueError) as error:
        raise InputError(f"{name} cannot be imported: {error}; module:name is expected") from error
    if not isinstance(found, FeatureFunction):
        raise InputError(f"{name} is {type(found).__name__}; a FeatureFunction is expected")
    return found
