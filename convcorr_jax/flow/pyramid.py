"""Coarser grids for belief propagation, whose messages initialise those of the finer grid.

Four source cells form a block. The labels remain all target cells, so their precision is not reduced. A block's
label is the target cell of its upper left cell, and the other three cells move with it: cell ``2 P + o`` of
block P goes to ``t_P + o``, clamped to the target grid. The displacements of neighbouring blocks then differ by
``t_P - t_Q + 2 (Q - P)``. The factor of the smoothness term is unchanged: half as many edges connect blocks,
and each stands for a displacement that changes over twice the distance.

Arrays are laid out as in `convcorr_jax.flow.messages`.

Source: P. F. Felzenszwalb and D. P. Huttenlocher, "Efficient belief propagation for early vision", IJCV 70
(2006), section 4. Differs from the paper: there labels are disparities, the same for all four cells.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from convcorr_jax.flow.messages import has_sender

# Offsets (rows, columns) of the four cells of a block from its upper left cell.
OFFSETS = ((0, 0), (0, 1), (1, 0), (1, 1))


def coarsen(data: Float[Array, "h_t w_t h w"]) -> Float[Array, "h_t w_t h_half w_half"]:
    """Compute the data costs of blocks: the sums of their cells' costs.

    A block at the border of a grid with an odd side has fewer than four cells.
    """
    height, width = data.shape[-2:]
    padded = jnp.pad(data, ((0, 0), (0, 0), (0, height % 2), (0, width % 2)))
    cells = [_shifted(padded[..., row::2, column::2], row, column) for row, column in OFFSETS]
    return cells[0] + cells[1] + cells[2] + cells[3]


def refine(
    messages: Float[Array, "4 h_t w_t h_half w_half"],
    shape: tuple[int, int],
    *,
    size: tuple[ArrayLike, ArrayLike] | None = None,
) -> Float[Array, "4 h_t w_t h w"]:
    """Give every cell of a finer grid the incoming messages of its block.

    ``shape`` is that of the finer grid's arrays, ``size`` that of the grid if it is smaller; it may be traced.
    """
    height, width = shape
    cells = jnp.stack([_shifted(messages, -row, -column) for row, column in OFFSETS])
    cells = cells.reshape(2, 2, *messages.shape)
    # [row in block, column in block, ..., block row, block column] to [..., row, column]
    cells = jnp.moveaxis(cells, (0, 1), (-3, -1))
    fine = cells.reshape(*messages.shape[:-2], 2 * messages.shape[-2], 2 * messages.shape[-1])
    senders = has_sender(shape, size=size).astype(fine.dtype)
    return fine[..., :height, :width] * senders[:, None, None]


def _shifted(volume, rows, columns):
    """Read a volume at the labels ``t + (rows, columns)``, clamped to the target grid."""
    for axis, step in ((-4, rows), (-3, columns)):
        length = volume.shape[axis]
        volume = jnp.take(volume, np.clip(np.arange(length) + step, 0, length - 1), axis=axis)
    return volume
