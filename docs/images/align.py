"""Draw the picture of the README: two photographs of a cat that are warped copies, and their alignment.

    python -m docs.images.align

The photograph is "Chelsea the cat" by Stefan van der Walt (CC0), which scikit-image installs.
"""

from pathlib import Path

from convcorr_jax.backbone.weights import load
from convcorr_jax.images import resize_longest_side
from convcorr_jax.io import write_image
from convcorr_jax.matching import align_photographs, spread_matches
from convcorr_jax.report import alignment_figure, pixels
from convcorr_jax.synthetic import warped_pair


def main(path: Path) -> None:
    """Align, draw and write the picture.

    Args:
        path: the file to write.
    """
    pair = warped_pair(1, seed=3)
    a, b = pair.source.image, pair.target.image
    weights = load("alexnet")
    alignment = align_photographs(a, b, weights.params, network=weights.network)
    figure = alignment_figure(a, b, alignment, spread_matches(alignment, count=20))
    write_image(path, resize_longest_side(pixels(figure), 720).image)


if __name__ == "__main__":
    main(Path(__file__).with_suffix(".jpg"))
