"""Reading options into dataclasses: tyro's help and errors, the errors as one sentence."""

import contextlib
import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from convcorr_jax.errors import InputError

if TYPE_CHECKING:
    from convcorr_jax import coords

BoxOption = tuple[float, float, float, float] | None
"""A box as it is given: x0 y0 x1 y1, or not at all."""

_COLOR = re.compile(r"\x1b\[[\d;]*m")
_FRAME = re.compile("[│╭╮╰╯]")
_INDENTED = 10 * " "


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
            return tyro.cli(
                kind,
                args=argv,
                prog=prog,
                description=description,
                config=(tyro.conf.OmitArgPrefixes,),
            )
    except SystemExit as leaving:
        if leaving.code:
            raise InputError(_sentence(said.getvalue())) from None
        raise


def _sentence(framed: str) -> str:
    """What a framed message of tyro says between its title and its first rule; hints stand below that.

    On a terminal it is coloured, and where there is no UTF-8 its frame is blank.
    """
    lines = _FRAME.sub(" ", _COLOR.sub("", framed)).splitlines()[1:]
    is_rule = [bool(line.strip()) and not line.strip(" ─-") for line in lines]
    first = 1 if is_rule and is_rule[0] else 0
    last = is_rule.index(True, first) if True in is_rule[first:] else len(lines)
    # What is indented further is the help of a missing option, whose name stands above it.
    told = [line for line in lines[first:last] if not line.startswith(_INDENTED)]
    return " ".join(" ".join(told).split()).rstrip(".") + " (see --help)"


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


def as_box(option: BoxOption) -> "coords.Box | None":
    """The box that was given."""
    from convcorr_jax import coords

    return None if option is None else coords.Box(*option)
