"""Tables and help texts that are read from the package when the documentation is built."""

import contextlib
import importlib
import io
import os

from convcorr_jax import cli, metrics
from convcorr_jax.runtime import parse
from docs._ext import sources

COMMANDS = (
    *(
        "align",
        "keypoints",
        "landmarks",
        "pose",
        "pck",
        "doctor",
        "weights list",
        "weights fetch",
        "weights check",
    ),
    *("datasets list", "datasets prepare", "datasets check", "datasets show"),
)
"""The subcommands of ``convcorr``."""


def protocols() -> str:
    """Return the table of all protocols of PCK as Markdown."""
    rows = [
        f"| {each.name} | {each.normalizer} | {each.frame} | {each.average} | "
        f"{each.overall} | {'<' if each.strict else '≤'} | {each.counted} |"
        for each in vars(metrics).values()
        if isinstance(each, metrics.Protocol)
    ]
    head = "| protocol | L | frame | first average | then average of | error | counted |"
    return "\n".join((head, "|---|---|---|---|---|---|---|", *rows)) + "\n"


def scripts() -> tuple[str, ...]:
    """Return the modules of all scripts of ``train`` and ``eval`` that have options."""
    return tuple(
        f"{folder}.{path.stem}"
        for folder in ("train", "eval")
        for path in sorted((sources.ROOT / folder).glob("*.py"))
        if "class Config" in path.read_text(encoding="utf-8")
    )


def commands_page() -> str:
    """Return the page of all commands and scripts with their help, as Markdown."""
    parts = [
        "# Commands and scripts",
        "The help of every command, as `--help` prints it. Bad input is one sentence on the error stream and "
        "status 2; a diverged computation and a failed disk have status 1.",
        "## `convcorr`",
    ]
    for command in COMMANDS:
        parts += [f"### `convcorr {command}`", _block(help_of(command.split()))]
    parts.append("## Scripts")
    for module in scripts():
        text = importlib.import_module(module).__doc__ or ""
        summary = text.partition("\n\n")[0]
        parts += [f"### `python -m {module}`", summary, _block(script_help(module))]
    return "\n\n".join(parts) + "\n"


def help_of(words: list[str]) -> str:
    """Return the help of a subcommand of ``convcorr``."""
    return _printed(lambda: cli.main(argv=[*words, "--help"]))


def script_help(module: str) -> str:
    """Return the help of a script's options."""
    config = importlib.import_module(module).Config
    return _printed(lambda: parse(config, ["--help"], prog=f"python -m {module}"))


def _printed(run) -> str:
    text = io.StringIO()
    # Help is printed as wide as the terminal.
    width = {"COLUMNS": "96", "TERM": "dumb", "NO_COLOR": "1"}
    before = dict(os.environ)
    os.environ.update(width)
    try:
        with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
            run()
    finally:
        os.environ.clear()
        os.environ.update(before)
    return text.getvalue()


def _block(text: str) -> str:
    return f"```text\n{text.strip()}\n```"
