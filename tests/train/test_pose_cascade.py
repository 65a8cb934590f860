"""A tiny cascade trained for a few steps on tiny rendered people, with kills, errors and a second host."""

import json
import os
import re
import shutil
import signal
import time

import chex
import jax
import numpy as np
import pytest

from convcorr_jax.coords import Size
from convcorr_jax.errors import InputError
from convcorr_jax.io import load_fitted, read_image
from convcorr_jax.pose import Architecture, TrainedCascade
from convcorr_jax.pose import trained as trained_module
from convcorr_jax.runtime import Terminated, checkpoint, script
from convcorr_jax.tasks import Output
from convcorr_jax.tasks.pose import (
    Hosts,
    PoseData,
    Training,
    batches,
    prepare_run,
    read_part,
    read_people,
    setup,
    training,
)
from tests.builders.fitted_models import random_weights
from tests.builders.flic_tree import example, write_release
from tests.builders.people import write_people
from tests.builders.pose_architectures import tiny_person, tiny_small
from tests.builders.processes import end, free_address, start
from train import pose_cascade

STEPS = (5, 3, 2)
# As this process has.
ONE_DEVICE = {"JAX_NUM_CPU_DEVICES": "1"}


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return write_people(tmp_path_factory.mktemp("data") / "people", train=20, test=2, side=64)


@pytest.fixture(autouse=True)
def tiny_networks(monkeypatch):
    monkeypatch.setattr(setup.pose, "small", tiny_small)


def config(people, out, *, dataset=None, coordinator=None, hosts=1, host=0, **options):
    return pose_cascade.Config(
        PoseData((str(people),) if dataset is None else dataset),
        Training(**{"steps": STEPS, "batch": 4, "validate_every": 2, **options}),
        Hosts(coordinator, hosts, host),
        Output(out),
    )


@pytest.fixture(scope="module")
def trained(people, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(setup.pose, "small", tiny_small)
        pose_cascade.main(config(people, out))
    return out


def lines_of(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_a_run_writes_its_results_and_its_best_checkpoint_is_the_model(trained):
    result = json.loads((trained / "result.json").read_text())
    assert (result["people"], result["validated"], result["left_out"]) == (18, 2, 0)
    assert set(result["pck"]) == {"cascade", "coarse"}
    assert read_image(trained / "curves.png").shape[1] > 400
    assert (trained / "run.json").exists()
    saved, best = load_fitted(trained / "model", TrainedCascade), checkpoint.read_best(trained / "checkpoints")
    assert (saved.architecture.name, saved.training["best_step"]) == ("tiny", result["best_step"])
    means = [np.mean(list(one["pck"]["cascade"].values())) for one in lines_of(trained) if "pck" in one]
    assert best.metric == pytest.approx(max(means))
    half = jax.tree.map(lambda leaf: np.float32(np.float16(leaf)), best.params)
    chex.assert_trees_all_equal(saved.params, half)


def test_every_phase_is_logged(trained):
    lines = lines_of(trained)
    assert [(one["step"], one["phase"]) for one in lines if "pck" in one] == [
        *((2, "coarse"), (4, "coarse"), (5, "coarse"), (6, "fine"), (8, "fine"), (10, "joint"))
    ]
    for one in lines:
        if "loss" in one:
            assert one["e1"] > 0 or one["phase"] == "fine"
            assert (one["e2"] > 0) == (one["phase"] != "coarse")
            # A phase's first step is not timed: it waits for the compiler.
            assert one.get("images_per_s", 1) > 0


# The run of the fixture, which kills itself at its nth batch.
KILLED = """
import os, signal, sys
from pathlib import Path
from tests.train.test_pose_cascade import batches, config, pose_cascade, setup, tiny_small
setup.pose.small = tiny_small
count, prefetch = 0, batches.prefetch
def deadly(load, steps):
    global count
    for batch in prefetch(load, steps):
        count += 1
        if count == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)
        yield batch
batches.prefetch = deadly
pose_cascade.main(config(sys.argv[1], Path(sys.argv[2])))
"""


@pytest.mark.slow
def test_a_killed_run_ends_at_the_same_weights(people, trained, tmp_path):
    out = tmp_path / "out"

    def started(batches):
        return end(start("-c", KILLED, people, out, batches, **ONE_DEVICE)).status

    # In the first phase, after its third step; then in the middle of the second phase.
    assert started(4) == -signal.SIGKILL
    assert [one["step"] for one in lines_of(out)] == [2, 2]
    assert started(6) == -signal.SIGKILL
    assert lines_of(out)[-1]["step"] == 6
    assert started(100) == 0
    found, expected = (folder / "checkpoints" for folder in (out, trained))
    chex.assert_trees_all_equal(checkpoint.read_best(found), checkpoint.read_best(expected))
    assert sorted(os.listdir(found)) == sorted(os.listdir(expected))
    for one, other in zip(lines_of(out), lines_of(trained), strict=True):
        one.pop("images_per_s", None)
        other.pop("images_per_s", None)
        assert one == other


def test_a_terminated_run_saves_its_state_first(people, trained, tmp_path, monkeypatch):
    """It ends at the same weights after the next start, as a run that was not terminated."""
    prefetch = batches.prefetch

    def terminated(load, steps):
        for step, batch in prefetch(load, steps):
            if step == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            yield step, batch

    monkeypatch.setattr(batches, "prefetch", terminated)
    with pytest.raises(Terminated):
        pose_cascade.main(config(people, tmp_path))
    # Step 3 is none of a validation; the state after step 2 had been saved before.
    assert sorted(os.listdir(tmp_path / "checkpoints")) == ["2", "3"]
    assert checkpoint.read_best(tmp_path / "checkpoints").step == 2
    assert not (tmp_path / "result.json").exists()
    monkeypatch.setattr(batches, "prefetch", prefetch)
    pose_cascade.main(config(people, tmp_path))
    found, expected = (folder / "checkpoints" for folder in (tmp_path, trained))
    chex.assert_trees_all_equal(checkpoint.read_best(found), checkpoint.read_best(expected))
    scores = [[one for one in lines_of(out) if "pck" in one] for out in (tmp_path, trained)]
    assert scores[0] == scores[1]
    assert sorted(os.listdir(found)) == sorted(os.listdir(expected))


HOST = """
import sys
from pathlib import Path
from tests.train.test_pose_cascade import batches, config, pose_cascade, setup, tiny_small, training
setup.pose.small = tiny_small
prepare_run = training.prepare_run

def prepared(options):
    run = prepare_run(options)
    print(len(run.training.numbers), len(run.validation.numbers))
    return run

training.prepare_run = prepared
people, out, least, coordinator, host = sys.argv[1:]
batches.LEAST_FOR_EACH_PLACE = int(least)
pose_cascade.main(config(people, Path(out), coordinator=coordinator, hosts=2, host=int(host)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("least", [2, 64], ids=["people_of_each_host", "people_of_all_hosts"])
def test_two_hosts_train_one_cascade(people, tmp_path, least, monkeypatch):
    """The result equals that of one host up to rounding; the first host writes into the shared folder."""
    monkeypatch.setattr(batches, "LEAST_FOR_EACH_PLACE", least)
    trained, out = tmp_path / "one", tmp_path / "two"
    pose_cascade.main(config(people, trained))
    coordinator = free_address()
    hosts = [start("-c", HOST, people, out, least, coordinator, host, **ONE_DEVICE) for host in range(2)]
    own = ("10 1", "8 1") if least == 2 else ("18 1", "18 1")
    for ended, counts in zip(map(end, hosts), own, strict=True):
        assert ended.status == 0, ended.err
        # Libraries print lines of their own.
        assert counts in ended.out.splitlines()
    found, expected = (checkpoint.read_best(run / "checkpoints") for run in (out, trained))
    assert found.step == expected.step
    chex.assert_trees_all_close(found.params, expected.params, rtol=1e-3, atol=1e-5)
    assert load_fitted(out / "model", TrainedCascade).architecture.name == "tiny"
    results = [json.loads((run / "result.json").read_text()) for run in (out, trained)]
    assert results[0]["people"] == results[1]["people"] == 18
    assert results[0]["pck"] == results[1]["pck"]


SUPERVISED = """
from convcorr_jax.runtime import script
from tests.train.test_pose_cascade import pose_cascade, setup, tiny_small
setup.pose.small = tiny_small
script.run(pose_cascade.Config, pose_cascade.main, None)
"""


def start_hosts(people, out):
    """Start the command of two hosts."""
    options = ["--dataset", str(people), "--out", str(out), "--batch", "4", "--validate-every", "2"]
    options += ["--steps", *map(str, STEPS), "--coordinator", free_address(), "--hosts", "2"]
    return [start("-c", SUPERVISED, *options, "--host", host, **ONE_DEVICE) for host in range(2)]


def assert_succeed(hosts):
    for ended in map(end, hosts):
        assert ended.status == 0, ended.err


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_hosts_continue_after_one_was_killed(people, tmp_path, killed):
    """The other host ends within a minute and names it; both then end at the weights of undisturbed hosts."""
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "out"
    assert_succeed(start_hosts(people, undisturbed))
    hosts = start_hosts(people, out)
    while not (out / "metrics.jsonl").is_file():
        assert hosts[killed].poll() is None
        time.sleep(0.1)
    hosts[killed].send_signal(signal.SIGKILL)
    began = time.monotonic()
    ended = end(hosts[1 - killed])
    assert time.monotonic() - began < 60
    assert ended.status == 1
    assert re.search(rf"host {killed} of 2 \(127.0.0.1.*\) has ended", ended.err.splitlines()[-1])
    hosts[killed].communicate()
    assert_succeed(start_hosts(people, out))
    found, expected = (checkpoint.read_best(run / "checkpoints") for run in (out, undisturbed))
    chex.assert_trees_all_equal(found, expected)
    assert sorted(os.listdir(out)) == sorted(os.listdir(undisturbed))


def test_a_finished_run_trains_no_more(people, trained, monkeypatch):
    monkeypatch.setattr(training, "compiled_step", None)
    before = lines_of(trained)
    pose_cascade.main(config(people, trained))
    assert lines_of(trained) == before


def test_a_finished_run_becomes_longer(people, trained, tmp_path):
    """More steps of the last phase begin at its last checkpoint; what was logged before stays."""
    out = shutil.copytree(trained, tmp_path / "out")
    pose_cascade.main(config(people, out, steps=(5, 3, 4)))
    before, after = lines_of(trained), lines_of(out)
    assert after[: len(before)] == before
    assert {line["step"] for line in after[len(before) :]} == {12}
    assert json.loads((out / "result.json").read_text())["plan"]["steps"] == [5, 3, 4]
    longer, shorter = (checkpoint.read_best(folder / "checkpoints") for folder in (out, trained))
    assert longer.step == 12 or longer.step == shorter.step


def test_a_run_whose_metrics_were_removed_ends_all_the_same(people, trained, tmp_path):
    out = shutil.copytree(trained, tmp_path / "out")
    (out / "metrics.jsonl").unlink()
    pose_cascade.main(config(people, out))
    assert json.loads((out / "result.json").read_text())["pck"] is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"pooling": 4}, "has checkpoints of tiny, not of tiny: .*pooling is 8 in the checkpoint and 4 in"),
        ({"seed": 1}, "another training: seed is 0 in the checkpoint and 1 in this run"),
    ],
)
def test_a_run_with_other_options_is_not_continued(people, trained, options, sentence):
    with pytest.raises(InputError, match=sentence):
        pose_cascade.main(config(people, trained, **options))


def test_a_run_starts_from_the_model_of_another(people, trained, tmp_path):
    before = load_fitted(trained / "model.npz", TrainedCascade)
    options = {"initial_checkpoint": trained / "model.npz", "steps": (0, 0, 1)}
    tuned = config(people, tmp_path, rates=(1.0, 1.0, 1e-6), **options)
    chex.assert_trees_all_equal(training.initial_params(prepare_run(tuned)), before.params)
    pose_cascade.main(tuned)
    after = load_fitted(tmp_path / "model.npz", TrainedCascade)
    assert (before.training["seed"], before.training["initial"]) == (0, None)
    assert after.training["initial"] == before.training
    # A rate of 1e-6 moves a parameter by 1e-6, and half precision rounds the greatest by 1e-3 of their size.
    chex.assert_trees_all_close(after.params, before.params, atol=1e-5, rtol=2e-3)
    with pytest.raises(InputError, match="another training: initial is "):
        pose_cascade.main(config(people, tmp_path, rates=(1.0, 1.0, 1e-6), steps=(0, 0, 1)))


def test_a_model_of_another_architecture_does_not_begin_a_run(people, trained, tmp_path):
    options = {"initial_checkpoint": trained / "model.npz", "sigma_px": 3.0, "spatial_dropout": 0.5}
    with pytest.raises(
        InputError, match=r"model\.npz has another architecture than this run: sigma_px, spatial_dropout differ"
    ):
        pose_cascade.main(config(people, tmp_path, **options))
    assert not list(tmp_path.iterdir())


def test_a_diverged_loss_ends_the_script_and_leaves_the_checkpoints(people, tmp_path, capsys):
    argv = [
        *("--dataset", str(people), "--steps", "5", "3", "2", "--batch", "4"),
        *("--validate-every", "6", "--rates", "5e-3", "1e30", "2e-3", "--out", str(tmp_path)),
    ]
    with pytest.raises(SystemExit) as ended:
        script.run(pose_cascade.Config, pose_cascade.main, None, argv=argv)
    assert ended.value.code == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Traceback" not in printed.err
    assert re.fullmatch(
        r"the loss of step 7 \(phase fine\) is (nan|inf); its batch is (\d+\.png(, )?){4}; "
        "smaller --rates may help",
        printed.err.splitlines()[-1],
    )
    assert (tmp_path / "checkpoints" / "6").is_dir()
    best = checkpoint.read_best(tmp_path / "checkpoints")
    assert best.step in (5, 6)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(best.params))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"batch": 0}, "batch is 0; at least 1 is expected"),
        ({"seed": -1}, "seed is -1; at least 0 is expected"),
        ({"steps": (0, 0, 0)}, "one of them positive"),
        ({"steps": (10, -1, 5)}, r"steps are \(10, -1, 5\); numbers of at least 0"),
        ({"rates": (1e-3, float("nan"), 1e-3)}, "rates are .*; positive numbers are expected"),
        ({"hosts": 2, "host": 1, "batch": 4}, "2 hosts need the address of a coordinator"),
        ({"validate_every": 0}, "validate_every is 0"),
        ({"dataset": ("nowhere",)}, "nowhere"),
        ({"dataset": ()}, "dataset names no data set; at least one is expected"),
        ({"dataset": ("lspet", "lspet")}, r"lspet \+ lspet names a data set twice"),
        ({"copies": 0}, "copies is 0; at least 1 is expected"),
        ({"preset": "person", "pooling": 4}, "the preset person has a pooling of 8"),
        ({"preset": "person", "cascade": "standard"}, "and the shared cascade only"),
        ({"front": "alexnet"}, "the preset small has no front; front is an option of the preset pers"),
        ({"spatial_dropout": 1.5}, "cannot have spatial_dropout 1.5"),
    ],
)
def test_bad_options_are_refused(people, tmp_path, options, sentence):
    with pytest.raises(InputError, match=sentence):
        pose_cascade.main(config(people, tmp_path, **options))


@pytest.mark.parametrize(
    ("preset", "front", "name"),
    [
        ("paper-flic", None, "flic-8x"),
        ("paper-mpii", None, "mpii-8x"),
        ("small", None, "tiny"),
        ("person", None, "person-vgg16"),
        ("person", "alexnet", "person-alexnet"),
    ],
)
def test_networks_of_the_paper_find_the_joints_of_the_data_set(people, preset, front, name):
    person = read_people(people, part="train")[0]
    options = Training(preset, front=front, dtype="bfloat16", spatial_dropout=0.0)
    found = setup.architecture_of(options, person)
    assert (found.name, found.joints) == (name, person.names)
    assert front in (None, found.front)
    assert (found.dtype, found.spatial_dropout) == ("bfloat16", 0.0)


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """A second data set, with a validation split of its own."""

    def change(arrays):
        arrays["split"][:3] = "val"
        arrays["image"] = arrays["image"][::-1]

    return write_people(tmp_path_factory.mktemp("data") / "others", train=6, test=1, side=64, change=change)


def test_several_data_sets_train_together_and_the_first_validates(people, others):
    data = PoseData((people, others))
    read = {part: read_part(data, part) for part in ("train", "validation", "test")}
    of_first, of_second = (
        {part: [one.source_id for one in read[part] if str(folder) in str(one.image)] for part in read}
        for folder in (people, others)
    )
    for part in read:
        assert of_first[part] == [record.source_id for record in read_people(people, part=part)]
    of_train = [f"{number}.png" for number in (3, 2, 1, 6, 5, 4)]
    assert of_second == {"train": of_train, "validation": [], "test": ["0.png"]}
    assert [len(part) for part in read.values()] == [18 + 6, 2, 2 + 1]


def test_a_run_of_several_data_sets_knows_their_names(people, others, tmp_path):
    run = prepare_run(config(people, tmp_path, dataset=(people, others)))
    assert run.config.data.name == f"{people} + {others}"
    assert (len(run.training.numbers), len(run.validation.numbers)) == (24, 2)
    drawn = [name for step in range(6) for name in training.people_of(run, step)]
    assert sorted(drawn) == sorted(record.source_id for record in run.training.records)


def test_data_sets_of_different_joints_are_refused(people, tmp_path):
    films = [example(f"film-{number}.jpg", train=1, test=0) for number in range(10)]
    write_release(tmp_path / "flic", *films)
    with pytest.raises(InputError, match="have different joints; the same are expected"):
        read_part(PoseData((people, str(tmp_path / "flic"))), "train")


def few_people(joints, pairs) -> Architecture:
    return tiny_person(joints, pairs, frame_px=60.0, input_size=Size(32, 32), fine_window=8)


PERSON_PLAN = {"preset": "person", "steps": (3, 2, 2), "copies": 2}


@pytest.fixture
def fronted(monkeypatch):
    """The preset ``person`` with a tiny front of random weights."""
    monkeypatch.setattr(setup.pose, "person", few_people)
    monkeypatch.setattr(batches, "_BATCH", 4)
    for module in (batches, trained_module):
        monkeypatch.setattr(module.weights, "load", random_weights)


def test_a_cascade_with_a_front_is_trained_and_saved(people, tmp_path, fronted, monkeypatch):
    changed = {}
    train_phase = training.train_phase

    def watched(phase, state, *rest):
        before = jax.device_get(state.average)
        state = train_phase(phase, state, *rest)
        same = jax.tree.map(np.array_equal, before, jax.device_get(state.average))
        front = {name for name, own in same.pop("front").items() if not own["kernel"]}
        changed[phase] = front, {part for part, own in same.items() if not all(jax.tree.leaves(own))}
        return state

    monkeypatch.setattr(training, "train_phase", watched)
    pose_cascade.main(config(people, tmp_path, **PERSON_PLAN))
    tuned = {"conv3", "conv4", "conv5", "project_conv2", "project_conv5"}
    assert changed == {
        "coarse": (set(), {"coarse"}),
        "fine": (set(), {"fine", "spatial"}),
        "joint": (tuned, {"coarse", "fine", "spatial"}),
    }
    # Three steps of four people are less than the 18 of an epoch.
    files = {path.name for path in (tmp_path / "features").iterdir()}
    assert files == {"projections.npz", "copy_0_00000.npz"}
    facts = json.loads((tmp_path / "result.json").read_text())
    assert facts["architecture"] == "tiny-alexnet"
    assert facts["plan"]["augmentation"]["margin"] == 0.25
    best = checkpoint.read_best(tmp_path / "checkpoints")
    loaded = load_fitted(tmp_path / "model", TrainedCascade)
    for layer in tuned:
        kernel, found = (np.asarray(tree["front"][layer]["kernel"]) for tree in (best.params, loaded.params))
        before = random_weights().params[layer].kernel if layer[:4] == "conv" else 0
        assert np.abs(found - kernel).max() <= 0.51 / 127 * np.abs(kernel - before).max() + 1e-6
    # Finished, and started again without its cache.
    monkeypatch.setattr(training, "compiled_step", None)
    pose_cascade.main(config(people, tmp_path, clear_cache=True, **PERSON_PLAN))
    assert not (tmp_path / "features").exists()
    assert json.loads((tmp_path / "result.json").read_text())["best_step"] == facts["best_step"]


@pytest.mark.slow
def test_a_run_in_its_coarse_phase_continues_on_the_same_features(people, tmp_path, fronted, monkeypatch):
    """A kill between two checkpoints changes no weight."""
    options = PERSON_PLAN | {"steps": (4, 0, 0)}
    pose_cascade.main(config(people, tmp_path / "whole", **options))
    prefetch = batches.prefetch

    def killed(load, steps):
        for step, batch in prefetch(load, steps):
            if step == 3:
                raise KeyboardInterrupt
            yield step, batch

    with monkeypatch.context() as patched:
        patched.setattr(batches, "prefetch", killed)
        with pytest.raises(KeyboardInterrupt):
            pose_cascade.main(config(people, tmp_path / "killed", **options))
    monkeypatch.setattr(batches, "_augmented_features", None)
    pose_cascade.main(config(people, tmp_path / "killed", **options))
    whole, continued = (checkpoint.read_best(tmp_path / name / "checkpoints") for name in ("whole", "killed"))
    chex.assert_trees_all_equal(continued, whole)
