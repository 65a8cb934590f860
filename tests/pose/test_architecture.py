import dataclasses
import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from convcorr_jax.coords import Size
from convcorr_jax.errors import InputError
from convcorr_jax.pose import MPII_JOINTS, MPII_PAIRS, POOLINGS, flic, from_dict, mpii, person, small
from tests.builders.pose_architectures import tiny_person

PERSON = person(MPII_JOINTS, MPII_PAIRS)


def small_of(*, pooling=8):
    return small(MPII_JOINTS, MPII_PAIRS, pooling=pooling)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("preset", [flic, mpii, small_of])
def test_pooling_changes_no_features(preset, pooling):
    pooled, usual = preset(pooling=pooling), preset(pooling=8)
    same = {"name": usual.name, "pooling": 8}
    if preset is small_of and pooling == 16:
        # Targets of 5 pixels would be narrower than a third of a cell.
        assert pooled.sigma_px == 9.6
        same["sigma_px"] = usual.sigma_px
    assert replace(pooled, **same) == usual
    height, width = pooled.input_size
    assert pooled.heatmap_size(pooled.input_size) == (height / pooling, width / pooling)
    # The centre of a cell is in the middle of its pixels.
    assert pooled.cells.shift.tolist() == [(pooling - 1) / 2] * 2
    assert pooled.cells.scale.tolist() == [pooling] * 2


def test_presets_are_those_of_the_paper():
    assert flic().input_size == Size(height=240, width=320)
    assert mpii().input_size == Size(256, 256)
    assert (len(flic().joints), len(mpii().joints)) == (7, 14)
    assert small_of().stages == flic().stages
    # "About 1.5 pixels" of heat-maps with cells of 8 pixels.
    assert flic().sigma_px == mpii().sigma_px == 1.5 * 8


@pytest.mark.parametrize("preset", [flic(), mpii()])
def test_pairs_are_left_and_right(preset):
    names = [(preset.joints[a], preset.joints[b]) for a, b in preset.left_right_pairs]
    assert all(a[0] == "l" and b == "r" + a[1:] for a, b in names)


@pytest.mark.parametrize(
    ("shape", "stride"),
    [(flic(), 1), (PERSON, 1), (person(MPII_JOINTS, MPII_PAIRS, front="alexnet"), 4)],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_fine_cell_is_as_wide_as_the_finest_maps(shape, stride):
    assert shape.fine_cells(np.zeros(2)).tolist() == [(stride - 1) / 2] * 2
    last = shape.fine_cells(np.full(2, shape.fine_window // stride - 1.0))
    assert last.tolist() == [shape.fine_window - 1 - (stride - 1) / 2] * 2


def test_the_front_decides_the_strides_of_the_fine_net():
    assert (PERSON.fine_strides, PERSON.window_stride) == ((1, 2, 4), 4)
    alexnet = tiny_person(front="alexnet")
    assert (alexnet.fine_strides, alexnet.window_stride) == ((4,), 4)
    # Four stages on cells of 16 pixels, three on cells of 8, and the heat-maps.
    assert PERSON.stages == 8
    assert PERSON.heatmap_size(PERSON.input_size) == (24, 24)


@pytest.mark.parametrize("shape", [flic(), PERSON], ids=lambda shape: shape.name)
def test_it_comes_back_from_json(shape):
    again = from_dict(json.loads(json.dumps(dataclasses.asdict(shape))))
    assert again == shape
    assert hash(again) == hash(shape)
    assert isinstance(again.input_size, Size)


@pytest.mark.parametrize(
    ("shape", "changes", "sentence"),
    [
        (flic(), {"features": (8,)}, "two stages or more"),
        *(
            (flic(), {name: value}, f"cannot have {name} {re.escape(str(value))}")
            for name, value in (
                *(("left_right_pairs", ((0, 7),)), ("left_right_pairs", ((0, 0),))),
                *(("left_right_pairs", ((0, 1), (1, 2))), ("window", 4), ("hidden", ()), ("levels", 0)),
                *(("spatial_dropout", 1.0), ("fine_window", 0), ("sigma_px", 0.0), ("sigma_px", math.inf)),
                *(("frame_px", -5.0), ("frame_px", 1.0), ("frame_px", 1e30), ("frame_px", math.inf)),
                *(("fine_prior_px", 0.0), ("fine_prior_px", 1e30), ("joints", ("nose",) * 7)),
            )
        ),
        (flic(), {"fine_window": 20}, "fine_window 20 must be a multiple of 8 pixels"),
        (flic(), {"input_size": Size(90, 320)}, "320 x 90 pixels is smaller than the 100 x 100"),
        (PERSON, {"levels": 2}, "cannot have levels 2"),
        (PERSON, {"pooling": 4}, "cannot have pooling 4"),
        (PERSON, {"cascade": "standard"}, "cannot have cascade 'standard'"),
        (PERSON, {"front_features": 0}, "cannot have front_features 0"),
        (PERSON, {"fine_window": 22}, "fine_window 22 must be a multiple of 4 pixels"),
        (PERSON, {"input_size": Size(192, 200)}, "200 x 192 pixels does not fit person-vgg16"),
        (PERSON, {"input_size": Size(16, 192)}, "takes multiples of 16 from 32 on"),
    ],
)
def test_what_cannot_be_computed_is_refused(shape, changes, sentence):
    with pytest.raises(InputError, match=sentence):
        replace(shape, **changes)


def test_images_that_do_not_fit_a_front_are_refused():
    PERSON.check_fits(Size(32, 48))
    with pytest.raises(InputError, match="an image of 40 x 48 pixels does not fit person-vgg16"):
        PERSON.heatmap_size(Size(48, 40))
