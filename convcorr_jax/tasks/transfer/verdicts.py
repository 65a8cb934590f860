"""Pairs of photographs whose matches are known, and how far verdicts on alignments can be trusted."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression

from convcorr_jax import coords, images, matching
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import Record, load_image, read_pairs, read_records
from convcorr_jax.datasets.loading import find_folder
from convcorr_jax.io import read_image
from convcorr_jax.labels import read_labels
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.transfer.scores import warp_photographs

_RIGHT = 0.1
# Most points of a good pair are right, and of a bad one, a quarter at most.
_GOOD_SHARE, _BAD_SHARE = 0.6, 0.25
# A tenth is 20 pixels, a sixth of the mouse.
_MOUSE_PX = 200.0
_POINTS_OF_UNRELATED = 10
_COUNTS = ("pairs", "good", "doubtful", "poor", "right", "right_poor", "wrong", "wrong_good")


class Known(NamedTuple):
    """Photographs, points of a, their true places in b (NaN: nowhere), and the length that divides errors."""

    kind: str
    group: str
    a: Image
    b: Image
    points_a: np.ndarray
    points_b: np.ndarray
    length_px: float


def known_pairs(*, count: int, seed: int, data_root: Path | None) -> Iterator[Known]:
    """Yield pairs of faces, people, warped photographs, a static scene and, twice as many, unrelated ones."""
    rng = np.random.default_rng(seed)
    for kind in ("lfpw68", "lspet"):
        records = [one for one in read_records(kind, data_root=data_root) if one.split == "train"]
        for a, b in _drawn(rng, len(records), count):
            yield _of_records(kind, records[a], records[b])
    for pair in warp_photographs(seeds=-(-count // 9))[:count]:
        yield _of_records("warped", pair.source, pair.target)
    folder = find_folder("dlc_openfield", data_root=data_root)
    with (folder / "split.csv").open() as stream:
        training = {row["image"] for row in csv.DictReader(stream) if row["split"] == "train"}
    frames = [one for one in read_labels(folder).photographs if one.path.name in training]
    for a, b in _drawn(rng, len(frames), count):
        photographs = read_image(frames[a].path), read_image(frames[b].path)
        points_a, points_b = frames[a].objects[0].points, frames[b].objects[0].points
        yield Known("static", "static", *photographs, points_a, points_b, _MOUSE_PX)
    paths = sorted((find_folder("imagenet_sample", data_root=data_root) / "images").iterdir())
    for a, b in _drawn(rng, len(paths), 2 * count):
        picture = read_image(paths[a])
        points = rng.uniform(0.1, 0.9, (_POINTS_OF_UNRELATED, 2)) * picture.shape[1::-1]
        yield Known("unrelated", "unrelated", picture, read_image(paths[b]), points, np.nan * points, 1.0)


def _drawn(rng: np.random.Generator, count: int, pairs: int) -> np.ndarray:
    return np.array([rng.choice(count, 2, replace=False) for _ in range(pairs)])


def _of_records(kind: str, a: Record, b: Record) -> Known:
    box = coords.tight_box(b.points)
    return Known(kind, kind, load_image(a), load_image(b), a.points, b.points, box.longer_side)


class Judged(NamedTuple):
    """What an alignment says of a known pair, and how many of its points are right."""

    kind: str
    group: str
    right: np.ndarray
    features: np.ndarray
    """Of each point, ``[n, 3]``."""
    verdict: matching.Verdict
    on_points: matching.Verdict


def willow_pairs(*, first: int, count: int, data_root: Path | None) -> Iterator[tuple[Known, Known, Known]]:
    """Yield pairs of PF-WILLOW: as released, with b mirrored, and with b turned by a quarter counterclockwise.

    The pairs are those from ``first`` of a fixed random order, because neighbours share their photographs.
    Where a category has left and right keypoints, they are exchanged in a mirrored photograph.
    """
    fixed = read_pairs("pf_willow", data_root=data_root)
    (_, lengths), *_ = fixed.scorings
    order = np.random.default_rng(5).permutation(len(fixed.pairs))
    for _, source, target in (fixed.pairs[row] for row in order[first : first + count]):
        a, b = fixed.records[source], fixed.records[target]
        picture, width = load_image(b), b.size.width
        released = Known(
            "released", a.category, load_image(a), picture, a.points, b.points, float(lengths[target])
        )
        mirrored = coords.flip_points(b.points, width=width, left_right_pairs=b.left_right_pairs)
        turned = np.stack([b.points[:, 1], width - 1 - b.points[:, 0]], axis=1)
        yield (
            released,
            released._replace(kind="mirrored", b=np.ascontiguousarray(picture[:, ::-1]), points_b=mirrored),
            released._replace(kind="turned", b=np.ascontiguousarray(np.rot90(picture)), points_b=turned),
        )


def judge_pair(
    pair: Known, weights: Weights, *, turns: tuple[matching.Turn, ...] = (matching.UPRIGHT,)
) -> Judged:
    """Align a pair, with b as it is or turned, and compare what the alignment says with the truth."""
    found = matching.align_photographs(pair.a, pair.b, weights.params, network=weights.network, turns=turns)
    present = np.isfinite(pair.points_a).all(axis=1)
    if pair.kind != "unrelated":
        present &= np.isfinite(pair.points_b).all(axis=1)
    carried = matching.carry_to_b(pair.points_a[present], found)
    error = np.linalg.norm(carried.b_px - pair.points_b[present], axis=1)
    features = matching.match_features(
        np.asarray(found.forward.flow), found.distinctness, found.cycle_error, found.verdict.static
    )
    return Judged(
        pair.kind,
        pair.group,
        error <= _RIGHT * pair.length_px,
        images.sample(features, found.a_to_px.inverse(pair.points_a[present])),
        found.verdict,
        matching.judge(found, carried=carried),
    )


def count_words(judged: Sequence[Judged], words: Sequence[str]) -> dict[str, dict[str, int]]:
    """Count words by kind of pair, and pairs with a wrong word: good ones called poor, or bad ones good."""
    counts: dict[str, dict[str, int]] = {}
    for one, word in zip(judged, words, strict=True):
        row = counts.setdefault(one.kind, dict.fromkeys(_COUNTS, 0))
        right = bool(one.right.mean() >= _GOOD_SHARE)
        wrong = bool(one.right.mean() < _BAD_SHARE)
        row["pairs"] += 1
        row[word] += 1
        row["right"] += right
        row["right_poor"] += right and word == "poor"
        row["wrong"] += wrong
        row["wrong_good"] += wrong and word == "good"
    return counts


def refit(judged: Sequence[Judged]) -> tuple[list[float], list[str]]:
    """Fit the coefficients anew; return them, the intercept first, and words of fits without a pair's group.

    Every pair has the same weight. Words are those of the points.
    """
    groups = np.array([one.group for one in judged])
    words = [""] * len(judged)
    for group in dict.fromkeys(groups):
        model = _fit([one for one in judged if one.group != group])
        for index in np.flatnonzero(groups == group).tolist():
            confidence = model.predict_proba(judged[index].features)[:, 1]
            words[index] = matching.judge_points(confidence, static=0.0).word
    model = _fit(judged)
    return [float(value) for value in (*model.intercept_, *model.coef_[0])], words


def _fit(judged: Sequence[Judged]) -> LogisticRegression:
    weights = np.concatenate([np.full(len(one.right), 1 / len(one.right)) for one in judged])
    features = np.concatenate([one.features for one in judged])
    right = np.concatenate([one.right for one in judged])
    return LogisticRegression(max_iter=3000).fit(features, right, sample_weight=weights)
