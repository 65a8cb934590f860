"""The data of a page's interactive parts, in the form that the scripts of this room read, and pages of matches.

In an explorer of matches, a point in one photograph has its match by several methods in another. Photographs
and arrays are part of the data, so that a page needs no other file and no network.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from convcorr_jax import coords, images
from convcorr_jax.errors import InputError
from convcorr_jax.matching import UPRIGHT, PhotographAlignment, Turn
from convcorr_jax.metrics import limbs
from convcorr_jax.report.page import Section, Widget, render_page
from convcorr_jax.report.plots import array_text, image_url
from convcorr_jax.shapes import Image

# Photographs are embedded with at most this length of their longer side: sharp on a wide screen, 40 kB each.
_LONGEST_PX = 512
# The data term of a pair is stored with at most this many bytes; beyond, source cells share their heat.
_MAX_HEAT = 2**20


class MethodMatches(NamedTuple):
    """The matches of one method between photographs a and b, for one smoothness or several.

    Transforms are from cells to pixels, flows in cells of b, confidences between 0 and 1. A method without
    smoothness has one entry of it. The data cost is that of each cell of a and each cell of b.
    """

    name: str
    a_to_px: coords.Transform
    b_to_px: coords.Transform
    smoothness: tuple[float, ...]
    flow: Float[np.ndarray, "smoothness h w 2"]
    confidence: Float[np.ndarray, "smoothness h w"] | None = None
    data_cost: Float[np.ndarray, "h w h_b w_b"] | None = None
    turn: Turn = UPRIGHT


class MatchedPair(NamedTuple):
    """Two 8-bit RGB photographs, and their matches by each method, shown in a copy of b of its own.

    ``points_a`` are points (x, y) in pixels of a whose position in b, ``points_b``, is known. The ``verdict``
    on the alignment is a word and a sentence, "doubtful: ...". Matches whose confidence is below ``reliable``
    are drawn hollow and grey.
    """

    name: str
    a: Image
    b: Image
    methods: tuple[MethodMatches, ...]
    points_a: Float[np.ndarray, "n 2"] = np.zeros((0, 2))
    points_b: Float[np.ndarray, "n 2"] = np.zeros((0, 2))
    point_names: tuple[str, ...] = ()
    verdict: str | None = None
    reliable: float = 0.0
    file_names: tuple[str, str] = ("a", "b")


def matched_pair(
    name: str,
    a: UInt8[np.ndarray, "height_a width_a 3"],
    b: UInt8[np.ndarray, "height_b width_b 3"],
    alignments: Mapping[float, PhotographAlignment],
    *,
    method: str,
    verdict: str | None = None,
    reliable: float = 0.0,
    file_names: tuple[str, str] = ("a", "b"),
) -> MatchedPair:
    """Return alignments by smoothness as a pair for `match_page`, with copying as the second method.

    ``method`` is the name of the descriptors, such as "conv3 + conv4 + conv5"; the other options are fields of
    `MatchedPair`.
    """
    if not alignments:
        raise InputError("a page of matches needs at least one alignment")
    values = tuple(sorted(alignments))
    chosen = [alignments[value] for value in values]
    first = chosen[0]
    aligned = MethodMatches(
        method,
        first.a_to_px,
        first.b_to_px,
        values,
        np.stack([np.asarray(alignment.forward.flow) for alignment in chosen]),
        np.stack([alignment.confidence for alignment in chosen]),
        np.asarray(first.data_cost),
        first.turn,
    )
    methods = (aligned, copy_matches(aligned))
    return MatchedPair(name, a, b, methods, verdict=verdict, reliable=reliable, file_names=file_names)


def copy_matches(method: MethodMatches) -> MethodMatches:
    """Return the method without flow on the cells of another method: each cell matches the same cell of b."""
    smoothness, flow = method.smoothness[:1], np.zeros_like(method.flow[:1])
    return method._replace(
        name="copy", smoothness=smoothness, flow=flow, confidence=None, data_cost=None, turn=UPRIGHT
    )


def match_page(title: str, data: Mapping[str, Any], *, facts: Mapping[str, str], text: str = "") -> str:
    """Return one HTML page that shows the matches of a point of one photograph in the other.

    The data are those of `matches_data`, ``facts`` are of the page (network, weights, options), ``text`` is a
    paragraph on the pairs.
    """
    section = Section("Matches", text, widgets=(Widget("matches", data, ""),))
    return render_page(title, [section], facts=facts)


def matches_data(pairs: Sequence[MatchedPair], *, smoothness: float | None = None) -> dict[str, Any]:
    """Return photographs and arrays of pairs, for a widget "matches" or a `match_page`.

    Positions are in pixels of the photographs, although smaller copies may be embedded; arrays are base64 text.
    The smoothness is the value that is shown first; by default the middle one of each method. No pair, a pair
    without a method, and arrays whose shapes do not agree are an `InputError`.
    """
    if not pairs:
        raise InputError("a page of matches needs at least one pair")
    return {"pairs": [_pair_data(pair, smoothness) for pair in pairs]}


def _pair_data(pair: MatchedPair, smoothness: float | None) -> dict[str, Any]:
    if not pair.methods:
        raise InputError(f"pair {pair.name!r} has no method")
    word, _, sentence = (pair.verdict or "").partition(": ")
    return {
        "name": pair.name,
        "file_names": list(pair.file_names),
        "a": _copy_url(pair.a),
        "b": _copy_url(pair.b),
        "size_a": list(pair.a.shape[1::-1]),
        "size_b": list(pair.b.shape[1::-1]),
        "points": {
            "names": list(pair.point_names),
            "a": np.round(pair.points_a, 3).tolist(),
            "b": np.round(pair.points_b, 3).tolist(),
        },
        "verdict": [word, sentence] if word else None,
        "reliable": pair.reliable,
        "methods": [_method_data(method, pair, smoothness) for method in pair.methods],
    }


def _copy_url(photograph: Image) -> str:
    return image_url(images.resize_longest_side(photograph, min(_LONGEST_PX, max(photograph.shape[:2]))).image)


def _method_data(method: MethodMatches, pair: MatchedPair, smoothness: float | None) -> dict[str, Any]:
    count, height, width, _ = method.flow.shape
    cells = (count, height, width)
    confidence, cost = method.confidence, method.data_cost
    if (
        len(method.smoothness) != count
        or (confidence is not None and confidence.shape != cells)
        or (cost is not None and cost.shape[:2] != cells[1:])
    ):
        raise InputError(
            f"the arrays of method {method.name!r} of pair {pair.name!r} do not agree in their shapes"
        )
    shown = count // 2
    if smoothness is not None:
        shown = int(np.argmin(np.abs(np.array(method.smoothness) - smoothness)))
    return {
        "name": method.name,
        "size": [width, height],
        "a_to_px": _transform_data(method.a_to_px),
        "b_to_px": _transform_data(method.b_to_px),
        # A step along x or y of a is this step of b.
        "beyond": method.turn.places_back(np.eye(2), 1).T.tolist(),
        "smoothness": list(method.smoothness),
        "shown": shown,
        "flow": array_text(method.flow.astype("<f4")),
        "confidence": None if confidence is None else array_text(confidence.astype("<f4")),
        "heat": None if cost is None else _heat_data(cost),
    }


def _heat_data(cost: Float[np.ndarray, "h w h_b w_b"]) -> dict[str, Any]:
    """Scale the data term of each source cell from its greatest value, 0, to its least, 255."""
    height, width = cost.shape[:2]
    every = int(np.ceil(np.sqrt(cost.size / _MAX_HEAT)))
    # Of each block of source cells the middle one is stored.
    rows, columns = (
        np.minimum(np.arange(0, length, every) + every // 2, length - 1) for length in (height, width)
    )
    stored = np.asarray(cost[np.ix_(rows, columns)], np.float32)
    least = stored.min(axis=(2, 3), keepdims=True)
    greatest = stored.max(axis=(2, 3), keepdims=True)
    heat = (greatest - stored) / np.maximum(greatest - least, np.finfo(np.float32).tiny)
    return {
        "every": every,
        "size": [len(columns), len(rows)],
        "size_b": [cost.shape[3], cost.shape[2]],
        "values": array_text(np.round(255 * heat).astype(np.uint8)),
    }


def _transform_data(transform: coords.Transform) -> list[float]:
    return [round(float(value), 4) for value in (*transform.scale, *transform.shift)]


# Photographs of people and of keypoints are embedded at this length of their longer side.
_SMALL_PX = 400


class Direction(NamedTuple):
    """A direction in feature space: the change of colours for a step of 1, and the longest step."""

    name: str
    change: Float[np.ndarray, "side side 3"]
    reach: float


def directions_data(
    faces: Float[np.ndarray, "n side side 3"], directions: Sequence[Direction], *, names: Sequence[str]
) -> dict[str, Any]:
    """Return faces that sliders move along directions.

    A linear probe reconstructs colours, so that each step adds a multiple of its direction's change, and steps
    along several directions add up. Colours below 0 or above 1 are clipped only when they are shown.
    """
    return {
        "side": int(faces.shape[1]),
        "names": list(names),
        "faces": array_text(faces.astype("<f4")),
        "changes": array_text(np.stack([direction.change for direction in directions]).astype("<f4")),
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

    Joints (x, y) are in pixels of the photographs, NaN where missing, by the name of the network, "annotated"
    for the truth. ``texts`` are a sentence on each person.
    """
    people = []
    for number, photograph in enumerate(photographs):
        resized = images.resize_longest_side(photograph, _SMALL_PX)
        moved = [resized.transform(points[number]) for points in joints.values()]
        people.append(
            {
                "name": f"person {number + 1}",
                "image": image_url(resized.image),
                "size": [resized.image.shape[1], resized.image.shape[0]],
                "joints": [[_point(point) for point in points] for points in moved],
                "text": texts[number],
            }
        )
    return {"networks": list(joints), "limbs": [list(limb) for limb in limbs(names)], "people": people}


def _point(point: Float[np.ndarray, "2"]) -> list[float] | None:
    return np.round(point, 1).tolist() if np.isfinite(point).all() else None


class LayerResponses(NamedTuple):
    """Decision values of a keypoint's classifiers at each cell of every layer over one 8-bit RGB photograph.

    The point is the true position (x, y), ``to_px`` leads from cells to pixels of the photograph.
    """

    keypoint: str
    photograph: Image
    point: Float[np.ndarray, "2"]
    responses: tuple[Float[np.ndarray, "h w"], ...]
    to_px: tuple[coords.Transform, ...]


def layers_data(
    photographs: Sequence[LayerResponses], layers: Mapping[str, str], *, shown: int
) -> dict[str, Any]:
    """Return photographs with the responses of keypoint classifiers, whose layer a slider chooses.

    ``layers`` are a short text on each layer by its name, ``shown`` the index of the first that is shown.
    """
    return {
        "layers": [{"name": name, "text": text} for name, text in layers.items()],
        "shown": shown,
        "photographs": [_photograph_data(photograph) for photograph in photographs],
    }


def _photograph_data(shown: LayerResponses) -> dict[str, Any]:
    resized = images.resize_longest_side(shown.photograph, _SMALL_PX)
    longer = max(shown.photograph.shape[:2])
    maps = []
    for response, to_px in zip(shown.responses, shown.to_px, strict=True):
        row, column = np.unravel_index(int(response.argmax()), response.shape)
        place = to_px(np.array([[column, row]], np.float64))[0]
        distance = float(np.linalg.norm(place - shown.point)) / longer
        low, high = float(response.min()), float(response.max())
        levels = np.round(255 * (response - low) / max(high - low, 1e-12)).astype(np.uint8)
        maps.append(
            {
                "size": [response.shape[1], response.shape[0]],
                "to_px": _transform_data(resized.transform @ to_px),
                "values": array_text(levels),
                "text": f"highest response {100 * distance:.0f} % of the longer side from the keypoint",
            }
        )
    return {
        "name": shown.keypoint,
        "keypoint": shown.keypoint,
        "image": image_url(resized.image),
        "size": [resized.image.shape[1], resized.image.shape[0]],
        "point": np.round(resized.transform(shown.point[None])[0], 2).tolist(),
        "responses": maps,
    }
