"""Numbers of tables with their intervals."""

from collections.abc import Sequence


def estimate(value: float, interval: Sequence[float]) -> str:
    """Return a number with its interval as text.

    >>> estimate(0.687, (0.671, 0.702))
    '0.687 [0.671, 0.702]'

    Args:
        value: the number.
        interval: the lower and the upper end.
    """
    low, high = interval
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"
