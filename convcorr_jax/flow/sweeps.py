"""Messages that pass through whole rows and columns of a grid, one cell after the other.

Arrays are laid out as in `convcorr_jax.flow.messages`: data costs are ``[h_t, w_t, h_s, w_s]``, and messages
``[4, h_t, w_t, h_s, w_s]`` travel right, left, down and up.
"""

import functools
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Float

Transform = Callable[[Array, slice | Array | np.ndarray], Array]


def sweeps(
    data: Float[Array, "h_t w_t h_s w_s"],
    messages: Float[Array, "4 h_t w_t h_s w_s"],
    transform: Transform,
    *,
    size: tuple[ArrayLike, ArrayLike] | None = None,
) -> Float[Array, "4 h_t w_t h_s w_s"]:
    """Pass messages through the columns to the right and to the left, then through the rows down and up.

    If ``size``, the height and width of the grid, is smaller than the arrays, their other cells are padding,
    whose messages are finite and mean nothing. It may be traced, so that one program serves grids of several
    sizes.
    """
    swap = functools.partial(jnp.swapaxes, axis1=-1, axis2=-2)
    # Horizontal and vertical: the arrays of the latter have the two axes of cells swapped.
    costs = data, swap(data)
    pairs = messages[:2], swap(messages[2:])
    lengths = None if size is None else size[::-1]

    def pass_along(axis, costs, others, length):
        forwards, backwards = swap(others)
        directions = 2 * axis + np.arange(2)
        return _along_columns(costs + forwards + backwards, lambda sent: transform(sent, directions), length)

    if data.shape[-1] == data.shape[-2]:
        # Both axes share one program, because compiling it takes longer than running it.
        costs, pairs = jnp.stack(costs), jnp.stack(pairs)
        lengths = None if lengths is None else jnp.stack(lengths)

        def update(axis, pairs):
            length = None if lengths is None else lengths[axis]
            return pairs.at[axis].set(pass_along(axis, costs[axis], pairs[1 - axis], length))

        horizontal, vertical = lax.fori_loop(0, 2, update, pairs)
    else:
        width, height = (None, None) if lengths is None else lengths
        horizontal = pass_along(0, costs[0], pairs[1], width)
        vertical = pass_along(1, costs[1], horizontal, height)
    return jnp.concatenate([horizontal, swap(vertical)])


def _along_columns(costs, transform, count):
    """Pass messages through the first ``count`` columns of ``costs``, forwards and backwards at once."""
    columns = jnp.moveaxis(costs, -1, 0)

    def reverse(arrays):
        """Reverse the order of the first columns; padding stays behind them."""
        return arrays[::-1] if count is None else jnp.roll(arrays[::-1], count, axis=0)

    def step(incoming, column_pair):
        return transform(incoming + jnp.stack(column_pair)), incoming

    nothing = jnp.zeros((2, *columns.shape[1:]), costs.dtype)
    _, incoming = lax.scan(step, nothing, (columns, reverse(columns)))
    return jnp.moveaxis(jnp.stack([incoming[:, 0], reverse(incoming[:, 1])]), 1, -1)
