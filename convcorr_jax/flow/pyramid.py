"""Coarser grids for belief propagation, from which the messages of the finer one start.

Four source cells become one; the labels stay all the target cells, so that nothing is lost of their
precision. A block's label is the target cell of its upper left cell, and the other three move along with it:
cell ``2 P + o`` of block P goes to ``t_P + o``, clamped to the target grid. Neighbouring blocks then differ in
displacement by ``t_P - t_Q + 2 (Q - P)``, and the factor of the smoothness term stays as it is: half as many
edges cross between blocks, each standing for a displacement that changes twice as far.

Arrays are laid out as in `convcorr_jax.flow.messages`.

Source: P. F. Felzenszwalb and D. P. Huttenlocher, "Efficient belief propagation for early vision", IJCV 70
(2006), section 4. Differs from the paper: there labels are disparities, the same for all four cells.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from convcorr_jax.flow.messages import has_sender

# Rows and columns from the upper left cell of a block to each of its cells.
OFFSETS = ((0, 0), (0, 1), (1, 0), (1, 1))


def coarsen(data: Float[Array, "h_t w_t h w"]) -> Float[Array, "h_t w_t h_half w_half"]:
    """Data costs of the blocks: the sum of their cells' costs (a block at the border may have fewer)."""
    height, width = data.shape[-2:]
    padded = jnp.pad(data, ((0, 0), (0, 0), (0, height % 2), (0, width % 2)))
    cells = [_shifted(padded[..., row::2, column::2], row, column) for row, column in OFFSETS]
    return cells[0] + cells[1] + cells[2] + cells[3]


def refine(
    messages: Float[Array, "4 h_t w_t h_half w_half"], size: tuple[int, int]
) -> Float[Array, "4 h_t w_t h w"]:
    """Messages for the cells of a grid of ``size``: each hears what its block has heard."""
    height, width = size
    cells = jnp.stack([_shifted(messages, -row, -column) for row, column in OFFSETS])
    cells = cells.reshape(2, 2, *messages.shape)
    # [row in block, column in block, ..., block row, block column] to [..., row, column]
    cells = jnp.moveaxis(cells, (0, 1), (-3, -1))
    fine = cells.reshape(*messages.shape[:-2], 2 * messages.shape[-2], 2 * messages.shape[-1])
    return fine[..., :height, :width] * has_sender(height, width)[:, None, None].astype(fine.dtype)


def _shifted(volume, rows, columns):
    """Read a volume at the labels ``t + (rows, columns)``, clamped."""
    for axis, step in ((-4, rows), (-3, columns)):
        length = volume.shape[axis]
        volume = jnp.take(volume, np.clip(np.arange(length) + step, 0, length - 1), axis=axis)
    return volume
