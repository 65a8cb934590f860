"""Windows around joints, cut from maps of several resolutions so that all show the same pixels.

A window is a square of a given number of input pixels. In a map of stride s it is so many cells / s, whence the
context stays the same at every resolution. Windows start at a multiple of the coarsest stride: then they are
whole cells in every map, and a joint is at most half of that stride away from the middle. Beyond the borders a
window holds zeros.

Gradients flow back into the maps (they are added up where windows overlap), not into the points.

The paper centres windows on cells that are not whole in coarser maps, and does not say how it rounds them.

Source: Tompson et al. 2015, section 4.1 and Figure 6.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Corners = Int[Array, "b j 2"]
"""The first pixel (x, y) of each window, in the input frame."""


def corners(points: Float[Array, "b j 2"], *, window_px: int, stride_px: int) -> Corners:
    """Where windows around points (x, y) start: the multiple of ``stride_px`` that centres them best.

    >>> corners(jnp.array([[[11.5, 20.0]]]), window_px=24, stride_px=8)
    Array([[[0, 8]]], dtype=int32)
    """
    first_edge = points + 0.5 - window_px / 2
    return (jnp.floor(first_edge / stride_px + 0.5) * stride_px).astype(jnp.int32)


def windows(
    maps: Float[Array, "b h w c"], corners: Corners, *, window_px: int, stride_px: int
) -> Float[Array, "b j n n c"]:
    """The windows of one map, ``n = window_px / stride_px`` cells a side.

    Args:
        maps: of a batch, whose cell (column, row) covers pixels from ``stride_px`` (column, row).
        corners: as `corners` gives them for a stride that is a multiple of this one.
        window_px: side of the windows in pixels.
        stride_px: pixels for one cell of these maps.
    """
    cells = window_px // stride_px
    padded = jnp.pad(maps, ((0, 0), (cells, cells), (cells, cells), (0, 0)))
    limit = jnp.array([[[maps.shape[2], maps.shape[1]]]])
    starts = cells + jnp.clip(corners // stride_px, -cells, limit)

    def cut(one: Array, start: Array) -> Array:
        return jax.lax.dynamic_slice(one, (start[1], start[0], 0), (cells, cells, one.shape[-1]))

    return jax.vmap(jax.vmap(cut, in_axes=(None, 0)))(padded, starts)
