"""Windows around joints, cut from maps of several resolutions so that all windows cover the same pixels.

A window is a square of n input pixels a side. In a map of stride s it has n / s cells a side, so that it covers
the same pixels at every resolution. Windows start at a multiple of the coarsest stride: they consist of whole
cells in every map, and a joint is at most half that stride away from the middle of its window. Outside the map
a window is zero.

Gradients are propagated into the maps (they are summed where windows overlap), not into the points.

The paper centres windows on cells that are not whole in coarser maps, and does not say how it rounds them.

Source: Tompson et al. 2015, section 4.1 and Figure 6.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Corners = Int[Array, "b j 2"]
"""The first pixel (x, y) of each window, in the input frame."""


def corners(points: Float[Array, "b j 2"], *, window_px: int, stride_px: int) -> Corners:
    """Return the first pixels of windows around points: the multiples of ``stride_px`` that centre them best.

    >>> corners(jnp.array([[[11.5, 20.0]]]), window_px=24, stride_px=8)
    Array([[[0, 8]]], dtype=int32)

    Args:
        points: joints (x, y), in pixels of the input frame; none is NaN.
        window_px: side of the windows in pixels.
        stride_px: stride of the coarsest map in pixels.
    """
    first_edge = points + 0.5 - window_px / 2
    return (jnp.floor(first_edge / stride_px + 0.5) * stride_px).astype(jnp.int32)


def windows(
    maps: Float[Array, "b h w c"], corners: Corners, *, window_px: int, stride_px: int
) -> Float[Array, "b j n n c"]:
    """Cut the windows from one map; they have ``n = window_px / stride_px`` cells a side.

    Args:
        maps: maps of a batch. The first pixel of cell (column, row) is ``stride_px * (column, row)``.
        corners: the first pixels of the windows, as `corners` returns them for a stride that is a multiple of
            ``stride_px``.
        window_px: side of the windows in pixels.
        stride_px: stride of these maps in pixels.
    """
    cells = window_px // stride_px
    padded = jnp.pad(maps, ((0, 0), (cells, cells), (cells, cells), (0, 0)))
    limit = jnp.array([[[maps.shape[2], maps.shape[1]]]])
    starts = cells + jnp.clip(corners // stride_px, -cells, limit)

    def cut(image: Array, start: Array) -> Array:
        size = (cells, cells, image.shape[-1])
        return jax.lax.dynamic_slice(image, (start[1], start[0], 0), size)

    return jax.vmap(jax.vmap(cut, in_axes=(None, 0)))(padded, starts)
