"""One person of a photograph, looked at once or twice."""

import dataclasses

import jax
import numpy as np
import pytest
import skimage.data

from convcorr_jax import coords
from convcorr_jax.errors import InputError
from convcorr_jax.metrics import LSP_PCK
from convcorr_jax.pose import (
    TrainedCascade,
    cascade,
    frame_of_box,
    predict_photograph,
    resample_to_frame,
    second_frame,
)
from convcorr_jax.tasks.pose import PredictionOptions, evaluate, prepare
from tests.builders.pose_architectures import TINY_LSP
from tests.builders.records import record_of

BOX = coords.Box(60.0, 20.0, 120.0, 180.0)
CAT = skimage.data.chelsea()
PHOTOGRAPHS = (CAT[:200, :260], CAT[50:290, 200:380])


def model_of(shape):
    params = cascade.init(jax.random.key(2), shape)
    # Heat-maps differ from cell to cell, also after the spatial model.
    params["coarse"]["params"]["joints"]["bias"] += 0.5
    return TrainedCascade(params, shape, {})


MODELS = {shape.frame_px: model_of(shape) for shape in (TINY_LSP, dataclasses.replace(TINY_LSP, frame_px=90.0))}


def by_hand(model, photograph, frame, middle, **options):
    """The joints that the cascade finds in a frame."""
    image, to_frame = resample_to_frame(photograph, frame, model.architecture.input_size)
    torso = to_frame(np.array(middle, float))[None].astype(np.float32)
    found = cascade.predict(model.params, image[None], torso, architecture=model.architecture, **options)
    return to_frame.inverse(np.asarray(found.points[0], float)), np.asarray(found.scores[0])


UNKNOWN = (np.nan, np.nan)


@pytest.mark.parametrize(
    ("frame_px", "box", "options"),
    [
        *(
            (frame_px, BOX, options)
            for frame_px in MODELS
            for options in ({}, {"mirrored": False, "subcell": False})
        ),
        # A whole photograph, by a cascade without frames.
        (None, None, {}),
    ],
)
def test_a_person_is_looked_at_once(frame_px, box, options):
    model = MODELS[frame_px]
    found = predict_photograph(model, PHOTOGRAPHS[0], box=box, **options)
    frame = box and frame_of_box(box, architecture=model.architecture)
    points, scores = by_hand(model, PHOTOGRAPHS[0], frame, box.center if box else UNKNOWN, **options)
    np.testing.assert_allclose(found.points, points, atol=1e-3)
    np.testing.assert_allclose(found.scores, scores, rtol=1e-4)


def test_a_cascade_with_frames_looks_again_around_the_torso_that_it_found():
    model, photograph = MODELS[90.0], PHOTOGRAPHS[1]
    first, _ = by_hand(model, photograph, None, UNKNOWN)
    second = second_frame(first, model.architecture.joints, coords.whole_image((240, 180)))
    points, scores = by_hand(model, photograph, second, second.center)
    found = predict_photograph(model, photograph)
    np.testing.assert_allclose(found.points, points, atol=1e-3)
    np.testing.assert_allclose(found.scores, scores, rtol=1e-4)
    assert np.abs(found.points - first).max() > 1


def records_of(points):
    fields = {
        "category": "person",
        "split": "test",
        "names": TINY_LSP.joints,
        "normalizer_px": 40.0,
        "box": BOX,
    }
    return [
        record_of(photograph, source_id=str(number), points=points[number], **fields)
        for number, photograph in enumerate(PHOTOGRAPHS)
    ]


@pytest.mark.parametrize(
    ("frame_px", "torso"),
    # Without squares around the torso, data sets show whole photographs also where boxes are known.
    [(None, "none"), (90.0, "none"), (90.0, "box")],
)
def test_a_data_set_is_evaluated_as_its_photographs_are_predicted(rng, frame_px, torso):
    """Without a box and with one: what ``convcorr pose`` finds is what ``eval.pose`` scores."""
    model = MODELS[frame_px]
    box = BOX if torso == "box" else None
    found = [predict_photograph(model, one, box=box).points for one in PHOTOGRAPHS]
    offsets = rng.normal(0, 10, (2, 14, 2))
    people = prepare(records_of(found + offsets), model.architecture, torso=torso)
    evaluation = evaluate(model, people, protocol=LSP_PCK, options=PredictionOptions(2))
    np.testing.assert_allclose(evaluation.predicted.cascade, found, atol=1e-3)
    errors = np.hypot(*np.moveaxis(offsets, -1, 0)) / 40
    np.testing.assert_allclose(evaluation.errors["cascade"], errors, atol=1e-4)
    # The frames of the last look are those that the offsets in pixels of the input belong to.
    scales = [transform.scale[0] for transform in evaluation.people.to_frame]
    expected = -offsets * np.array(scales)[:, None, None]
    shown = ~np.isnan(evaluation.offsets_px["cascade"])
    assert shown.any()
    np.testing.assert_allclose(evaluation.offsets_px["cascade"][shown], expected[shown], atol=1e-2)
    if frame_px is not None and torso == "none":
        assert all(frame is None for frame in people.frames)
        middles = [frame.center for frame in evaluation.people.frames]
        back = evaluation.people.to_photographs(evaluation.people.torso[:, None])[:, 0]
        np.testing.assert_allclose(back, middles, atol=1e-3)
    else:
        assert evaluation.people is people


@pytest.mark.parametrize(
    ("box", "sentence"),
    [
        (coords.Box(5.0, 5.0, 5.0, 9.0), "no area"),
        (coords.Box(500.0, 5.0, 510.0, 9.0), "lies outside the image of 260 x 200 pixels"),
    ],
)
def test_a_box_without_a_person_is_refused(box, sentence):
    with pytest.raises(InputError, match=sentence):
        predict_photograph(MODELS[None], PHOTOGRAPHS[0], box=box)
