"""Command-line options of dataclasses, with tyro's help and with each of its errors as one sentence."""

import contextlib
import dataclasses
import difflib
import io
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from convcorr_jax.errors import InputError
from convcorr_jax.runtime import caches
from convcorr_jax.runtime.ending import DEBUG

if TYPE_CHECKING:
    from convcorr_jax import coords

_OUT, _ALIASES_OF_OUT = "--out", ("-o", "--output")
_UNKNOWN = re.compile(r"Unrecognized options:.*?(-[\w-]+)")
_COLOR = re.compile(r"\x1b\[[\d;]*m")
_FRAME = re.compile("[│╭╮╰╯]")
# Options of every command and script, which no dataclass needs to hold.
_NO_CACHE = "--no-compilation-cache"
_COMMON_HELP = f"""
Every command: {_NO_CACHE} compiles anew what the user's cache holds; {DEBUG} prints the
traceback of an error; -o and --output are --out, where there is one.
"""
Options = TypeVar("Options")
# Tyro indents the help of a missing option this much further than its name.
_HELP_INDENT = 10 * " "


def parse(
    kind: Any, argv: Sequence[str] | None, *, prog: str | None = None, description: str | None = None
) -> Any:
    """Parse a command line into an instance of ``kind``, a dataclass or a union of those of subcommands.

    Nested dataclasses add their options without a prefix. ``--no-compilation-cache`` turns the persistent
    compilation cache off for this process, and ``--debug`` is read by
    `convcorr_jax.runtime.ending.run_guarded`; neither is passed on. A wrong option is an `InputError`,
    ``--help`` a `SystemExit` with status 0. Words, ``prog`` and ``description`` are by default those of
    ``sys.argv`` and the docstring of ``kind``.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    if _NO_CACHE in words:
        words.remove(_NO_CACHE)
        caches.disable()
    if DEBUG in words:
        words.remove(DEBUG)
    names = tuple(_option_names(kind))
    if _OUT in names:
        words = [_with_out(word) for word in words]
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            return tyro.cli(
                kind, args=words, prog=prog, description=description, config=(tyro.conf.OmitArgPrefixes,)
            )
    except SystemExit as ending:
        if ending.code:
            sentence = _sentence(errors.getvalue())
            unknown = _UNKNOWN.match(sentence)
            hint = did_you_mean(unknown[1], names) if unknown else ""
            raise InputError(f"{sentence}{hint} (see --help)") from None
        if {"-h", "--help"} & set(words):
            sys.stdout.write(_COMMON_HELP)
        raise


class Check(NamedTuple):
    """A check in the annotation of a dataclass's field: a function of its value and of the dataclass."""

    function: Callable[[Any, Any], object]


def checked(options: Options) -> Options:
    """Return a dataclass of options, nested ones included, after the checks in their annotations."""
    assert dataclasses.is_dataclass(options)
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if dataclasses.is_dataclass(value):
            checked(value)
        for fact in getattr(field.type, "__metadata__", ()):
            if isinstance(fact, Check):
                fact.function(value, options)
    return options


def _sentence(framed: str) -> str:
    """Extract the sentence of tyro's framed message: the text between its title and its first rule.

    Hints follow below the rule. On a terminal the message is coloured, and without UTF-8 its frame is blank.
    """
    lines = _FRAME.sub(" ", _COLOR.sub("", framed)).splitlines()[1:]
    is_rule = [bool(line.strip()) and not line.strip(" ─-") for line in lines]
    first = 1 if is_rule and is_rule[0] else 0
    last = is_rule.index(True, first) if True in is_rule[first:] else len(lines)
    text = " ".join(line for line in lines[first:last] if not line.startswith(_HELP_INDENT))
    return " ".join(text.split()).rstrip(".")


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown word, with the name that resembles it if there is one.

    >>> did_you_mean("aling", ["pose", "align"])
    '; did you mean align?'
    """
    found = difflib.get_close_matches(word, names, n=1)
    return f"; did you mean {found[0]}?" if found else ""


def _option_names(kind: Any) -> Iterator[str]:
    """Yield the names of the options of a dataclass, without those that are negated."""
    for field in dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ():
        yield f"--{field.name.replace('_', '-')}"
        yield from _option_names(field.type)


def _with_out(word: str) -> str:
    name, *value = word.split("=", 1)
    return "=".join((_OUT, *value)) if name in _ALIASES_OF_OUT else word


def numbers(*names: str) -> PrimitiveConstructorSpec[Any]:
    """Return tyro's rules for an option of numbers with these names in the help, which may be absent (None)."""

    def read(texts: list[str]) -> Any:
        values = tuple(map(float, texts))
        return values[0] if len(names) == 1 else values

    return PrimitiveConstructorSpec(
        nargs=len(names),
        metavar=" ".join(names),
        instance_from_str=read,
        is_instance=lambda value: value is None or isinstance(value, float | tuple),
        str_from_instance=lambda value: [] if value is None else [str(value)],
    )


BoxOption = Annotated[tuple[float, float, float, float] | None, numbers("X0", "Y0", "X1", "Y1")]
"""An option for a box: x0 y0 x1 y1, or None if the option is absent."""


def as_box(option: BoxOption) -> "coords.Box | None":
    """Convert the value of an option to a box."""
    from convcorr_jax import coords

    return None if option is None else coords.Box(*option)
