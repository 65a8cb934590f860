"""From labelled photographs to those of a folder: the method grows with the number of examples."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from convcorr_jax import coords, images
from convcorr_jax.annotation.calibration import LEAST_SCORE, Calibration, HeldOut, calibrate, least_score
from convcorr_jax.annotation.heads import FEW
from convcorr_jax.annotation.methods import (
    WHOLE_PX,
    FoundShape,
    OneStage,
    Task,
    TwoStages,
    frame_of,
    frame_size,
)
from convcorr_jax.annotation.model import LONGEST_PX, AnnotationModel, compare, find
from convcorr_jax.annotation.people import METHODS, TUNED, Method, PersonCascade, TunedCascade, joints
from convcorr_jax.annotation.shape import (
    RIGID_RESIDUAL,
    MeanShape,
    Similarity,
    complex_of,
    diameter,
    find_mirrored,
    fit_similarity,
    is_chiral,
    mean_shape,
    mirror_shape,
    shape_distance,
    shape_residual,
    swap_sides,
    symmetric,
    turn_between,
    unmirrored,
)
from convcorr_jax.annotation.stages import Example, Windows, without
from convcorr_jax.annotation.template import match_template
from convcorr_jax.annotation.windows import Extractor, Photograph, View
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.errors import InputError
from convcorr_jax.io import image_size, read_image
from convcorr_jax.labels import Found, FoundObject, FoundPhotograph, LabelledPhotograph, Labels

_STEPS, _LEAST_WINDOWS, _WINDOWS_EACH = 200, 160, 6
# The features of a window are some 1.5 MB, and all of them are in memory.
_MOST_WINDOWS = 2000
# From so many examples on, steps rise in proportion to them, up to so many times.
_MORE_STEPS, _MOST_STEPS = 40, 5.0
# The share of steps in which fitted heads learn from further examples.
_CONTINUED = 0.3
# At this factor from the border, the residual of the shape needs no comparison of methods.
_SURELY = 1.6
# The share of the folder that heads learn from with few examples, its weight, and that of true examples.
_TRUSTED, _TRUSTED_WEIGHT, _TRUE_SHARE = 0.4, 0.5, 0.3
# With fewer examples, heads learn from the best of what they found, too, if photographs differ.
_MANY = 10
# An object that is larger than the second share of its photograph fills it, and stands as the example does. One
# that is larger than the first is seen well enough in the whole photograph of one view.
_LARGE, _FILLS = 0.3, 0.45
# The median correlation of small copies was 0.89 for the frames of one camera, and at most 0.23 for other sets.
_ONE_VIEW = 0.6
_UPRIGHT = float(np.deg2rad(14))
# Mean shapes whose distance is a larger share of the diameter are others, such as mirrored ones.
_OTHER_SHAPE = 0.1
# Points spread about the mean shape by this times its residual, within bounds.
_SPREADS, _LEAST_SPREAD, _MOST_SPREAD = 2.5, 0.06, 0.2
_UNKNOWN_RESIDUAL = 0.06
_GOOD, _POOR = 0.75, 0.4
# The features of a photograph take some 1 to 3 MB.
_MOST_KEPT = 400


class Comparison(NamedTuple):
    """How well a method found the points of examples that it was not fitted to."""

    method: str
    right: float
    """The share of points within `RIGHT` of the diameter."""
    chosen: bool


@dataclass(frozen=True, eq=False)
class Annotations:
    """What `annotate` found."""

    found: Found
    model: AnnotationModel
    comparisons: tuple[Comparison, ...]
    """The methods that were tried on held-out examples; none with fewer than five examples."""
    residual: float
    """`shape_residual` of the examples; NaN of a single one."""
    seconds: float
    learned: int | None = None
    """The number of further examples from which the heads of a previous model learned, if they did."""


class _Opened(NamedTuple):
    photograph: Photograph
    size: tuple[int, int]
    """The size (height, width) of the file."""
    to_copy: coords.Transform
    """From the file's pixels to those of the copy that is used."""


def annotate(
    labels: Labels,
    photographs: Sequence[Path],
    *,
    search: Weights,
    align: Weights,
    rotate: Literal["auto", "off"] = "auto",
    mirror: bool | None = None,
    method: Literal["one stage", "two stages"] | None = None,
    start: Literal["person"] | None = None,
    previous: AnnotationModel | None = None,
    keep: Path | None = None,
    seed: int = 0,
    progress: Callable[[str], None] = lambda stage: None,
) -> Annotations:
    """Find the objects of labelled photographs, and their points, in other photographs.

    From five examples on, heads are fitted to them. They are of `TwoStages` if the examples are one rigid body
    (`shape_residual`), or if a photograph shows several objects, and else of `OneStage`; near the border both
    are fitted to a part of the examples and compared on the others, but `OneStage` is taken if the object is
    longer than 0.3 of photographs of one view. The heads of a previous model learn on if its examples, five or
    more, are among the labels, and others are, too: in 0.3 times the steps, and without folds, because what
    they found of the new examples is held out.

    With up to four examples, nothing is held out. `OneStage` is fitted if the examples are no rigid body, or if
    they may be none and the object is longer than 0.3 of photographs of one view. Else, a template finds the
    object and flow carries the points; `TwoStages` are fitted to the examples and to the best 40 % of these.

    Heads that learned from up to nine examples alone, of one object in each of photographs that differ, learn
    on from the best 40 % of what they find; confidence and radii are of the heads before.

    Args:
        labels: photographs of which all objects are labelled; points that are NaN are absent.
        photographs: the photographs to search. The labels of those that are labelled are kept.
        search: the weights of VGG16, on whose layers the heads stand.
        align: the weights of the network that aligns windows.
        rotate: search all angles if there is one example, or if the examples are turned so
            (`MeanShape.angle_range`); or, with "off", only angles up to 14 degrees.
        mirror: learn from mirrored copies, too; by default if names say which points are left and right, if
            some examples are mirrored copies of others (`find_mirrored`), or, with fewer than five examples,
            if mirrored templates fit better.
        method: the heads; by default they are chosen.
        start: with "person", the package's person cascade is an entrant, and is used with fewer than five
            examples. From 100 on, the same cascade that learned on from the examples, and from turned and
            mirrored copies of them, is another one. It excludes a method.
        previous: what an earlier call fitted to some of the labels, on the same weights, or it is not used.
            Its heads are used only if the rest asks for the same method, angles, mirrored copies and number of
            objects; its principal directions of features (`Extractor`), if points have the same names.
        keep: a folder in which the features of up to 400 photographs are kept, some 1 to 3 MB each. A later
            search with the same directions reads these: where an object is at most 3 % of a window away from
            where it was before, they stand for those of the new place.
        progress: called with the name of each stage.

    Raises:
        InputError: there is no photograph; no example has two points at different places; a point is absent in
            all examples; a photograph cannot be read; the person cascade is to start and lacks a point.
    """
    started = time.perf_counter()
    _check(photographs, labels, method, start)
    progress("examples")
    opened = [_open(path, keep if number < _MOST_KEPT else None) for number, path in enumerate(photographs)]
    copies = [one.photograph for one in opened]
    examples, shape, swaps = _examples(labels, may_be_mirrored=mirror is not False)
    if previous and previous.method.task.extract.weights.fingerprint != search.fingerprint:
        previous = None
    extract = previous.method.task.extract if previous and previous.names == labels.names else None
    task, residual = _task(
        labels.names, examples, shape, swaps, copies, extract or search, rotate=rotate, mirror=mirror
    )
    names = [method] if method else _entrants(task, residual, examples, people=bool(start))
    unseen = _unseen(examples, previous)
    known = {each.path.resolve(): each for each in labels.photographs}
    labelled = [known.get(path.resolve()) for path in photographs]
    unlabelled = [copy for copy, own in zip(copies, labelled, strict=True) if own is None]
    few = (method or _method_of_few(task, residual, examples)) if len(examples) < FEW else ""
    if few and start:
        fit = _Fit(_plan(PersonCascade.name, task, examples, labelled=len(examples)))
    elif few:
        fit = _Fit(_from_few(few, task, examples, copies, search, align, seed=seed, progress=progress))
    elif previous is not None and unseen and not start and _goes_on(previous.method, task, names):
        progress("heads")
        fit = _continued(previous, task, examples, unseen, seed=seed)
    else:
        fit = _from_many(task, examples, names, seed=seed, progress=progress)
    # What a template found, or a model before, was learned from already.
    alone = few != TwoStages.name and fit.learned is None and fit.method.params
    if alone and len(examples) < _MANY and task.objects == 1 and not task.one_view:
        progress("self-training")
        fit = fit._replace(method=_self_trained(fit.method, examples, unlabelled, seed=seed))
    model = AnnotationModel(
        labels.names, labels.category, labels.skeleton, fit.method, fit.calibration, fit.held_out
    )
    progress("photographs")
    shapes = iter(find(unlabelled, fit.method))
    found = [
        _found(path, one, next(shapes), model) if own is None else _kept(path, one, own)
        for path, one, own in zip(photographs, opened, labelled, strict=True)
    ]
    result = Found(labels.names, _ranked(found), labels.category, labels.skeleton)
    return Annotations(result, model, fit.comparisons, residual, time.perf_counter() - started, fit.learned)


def _check(photographs: Sequence[Path], labels: Labels, method: str | None, start: str | None) -> None:
    if not photographs:
        raise InputError("there are no photographs to annotate; at least one is expected")
    if method and start:
        raise InputError(f"the method is {method!r}, and {start!r} is to start; only one of them is expected")
    if start:
        joints(labels.names)


def _open(path: Path, keep: Path | None = None) -> _Opened:
    """Return a photograph that is read when it is needed, at most 1024 pixels long.

    Its features are kept in files of a folder, under a name that its content decides.
    """
    height, width = image_size(path, upright=True)
    scale = min(1.0, LONGEST_PX / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))

    def load() -> np.ndarray:
        image = read_image(path)
        return image if scale == 1 else images.resize(image, size).image

    kept = keep and keep / hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    return _Opened(Photograph(load, size, kept), (height, width), coords.resize((height, width), size))


def _examples(labels: Labels, *, may_be_mirrored: bool) -> tuple[list[Example], MeanShape, tuple[int, ...]]:
    """Return the labelled photographs that show an object, the mean shape, and the partners of points.

    Each point is in one of them.
    """
    opened = [_open(each.path) for each in labels.photographs]
    shapes = [
        [complex_of(one.to_copy(each.points)) for each in labelled.objects]
        for one, labelled in zip(opened, labels.photographs, strict=True)
    ]
    together = [one for some in shapes for one in some]
    swaps = swap_sides(labels.names, mean_shape(together).points)
    flags = find_mirrored(together, swaps) if may_be_mirrored else [False] * len(together)
    shape = mean_shape(unmirrored(together, flags, swaps))
    never = [name for name, point in zip(labels.names, shape.points, strict=True) if not np.isfinite(point)]
    if never:
        raise InputError(
            f"no example shows the point {never[0]!r}; label it once, or leave it out of the labels"
        )
    shape = symmetric(shape, swaps)
    examples, left, usual = [], iter(flags), float(np.median(shape.diameters))
    for one, some, labelled in zip(opened, shapes, labels.photographs, strict=True):
        objects = [(each, next(left), own.mask) for each, own in zip(some, labelled.objects, strict=True)]
        usable = [each for each in objects if np.isfinite(each[0] + shape.points).any()]
        if usable:
            example = _example(one.photograph, [each[:2] for each in usable], shape.points, swaps, usual=usual)
            masks = tuple(_mask_of_copy(mask, example.size) for *_, mask in usable)
            examples.append(example._replace(masks=masks, name=labelled.path.name))
    return examples, shape, swaps


def _mask_of_copy(mask: Bool[np.ndarray, "h w"] | None, size: tuple[int, int]) -> np.ndarray | None:
    """Return a photograph's mask in the pixels of its copy."""
    if mask is None or mask.shape == size:
        return mask
    return images.resize(mask[..., None].astype(np.uint8).repeat(3, axis=2) * 255, size).image[..., 0] > 127


def _example(
    photograph: Photograph, objects: Sequence[tuple[np.ndarray, bool]], mean: np.ndarray, swaps: Sequence[int],
    *, usual: float, weight: Float[np.ndarray, " n"] | float = 1.0,
) -> Example:  # fmt: skip
    means = mean, mirror_shape(mean, swaps)
    shapes, flags = zip(*objects, strict=True)
    fits = tuple(_fit(means[flag], shape, usual) for shape, flag in objects)
    return Example(photograph, shapes, fits, flags, (None,) * len(fits), weight)


def _fit(mean: np.ndarray, shape: np.ndarray, usual: float) -> Similarity:
    """Fit the mean; an object of which one place is known stands upright and has the usual diameter."""
    if diameter(shape) > 0:
        return fit_similarity(mean, shape)
    return Similarity(complex(usual), fit_similarity(usual * mean, shape).b)


def _task(
    names: tuple[str, ...], examples: Sequence[Example], shape: MeanShape, swaps: tuple[int, ...],
    copies: Sequence[Photograph], features: Extractor | Weights, *, rotate: Literal["auto", "off"],
    mirror: bool | None,
) -> tuple[Task, float]:  # fmt: skip
    shapes = [one for example in examples for one in example.objects]
    flags = [flag for example in examples for flag in example.mirrored]
    residual = shape_residual(unmirrored(shapes, flags, swaps))
    widest = shape.angle_range(rigid=not residual > RIGID_RESIDUAL)
    upright = rotate == "off" or (len(examples) < FEW and _size(examples) > _FILLS)
    aspect = float(
        np.median([size[1] / size[0] for size in (*(e.size for e in examples), *(c.size for c in copies))])
    )
    frame = frame_size(aspect, WHOLE_PX)
    if not isinstance(features, Extractor):
        sample = [*(e.photograph for e in examples[:8]), *copies[:: 1 + len(copies) // 8]]
        windows = (View(frame_of(p.size, frame), frame).cut(p.load()) for p in sample)
        features = Extractor.fit(windows, features)
    distances = (shape_distance(shape.points, one) for one in unmirrored(shapes, flags, swaps))
    known = [one for one in distances if not np.isnan(one)] or [0.0]
    expected = max(_UNKNOWN_RESIDUAL if np.isnan(residual) else residual, float(np.median(known)))
    task = Task(
        names=names,
        mean=shape.points,
        swaps=swaps,
        mirror=any(flags) or swaps != tuple(range(len(swaps))) if mirror is None else mirror,
        mirrored=any(flags) or (len(examples) < FEW and mirror is not False and is_chiral(shape.points, swaps)),
        angle_range=min(widest, _UPRIGHT) if upright else widest,
        aspect=aspect,
        spread=float(np.clip(_SPREADS * expected, _LEAST_SPREAD, _MOST_SPREAD)),
        objects=max(len(example.objects) for example in examples),
        least_score=LEAST_SCORE,
        extract=features,
        one_view=_show_one_view(copies),
    )
    return task, residual


def _size(examples: Sequence[Example]) -> float:
    """Return the diameter of objects as a share of the longer side of their photographs."""
    return float(np.median([abs(f.a) / max(e.size) for e in examples for f in e.fits]))


def _is_large_in_one_view(task: Task, examples: Sequence[Example]) -> bool:
    return task.one_view and _size(examples) > _LARGE


def _show_one_view(copies: Sequence[Photograph]) -> bool:
    """Return whether photographs are alike, as those of a fixed camera are: small copies are correlated."""
    some = copies[:: 1 + len(copies) // 16]
    grey = np.array([images.resize(one.load(), (24, 24)).image.mean(axis=2).ravel() for one in some])
    unit = grey - grey.mean(axis=1, keepdims=True)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-6)
    return len(some) > 1 and bool(np.median((unit @ unit.T)[np.triu_indices(len(some), 1)]) > _ONE_VIEW)


def _plan(name: str, task: Task, examples: Sequence[Example], *, labelled: int, share: float = 1.0) -> Method:
    """Plan a method, with more steps the more photographs are labelled, or a share of them."""
    factor = min(max(1.0, labelled / _MORE_STEPS), _MOST_STEPS)
    return METHODS[name].plan(task, examples, steps=round(_STEPS * factor * share))


def _count(examples: Sequence[Example]) -> int:
    return min(max(_LEAST_WINDOWS, _WINDOWS_EACH * len(examples)), _MOST_WINDOWS)


def _method_of_few(task: Task, residual: float, examples: Sequence[Example]) -> str:
    """Return one stage if parts move on their own; they may in a large object in photographs of one view."""
    # The residual of n shapes is from the mean of n - 1 others, whose variance is greater.
    n = sum(len(example.objects) for example in examples)
    residual = residual * np.sqrt((n - 1) / n)
    may_move = not residual < RIGID_RESIDUAL / _SURELY
    large = may_move and _is_large_in_one_view(task, examples)
    moves = task.objects == 1 and (residual > RIGID_RESIDUAL or large)
    return OneStage.name if moves else TwoStages.name


def _from_few(
    name: str, task: Task, examples: list[Example], copies: Sequence[Photograph], search: Weights,
    align: Weights, *, seed: int, progress: Callable[[str], None],
) -> Method:  # fmt: skip
    """Fit heads to few examples; those of two stages also to the best of what a template and flow found."""
    if name == TwoStages.name:
        progress("template and flow")
        first = match_template(examples, copies, task=task, search=search, align=align)
        examples = _together(examples, _trusted(task, copies, first))
        mirrored = any(flag for example in examples for flag in example.mirrored)
        task = replace(task, mirrored=mirrored, mirror=task.mirror or mirrored)
    else:
        task = replace(task, mirror=task.mirror or task.mirrored)
    progress("heads")
    planned = _plan(name, task, examples, labelled=1)
    windows = planned.windows(examples, count=_count(examples), rng=np.random.default_rng(seed))
    return planned.fit(windows, seed=seed)


def _self_trained(
    fitted: Method, examples: list[Example], copies: Sequence[Photograph], *, seed: int
) -> Method:
    """Let heads learn on, in half the steps, from the examples and from the best of what they found."""
    found = [
        (copy, shapes[0])
        for copy, shapes in zip(copies, find(copies, fitted), strict=True)
        if shapes and np.mean(shapes[0].absent < Calibration.absent) >= 0.5
    ]
    if not found:
        return fitted
    # The best come first, and each has a window.
    trusted = _trusted(fitted.task, *zip(*found, strict=True))[: round((1 - _TRUE_SHARE) * _LEAST_WINDOWS)]
    rng = np.random.default_rng([seed, 1])
    windows = fitted.windows(_together(examples, trusted), count=_LEAST_WINDOWS, rng=rng)
    return replace(fitted, steps=fitted.steps // 2).fit(windows, seed=seed)


def _together(examples: list[Example], trusted: Sequence[Example]) -> list[Example]:
    """Return the examples, so often that they are some three in ten, and what is trusted."""
    times = max(1, round(_TRUE_SHARE / (1 - _TRUE_SHARE) * len(trusted) / len(examples)))
    return [*examples * times, *trusted]


def _trusted(task: Task, copies: Sequence[Photograph], first: Sequence[FoundShape]) -> list[Example]:
    """Return the best of what was found as examples; of points that are probably absent nothing is known."""
    trusted, carried = [], [shape.absent < Calibration.absent for shape in first]
    scores = [np.log(s.confidence[own].clip(1e-3)).mean() for s, own in zip(first, carried, strict=True)]
    for number in np.argsort(-np.array(scores))[: max(1, round(_TRUSTED * len(first)))]:
        points, is_mirrored = complex_of(first[number].points), first[number].mirrored
        points = np.where(carried[number], points, np.nan)
        if diameter(points) > 0:
            objects, weight = [(points, is_mirrored)], _TRUSTED_WEIGHT * carried[number]
            trusted.append(_example(copies[number], objects, task.mean, task.swaps, usual=1.0, weight=weight))
    return trusted


def _entrants(task: Task, residual: float, examples: Sequence[Example], *, people: bool) -> list[str]:
    """Return the methods that suit the shape, and the cascades of people if they are asked for.

    Near the border between rigid and articulated, both suit, but for a large object in photographs of one view:
    held-out examples, which have its background and often its direction, say too much for two stages there.
    """
    one, two = not residual < RIGID_RESIDUAL / _SURELY, residual <= RIGID_RESIDUAL * _SURELY
    two = task.objects > 1 or (two and not (one and _is_large_in_one_view(task, examples)))
    shapes = [TwoStages.name] * two + [OneStage.name] * (one and task.objects == 1)
    cascades = [PersonCascade.name, TunedCascade.name][: 1 + (len(examples) >= TUNED)]
    return shapes + cascades * people


class _Fit(NamedTuple):
    method: Method
    calibration: Calibration = Calibration()
    comparisons: tuple[Comparison, ...] = ()
    held_out: HeldOut | None = None
    learned: int | None = None


def _from_many(
    task: Task, examples: Sequence[Example], names: Sequence[str], *, seed: int, progress: Callable[[str], None]
) -> _Fit:
    """Fit the method that finds held-out examples best, and calibrate it by what it found of them."""
    entrants: list[tuple[Method, tuple[Windows, ...], HeldOut]] = []
    for name in names:
        progress(f"windows for {name}")
        planned = _plan(name, replace(task, least_score=-np.inf), examples, labelled=len(examples))
        windows = planned.windows(examples, count=_count(examples), rng=np.random.default_rng(seed))
        progress(f"held-out examples by {name}")
        entrants.append((planned, windows, _held_out(planned, windows, examples, seed=seed)))
    planned, windows, held = max(entrants, key=lambda entrant: entrant[2].right)
    comparisons = tuple(Comparison(m.name, h.right, m is planned) for m, _, h in entrants)
    progress("heads")
    return _fitted(planned, windows, held, seed)._replace(comparisons=comparisons)


def _fitted(planned: Method, windows: Sequence[Windows], held: HeldOut, seed: int) -> _Fit:
    """Fit the heads, with the threshold of objects and the calibration that held-out examples give."""
    chosen = replace(planned, task=replace(planned.task, least_score=least_score(held)))
    calibration = calibrate(held.errors, held.confidence, held.absent)
    return _Fit(chosen.fit(windows, seed=seed), calibration, held_out=held)


def _unseen(examples: Sequence[Example], previous: AnnotationModel | None) -> list[Example]:
    """Return the examples that a model did not learn from; none if they lack some that it learned from."""
    if previous is None or previous.held_out is None:
        return []
    seen = [[previous.held_out.has(e.name, points) for points in e.objects] for e in examples]
    unseen = [e for e, known in zip(examples, seen, strict=True) if not any(known)]
    whole = all(all(known) or not any(known) for known in seen)
    return unseen if whole and sum(map(sum, seen)) >= len(previous.held_out.photographs) else []


def _goes_on(previous: Method, task: Task, names: Sequence[str]) -> bool:
    """Return whether the heads of a fitted method, if it has one of these names, may learn on for a task.

    Its sides, mirrored copies and number of objects are the same, and so is about the mean shape; if objects
    are not turned by all angles, its direction, too.
    """
    before, fields = previous.task, ("names", "swaps", "mirror", "mirrored", "objects")
    if previous.name not in names or any(getattr(before, one) != getattr(task, one) for one in fields):
        return False
    if previous.name == TwoStages.name and shape_distance(task.mean, before.mean) > _OTHER_SHAPE:
        return False
    angles, turn = (before.angle_range, task.angle_range), turn_between(task.mean, before.mean)
    return min(angles) >= np.pi or (max(angles) < np.pi and abs(turn) < _UPRIGHT)


def _continued(
    previous: AnnotationModel, task: Task, examples: Sequence[Example], unseen: Sequence[Example], *, seed: int
) -> _Fit:
    """Let fitted heads learn from further examples, too, which they find first, so that these are held out."""
    before = replace(previous.method.task, least_score=-np.inf)
    found = compare(unseen, replace(previous.method, task=before))
    held = found if previous.held_out is None else HeldOut.join([previous.held_out, found])
    turn = np.exp(1j * turn_between(task.mean, before.mean))
    task = replace(task, mean=task.mean * turn)
    examples = [
        _turned(one, turn) for one in sorted(examples, key=lambda one: all(one is not new for new in unseen))
    ]
    planned = _plan(previous.method.name, task, examples, labelled=len(examples), share=_CONTINUED)
    windows = planned.windows(examples, count=_count(examples) // 2, rng=np.random.default_rng(seed))
    params = previous.method.params[: len(planned.fitted_designs)]
    fitted = _fitted(replace(planned, params=params), windows, held, seed)
    return fitted._replace(comparisons=(Comparison(planned.name, held.right, True),), learned=len(unseen))


def _turned(example: Example, turn: complex) -> Example:
    """Return an example with the fits of a mean shape that is turned."""
    fits = tuple(
        fit._replace(a=fit.a * (turn if flag else turn.conjugate()))
        for fit, flag in zip(example.fits, example.mirrored, strict=True)
    )
    return example._replace(fits=fits)


def _held_out(
    planned: Method, windows: Sequence[Windows], examples: Sequence[Example], *, seed: int
) -> HeldOut:
    folds, parts = np.arange(len(examples)) % min(planned.folds, len(examples)), []
    for fold in np.unique(folds):
        held = np.flatnonzero(folds == fold).tolist()
        shorter, others = replace(planned, steps=planned.steps * 2 // 3), [without(w, held) for w in windows]
        parts.append(compare([examples[k] for k in held], shorter.fit(others, members=1, seed=seed)))
    return HeldOut.join(parts)


def _kept(path: Path, one: _Opened, labelled: LabelledPhotograph) -> FoundPhotograph:
    """Return the labels of a photograph."""
    objects = tuple(
        FoundObject(each.points, None, each.box or _box(each.points), None, absent=np.isnan(each.points[:, 0]))
        for each in labelled.objects
    )
    return FoundPhotograph(path, one.size, objects, "labelled")


def _found(path: Path, one: _Opened, shapes: Sequence[FoundShape], model: AnnotationModel) -> FoundPhotograph:
    """Return what was found in a photograph, with a verdict."""
    objects = tuple(model.object_of(shape, one.to_copy) for shape in shapes)
    sure = min(
        (float(np.mean(each.confidence)) for each in objects if each.confidence is not None), default=0.0
    )
    verdict = "good" if sure >= _GOOD else "doubtful" if sure >= _POOR else "poor"
    return FoundPhotograph(path, one.size, objects, verdict)


def _box(points: Float[np.ndarray, "n 2"]) -> coords.Box:
    return coords.tight_box(points[np.isfinite(points[:, 0])])


def _ranked(found: Sequence[FoundPhotograph]) -> tuple[FoundPhotograph, ...]:
    """Order photographs by how many points are expected to be wrong; labelled ones come last."""

    def wrong(one: FoundPhotograph) -> float:
        if one.verdict == "labelled":
            return -1.0
        expected = [float(np.sum(1 - each.confidence)) for each in one.objects if each.confidence is not None]
        return sum(expected) if expected else float("inf")

    order = sorted(range(len(found)), key=lambda number: -wrong(found[number]))
    places = {number: place for place, number in enumerate(order)}
    return tuple(one._replace(rank=places[number]) for number, one in enumerate(found))
