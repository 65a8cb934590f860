"""The examples at the end of each help, and shell completion."""

import shlex
import shutil
import subprocess
from pathlib import Path
from typing import get_args

import pytest

from convcorr_jax.cli.arguments import EXAMPLES, OutputOptions
from convcorr_jax.cli.main import _Command
from convcorr_jax.runtime import parse
from tests.builders.command_line import assert_refused, output_of, run

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "shell_completion.md"


@pytest.mark.parametrize("words", EXAMPLES)
def test_each_help_ends_with_examples_that_can_be_parsed(words):
    lines = output_of(*words, "--help").splitlines()
    shown = lines[lines.index("examples:") + 1 :]
    assert [line.strip() for line in shown] == list(EXAMPLES[words])
    assert all(len(line) <= 80 for line in shown)
    for line in shown:
        program, *argv = shlex.split(line)
        assert program == "convcorr"
        assert tuple(argv[: len(words)]) == words
        if "--help" not in argv:
            assert isinstance(parse(_Command, argv, prog=program).output, OutputOptions)


def test_every_command_has_examples():
    def names(union, before=()):
        for member in get_args(union):
            kind, settings = get_args(member)
            words = (*before, settings.name)
            yield words
            yield from names(kind, words)

    assert set(EXAMPLES) == {(), *names(_Command)}


def completed(shell_script, *words):
    """Return what bash offers for the last of some words."""
    listed = " ".join(map(shlex.quote, words))
    script = f"""{shell_script}
    COMP_WORDS=({listed}); COMP_CWORD={len(words) - 1}
    COMP_LINE="${{COMP_WORDS[*]}}"; COMP_POINT=${{#COMP_LINE}}
    _tyro_convcorr
    printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash"], input=script, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_commands_and_options(tmp_path):
    output_of("--tyro-write-completion", "bash", tmp_path / "convcorr")
    assert "convcorr --tyro-write-completion bash " in PAGE.read_text(encoding="utf-8")
    script = (tmp_path / "convcorr").read_text()
    assert script.strip() in output_of("--tyro-print-completion", "bash")
    assert completed(script, "convcorr", "al") == ["align"]
    assert completed(script, "convcorr", "align", "--smo") == ["--smoothness"]
    assert {"list", "fetch", "check"} <= set(completed(script, "convcorr", "weights", ""))
    # Photographs are completed by bash itself, for which the page adds a line.
    line = "complete -o default -F _tyro_convcorr convcorr"
    assert line in PAGE.read_text(encoding="utf-8")
    shown = subprocess.run(
        ["bash"], input=f"{script}\n{line}\ncomplete -p convcorr", capture_output=True, text=True
    )
    assert (shown.stdout.strip(), shown.stderr) == (line, "")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_scripts_for_other_shells_are_valid(shell, tmp_path):
    path = tmp_path / "_convcorr"
    output_of("--tyro-write-completion", shell, path)
    assert "smoothness" in path.read_text()
    assert f"convcorr --tyro-write-completion {shell} " in PAGE.read_text(encoding="utf-8")
    if shell == "zsh":
        line = "(( CURRENT > 2 )) && _files"
        assert line in PAGE.read_text(encoding="utf-8")
        path.write_text(f"{path.read_text()}\n{line}\n")
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell} to check the script")
    done = subprocess.run([shell, "-n", str(path)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("shell", [(), ("tcsh",), ("nosuch",)])
def test_other_shells_are_refused(shell):
    ended = run("--tyro-print-completion", *shell)
    assert_refused(ended, "--tyro-print-completion expects a shell: bash, zsh, fish")
