import json
from dataclasses import asdict, replace

import pytest

from convcorr_jax.coords import Size
from convcorr_jax.errors import InputError
from convcorr_jax.pose import (
    MPII_JOINTS,
    MPII_PAIRS,
    POOLINGS,
    flic,
    from_dict,
    mpii,
    person,
    small,
)

JOINTS, PAIRS = MPII_JOINTS, MPII_PAIRS


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize(
    "preset", [flic, mpii, lambda pooling: small(JOINTS, PAIRS, pooling=pooling)]
)
def test_pooling_changes_no_features(preset, pooling):
    pooled, usual = preset(pooling=pooling), preset(pooling=8)
    assert replace(pooled, name=usual.name, pooling=8, sigma_px=usual.sigma_px) == usual
    height, width = pooled.input_size
    assert pooled.heatmap_size(pooled.input_size) == (height / pooling, width / pooling)


def test_presets_are_those_of_the_paper():
    assert flic().input_size == Size(height=240, width=320)
    assert mpii().input_size == Size(256, 256)
    assert (len(flic().joints), len(mpii().joints)) == (7, 14)
    assert small(JOINTS, PAIRS).stages == flic().stages
    assert (flic().stages, mpii().stages) == (7, 11)
    assert {flic(pooling=pooling).sigma_px for pooling in POOLINGS} == {12.0}


def test_sizes_follow_from_pooling_and_stages():
    assert (flic(pooling=4).pools, flic(pooling=16).pools) == ((2, 2, 1), (2, 2, 4))
    assert mpii(pooling=16).pools == (1, 2, 1, 2, 1, 2, 1, 2)
    assert [flic(pooling=pooling).receptive_field_px for pooling in POOLINGS] == [64, 100, 172]
    assert flic().fine_strides == (1, 2, 2, 4, 4, 8)
    assert flic(cascade="standard").fine_strides == (1, 2, 4)
    assert (flic().window_stride, mpii().window_stride) == (8, 4)
    assert flic().heatmap_size(Size(240, 320)) == Size(30, 40)


def test_a_front_decides_the_fine_maps():
    architecture = person(JOINTS, PAIRS)
    assert architecture.fine_strides == (1, 2, 4)
    assert architecture.window_stride == 4
    assert architecture.fine_cells.shift.tolist() == [0, 0]
    alexnet = person(JOINTS, PAIRS, front="alexnet")
    assert alexnet.fine_strides == (4,)
    assert alexnet.fine_cells.shift.tolist() == [1.5, 1.5]


@pytest.mark.parametrize("preset", [flic(), mpii(), small(JOINTS, PAIRS), person(JOINTS, PAIRS)])
def test_a_description_in_json_is_the_architecture(preset):
    assert from_dict(json.loads(json.dumps(asdict(preset)))) == preset


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"pooling": 4}, "cannot have pooling 4"),
        ({"cascade": "standard"}, "cannot have cascade 'standard'"),
        ({"frame_px": 0.0}, "cannot have frame_px 0.0"),
        ({"sigma_px": float("nan")}, "cannot have sigma_px nan"),
        ({"fine_window": 22}, "fine_window 22 must be a multiple of 4 pixels"),
        ({"input_size": Size(200, 192)}, "192 x 200 pixels does not fit person-vgg16"),
    ],
)
def test_what_a_front_cannot_do_is_refused(changes, sentence):
    with pytest.raises(InputError, match=sentence):
        replace(person(JOINTS, PAIRS), **changes)


@pytest.mark.parametrize("preset", [flic(), mpii()])
def test_pairs_are_left_and_right(preset):
    names = [(preset.joints[a], preset.joints[b]) for a, b in preset.left_right_pairs]
    assert all(a[0] == "l" and b == "r" + a[1:] for a, b in names)


def test_a_cell_has_its_centre_in_the_middle_of_its_pixels():
    cells = flic(pooling=4).cells
    assert cells.shift.tolist() == [1.5, 1.5]
    assert cells.scale.tolist() == [4, 4]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"features": (8,)}, "two stages or more"),
        ({"left_right_pairs": ((0, 7),)}, r"cannot have left_right_pairs \(\(0, 7\),\)"),
        ({"window": 4}, "cannot have window 4"),
        ({"hidden": ()}, r"cannot have hidden \(\)"),
        ({"spatial_dropout": 1.0}, "cannot have spatial_dropout 1.0"),
        ({"fine_window": 0}, "cannot have fine_window 0"),
        ({"levels": 0}, "cannot have levels 0"),
        ({"fine_window": 20}, "fine_window 20 must be a multiple of 8 pixels"),
        ({"input_size": Size(90, 320)}, "320 x 90 pixels is smaller than the 100 x 100"),
    ],
)
def test_what_cannot_be_computed_is_refused(changes, sentence):
    with pytest.raises(InputError, match=sentence):
        replace(flic(), **changes)
