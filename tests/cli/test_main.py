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
from convcorr_jax.io import write_arrays
from tests.builders.command_line import Terminal, assert_refused, needs_weights, output_of, run, run_all
from tests.builders.processes import end, start


def words_of_help(*argv):
    return set(re.findall(r"\w+", output_of(*argv, "--help")))


def test_help_names_the_commands_and_the_networks():
    assert {"align", "weights", "datasets"} <= words_of_help()
    assert {"list", "fetch", "check"} <= words_of_help("weights")
    for command in (["align"], ["weights", "fetch"], ["weights", "check"]):
        assert set(NETWORKS) <= words_of_help(*command)


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ([], "Expected one of {align, annotate, keypoints, landmarks, pose, pck, weights, datasets, doctor}"),
        (["aling", "a.jpg", "b.jpg"], r"no command 'convcorr aling'; did you mean align\? \(see --help\)$"),
        (
            ["a.jpg", "b.jpg"],
            "no command 'convcorr a.jpg'; align, annotate, keypoints, landmarks, pose, pck, w",
        ),
        (["weights", "fetsh", "vgg16"], r"no command 'convcorr weights fetsh'; did you mean fetch\?"),
        (["pose", "http://a.org/b.jpg"], "http://a.org/b.jpg is an address; download the file first, and give"),
        (["align", "words.txt", "words.txt", "-o"], "Missing value for argument '--out'"),
        (["weights", "list", "more"], "Unrecognized options: more"),
        (["weights", "fetch"], "Missing from convcorr weights fetch: NETWORK"),
        (["weights", "fetch", "resnet"], "no network 'resnet'; there are caffenet"),
        (["weights", "check", "none.npz"], "none.npz does not exist; a weights file is expected"),
        (["weights", "check", __file__], "is in no format known here"),
        (["weights", "check", __file__, "--network", "resnet"], "no network 'resnet'"),
        *((["weights", "check", "none.npz", option], "none.npz does") for option in ("--json", "--quiet")),
        (["datasets", "prepare", "lps", "--source", ".", "--out", "o"], "no data set 'lps'; there are voc2011"),
        (["datasets", "prepare", "lsp", "--source", "none", "--out", "o"], r"none\b.*joints\.mat"),
        (["datasets", "prepare", "lsp", "--source", "words.txt", "--out", "o"], r"words\.txt is n"),
        (["datasets", "prepare", "flic", "--source", ".", "--out", "o"], r"examples\.mat"),
        (["datasets", "check", "none"], "'none' was not found"),
        (["datasets", "check", "."], "laid out as no data set that is known"),
        (["datasets", "show", ".", "--out", "s.png", "--n", "0"], "--n is 0"),
        (["datasets", "show", "none", "--out", "s.png"], "'none' was not found"),
        *(
            (["align", "a", "b", "--smothness", option], r"--smothness; did you mean --smoothness\?")
            for option in ("--json", "--quiet")
        ),
    ],
)
def test_wrong_commands_are_one_sentence(argv, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("words.txt").write_text("no archive")
    assert_refused(run(*argv), sentence)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["words.txt"]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("kind", [Terminal, io.TextIOWrapper])
@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["align", "a.png"], "Missing from convcorr align: B.jpg (see --help)"),
        (
            ["align", "a", "b", "--smothness"],
            "Unrecognized options: --smothness; did you mean --smoothness? (see --help)",
        ),
        (["weights"], "Expected one of {list, fetch, check} (see --help)"),
    ],
)
def test_sentences_are_plain_on_every_terminal(monkeypatch, encoding, kind, argv, sentence):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", kind(io.BytesIO(), encoding))
    with contextlib.redirect_stderr(io.StringIO()) as errors:
        assert main(argv=argv) == 2
    assert errors.getvalue() == f"convcorr: {sentence}\n"


def test_a_reader_that_goes_away_is_one_sentence():
    process = start("-m", "convcorr_jax", "weights", "list")
    process.stdout.close()
    assert end(process) == (1, "", "convcorr: the reader of the output has ended\n")


def test_the_list_says_of_every_network_where_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("CONVCORR_WEIGHTS", str(tmp_path))
    ended, found = run_all("weights", "list")
    assert (ended.status, found["folder"]) == (0, str(tmp_path))
    for one, (name, official) in zip(found["networks"], OFFICIAL.items(), strict=True):
        path = find(name)
        expected = (name, path and str(path), official.checksum)
        assert (one["network"], one["path"], one["checksum"]) == expected
        assert f"{name}: {path or 'not here'}\n" in ended.out
        assert official.url in ended.out
        assert official.licence in ended.out
        assert official.checksum in ended.out
    assert str(tmp_path) in ended.out


@needs_weights
def test_weights_that_are_here_are_checked(monkeypatch, tmp_path):
    monkeypatch.setenv("CONVCORR_WEIGHTS", str(tmp_path))
    ended, found = run_all("weights", "check", "alexnet")
    assert (ended.status, ended.out) == (0, "alexnet: alexnet.ckpt is in order, up to pool5\n")
    assert found == {"weights": [{"network": "alexnet", "source": "alexnet.ckpt", "last_layer": "pool5"}]}
    everything = run("weights", "check").out.splitlines()
    assert [line.split(":")[0] for line in everything] == [name for name in NETWORKS if find(name)]


def test_a_copy_that_is_not_here_or_damaged_is_refused_by_name(monkeypatch, tmp_path):
    monkeypatch.setenv("CONVCORR_WEIGHTS", str(tmp_path))
    sentence = "no weights of caffenet here: run `convcorr weights fetch caffenet`"
    assert_refused(run("weights", "check", "caffenet"), sentence)
    path = tmp_path / OFFICIAL["caffenet"].file_name
    path.write_bytes(b"\x0a\x08CaffeNet")
    assert_refused(run("weights", "check"), f"{path} is not the published file: its sha1 is .*; 4c8d77deb20e")
    assert_refused(run("weights", "check", path, "--network", "caffenet"), f"{path}")
    write_arrays(tmp_path / "some.npz", conv1_w=np.zeros(3, np.float32))
    assert_refused(run("weights", "check", tmp_path / "some.npz"), "some.npz")


def test_fetching_prints_where_the_file_is(monkeypatch, tmp_path):
    def fetch(name, *, progress):
        progress(1, None)
        progress(2, 2)
        return tmp_path / name

    monkeypatch.setattr("convcorr_jax.backbone.weights.fetch", fetch)
    path = str(tmp_path / "vgg16")
    assert run_all("weights", "fetch", "vgg16") == ((0, f"{path}\n", ""), {"network": "vgg16", "path": path})


def test_the_entry_point_is_the_one_that_is_installed():
    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    assert 'convcorr = "convcorr_jax.__main__:main"' in pyproject.read_text(encoding="utf-8")
    assert cli.main is main
