"""Data of the interactive parts of a page, in the form that ``explorer.js`` reads."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from convcorr_jax import coords, images
from convcorr_jax.report.embedding import array_text, image_url
from convcorr_jax.report.skeleton import limbs
from convcorr_jax.shapes import Image

# Photographs of people and of keypoints are embedded at this length of their longer side.
_LONGEST_PX = 400


class Direction(NamedTuple):
    """A direction in feature space, and how colours change along it."""

    name: str
    """The name that the page shows."""
    change: Float[np.ndarray, "side side 3"]
    """Change of the reconstructed colours for a step of length 1."""
    reach: float
    """The longest step to either side."""


def directions_data(
    faces: Float[np.ndarray, "n side side 3"],
    directions: Sequence[Direction],
    *,
    names: Sequence[str],
) -> dict[str, Any]:
    """Return faces that sliders move along directions.

    A linear probe reconstructs colours, so that each step adds a multiple of its direction's change, and steps
    along several directions add up.

    Args:
        faces: reconstructed colours; those below 0 or above 1 are clipped only when they are shown.
        directions: the directions.
        names: the name of every face.
    """
    changes = np.stack([direction.change for direction in directions])
    return {
        "side": int(faces.shape[1]),
        "names": list(names),
        "faces": array_text(faces.astype("<f4")),
        "changes": array_text(changes.astype("<f4")),
        "directions": [
            {"name": direction.name, "reach": round(direction.reach, 4)} for direction in directions
        ],
    }


def joints_data(
    photographs: Sequence[UInt8[np.ndarray, "_ _ 3"]],
    joints: Mapping[str, Float[np.ndarray, "n j 2"]],
    names: Sequence[str],
    *,
    texts: Sequence[str],
) -> dict[str, Any]:
    """Return photographs of people whose joints, by several networks, are switched on and off.

    Args:
        photographs: 8-bit RGB, one for each person.
        joints: joints (x, y) in pixels of the photographs, by the name of the network, "annotated" for the
            truth; NaN where missing.
        names: names of the joints.
        texts: a sentence on each person.
    """
    people = []
    for number, photograph in enumerate(photographs):
        resized = images.resize_longest_side(photograph, _LONGEST_PX)
        moved = [coords.apply(resized.transform, points[number]) for points in joints.values()]
        people.append(
            {
                "name": f"person {number + 1}",
                "image": image_url(resized.image),
                "size": [resized.image.shape[1], resized.image.shape[0]],
                "joints": [[_point(point) for point in points] for points in moved],
                "text": texts[number],
            }
        )
    return {
        "networks": list(joints),
        "limbs": [list(limb) for limb in limbs(names)],
        "people": people,
    }


def _point(point: Float[np.ndarray, "2"]) -> list[float] | None:
    return np.round(point, 1).tolist() if np.isfinite(point).all() else None


class LayerResponses(NamedTuple):
    """The responses of a keypoint's classifiers on every layer over one photograph."""

    keypoint: str
    """The name of the keypoint."""
    photograph: Image
    """8-bit RGB."""
    point: Float[np.ndarray, "2"]
    """The true position (x, y) in pixels of the photograph."""
    responses: tuple[Float[np.ndarray, "h w"], ...]
    """The decision value at each cell, by layer."""
    to_px: tuple[coords.Transform, ...]
    """Cells to pixels of the photograph, by layer."""


def layers_data(
    photographs: Sequence[LayerResponses], layers: Mapping[str, str], *, shown: int
) -> dict[str, Any]:
    """Return photographs with the responses of keypoint classifiers, whose layer a slider chooses.

    Args:
        photographs: at least one photograph, with responses for all layers.
        layers: a short text on each layer, by its name.
        shown: the index of the layer that is shown first.
    """
    return {
        "layers": [{"name": name, "text": text} for name, text in layers.items()],
        "shown": shown,
        "photographs": [_photograph_data(photograph) for photograph in photographs],
    }


def _photograph_data(shown: LayerResponses) -> dict[str, Any]:
    resized = images.resize_longest_side(shown.photograph, _LONGEST_PX)
    longer = max(shown.photograph.shape[:2])
    maps = []
    for response, to_px in zip(shown.responses, shown.to_px, strict=True):
        highest = _highest(response)
        place = coords.apply(to_px, highest[None].astype(np.float64))[0]
        distance = float(np.linalg.norm(place - shown.point)) / longer
        low, high = float(response.min()), float(response.max())
        levels = np.round(255 * (response - low) / max(high - low, 1e-12)).astype(np.uint8)
        to_shown = coords.compose(resized.transform, to_px)
        maps.append(
            {
                "size": [response.shape[1], response.shape[0]],
                "to_px": [round(float(value), 4) for value in (*to_shown.scale, *to_shown.shift)],
                "values": array_text(levels),
                "text": f"highest response {100 * distance:.0f} % of the longer side from the keypoint",
            }
        )
    return {
        "name": shown.keypoint,
        "keypoint": shown.keypoint,
        "image": image_url(resized.image),
        "size": [resized.image.shape[1], resized.image.shape[0]],
        "point": np.round(coords.apply(resized.transform, shown.point[None])[0], 2).tolist(),
        "responses": maps,
    }


def _highest(response: Float[np.ndarray, "h w"]) -> Int[np.ndarray, "2"]:
    """Return the cell (column, row) of the highest response."""
    row, column = np.unravel_index(int(response.argmax()), response.shape)
    return np.array([column, row])
