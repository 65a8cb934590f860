"""What ends a command before its work begins: help, and errors of the command line and of its files.

JAX takes seconds to import, for which none of these should wait; help does not even wait for NumPy.
"""

import json

import numpy as np
import pytest

from convcorr_jax.io import write_arrays, write_image
from tests.builders.processes import end, start

# Runs commands one after another in one process; prints for each its exit status and the slow modules so far.
SCRIPT = """
import json, sys
from convcorr_jax.cli import main
for argv in json.loads(sys.argv[1]):
    try:
        status = main(argv=argv)
    except SystemExit as ending:
        status = ending.code
    slow = {"jax", "scipy", "matplotlib", "flax", "orbax", "skimage", "rich.progress"}
    print(json.dumps([status, *sorted((slow | {"numpy", "PIL"}) & set(sys.modules))]), file=sys.stderr)
"""
ERRORS = {
    "align a.png": "Missing from convcorr align: B.jpg",
    "align a.png nosuch.jpg": "nosuch.jpg does not exist; an image file is expected",
    "align a.png b.png --smothness 1": "Unrecognized options: --smothness",
    "align a.png words.jpg": "words.jpg is not an image",
    "align words.jpg a.png": "words.jpg is not an image",
    **{
        f"align a.png b.png {out}": "--out nowhere.txt must end in one of"
        for out in ("--out nowhere.txt", "-o nowhere.txt", "--output nowhere.txt", "--output=nowhere.txt")
    },
    "align a.png b.png --out a.png": "would overwrite a.png",
    "align a.png b.png --out words.jpg/match.png": "words.jpg",
    "align a.png b.png --html words.jpg/page.html": "words.jpg",
    "align a.png b.png --out nowhere/match.png": "match.png cannot be written: there is no folder nowhere",
    "align a.png b.png --html nowhere/page.html": "page.html cannot be written: there is no folder nowhere",
    "align . --out nowhere/matches": "nowhere/matches cannot be written: there is no folder nowhere",
    "pose a.png --out nowhere/pose.png": "pose.png cannot be written: there is no folder nowhere",
    "align a.png b.png --weights nosuch.npz": "nosuch.npz does not exist; a weights file",
    "align a.png b.png --box 9 9 3 3": "has no area",
    "align a.png b.png --box-b 99 9 999 30": "box (99.0, 9.0, 999.0, 30.0) lies outside the image of 40 x 30",
    "align a.png b.png --points nosuch.csv": "nosuch.csv does not exist",
    "align a.png b.png --points far.csv": "point 1 of far.csv, (99, 99), is outside a.png of 40 x 30 pixels",
    "align empty": "has no photograph",
    "align --pairs nosuch.csv": "nosuch.csv does not exist; a pairs file",
    "align --pairs far.csv": "'a,b' is expected",
    "align a.png b.png --pairs far.csv": "--pairs goes with no photograph",
    "align a.png . --box-b 1 2 3 4": "--box-b goes with one photograph",
    "align . a.png": "is a folder, whose photographs are aligned with one another",
    "pose nosuch.jpg": "nosuch.jpg does not exist",
    "landmarks nosuch.jpg": "nosuch.jpg does not exist",
    "keypoints nosuch.jpg": "nosuch.jpg does not exist",
    "keypoints a.png --model nosuch.npz": "nosuch.json does not exist; a keypoint model file",
    "landmarks a.png --weights nosuch.npz": "nosuch.npz does not exist; a weights file",
    "landmarks a.png --box 9 9 3 3": "box (9.0, 9.0, 3.0, 3.0) has no area",
    "pose a.png --out a.txt": "must end in one of",
    "pose a.png --model nosuch.npz": "nosuch.json does not exist; a pose cascade file",
    "pose a.png --box 99 9 999 30": "lies outside the image",
    "annotate . --out labels": "Missing from convcorr annotate: --examples, labelled photographs",
    "annotate empty --examples far.csv": "has no photograph",
    "annotate . --examples nosuch.csv": "nosuch.csv does not exist; a label file is expected",
    "annotate . --examples a.png b.png --points far.csv": "2 photographs have 1 tables of points",
    "annotate . --examples far.csv --out nowhere/labels": "nowhere/labels cannot be written",
    "pck --predictions a.npz --ground-truth nosuch.npz": "nosuch.npz does not exist; a ground truth",
    "pck --predictions nosuch.h5 --ground-truth a.npz": "nosuch.h5 does not exist; a prediction file",
    "pck --predictions a.npz --ground-truth a.npz --explain x": "'x' is no figure of PCK",
    "pck --predictions a.npz --ground-truth a.npz --alphas 0": "must be positive numbers",
    "pck --predictions a.npz --ground-truth a.npz": "a.npz: points is (3,)",
    "pck --predictions a.npz --ground-truth far.csv": "far.csv",
}


def ended(folder, commands):
    done = end(start("-c", SCRIPT, json.dumps([command.split() for command in commands]), cwd=folder))
    return done.out, done.err.splitlines()


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "b.png"):
        write_image(tmp_path / name, np.zeros((30, 40, 3), np.uint8))
    (tmp_path / "words.jpg").write_text("words")
    (tmp_path / "far.csv").write_text("x,y\n99,99\n")
    write_arrays(tmp_path / "a.npz", points=np.zeros(3))
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_errors_do_not_wait_for_jax(folder):
    before = sorted(folder.rglob("*"))
    # JAX is here before the last one is found.
    expected = ERRORS | {"align a.png b.png --network resnet": "no network 'resnet'; there are caffenet"}
    out, lines = ended(folder, expected)
    assert out == ""
    for command, sentence, state in zip(expected, lines[::2], lines[1::2], strict=True):
        assert sentence.startswith("convcorr: "), command
        assert expected[command] in sentence, command
        status, *modules = json.loads(state)
        assert status == 2, command
        assert (set(modules) <= {"numpy", "PIL"}) == (command in ERRORS), command
    assert sorted(folder.rglob("*")) == before


def test_help_does_not_wait_for_jax(folder):
    commands = [
        *("--help", "align --help", "pose --help", "landmarks --help", "keypoints --help", "pck --help"),
        "annotate --help",
        *("weights --help", "weights check --help", "datasets --help", "datasets show --help"),
    ]
    out, lines = ended(folder, commands)
    assert "--smoothness" in out
    assert "X0 Y0 X1 Y1" in out
    assert [json.loads(line) for line in lines] == [[0]] * len(commands)
