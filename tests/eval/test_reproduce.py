"""Experiments run again when, and only when, something that their results depend on has changed."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from convcorr_jax.backbone.weights import load, save
from convcorr_jax.io import make_folder, write_json
from convcorr_jax.report import Section
from convcorr_jax.runtime import write_run
from convcorr_jax.tasks import Backbone, Data, Output
from eval import reproduce
from eval.experiments import Experiment, Inputs, inputs
from eval.experiments.experiment import on_data
from eval.experiments.prepared import prepared
from eval.reproduce import result_of
from tests.builders.compact_folders import write_pf_willow


@dataclass(frozen=True)
class Config:
    """Options of a script that only counts its runs."""

    data: Data = Data()
    backbone: Backbone = Backbone()
    output: Output = Output(Path("runs/counting"))


def write_weights(path: Path, *, offset: float) -> Path:
    weights = load("alexnet")
    conv1 = weights.params["conv1"]
    changed = dict(weights.params) | {"conv1": conv1._replace(bias=conv1.bias + offset)}
    save(path, changed, network=weights.network)
    return path


@pytest.fixture
def counting(tmp_path) -> Experiment:
    """An experiment on a data set of its own, with a weights file of its own."""
    runs = []

    def main(config: Config) -> Path:
        runs.append(1)
        out = make_folder(config.output.out)
        write_json(out / "result.json", {"runs": len(runs)})
        write_run(out, config, seconds=0.0)
        return out / "result.json"

    write_pf_willow(make_folder(tmp_path / "pf_willow"))
    return on_data(
        SimpleNamespace(Config=Config, main=main),
        lambda name, result: Section(name, ""),
        tmp_path / "out" / "counting",
        Data("pf_willow", tmp_path),
        backbone=Backbone(weights=write_weights(tmp_path / "weights.npz", offset=0.0)),
    )


def runs_of(experiment: Experiment) -> int:
    return result_of(experiment, Inputs().of(experiment))["runs"]


def test_the_page_grows_with_each_experiment_and_names_its_command(counting, tmp_path, monkeypatch):
    page = tmp_path / "out" / "index.html"
    pages = []

    def later(config: Config) -> Path:
        pages.append(page.read_text(encoding="utf-8"))
        return counting.main(config)

    folder = tmp_path / "out" / "later"
    config = dataclasses.replace(counting.config, output=Output(folder))
    second = counting._replace(name="later", main=later, config=config, folder=folder)
    monkeypatch.setattr(reproduce.devices, "use_cores", lambda count: None)
    monkeypatch.setattr(reproduce, "experiments", lambda *_, **__: (counting, second))
    reproduce.main(reproduce.Config(page.parent))
    pages.append(page.read_text(encoding="utf-8"))
    assert [page.count("<section") for page in pages] == [1, 2]
    assert [f"{count} of 2" in page for count, page in enumerate(pages, start=1)] == [True, True]
    assert f"--out {folder}" in pages[1]
    # Nothing runs again, and the page still has everything.
    reproduce.main(reproduce.Config(page.parent))
    assert len(pages) == 2
    assert page.read_text(encoding="utf-8").count("<section") == 2


def test_another_configuration_and_a_killed_run_run_again_with_their_intermediate_results(counting):
    assert runs_of(counting) == 1
    stored = json.loads((counting.folder / "inputs.json").read_text(encoding="utf-8"))
    assert stored.keys() == {"code", "records", "weights", "model"}
    assert stored["records"].keys() == {"pf_willow"}
    (counting.folder / "from_before.npz").write_bytes(b"")
    config = dataclasses.replace(counting.config, data=Data("pf_willow", counting.data_root, 7))
    assert runs_of(counting._replace(config=config)) == 2
    (counting.folder / "run.json").unlink()
    assert runs_of(counting._replace(config=config)) == 3
    assert (counting.folder / "from_before.npz").exists()


def change_image(folder: Path) -> None:
    path = next((folder / "pf_willow").rglob("*.png"))
    with Image.open(path) as image:
        pixels = np.array(image.convert("RGB"))
    pixels[0, 0] = 255 - pixels[0, 0]
    Image.fromarray(pixels).save(path)


@pytest.mark.parametrize(
    "change", [change_image, lambda folder: write_weights(folder / "weights.npz", offset=1e-3)]
)
def test_changed_records_and_weights_run_again(counting, tmp_path, change):
    assert [runs_of(counting) for _ in range(3)] == [1, 1, 1]
    change(tmp_path)
    assert [runs_of(counting) for _ in range(2)] == [2, 2]


def test_changed_code_runs_again_without_intermediate_results(counting, monkeypatch):
    runs_of(counting)
    (counting.folder / "of_the_old_code.npz").write_bytes(b"")
    monkeypatch.setattr(inputs, "code_version", lambda: {"sources": "another"})
    assert [runs_of(counting) for _ in range(2)] == [2, 2]
    assert not (counting.folder / "of_the_old_code.npz").exists()


def test_a_new_generator_version_runs_rendered_experiments_again(counting, monkeypatch):
    rendered = counting._replace(sources=("rendered",))
    runs_of(rendered)
    assert runs_of(rendered) == 1
    monkeypatch.setattr(inputs, "GENERATOR_VERSION", -1)
    assert runs_of(rendered) == 2


def test_a_changed_source_file_changes_the_checksum(tmp_path):
    for package in inputs.SOURCES:
        make_folder(tmp_path / package)
    module = tmp_path / "eval" / "a.py"
    module.write_text("a = 1\n", encoding="utf-8")
    before = inputs.source_checksum(tmp_path)
    assert inputs.source_checksum(tmp_path) == before
    module.write_text("a = 2\n", encoding="utf-8")
    changed = inputs.source_checksum(tmp_path)
    assert changed != before
    module.rename(tmp_path / "train" / "a.py")
    assert inputs.source_checksum(tmp_path) not in (before, changed)


def test_experiments_on_data_meet_in_the_middle(tmp_path):
    for name in ("pf_willow", "lspet", "camvid"):
        (tmp_path / name).mkdir()
    chosen = prepared(tmp_path / "out", tmp_path)
    orders = {each.name: each.background_order for each in chosen}
    assert orders["pf_willow_box"] is orders["pf_willow_image"] is None
    others = [each for each in chosen if each.background_order is not None]
    # The other process begins with the last one.
    assert [each.name for each in sorted(others, key=lambda one: one.background_order)] == [
        *("lspet_pose", "segmentation", "lspet_ridge_keypoints"),
        *("lspet_prediction", "lspet_classification", "matches"),
    ]
