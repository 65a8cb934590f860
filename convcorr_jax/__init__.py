"""Dense alignment, keypoints, probes and pose by convolutional networks, as pure functions in JAX.

Import functions from their rooms: ``from convcorr_jax.flow import align``. The functions that align photographs
from end to end can also be imported from here.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convcorr_jax.matching import Matches as Matches
    from convcorr_jax.matching import PhotographAlignment as PhotographAlignment
    from convcorr_jax.matching import align_photographs as align_photographs
    from convcorr_jax.matching import carry_mask as carry_mask
    from convcorr_jax.matching import carry_to_b as carry_to_b
    from convcorr_jax.matching import displacements as displacements
    from convcorr_jax.matching import spread_matches as spread_matches
    from convcorr_jax.matching import warp_onto_b as warp_onto_b

    __version__: str

__all__ = [
    "Matches",
    "PhotographAlignment",
    "__version__",
    "align_photographs",
    "carry_mask",
    "carry_to_b",
    "displacements",
    "spread_matches",
    "warp_onto_b",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that the command line's help does not wait for JAX."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "__version__":
        from importlib.metadata import version

        return version(__name__)
    from convcorr_jax import matching

    return getattr(matching, name)
