"""The command ``convcorr``: its subcommands and their exit statuses."""

import sys
from collections.abc import Sequence
from typing import Annotated, Any, get_args

from tyro.conf import subcommand

from convcorr_jax.cli import datasets
from convcorr_jax.cli.align import Align
from convcorr_jax.cli.annotate import Annotate
from convcorr_jax.cli.arguments import epilog, format_result, with_replaced
from convcorr_jax.cli.installation import Check, Doctor, Fetch, List, version
from convcorr_jax.cli.pck import Pck
from convcorr_jax.cli.people import Keypoints, Landmarks, Pose
from convcorr_jax.errors import InputError
from convcorr_jax.runtime import caches, parse
from convcorr_jax.runtime.ending import DEBUG, exit_process, one_line, run_guarded
from convcorr_jax.runtime.options import did_you_mean
from convcorr_jax.runtime.progress import hidden

_WeightsCommand = (
    Annotated[List, subcommand("list")]
    | Annotated[Fetch, subcommand("fetch")]
    | Annotated[Check, subcommand("check")]
)
_DatasetsCommand = (
    Annotated[datasets.List, subcommand("list")]
    | Annotated[datasets.Prepare, subcommand("prepare")]
    | Annotated[datasets.Check, subcommand("check")]
    | Annotated[datasets.Show, subcommand("show")]
)
_Command = (
    Annotated[Align, subcommand("align")]
    | Annotated[Annotate, subcommand("annotate")]
    | Annotated[Keypoints, subcommand("keypoints")]
    | Annotated[Landmarks, subcommand("landmarks")]
    | Annotated[Pose, subcommand("pose")]
    | Annotated[Pck, subcommand("pck")]
    | Annotated[
        _WeightsCommand,
        subcommand("weights", description="List, fetch and check the networks' trained weights."),
    ]
    | Annotated[
        _DatasetsCommand, subcommand("datasets", description="List, prepare, check and show data sets.")
    ]
    | Annotated[Doctor, subcommand("doctor")]
)

_DESCRIPTION = """Where convnets look: dense alignment, keypoints, probes and pose.

`convcorr --version` prints the version; `convcorr doctor` shows the installation."""

# Tyro's own options, and the shells for which it needs no other package.
_COMPLETION_OPTIONS = ("--tyro-print-completion", "--tyro-write-completion")
_SHELLS = ("bash", "zsh", "fish")

_NAME = "convcorr"


def main(*, argv: Sequence[str] | None = None) -> int:
    """Run the subcommand of ``argv``, and return its exit status, see `convcorr_jax.runtime.ending`.

    By default the words are those of ``sys.argv``, and the process ends after the command.
    """
    words = sys.argv[1:] if argv is None else list(argv)

    def program() -> int:
        if words == ["--version"]:
            sys.stdout.write(f"convcorr_jax {version('convcorr_jax') or '(not installed)'}\n")
            return 0
        command = _parsed(words)
        caches.enable()
        # Imported here, because it imports NumPy, which help does not need.
        from convcorr_jax.io import replacements

        with hidden(enabled=command.output.quiet), replacements() as replaced:
            result = command.run()
        if hasattr(command, "out") or hasattr(command, "html"):
            result = with_replaced(result, replaced)
        for sentence in result.errors:
            sys.stderr.write(f"{one_line(f'{_NAME}: {sentence}')}\n")
        sys.stdout.write(format_result(result, command.output))
        return result.status

    status = run_guarded(program, name=_NAME, debug=DEBUG in words)
    if argv is None:
        exit_process(status)
    return status


def _parsed(words: list[str]) -> Any:
    """Return the command of a command line; its help ends with examples."""
    if words and words[0] in _COMPLETION_OPTIONS and not set(words[1:2]) & set(_SHELLS):
        raise InputError(f"{words[0]} expects a shell: {', '.join(_SHELLS)}")
    kind, program, description, rest = _Command, _NAME, _DESCRIPTION, words
    # Tyro examines all commands of a union, which takes longer than all else: only the chosen one is passed.
    while rest and rest[0] in (commands := _commands(kind)):
        kind, description = commands[rest[0]]
        program, rest = f"{program} {rest[0]}", rest[1:]
    if rest and commands and not rest[0].startswith("-"):
        hint = did_you_mean(rest[0], commands) or f"; {', '.join(commands)} are known"
        raise InputError(f"there is no command '{program} {rest[0]}'{hint} (see --help)")
    try:
        return parse(kind, rest, prog=program, description=description)
    except SystemExit:
        if {"-h", "--help"} & set(words):
            sys.stdout.write(epilog(words))
        raise


def _commands(kind: Any) -> dict[str, tuple[Any, str | None]]:
    """Return the class (or union) and the description of every command of a union by its name."""
    if isinstance(kind, type):
        return {}
    members = [get_args(member)[:2] for member in get_args(kind)]
    return {settings.name: (chosen, settings.description) for chosen, settings in members}
