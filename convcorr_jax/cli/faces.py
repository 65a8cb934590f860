"""The face of a photograph: the box that the user drew, or the one that a landmark probe finds."""

from typing import TYPE_CHECKING, Any, NamedTuple

from convcorr_jax.cli.results import Result

if TYPE_CHECKING:
    from convcorr_jax import coords
    from convcorr_jax.probes import FeatureExtractor, LandmarkModel
    from convcorr_jax.shapes import Image


class FaceBox(NamedTuple):
    """The box of a face, and how it was chosen."""

    box: "coords.Box"
    """In pixels of the photograph."""
    sentences: tuple[str, ...]
    """What the user should know about the box; nothing about a box that the user drew."""
    values: dict[str, Any]
    """The box, and the presence and the certainty of a face that was found, as the JSON object lists them."""

    def added_to(self, result: Result) -> Result:
        """Return a command's result with what is known of the box.

        Args:
            result: the result without it.
        """
        return result._replace(
            lines=[*result.lines, *self.sentences], values={**result.values, **self.values}
        )


def drawn_face(box: "coords.Box") -> FaceBox:
    """Return the box that the user drew.

    Args:
        box: in pixels of the photograph.
    """
    return FaceBox(box, (), {"box": list(box)})


def searched_face(
    photograph: "Image", model: "LandmarkModel", extractor: "FeatureExtractor"
) -> FaceBox:
    """Search a photograph for a face; without a finder, take the whole photograph for the probe's frame.

    Args:
        photograph: 8-bit RGB.
        model: the landmark probe, with or without a finder.
        extractor: computes the probe's features.
    """
    from convcorr_jax import coords
    from convcorr_jax.probes import find_face

    margin = model.features.frame_margin
    if model.finder is None:
        whole = coords.square(coords.whole_image(photograph.shape[:2]))
        box = coords.grow(whole, -margin / (1 + 2 * margin))
        sentence = "This probe cannot search for a face: without --box, it was applied to the whole photograph."
        return FaceBox(box, (sentence,), {"box": list(box)})
    found = find_face(photograph, model.probe.face, model.finder, extractor, margin=margin)
    edges = " ".join(f"{edge:.0f}" for edge in found.box)
    sentence = f"The face that was found: --box {edges}."
    if not found.sure:
        sentence = (
            f"No face was found with certainty (presence {found.presence:.2f}, "
            f"at least {model.finder.threshold:.2f} is expected); the points are those of --box {edges}."
        )
    values = {"box": list(found.box), "presence": found.presence, "sure": found.sure}
    return FaceBox(found.box, (sentence,), values)
