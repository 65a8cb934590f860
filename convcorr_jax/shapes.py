"""The types of arrays that all rooms of this package share.

Images are ``[height, width, channel]``. On the host they are 8-bit RGB; a network's own preprocessing
turns them into its floating-point input. Points are ``(x, y)`` with x to the right and y down, 0-based,
pixel centres at integers (see `convcorr_jax.coords`); a point that is absent is NaN in both coordinates.
Letters in shapes: h height, w width, d descriptor length, n points, b batch.
"""

import numpy as np
from jaxtyping import Array, Float, UInt8

Image = UInt8[np.ndarray, "height width 3"]
"""An 8-bit RGB image in host memory."""

Points = Float[Array, "*batch n 2"] | Float[np.ndarray, "*batch n 2"]
"""Points (x, y) in the frame that the function names."""

Descriptors = Float[Array, "h w d"]
"""One descriptor at every cell of a grid."""

Flow = Float[Array, "h w 2"]
"""Displacement (x, y), in grid cells, from every source cell to its match in the target grid."""
