"""The files that a command reads: read or checked before JAX is imported, so that an error comes at once."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convcorr_jax import coords
    from convcorr_jax.shapes import Image


def read_photograph(path: Path, *, box: "coords.Box | None") -> "Image":
    """Read a photograph, and check the box of the object in it.

    Args:
        path: the file.
        box: the box in pixels; None for the whole photograph.

    Raises:
        InputError: the file is missing or damaged, or the box has no area or does not meet the photograph.
    """
    from convcorr_jax import coords
    from convcorr_jax.io import read_image

    photograph = read_image(path)
    if box is not None:
        coords.check_meets(box, photograph.shape[:2])
    return photograph


def check_models(*, model: Path | None = None, kind: str = "", weights: Path | None = None) -> None:
    """Refuse models that are not there.

    Args:
        model: the common name of a fitted model's files, or one of them; None for one that the package has.
        kind: what the model is, such as "pose cascade", for the error message.
        weights: a file of weights; None for the network's own.

    Raises:
        InputError: a file is missing or empty, or may not be read.
    """
    from convcorr_jax.io import check_file, with_ending

    if model is not None:
        for ending in (".json", ".npz"):
            check_file(with_ending(model, ending), kind)
    if weights is not None:
        check_file(weights, "weights")
