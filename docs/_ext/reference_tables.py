"""Tables and help texts that are read from the package when the documentation is built."""

import contextlib
import importlib
import io
import os
import re
from collections.abc import Iterator

from convcorr_jax import cli, metrics
from convcorr_jax.runtime import parse
from docs._ext import sources

COMMANDS = (
    *("annotate", "align", "keypoints", "landmarks", "pose", "pck", "doctor"),
    *("weights list", "weights fetch", "weights check"),
    *("datasets list", "datasets prepare", "datasets check", "datasets show"),
)
"""The subcommands of ``convcorr``."""

# Frames stand below each other; in wider terminals, beside each other.
_COLUMNS = "110"
_INDEX = """# Commands and scripts

One page a command, with the help that `--help` prints. Bad input is one sentence on the error stream and
status 2; a diverged computation and a failed disk have status 1. Every command has `--json`, `--quiet` and
`--debug`; `-o` and `--output` are `--out`. The scripts of `eval` and `train` are run in a clone, from its root;
they are not installed.
"""


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


def command_pages() -> tuple[str, dict[str, str]]:
    """Return the page that lists all commands and scripts, and the page of each by its name, as Markdown."""
    commands = {f"{command.replace(' ', '_')}.md": command for command in COMMANDS}
    pages = {name: _page(f"convcorr {one}", help_of(one.split())) for name, one in commands.items()}
    for module in scripts():
        summary = (importlib.import_module(module).__doc__ or "").partition("\n\n")[0]
        pages[f"{module}.md"] = _page(module, script_help(module), summary)
    lists = (
        f"## {title}\n\n```{{toctree}}\n:titlesonly:\n\n"
        + "\n".join(f"commands/{name}" for name in names)
        + "\n```\n"
        for title, names in (
            ("Commands", commands),
            ("Scripts", [name for name in pages if name not in commands]),
        )
    )
    return "\n".join((_INDEX, *lists)), pages


def help_of(words: list[str]) -> str:
    """Return the help of a subcommand of ``convcorr``."""
    return _printed(lambda: cli.main(argv=[*words, "--help"]))


def script_help(module: str) -> str:
    """Return the help of a script's options."""
    config = importlib.import_module(module).Config
    return _printed(lambda: parse(config, ["--help"], prog=f"python -m {module}"))


def _printed(run) -> str:
    # Help is printed as wide as the terminal, and in frames where the encoding has them.
    text = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    width = {"COLUMNS": _COLUMNS, "TERM": "dumb", "NO_COLOR": "1"}
    before = dict(os.environ)
    os.environ.update(width)
    try:
        with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
            run()
    finally:
        os.environ.clear()
        os.environ.update(before)
    return text.buffer.getvalue().decode()


def _page(program: str, text: str, summary: str = "") -> str:
    """Return the page of one help text: the frames become definition lists, which narrow windows can break."""
    before, *frames = re.split(r"^╭─+ (.*?) ─*╮$", text, flags=re.MULTILINE)
    usage, _, description = before.strip().partition("\n\n")
    examples = text.rpartition("\nexamples:\n")[2] if "\nexamples:\n" in text else ""
    parts = [f"# `{program}`", summary or _markdown(description), f"```text\n{usage}\n```"]
    if examples:
        lines = "\n".join(line.strip() for line in examples.splitlines())
        parts.append(f"```sh\n{lines.strip()}\n```")
    for title, frame in zip(frames[::2], frames[1::2], strict=True):
        parts += [f"## {title[:1].upper()}{title[1:]}", *_definitions(frame.partition("╰")[0])]
    return "\n\n".join(parts) + "\n"


def _definitions(frame: str) -> Iterator[str]:
    """Yield what a frame says of all its options, and each option with its help as a Markdown definition."""
    lines = [line.strip("│").rstrip()[1:] for line in frame.splitlines() if line.startswith("│")]
    rules = [number for number, line in enumerate(lines) if line and not line.strip("─")]
    if rules:
        yield _markdown(" ".join(lines[: rules[0]]))
        lines = lines[rules[0] + 1 :]
    entries: list[list[str]] = []
    for line in lines:
        if not line.startswith(" "):
            entries.append(re.split(r" {2,}", line, maxsplit=1))
        else:
            entries[-1].append(line.strip())
    for name, *words in entries:
        yield f"`{name}`\n: {_markdown(' '.join(words))}"


def _markdown(text: str) -> str:
    """Return words in which options are code, and dollars and brackets mean themselves."""
    words = re.sub(r"(?<![\w`-])(--[a-z][\w-]*)", r"`\1`", " ".join(text.replace("``", "`").split()))
    return re.sub(r"([$<\[*])", r"\\\1", words)
