"""One labelled photograph: its object as a turned and scaled template, and flow in the window that it finds.

The template is a window of descriptors around the labelled object, of which only the cells in its mask
count, or in the hull of its points, so that its background does not vote. Its correlation with a photograph's
descriptors at all places, angles and scales, and mirrored, says where the object is; the flow between the
upright windows carries the points.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from convcorr_jax import coords, images
from convcorr_jax.annotation.methods import FoundShape, Task, frame_of, frame_size
from convcorr_jax.annotation.shape import Similarity, dilate, points_of, within_hull
from convcorr_jax.annotation.stages import Example
from convcorr_jax.annotation.windows import Directions, Photograph, View, centered
from convcorr_jax.arrays import padded_batches
from convcorr_jax.backbone import activations, preprocess
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.matching import align_photographs, carry_to_b
from convcorr_jax.shapes import Image

_LAYER = "conv4_3"
_OBJECT_PX, _SIDE = 64, 112
# The middles of a template's cells, in its pixels.
_CELLS = coords.cell_grid((_SIDE // 8, _SIDE // 8)) * 8 + 3.5
_SCALES = (0.87, 1.0, 1.15)
_ANGLES = 24
_DIRECTIONS = 96
# The hull of the points is dilated by this share of the diameter.
_DILATION = 0.22
# Windows between which flow is computed.
_FLOW_SIDE, _FLOW_OBJECT_PX = 320, 200
_MOST_FRAME = 512
_TOGETHER = 4
# Objects are seen from both sides if a mirrored template fits some photographs much better than one as it is;
# then a mirrored one must fit clearly better.
_MUCH, _SOME, _CLEARLY = 1.2, 0.1, 1.05


class _Template(NamedTuple):
    example: Example
    place: int
    """Of the object among those of the example."""
    view: View
    """The window of the template in the example's photograph."""


def match_template(
    examples: Sequence[Example],
    photographs: Sequence[Photograph],
    *,
    task: Task,
    search: Weights,
    align: Weights,
) -> list[FoundShape]:
    """Find the object of the examples in each photograph, and carry its points there.

    Args:
        search: the weights of VGG16, whose conv4_3 describes the cells of templates.
        align: the weights of the network that aligns windows.
    """
    shares = [abs(example.fits[0].a) / np.sqrt(np.prod(example.size)) for example in examples]
    frame = frame_size(task.aspect, min((_OBJECT_PX / float(np.median(shares))) ** 2, float(_MOST_FRAME**2)))
    templates, windows, masks = _templates(examples, frame, task)
    maps = _describe(windows, search)
    seen = partial(_whole, frame=frame, search=search)
    directions = Directions.fit(np.concatenate([seen(one) for one in _spread(photographs, 8)]), _DIRECTIONS)
    kernels = _kernels(directions, maps, np.stack(masks))
    best = []
    for photograph in photographs:
        correlated = _correlate(directions, seen(photograph), kernels, turns=1 + task.mirrored)
        best.append([np.asarray(one) for one in correlated])
    ratios = np.array([scores[-1] / scores[0] for scores, _, _ in best])
    # Of an object with two like sides, mirrored templates fit often a little better, and seldom much.
    both = task.mirrored and np.mean(ratios > _MUCH) >= _SOME
    found = []
    for photograph, ratio, (_, places, cells) in zip(photographs, ratios, best, strict=True):
        turn = int(both and ratio > _CLEARLY)
        template = templates[len(places) * int(places[turn]) + turn]
        to_frame = frame_of(photograph.size, frame)
        found.append(_carry(template, cells[turn], photograph.load(), to_frame, align, task.swaps))
    return found


def _whole(photograph: Photograph, *, frame: tuple[int, int], search: Weights) -> np.ndarray:
    window = View(frame_of(photograph.size, frame), frame).cut(photograph.load())
    return _describe(window[None], search)


def _spread(photographs: Sequence[Photograph], count: int) -> list[Photograph]:
    return [photographs[int(k)] for k in np.unique(np.linspace(0, len(photographs) - 1, count).round())]


def _templates(
    examples: Sequence[Example], frame: Sequence[int], task: Task
) -> tuple[list[_Template], np.ndarray, list[np.ndarray]]:
    """Return the templates, as they are and mirrored by turns, with their windows and masks."""
    steps = np.arange(-_ANGLES // 2, _ANGLES // 2) * (2 * np.pi / _ANGLES)
    angles = [angle for angle in steps if task.angle_range >= np.pi or abs(angle) <= task.angle_range]
    templates, windows, masks = [], [], []
    for example in examples:
        image, scale = example.photograph.load(), abs(frame_of(example.size, frame).a)
        objects = zip(example.fits, example.objects, example.masks, strict=True)
        for place, (fit, points, known) in enumerate(objects):
            for angle in angles:
                for factor in _SCALES:
                    turn = centered(fit.b, -angle, scale * factor, _SIDE)
                    window = View(turn, (_SIDE, _SIDE)).cut(image)
                    around = turn.move(dilate(points, _DILATION * abs(fit.a)))
                    mask = within_hull(around, _CELLS) if known is None else _own_cells(turn, known)
                    for mirrored in (False, True)[: 1 + task.mirrored]:
                        templates.append(_Template(example, place, View(turn, (_SIDE, _SIDE), mirrored)))
                        windows.append(window[:, ::-1] if mirrored else window)
                        masks.append(mask[:, ::-1] if mirrored else mask)
    return templates, np.stack(windows), masks


def _own_cells(turn: Similarity, mask: Bool[np.ndarray, "_ _"]) -> Bool[np.ndarray, "h w"]:
    """Return the cells of a template whose middles are in the mask of the object; all, if none is."""
    places = turn.inverse(_CELLS)
    inside = images.sample(mask[..., None].astype(float), places)[..., 0] > 0.5
    return inside & coords.inside(places, coords.whole_image(mask.shape)) if inside.any() else ~inside


def _describe(windows: np.ndarray, weights: Weights) -> Float[np.ndarray, "b h w c"]:
    parts = []
    for rows, own in padded_batches(len(windows), size=min(_TOGETHER, len(windows))):
        inputs = preprocess(windows[rows], network=weights.network)
        maps = activations(weights.params, inputs, network=weights.network, layers=[_LAYER])[_LAYER]
        parts.append(np.asarray(maps)[:own])
    return np.concatenate(parts)


def _columns(directions: Directions, maps: jax.Array | np.ndarray) -> jax.Array:
    """Return the projected cells of maps at unit length."""
    projected = jnp.asarray(directions.project(maps))
    return projected / jnp.maximum(jnp.linalg.norm(projected, axis=-1, keepdims=True), 1e-6)


def _kernels(directions: Directions, maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return the templates as filters ``[h, w, k, templates]``; a correlation is a mean over cells."""
    weights = masks / masks.sum(axis=(1, 2), keepdims=True)
    return np.moveaxis(np.asarray(_columns(directions, maps)) * weights[..., None], 0, -1).astype(np.float32)


@partial(jax.jit, static_argnames="turns")
def _correlate(
    directions: Directions, maps: jax.Array, kernels: jax.Array, *, turns: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return the scores of the best templates as they are and mirrored, their numbers, and where they are.

    That is the cell (column, row) of the photograph at the template's first one.
    """
    reach = kernels.shape[0] // 2
    padding = ((reach, reach), (reach, reach))
    numbers = ("NHWC", "HWIO", "NHWC")
    heat = jax.lax.conv_general_dilated(
        _columns(directions, maps), kernels, (1, 1), padding, dimension_numbers=numbers
    )[0]
    by_turns = jnp.moveaxis(heat.reshape(*heat.shape[:2], -1, turns), -1, 0)
    row, column, template = jnp.unravel_index(by_turns.reshape(turns, -1).argmax(axis=1), by_turns.shape[1:])
    return by_turns.max(axis=(1, 2, 3)), template, jnp.stack([column, row], axis=1) - reach


def _carry(
    template: _Template, cell: np.ndarray, image: Image, to_frame: Similarity, align: Weights,
    swaps: Sequence[int],
) -> FoundShape:  # fmt: skip
    """Align the upright windows of a labelled and of a found object, and carry the points."""
    example, view, size = template.example, template.view, (_FLOW_SIDE, _FLOW_SIDE)
    fit, points = example.fits[template.place], example.objects[template.place]
    window = centered(fit.b, 0.0, _FLOW_OBJECT_PX / abs(fit.a), _FLOW_SIDE)
    to_flow = window @ view.to_window.inverse
    if view.mirrored:
        to_flow = to_flow.between_mirrored(_SIDE, _FLOW_SIDE)
    # Cells are 8 pixels: the template's first cell lies on the found one.
    other = to_flow @ Similarity(1 + 0j, complex(*(-8.0 * cell))) @ to_frame
    a, b = View(window, size).cut(example.photograph.load()), View(other, size, view.mirrored).cut(image)
    alignment = align_photographs(a, b, align.params, network=align.network)
    carried = carry_to_b(points_of(window.move(points)), alignment)
    absent = np.isnan(carried.confidence)
    shape = FoundShape(carried.b_px, np.where(absent, 0, carried.confidence), absent.astype(float))
    if view.mirrored:
        shape = shape.mirror(_FLOW_SIDE, swaps)
    return shape._replace(mirrored=example.mirrored[template.place] != view.mirrored).moved(other.inverse)
