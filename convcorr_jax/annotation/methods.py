"""The methods that find objects and their points: on the whole photograph, or first where and then exactly."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Complex, Float

from convcorr_jax import coords
from convcorr_jax.annotation import heads, stages
from convcorr_jax.annotation.search import Pairs, find_objects
from convcorr_jax.annotation.shape import (
    Similarity,
    complex_of,
    fit_robustly,
    mirror_shape,
    points_of,
    turn_between,
)
from convcorr_jax.annotation.stages import Example, Jitter, Windows
from convcorr_jax.annotation.windows import (
    STRIDE_PX,
    Extractor,
    Features,
    Photograph,
    View,
    cells_of,
    centered,
    look,
    pixels_of,
    whole,
)

SIDE_STEP = 32
"""Sides of frames are multiples of this, so that few programs are compiled and every layer has whole cells."""
WHOLE_PX = 256 * 336
"""The area of the frame in which a photograph is seen as a whole."""
MEMBERS = 3
"""The heads whose probabilities are averaged."""
SHAPES = 64
"""The shapes that tell how points lie to one another."""
# An object is searched with this diameter, in frames of bounded size.
_SEARCHED_PX, _SEARCH_SIDE = 64, 160
_LEAST_FRAME, _MOST_FRAME = 160, 512
_EXACT_PX, _EXACT_SIDE = 150, 224
# What the points of a photograph are depends on all of it; but a head that sees it all learns the directions of
# few examples by heart, one that sees parts does not. An upright object has a prior of places instead.
_WHOLE = heads.Design(channels=64, context=True, dropped=(0.5, 0.5))
_PARTS = heads.Design(channels=32, context=False, dropped=(0.5, 0.5))
_WHOLE_OF_FEW = 0.2  # of the first head, with five to nine examples
_SEARCH = heads.Design(channels=32, context=False, dropped=(0.2, 0.2))
_EXACT = heads.Design(channels=32, context=False, dropped=(0.7, 0.35))
_WHOLE_JITTER = Jitter(np.deg2rad(8), 0.15, 0.08)
_SEARCH_STRETCH = 0.2
_EXACT_JITTER = Jitter(np.deg2rad(12), 0.12, 0.08)
# Objects may be smaller or larger than the examples by this factor; one example says less of their sizes.
_SIZES, _SIZES_OF_ONE = 1.3, 1.5
# Candidates whose mean log-probability is this close to the best one's are looked at more closely.
_CLOSE, _CANDIDATES = 1.5, 3
# Points are nearer to a shape that is fitted to what was found than to the expected one.
_CLOSER = 0.4
# A fitted shape is not larger or smaller than expected by this factor.
_UNLIKELY = 1.5
# Objects lie apart by this share of their extent.
_APART = 0.4


class FoundShape(NamedTuple):
    """An object in a photograph, in the photograph's pixels."""

    points: Float[np.ndarray, "n 2"]
    confidence: Float[np.ndarray, " n"]
    """The probability of the cells around each point."""
    absent: Float[np.ndarray, " n"]
    """The probability that each point is absent."""
    mirrored: bool = False
    """Whether it is a mirrored copy."""

    def moved(self, move: Similarity) -> "FoundShape":
        """Return the object in another frame."""
        return self._replace(points=move(self.points))

    def mirror(self, width: int, swaps: Sequence[int]) -> "FoundShape":
        """Return the object in the mirrored image, of this width."""
        order = list(swaps)
        points = self.points[order] * (-1, 1) + (width - 1, 0)
        return FoundShape(points, self.confidence[order], self.absent[order], not self.mirrored)

    @property
    def score(self) -> float:
        """The mean over points of the log of what is known about them, 0 at most."""
        return float(np.mean(np.log(np.clip(self.confidence + self.absent, 1e-3, 1))))


@dataclass(frozen=True, eq=False)
class Task:
    """What is the same for all methods."""

    names: tuple[str, ...]
    mean: Complex[np.ndarray, " n"]
    """The mean shape; its diameter is 1."""
    swaps: tuple[int, ...]
    """The place of each point in a mirrored object."""
    mirror: bool
    """Whether heads learn from mirrored copies."""
    mirrored: bool
    """Whether some objects are mirrored copies of others, as a car that drives to the left."""
    angle_range: float
    """How far objects are turned from the mean shape, in radians."""
    aspect: float
    """The width of photographs over their height."""
    spread: float
    """The standard deviation of points about the mean shape, as a share of the diameter."""
    objects: int
    """The most objects of a photograph."""
    least_score: float
    """The score below which a further object of a photograph is none."""
    extract: Extractor
    one_view: bool = False
    """Whether photographs are of one view; fitted heads do not need it."""


def frame_of(size: Sequence[int], frame: Sequence[int]) -> Similarity:
    """Return the similarity that fits a photograph into a frame."""
    return whole(size, frame, scale=min(frame[0] / size[0], frame[1] / size[1]))


def frame_size(aspect: float, area: float) -> tuple[int, int]:
    """Return a size (height, width) with an aspect and about an area."""
    height, width = (
        max(2, round(side / SIDE_STEP)) * SIDE_STEP for side in (np.sqrt(area / aspect), np.sqrt(area * aspect))
    )
    return height, width


def _either(p: Float[np.ndarray, " n"], q: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Return the probability of one of two independent events: a point is hidden, or outside the photograph."""
    return 1 - (1 - p) * (1 - q)


Kind = TypeVar("Kind", bound="FittedHeads")


@dataclass(frozen=True, eq=False)
class FittedHeads:
    """What methods share: the frame in which a photograph is seen as a whole, and heads that are fitted."""

    designs: ClassVar[tuple[heads.Design, ...]]
    """Of each head."""
    folds: ClassVar[int] = 4
    """The parts of examples each of which is held out once."""

    task: Task
    frame: tuple[int, int]
    steps: int
    params: tuple[heads.Params, ...] = ()
    """Of `MEMBERS` heads of each kind."""

    @property
    def fitted_designs(self) -> tuple[heads.Design, ...]:
        """Those of the heads that are fitted."""
        return self.designs

    def views(self, photograph: Photograph) -> list[View]:
        """Return the windows that show a photograph as a whole."""
        return [View(frame_of(photograph.size, self.frame), self.frame)]

    def fit(self: Kind, windows: Sequence[Windows], *, members: int = MEMBERS, seed: int = 0) -> Kind:
        """Fit heads to each kind of windows, from the fitted ones if there are any."""
        fitted = (
            heads.fit(
                design,
                one.features,
                one.targets,
                examples=len(np.unique(one.examples)),
                steps=self.steps,
                members=members,
                seed=seed,
                start=start,
            )
            for design, one, start in zip(
                self.fitted_designs, windows, self.params or [None] * len(windows), strict=True
            )
        )
        return replace(self, params=tuple(fitted))


@dataclass(frozen=True, eq=False)
class OneStage(FittedHeads):
    """A head that sees the whole photograph, and one that sees parts of it: for one object whose parts move.

    The second one is for fewer than ten examples, and has most of the weight with five to nine. They learn from
    windows that are bent and, of fewer than ten examples of one view, in which the object is moved on its
    background, or mirrored. Points lie to one another as they do in these (`Pairs`).
    """

    name: ClassVar[str] = "one stage"
    designs: ClassVar[tuple[heads.Design, ...]] = (_WHOLE, _PARTS)

    whole: float = 0.5
    """The weight of the first head; that of the second, which is not fitted if it is 0, is the rest of 1."""
    shapes: Complex[np.ndarray, "m n"] = field(default_factory=lambda: np.zeros((0, 0), complex))
    """`SHAPES` objects of windows, in pixels of the frame; NaN where a point is absent."""

    @classmethod
    def plan(cls, task: Task, examples: Sequence[Example], *, steps: int) -> "OneStage":
        """Choose the frame, and the weights of the heads."""
        n = len(examples)
        whole = 1.0 if n >= heads.MANY else 0.5 if n < heads.FEW else _WHOLE_OF_FEW
        return cls(task, frame_size(task.aspect, WHOLE_PX), steps, whole=whole)

    def windows(
        self, examples: Sequence[Example], *, count: int, rng: np.random.Generator
    ) -> tuple[Windows, ...]:
        """Cut windows, which both heads see."""
        frames = [frame_of(example.size, self.frame) for example in examples]
        angle = np.pi if self.task.angle_range >= np.pi else _WHOLE_JITTER.angle
        jitter, mirror = _WHOLE_JITTER._replace(angle=angle), self.task.mirror
        pasted = self.task.one_view and len(examples) < heads.MANY
        draws = stages.draw_whole(
            examples, frames, self.frame, jitter, count=count, mirror=mirror, pasted=pasted, rng=rng
        )
        task = self.task
        return (stages.render(examples, draws, task.extract, swaps=task.swaps, rng=rng, bent=True),)

    def fit(self, windows: Sequence[Windows], *, members: int = MEMBERS, seed: int = 0) -> "OneStage":
        """Fit the heads, and keep the shapes that their windows show."""
        cells = windows[0].targets.cells[:, 0]
        rows = np.linspace(0, len(cells) - 1, SHAPES).round().astype(int)
        fitted = super().fit([*windows] * len(self.fitted_designs), members=members, seed=seed)
        return replace(fitted, shapes=complex_of(pixels_of(cells[rows])))

    @property
    def fitted_designs(self) -> tuple[heads.Design, ...]:
        """Both, or the first one if it has all of the weight."""
        return self.designs[: 1 + (self.whole < 1)]

    def views(self, photograph: Photograph) -> list[View]:
        """Return the frame and, if heads learned from mirrored copies, the mirrored one."""
        (view,) = super().views(photograph)
        return [view, view._replace(mirrored=True)] if self.task.mirror else [view]

    def predict(self, photographs: Sequence[Photograph], seen: Features) -> list[list[FoundShape]]:
        """Return the object of each photograph, by the mean over its views, whose features are ``seen``."""
        heat, *parts = (heads.predict(one, seen) for one in self.params)
        for other in parts:
            mixed = (self.whole * p + (1 - self.whole) * q for p, q in zip(heat, other, strict=True))
            heat = heads.Heat(*mixed)
        pairs = Pairs.of(self.shapes)
        if self.task.mirror:
            swaps = list(self.task.swaps)
            back = heads.Heat(heat.cells[1::2, :, ::-1, swaps], heat.absent[1::2, swaps])
            heat = heads.Heat((heat.cells[::2] + back.cells) / 2, (heat.absent[::2] + back.absent) / 2)
        choices = [pairs.choose(one) for one in heat.cells]
        peak = heads.around(heat.cells, np.stack([cells for cells, _ in choices]))
        confidence = np.sqrt(peak.probability * [belief for _, belief in choices])
        found = []
        for photograph, cells, sure, absent in zip(
            photographs, peak.cells, confidence, heat.absent, strict=True
        ):
            back, points = frame_of(photograph.size, self.frame).inverse, pixels_of(cells)
            outside = pairs.outside(complex_of(points), sure * (1 - absent), back, photograph.size)
            found.append([FoundShape(back(points), sure, _either(absent, outside))])
        return found


@dataclass(frozen=True, eq=False)
class TwoStages(FittedHeads):
    """A head that finds where objects are and how they are turned, and one that sees each of them upright."""

    name: ClassVar[str] = "two stages"
    designs: ClassVar[tuple[heads.Design, ...]] = (_SEARCH, _EXACT)

    sizes_px: tuple[float, float] = (0.0, 0.0)
    """The least and the greatest diameter of objects in the frame."""

    @classmethod
    def plan(cls, task: Task, examples: Sequence[Example], *, steps: int) -> "TwoStages":
        """Choose the frame by the size of objects as a share of their photographs."""
        shares = [abs(fit.a) / np.sqrt(np.prod(e.size)) for e in examples for fit in e.fits]
        side = float(np.clip(_SEARCHED_PX / np.median(shares), _LEAST_FRAME, _MOST_FRAME))
        frame = frame_size(task.aspect, side**2)
        inside = [abs(frame_of(e.size, frame).a * fit.a) for e in examples for fit in e.fits]
        more = _SIZES if len(inside) > 1 else _SIZES_OF_ONE
        return cls(task, frame, steps, sizes_px=(min(inside) / more, max(inside) * more))

    def windows(
        self, examples: Sequence[Example], *, count: int, rng: np.random.Generator
    ) -> tuple[Windows, ...]:
        """Cut windows for both heads."""
        task, scales = self.task, [abs(frame_of(e.size, self.frame).a) for e in examples]
        angle = np.pi if task.angle_range >= np.pi else task.angle_range / 2
        where = stages.draw_around(
            examples, _SEARCH_SIDE, scales, Jitter(angle, _SEARCH_STRETCH, 0), count=count,
            mirror=task.mirror, upright=False, elsewhere=True, rng=rng,
        )  # fmt: skip
        exactly = stages.draw_around(
            examples, _EXACT_SIDE, _EXACT_PX, _EXACT_JITTER, count=count,
            mirror=None if task.mirrored else task.mirror, upright=True, elsewhere=False, rng=rng,
            twice=turn_between(mirror_shape(task.mean, task.swaps), task.mean),
        )  # fmt: skip
        return tuple(
            stages.render(examples, draws, task.extract, swaps=task.swaps, rng=rng)
            for draws in (where, exactly)
        )

    def predict(self, photographs: Sequence[Photograph], seen: Features) -> list[list[FoundShape]]:
        """Return the objects of each photograph, whose features in the frame are ``seen``, the best first.

        Several candidates are looked at upright. Of one expected object, the candidate of the highest score is
        kept; of several, all that lie apart and have at least the task's least score.
        """
        heat = heads.predict(self.params[0], seen)
        rows = [
            (row, view)
            for row, one in enumerate(photographs)
            for view in self._candidates(heat.cells[row], frame_of(one.size, self.frame))
        ]
        found: list[list[FoundShape]] = [[] for _ in photographs]
        if rows:
            prior = self._prior(self._expected, self.task.spread)
            together = [(photographs[row], view) for row, view in rows]
            views, features = look(self.task.extract, together, kind="exact")
            closer = heads.predict(self.params[1], features)
            for (row, _), view, cells, absent in zip(rows, views, closer.cells, closer.absent, strict=True):
                shape = self._placed(cells, absent, prior, partial(view.outside, size=photographs[row].size))
                shape = shape.mirror(_EXACT_SIDE, self.task.swaps) if view.mirrored else shape
                found[row].append(shape.moved(view.to_window.inverse))
        return [self._distinct(some) for some in found]

    def _candidates(self, heat: np.ndarray, frame: Similarity) -> list[View]:
        """Return the places that deserve a closer look, as windows in which the object is upright."""
        task = self.task
        means = [task.mean, mirror_shape(task.mean, task.swaps)] if task.mirrored else [task.mean]
        found = [
            (one, mirrored)
            for mirrored, mean in enumerate(means)
            for one in find_objects(
                heat, mean, sizes_px=self.sizes_px, angle_range=task.angle_range,
                objects=_CANDIDATES * task.objects,
            )
        ]  # fmt: skip
        best = max((one.score for one, _ in found), default=0.0)
        candidates = []
        for one, mirrored in found:
            if task.objects > 1 or one.score > best - _CLOSE:
                fit = frame.inverse @ one.fit
                window = centered(fit.b, float(np.angle(fit.a)), _EXACT_PX / abs(fit.a), _EXACT_SIDE)
                candidates.append(View(window, (_EXACT_SIDE, _EXACT_SIDE), bool(mirrored)))
        return candidates

    def _placed(
        self, heat: np.ndarray, absent: np.ndarray, prior: np.ndarray, outside: Callable[..., np.ndarray]
    ) -> FoundShape:
        """Return the points of an upright window, by the prior and by one about the mean shape's fit.

        ``outside`` returns the probability that points of a spread, in pixels, are outside the photograph.
        """
        task, cell, closer = self.task, _EXACT_PX / STRIDE_PX, _CLOSER * self.task.spread
        first = heads.best(heat[None], prior=prior)
        weights = np.maximum(first.probability[0], 1e-6)
        found = complex_of(first.cells[0])
        fit = fit_robustly(task.mean, found, weights, scale=closer * cell)
        best, expected, spread = first, self._expected, task.spread
        if 1 / _UNLIKELY < abs(fit.a) / cell < _UNLIKELY:
            expected, spread = points_of(fit.move(task.mean)), closer
            best = heads.best(heat[None], prior=self._prior(expected, spread))
        gone = _either(absent, outside(pixels_of(expected), spread * _EXACT_PX))
        return FoundShape(pixels_of(best.cells[0]), best.probability[0], gone)

    @property
    def _expected(self) -> Float[np.ndarray, "n 2"]:
        """The cells of the mean shape's points in an upright window."""
        middle = complex(_EXACT_SIDE - 1, _EXACT_SIDE - 1) / 2
        return cells_of(points_of(self.task.mean * _EXACT_PX + middle))

    def _prior(self, places: Float[np.ndarray, "n 2"], spread: float) -> Float[np.ndarray, "h w n"]:
        """Return how probable each cell of an upright window is for points at some cells, up to a factor."""
        side = _EXACT_SIDE // STRIDE_PX
        squares = ((coords.cell_grid((side, side))[:, :, None] - places) ** 2).sum(axis=-1)
        return np.exp(-squares / (2 * (spread * _EXACT_PX / STRIDE_PX) ** 2)).astype(np.float32)

    def _distinct(self, found: Sequence[FoundShape]) -> list[FoundShape]:
        """Return the best shapes that lie apart."""
        kept: list[FoundShape] = []
        for one in sorted(found, key=lambda shape: -shape.score):
            extent = np.ptp(one.points, axis=0).max()
            apart = all(
                np.median(np.linalg.norm(one.points - other.points, axis=1)) > _APART * extent for other in kept
            )
            if apart and (not kept or one.score >= self.task.least_score):
                kept.append(one)
        return kept[: self.task.objects]
