"""RGB reconstruction end to end on a few rendered pictures, with the real weights of the `weights` extra."""

import dataclasses

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import Ridge

from convcorr_jax import synthetic
from convcorr_jax.datasets import load_image
from convcorr_jax.io import read_image
from convcorr_jax.linear.ridge import FoldSums
from convcorr_jax.probes import fit_grid, rgb_targets
from convcorr_jax.runtime import stages
from convcorr_jax.tasks import Output, scenes, variation_features
from convcorr_jax.tasks.scenes import Split, colors, read_split
from convcorr_jax.tasks.variation_features import PartContents, variation_parts
from eval.rgb_reconstruction import Config, main
from tests.builders.genuine import genuine
from tests.builders.shown import result_of

pytestmark = pytest.mark.usefixtures("small_network")
COUNT = 30


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Rendered faces in the layout of ImageNet's sample, grey ones and others, wide ones and others."""
    folder = tmp_path_factory.mktemp("faces")
    (folder / "images").mkdir()
    for index in range(COUNT):
        size = (64, 96) if index % 3 else (80, 64)
        picture = Image.fromarray(load_image(synthetic.render("face", seed=7, index=index, size=size)))
        if index % 5 == 0:
            picture = picture.convert("L")
        picture.save(folder / "images" / f"n00000000_{index:02d}.jpg")
    return str(folder)


def test_faces_are_reconstructed(faces, tmp_path, monkeypatch):
    config = Config(datasets=(faces,), side_px=128, images=(4, 9, 1000), shown=9, output=Output(tmp_path))
    result = result_of(main, config)
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
    (tmp_path / "probes" / "pool5_1_00009.npz").unlink()
    fitted = colors.fit_grid_sums
    fits = []
    monkeypatch.setattr(variation_features, "global_features", pytest.fail)
    monkeypatch.setattr(colors, "fit_grid_sums", lambda *args, **kw: fits.append(1) or fitted(*args, **kw))
    assert result_of(main, config) == result
    assert len(fits) == 1
    # More copies need other features.
    monkeypatch.undo()
    other = result_of(main, dataclasses.replace(config, copies=2, images=()))
    assert other["mean_absolute_error"] != result["mean_absolute_error"]
    assert other["mean_image"] == pytest.approx(result["mean_image"], abs=0.02)


def small_run(faces, out, **options):
    """A run whose training images are four parts, with fewer features (256) than rows of the last sums."""
    config = Config(datasets=(faces,), copies=20, images=(4,), shown=2, output=Output(out))
    main(dataclasses.replace(config, **options))
    return {path.name: path.read_bytes() for path in (out / "probes").iterdir()}


def test_a_killed_run_continues_from_the_saved_sums_and_gives_the_same_bytes(faces, tmp_path, monkeypatch):
    monkeypatch.setattr(variation_features, "_PART", 140)
    expected = small_run(faces, tmp_path / "whole")
    assert sorted(expected) == [f"pool5_20_{n:05d}.npz" for n in (4, 27)]
    added = []
    add = FoldSums.add

    def killed(sums, *rows):
        if len(added) == 3:
            raise KeyboardInterrupt
        added.append(sums.count)
        return add(sums, *rows)

    monkeypatch.setattr(FoldSums, "add", killed)
    monkeypatch.setattr(stages, "SAVED_EVERY_S", 0.0)
    with pytest.raises(KeyboardInterrupt):
        small_run(faces, tmp_path / "killed")
    assert added == [0, 80, 140]
    found = {path.name for path in (tmp_path / "killed" / "probes").iterdir()}
    assert found == {"pool5_20_00004.npz", "pool5_20_sums.npz"}
    continued = []
    monkeypatch.setattr(FoldSums, "add", lambda sums, *rows: continued.append(sums.count) or add(sums, *rows))
    assert small_run(faces, tmp_path / "killed") == expected
    assert continued == [280, 420]


def test_the_curve_is_that_of_probes_fitted_to_rows_in_memory(faces, tmp_path, small_network):
    """Of 256 features: the dual form at 4 images of 20 variations, statistics from 13 on."""
    config = Config(datasets=(faces,), copies=20, images=(4,), shown=2, output=Output(tmp_path))
    curve = result_of(main, config)["curve"]
    split = read_split(faces)
    order = np.random.default_rng(0).permutation(27)

    def rows(records, copies, **seeds):
        contents, folder = PartContents(squares_px=46, **seeds), tmp_path / str(copies)
        return variation_parts(
            records, small_network, layer="pool5", copies=copies, folder=folder, contents=contents
        )[0]

    train, test = rows(split.train.take(order), 20, seeds=order), rows(split.test, 1)
    for number, count in enumerate(curve["images"]):
        features = train["features"][: 20 * count].astype(np.float32)
        colors = rgb_targets(train["squares"][: 20 * count])
        fitted, _ = fit_grid(features, colors, side=46, folds=np.repeat(np.arange(count), 20) % 4, k=4)
        assert curve["penalty"][number] == pytest.approx(float(fitted.penalty), rel=1e-5)
        reference = Ridge(alpha=curve["penalty"][number]).fit(features, colors)
        predicted = reference.predict(test["features"].astype(np.float32)).clip(0, 1)
        error = np.abs(predicted - rgb_targets(test["squares"])).mean()
        assert curve["mean_absolute_error"][number] == pytest.approx(error, abs=1e-4)


def test_a_pass_may_end_before_the_last_image(faces, tmp_path):
    config = Config(datasets=(faces,), side_px=80, images=(6,), shown=2, output=Output(tmp_path))
    short = result_of(main, dataclasses.replace(config, all_images=False))
    assert (short["train"], short["curve"]["images"]) == (6, [6])
    assert result_of(main, config)["curve"]["mean_absolute_error"][0] == short["mean_absolute_error"]


def test_photographs_of_two_data_sets_are_one_pass(tmp_path, monkeypatch):
    """Of every data set a tenth, whose images are not all read."""

    def read_tenth(name, **options):
        return Split(*(part.take(np.arange(0, len(part), 10)) for part in read_split(name, **options)))

    names = tuple(str(genuine(name)) for name in ("imagenet_sample", "mini_imagenet"))
    split = scenes.join_splits(read_split(name) for name in names)
    assert (len(split.train), len(split.test)) == (3600, 400)
    monkeypatch.setattr(scenes, "read_split", read_tenth)
    config = Config(datasets=names, images=(300,), all_images=False, shown=2, output=Output(tmp_path))
    result = result_of(main, config)
    assert result["test"] == 40
    assert 0.12 < result["mean_absolute_error"] < result["mean_image"] - 0.03


def test_splits_are_those_of_the_records_and_tenths_without(faces):
    rendered = read_split("rendered", rendered_train=6, rendered_test=2)
    assert {one.split for one in rendered.train} == {"train"}
    assert [len(part) for part in rendered] == [24, 8]
    tenths = read_split(faces)
    assert [one.source_id[-2:] for one in tenths.test] == ["09", "19", "29"]
    assert len({one.source_id for part in tenths for one in part}) == COUNT
