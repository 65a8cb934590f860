"""The command line as a whole: quick help, wrong commands, exit statuses, and the commands about weights."""

import contextlib
import io
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from convcorr_jax import cli
from convcorr_jax.backbone import NETWORKS
from convcorr_jax.backbone.weights import OFFICIAL, find
from convcorr_jax.cli import main
from convcorr_jax.cli.installation import List
from convcorr_jax.errors import InputError, NumericalError, WriteError
from convcorr_jax.io import write_arrays
from tests.builders.command_line import Terminal, assert_failed, assert_refused, needs_weights, run
from tests.builders.processes import end, start

HELP = """
import sys
from convcorr_jax.cli import main
try:
    main(argv=["align", "--help"])
except SystemExit as leaving:
    heavy = {"jax", "numpy", "matplotlib", "PIL", "scipy"} & set(sys.modules)
    sys.exit(f"{leaving.code} {sorted(heavy)}")
"""


def helped(*argv):
    with contextlib.redirect_stdout(io.StringIO()) as output, pytest.raises(SystemExit) as ending:
        main(argv=[*argv, "--help"])
    assert ending.value.code == 0
    return output.getvalue()


def test_help_imports_nothing_heavy():
    ended = end(start("-c", HELP))
    assert ended.err.strip() == "0 []"
    assert "X0 Y0 X1 Y1" in ended.out


def test_help_names_the_commands_and_the_networks():
    assert {"align", "weights", "datasets"} <= set(re.findall(r"\w+", helped()))
    assert {"list", "fetch", "check"} <= set(re.findall(r"\w+", helped("weights")))
    for command in (["align"], ["weights", "fetch"], ["weights", "check"]):
        assert set(NETWORKS) <= set(re.findall(r"\w+", helped(*command)))


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ([], "Expected one of {align, keypoints, landmarks, pose, pck, weights, datasets, doctor}"),
        (["weights"], "Expected one of {list, fetch, check}"),
        (["alin"], "Unrecognized options: alin"),
        (["weights", "drop"], "Unrecognized options: drop"),
        (["weights", "list", "more"], "Unrecognized options: more"),
        (["weights", "fetch"], "Missing from convcorr weights fetch: NETWORK"),
        (["weights", "fetch", "resnet"], "no network 'resnet'; there are caffenet"),
        (["weights", "check", "none.npz"], "none.npz does not exist; a weights file is expected"),
        (["weights", "check", __file__], "is in no format known here"),
        (["weights", "check", __file__, "--network", "resnet"], "no network 'resnet'"),
    ],
)
def test_wrong_commands_are_one_sentence(argv, sentence):
    assert_refused(run(*argv), sentence)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("kind", [Terminal, io.TextIOWrapper])
@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["align", "a.png"], "Missing from convcorr align: B.jpg (see --help)"),
        (["align", "a", "b", "--smothness"], "Unrecognized options: --smothness (see --help)"),
        (["weights"], "Expected one of {list, fetch, check} (see --help)"),
    ],
)
def test_sentences_are_plain_on_every_terminal(monkeypatch, encoding, kind, argv, sentence):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", kind(io.BytesIO(), encoding))
    with contextlib.redirect_stderr(io.StringIO()) as errors:
        assert main(argv=argv) == 2
    assert errors.getvalue() == f"convcorr: {sentence}\n"


def test_interruption_ends_without_a_traceback(monkeypatch):
    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(List, "run", interrupted)
    assert run("weights", "list") == (130, "", "")


def test_a_sentence_stays_one_line(monkeypatch):
    def refused(self):
        raise InputError("three\n lines,\n\nin all")

    monkeypatch.setattr(List, "run", refused)
    assert_refused(run("weights", "list"), "convcorr: three lines, in all")


@pytest.mark.parametrize("kind", [NumericalError, WriteError])
def test_what_fails_on_right_input_has_another_status(monkeypatch, kind):
    def failed(self):
        raise kind("the loss of step 3\nis nan")

    monkeypatch.setattr(List, "run", failed)
    assert_failed(run("weights", "list"), "convcorr: the loss of step 3 is nan\n")


def test_a_reader_that_goes_away_is_one_sentence():
    process = start("-m", "convcorr_jax", "weights", "list")
    process.stdout.close()
    assert end(process) == (1, "", "convcorr: the reader of the output has ended\n")


def test_the_list_says_of_every_network_where_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("CONVCORR_WEIGHTS", str(tmp_path))
    ended = run("weights", "list")
    assert (ended.status, ended.err) == (0, "")
    for name, official in OFFICIAL.items():
        assert f"{name}: {find(name) or 'not here'}\n" in ended.out
        assert official.url in ended.out
        assert official.licence in ended.out
        assert official.checksum in ended.out
    assert str(tmp_path) in ended.out


@needs_weights
def test_weights_that_are_here_are_checked(monkeypatch, tmp_path):
    monkeypatch.setenv("CONVCORR_WEIGHTS", str(tmp_path))
    assert run("weights", "check", "alexnet").out == "alexnet: alexnet.ckpt is in order, up to pool5\n"
    everything = run("weights", "check").out.splitlines()
    assert [line.split(":")[0] for line in everything] == [name for name in NETWORKS if find(name)]


def test_a_network_that_is_not_here_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("CONVCORR_WEIGHTS", str(tmp_path))
    sentence = "no weights of caffenet here: run `convcorr weights fetch caffenet`"
    assert_refused(run("weights", "check", "caffenet"), sentence)


def test_a_damaged_copy_is_refused_by_name(monkeypatch, tmp_path):
    monkeypatch.setenv("CONVCORR_WEIGHTS", str(tmp_path))
    path = tmp_path / OFFICIAL["caffenet"].file_name
    path.write_bytes(b"\x0a\x08CaffeNet")
    assert_refused(run("weights", "check"), f"{path} is not the published file: its sha1 is")
    assert_refused(run("weights", "check", path, "--network", "caffenet"), f"{path}")
    write_arrays(tmp_path / "some.npz", conv1_w=np.zeros(3, np.float32))
    assert_refused(run("weights", "check", tmp_path / "some.npz"), "some.npz")


def test_fetching_prints_where_the_file_is(monkeypatch, tmp_path):
    def fetch(name, *, progress):
        progress(1, None)
        progress(2, 2)
        return tmp_path / name

    monkeypatch.setattr("convcorr_jax.backbone.weights.fetch", fetch)
    assert run("weights", "fetch", "vgg16") == (0, f"{tmp_path / 'vgg16'}\n", "")


def test_the_entry_point_is_the_one_that_is_installed():
    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    assert 'convcorr = "convcorr_jax.__main__:main"' in pyproject.read_text(encoding="utf-8")
    assert cli.main is main
