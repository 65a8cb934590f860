"""How every script starts and ends: options from its `Config`, one sentence on bad input."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import tyro

from convcorr_jax.errors import InputError

Config = TypeVar("Config")


def run(
    config_class: type[Config], main: Callable[[Config], Path], description: str | None
) -> None:
    """Parse the command line, run, say where the result is; exit 2 with a sentence on bad input."""
    config = tyro.cli(config_class, description=description)
    try:
        result = main(config)
    except InputError as error:
        sys.exit(_refuse(error))
    sys.stdout.write(f"{result}\n")


def _refuse(error: InputError) -> int:
    sys.stderr.write(f"{error}\n")
    return 2
