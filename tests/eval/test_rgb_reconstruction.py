"""RGB reconstruction end to end on a few rendered pictures, with the real weights of the `weights` extra."""

import dataclasses
import json

import pytest
from PIL import Image

from convcorr_jax import synthetic
from convcorr_jax.datasets.records import load_image
from convcorr_jax.errors import InputError
from convcorr_jax.io import read_image
from convcorr_jax.tasks import variation_features
from convcorr_jax.tasks.options import Output
from convcorr_jax.tasks.scenes import colors, read_split
from eval.rgb_reconstruction import Config, main

COUNT = 30


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Rendered faces in the layout of ImageNet's sample, grey ones and others, wide ones and others."""
    folder = tmp_path_factory.mktemp("faces")
    (folder / "images").mkdir()
    for index in range(COUNT):
        size = (64, 96) if index % 3 else (80, 64)
        picture = Image.fromarray(
            load_image(synthetic.render("face", seed=7, index=index, size=size))
        )
        if index % 5 == 0:
            picture = picture.convert("L")
        picture.save(folder / "images" / f"n00000000_{index:02d}.jpg")
    return str(folder)


def result_of(config):
    path = main(config)
    assert (path.parent / "run.json").is_file()
    return json.loads(path.read_text(encoding="utf-8"))


def test_faces_are_reconstructed(faces, tmp_path, monkeypatch):
    config = Config(datasets=(faces,), images=(4, 9, 1000), shown=9, output=Output(tmp_path))
    result = result_of(config)
    assert (result["train"], result["test"], result["layer"]) == (27, 3, "pool5")
    curve = result["curve"]
    assert curve["images"] == [4, 9, 27]
    assert all(len(values) == 3 for values in curve.values())
    assert result["mean_absolute_error"] == curve["mean_absolute_error"][-1]
    assert result["mean_absolute_error"] < result["mean_image"]
    assert result["per_dataset"][faces]["mean_image"] == pytest.approx(result["mean_image"])
    # A row of images, a row of squares, a row of reconstructions.
    assert read_image(tmp_path / "figure_4.png").shape[0] > 350
    assert min(read_image(tmp_path / "curve.png").shape[:2]) > 300

    # As after a kill: all fits but one are cached.
    (tmp_path / "result.json").unlink()
    (tmp_path / "probes" / "pool5_00009.npz").unlink()
    fitted = colors.fit_grid
    fits = []
    monkeypatch.setattr(variation_features, "global_features", pytest.fail)
    monkeypatch.setattr(
        colors, "fit_grid", lambda *args, **kw: fits.append(1) or fitted(*args, **kw)
    )
    assert result_of(config) == result
    assert len(fits) == 1
    # More copies need other features.
    monkeypatch.undo()
    other = result_of(dataclasses.replace(config, copies=2, images=()))
    assert other["mean_absolute_error"] != result["mean_absolute_error"]
    assert other["mean_image"] == pytest.approx(result["mean_image"], abs=0.02)


def test_splits_are_those_of_the_records_and_tenths_without(faces):
    rendered = read_split("rendered", rendered_train=6, rendered_test=2)
    assert {one.split for one in rendered.train} == {"train"}
    assert [len(part) for part in rendered] == [24, 8]
    tenths = read_split(faces)
    assert [one.source_id[-2:] for one in tenths.test] == ["09", "19", "29"]
    names = {one.source_id for part in tenths for one in part}
    assert len(names) == COUNT


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (dict(datasets=()), "datasets is"),
        (dict(datasets=("rendered", "rendered")), "none of them twice"),
        (dict(images=(3,)), "at least 4 and 1 are expected"),
        (dict(shown=0), "shown 0"),
        (dict(copies=0), "0 variations"),
        (dict(layer="conv9"), "no layer 'conv9'"),
        (dict(rendered_train=0), "and 0 to test"),
    ],
)
def test_options_out_of_range_are_refused(tmp_path, options, sentence):
    small = Config(rendered_train=1, rendered_test=1, output=Output(tmp_path))
    with pytest.raises(InputError, match=sentence):
        main(dataclasses.replace(small, **options))
