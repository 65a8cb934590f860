"""Reading options into dataclasses: tyro's help and errors, the errors as one sentence."""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from convcorr_jax.errors import InputError

_INDENTED = 9 * " "


def parse(
    kind: Any,
    argv: Sequence[str] | None,
    *,
    prog: str | None = None,
    description: str | None = None,
) -> Any:
    """The options of ``argv`` (``sys.argv`` by default) as an instance of ``kind``.

    With ``--help``, prints it and exits with status 0.

    Raises:
        InputError: an option is unknown, missing, or cannot be read.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(kind, args=argv, prog=prog, description=description)
    except SystemExit as leaving:
        if leaving.code:
            raise InputError(_sentence(said.getvalue())) from None
        raise


def _sentence(box: str) -> str:
    """What a framed message of tyro says, up to its first rule; below it stand hints and options."""
    words: list[str] = []
    for line in box.splitlines()[1:]:
        text = line.strip("│|")
        if text.strip() and not text.strip(" ─-"):
            break
        # What is indented is the help of a missing option, whose name stands above it.
        if not text.startswith(_INDENTED):
            words += text.split()
    return " ".join(words).rstrip(".") + " (see --help)"


def numbers(*names: str) -> PrimitiveConstructorSpec[Any]:
    """How an option is read that takes one number, or a fixed count of them, or is left out (None)."""
    single = len(names) == 1

    def read(texts: list[str]) -> Any:
        values = tuple(float(text) for text in texts)
        return values[0] if single else values

    def is_instance(value: Any) -> bool:
        return value is None or isinstance(value, float | tuple)

    def texts_of(value: Any) -> list[str]:
        return [] if value is None else [str(value)]

    return PrimitiveConstructorSpec(
        nargs=len(names),
        metavar=" ".join(names),
        instance_from_str=read,
        is_instance=is_instance,
        str_from_instance=texts_of,
    )
