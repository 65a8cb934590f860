from dataclasses import replace

import pytest

from convcorr_jax.coords import Size
from convcorr_jax.errors import InputError
from convcorr_jax.pose import architecture
from convcorr_jax.pose.architecture import POOLINGS, flic, mpii, small

JOINTS, PAIRS = architecture.MPII_JOINTS, architecture.MPII_PAIRS


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize(
    "preset", [flic, mpii, lambda pooling: small(JOINTS, PAIRS, pooling=pooling)]
)
def test_pooling_changes_no_features(preset, pooling):
    pooled, usual = preset(pooling=pooling), preset(pooling=8)
    assert replace(pooled, name=usual.name, pooling=8) == usual
    height, width = pooled.input_size
    assert pooled.heatmap_size(pooled.input_size) == (height / pooling, width / pooling)


def test_presets_are_those_of_the_paper():
    assert flic().input_size == Size(height=240, width=320)
    assert mpii().input_size == Size(256, 256)
    assert (len(flic().joints), len(mpii().joints)) == (7, 14)
    assert small(JOINTS, PAIRS).stages == flic().stages


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
