"""Interpolation of images and flows between their samples.

Points are (x, y) with sample centres at integers, in the frame of the array that is read. A point outside the
outermost samples reads the nearest point on them, as SciPy's spline does; an absent point (NaN) reads NaN.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from convcorr_jax import coords
from convcorr_jax.errors import InputError

# By default, accelerators may round the factors of a product to ten bits: an error of one pixel in a thousand.
EXACT = lax.Precision.HIGHEST


@jax.jit
def sample(image: Float[Array, "h w c"], points: Float[Array, "*n 2"]) -> Float[Array, "*n c"]:
    """Read an image at points by the bicubic spline through its pixels.

    The spline is ``s(x, y) = sum_ij c_ij B(x - j) B(y - i)`` with cubic B-splines B; its third derivatives are
    continuous across the second and the last pixel but one ("not a knot"). This is the paper's interpolation,
    SciPy's ``RectBivariateSpline(kx=3, ky=3, s=0)``. Along a side of 3, 2 or 1 pixels it is a parabola, a line
    or a constant.

    Raises:
        InputError: the image has no pixel.
    """
    height, width, channels = image.shape
    if not height * width:
        raise InputError(f"the image has {height} x {width} pixels; at least one is expected")
    coefficients = jnp.moveaxis(_spline_coefficients(image), 0, 1)
    coefficients = jnp.moveaxis(_spline_coefficients(coefficients), 0, 1)
    flat = points.reshape(-1, 2)
    first_column, column_weights = _taps(flat[:, 0], width)
    first_row, row_weights = _taps(flat[:, 1], height)
    taps = jnp.arange(4)[None]
    rows = (first_row[:, None] + taps)[:, :, None]
    columns = (first_column[:, None] + taps)[:, None, :]
    values = jnp.einsum(
        "nijc,ni,nj->nc", coefficients[rows, columns], row_weights, column_weights, precision=EXACT
    )
    return values.reshape(*points.shape[:-1], channels)


@jax.jit
def warp(image: Float[Array, "h_t w_t c"], flow_px: Float[Array, "h w 2"]) -> Float[Array, "h w c"]:
    """Pull an image back along a flow in pixels, ``out(p) = image(p + flow_px(p))``, as `sample` reads it."""
    return sample(image, jnp.asarray(coords.cell_grid(flow_px.shape[:2]), flow_px.dtype) + flow_px)


@jax.jit
def sample_flow(flow: Float[Array, "h w 2"], points: Float[Array, "n 2"]) -> Float[Array, "n 2"]:
    """Read a flow at points by bilinear interpolation between its cells.

    Points are in cells of the flow's own grid; beyond the outermost cells the flow is constant.
    """
    height, width = flow.shape[:2]
    rows = coords.linear_weights(points[:, 1], height)
    columns = coords.linear_weights(points[:, 0], width)
    return jnp.einsum("nh,nw,hwd->nd", rows, columns, flow, precision=EXACT)


@functools.partial(jax.jit, static_argnames="size")
def upsample_flow(
    flow: Float[Array, "h w 2"],
    source_to_px: coords.Transform,
    target_to_px: coords.Transform,
    size: tuple[int, int],
) -> Float[Array, "height width 2"]:
    """Convert a flow between cells to a dense flow between pixels.

    A pixel p of the source image is at the cell position ``c = source_to_px^-1(p)`` and goes to the pixel
    ``target_to_px(c + w(c))``. The displacement w is bilinear between cells, because a spline would ring where
    a flow of whole cells jumps, and constant beyond the outermost cells. The flow between cells is in cells of
    the target grid; ``size`` is the height and width of the source image.
    """
    height, width = size
    pixels = jnp.asarray(coords.cell_grid((height, width)), flow.dtype)
    at = source_to_px.inverse(pixels)
    rows = coords.linear_weights(at[:, 0, 1], flow.shape[0])
    columns = coords.linear_weights(at[0, :, 0], flow.shape[1])
    displacement = jnp.einsum("yh,xw,hwd->yxd", rows, columns, flow, precision=EXACT)
    return target_to_px(at + displacement) - pixels


def _spline_coefficients(samples: Float[Array, "n ..."]) -> Float[Array, "m ..."]:
    """Compute the n + 2 B-spline coefficients of the not-a-knot cubic through n samples along the first axis.

    With moments M (second derivatives at the samples) and second differences d, smoothness requires ``M[i-1] +
    4 M[i] + M[i+1] = 6 d[i]``, and the not-a-knot ends require ``M[1] = d[1]`` and ``M[n-2] = d[n-2]``. The
    coefficients are ``samples - M / 6``.
    """
    count = samples.shape[0]
    moments = jnp.zeros_like(samples)
    if count >= 3:
        difference = samples[:-2] - 2 * samples[1:-1] + samples[2:]
        inner = _inner_moments(difference)
        before, after = (
            (inner[0], inner[-1]) if count == 3 else (2 * inner[0] - inner[1], 2 * inner[-1] - inner[-2])
        )
        moments = jnp.concatenate([before[None], inner, after[None]])
    inside = samples - moments / 6
    # The moment at a sample is the second difference of the coefficients, at the ends as well.
    second, last_but_one = (inside[1], inside[-2]) if count > 1 else (inside[0], inside[0])
    before = 2 * inside[0] - second + moments[0]
    after = 2 * inside[-1] - last_but_one + moments[-1]
    return jnp.concatenate([before[None], inside, after[None]])


def _inner_moments(difference):
    """Compute the moments at all samples but the first and the last from the second differences."""
    count = difference.shape[0]
    end = np.isin(np.arange(count), [0, count - 1])
    off, diagonal, factor = (
        jnp.asarray(np.where(end, at_end, inside), difference.dtype)
        for at_end, inside in ((0, 1), (1, 4), (1, 6))
    )
    right = factor[:, None] * difference.reshape(count, -1)
    return lax.linalg.tridiagonal_solve(off, diagonal, off, right).reshape(difference.shape)


def _taps(positions, length):
    """Return the first of the four coefficients that affect a position, and the weights of all four."""
    inside = jnp.clip(positions, 0, length - 1)
    cell = jnp.clip(jnp.floor(inside), 0, max(length - 2, 0))
    t = inside - cell
    weights = [(1 - t) ** 3, 4 - 6 * t**2 + 3 * t**3, 1 + 3 * t + 3 * t**2 - 3 * t**3, t**3]
    return cell.astype(jnp.int32), jnp.stack(weights, axis=-1) / 6
