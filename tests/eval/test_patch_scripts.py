"""Figures 1 and 2 end to end on four small photographs, with the real weights of the `weights` extra."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from convcorr_jax import images
from convcorr_jax.datasets.selection import photographs
from convcorr_jax.errors import InputError
from convcorr_jax.io import read_image
from convcorr_jax.report.sections import correspondence
from convcorr_jax.tasks import Output
from convcorr_jax.tasks.patches import PatchData
from eval import patch_reconstruction, receptive_field_average
from tests.builders.shown import assert_shown, result_of

# One size of view, and three tenths of its cells.
SMALL = dict(layers=("conv3",), longest_px=(128,), patches=120)


def written(folder, named):
    """A data set of photographs by name, in the layout of ImageNet's sample."""
    (folder / "images").mkdir()
    for name, photograph in named.items():
        small = images.resize(photograph, (96, 128)).image
        Image.fromarray(small).save(folder / "images" / f"n00000000_{name}.jpg")
    return str(folder)


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    return written(tmp_path_factory.mktemp("four"), {one.name: one.image for one in photographs()[1:5]})


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    return tmp_path_factory.mktemp("database") / "four"


@pytest.fixture
def config(four, database, tmp_path):
    return patch_reconstruction.Config(
        PatchData(four, database=database, **SMALL), query_px=128, examples=2, output=Output(tmp_path / "out")
    )


def test_photographs_are_rebuilt_from_others(config):
    result = result_of(patch_reconstruction.main, config)
    assert (result["patches"], set(result["scores"])) == ({"conv3": 120}, {"conv3", "uniform"})
    for by_k in result["scores"].values():
        assert list(by_k) == ["1", "5"]
        # A photograph that could find itself would be rebuilt without error.
        assert by_k["1"]["color_error"] > 5
        # The mean of five is smoother than one.
        assert by_k["5"]["gradient_error"] < by_k["1"]["gradient_error"]
    assert len(result["rebuilt"]) == 2
    assert len(assert_shown(correspondence.reconstruction, result, config.output.out).tables[0].rows) == 4
    assert read_image(config.output.out / "figure_1.jpg").shape[1] > 600


def test_a_photograph_is_rebuilt_from_its_twin(tmp_path):
    cat, cup = (one.image for one in photographs()[1:3])
    (tmp_path / "twins").mkdir()
    twins = written(tmp_path / "twins", {"1": cat, "2": cat, "cup": cup})
    data = PatchData(twins, layers=("conv3",), longest_px=(128,), database=tmp_path / "database")
    options = {"query_px": 128, "neighbors": (1,), "examples": 1, "output": Output(tmp_path / "out")}
    config = patch_reconstruction.Config(data, **options)
    result = result_of(patch_reconstruction.main, config)
    assert result["rebuilt"] == ["n00000000_2"]
    assert result["scores"]["conv3"]["1"] == pytest.approx(
        {"color_error": 0, "gradient_error": 0, "detail_correlation": 1}
    )


def test_receptive_fields_are_averaged(config, tmp_path):
    averaged = receptive_field_average.Config(config.data, neighbors=(2, 20), seeds=3, output=Output(tmp_path))
    result = result_of(receptive_field_average.main, averaged)
    for shares in (result["middle_share"], result["random"]):
        for layer in SMALL["layers"]:
            assert list(shares[layer]) == ["2", "20"]
            assert all(0 < share < 1 for share in shares[layer].values())
    assert read_image(tmp_path / "figure_2.jpg").shape[0] > 500
    assert_shown(correspondence.receptive_field_average, result, tmp_path)
    with pytest.raises(InputError, match="seeds is 5; 1 to 4 are expected"):
        receptive_field_average.main(dataclasses.replace(averaged, seeds=5))


def test_a_damaged_database_is_refused_and_rebuilt(config):
    first = result_of(patch_reconstruction.main, config)
    path = config.data.database / "conv3.float16"
    rows = np.fromfile(path, np.uint16)
    rows[12345] ^= 1
    rows.tofile(path)
    with pytest.raises(InputError, match=r"conv3\.float16 is damaged: rows 0 to 119"):
        patch_reconstruction.main(config)
    data = dataclasses.replace(config.data, rebuild=True)
    again = result_of(patch_reconstruction.main, dataclasses.replace(config, data=data))
    assert again["scores"] == first["scores"]
