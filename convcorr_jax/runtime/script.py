"""How every script starts and ends: options from its `Config`, one sentence on bad input."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from convcorr_jax.errors import InputError
from convcorr_jax.runtime.options import parse

Config = TypeVar("Config")


def run(
    config_class: type[Config],
    main: Callable[[Config], Path],
    description: str | None,
    argv: Sequence[str] | None = None,
) -> None:
    """Parse ``argv`` (``sys.argv`` by default), run, say where the result is.

    Raises:
        SystemExit: with status 2, after one sentence on the error stream, when the input is wrong.
    """
    try:
        result = main(parse(config_class, argv, description=description))
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    sys.stdout.write(f"{result}\n")
