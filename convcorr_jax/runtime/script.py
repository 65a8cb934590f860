"""The frame of every script: options from its ``Config``, one sentence and an exit status on errors."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from convcorr_jax.errors import InputError, NumericalError, WriteError
from convcorr_jax.runtime import compilation_cache
from convcorr_jax.runtime.options import parse

Config = TypeVar("Config")

# Exit statuses, the same for scripts and for the command line.
WRONG_INPUT, FAILED = 2, 1


def run(
    config_class: type[Config],
    main: Callable[[Config], Path],
    description: str | None,
    *,
    argv: Sequence[str] | None = None,
) -> Path:
    """Parse options, run a script's ``main``, and print the path of its result.

    Args:
        config_class: the dataclass of the script's options.
        main: the script; returns the path of its result.
        description: the text above the options in the help.
        argv: the command line's words; by default those of ``sys.argv``.

    Returns:
        The path of the result.

    Raises:
        SystemExit: with status 2 when the input is wrong, with status 1 when a computation diverged or a file
            could not be written, both after one sentence on the error stream.
    """
    try:
        config = parse(config_class, argv, description=description)
        compilation_cache.enable()
        result = main(config)
    except (InputError, NumericalError, WriteError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(exit_status(error))
    sys.stdout.write(f"{result}\n")
    return result


def exit_status(error: InputError | NumericalError | WriteError) -> int:
    """Return the exit status of a program that an error ended.

    Args:
        error: the error.

    Returns:
        2 for wrong input, 1 for a computation that diverged or a file that could not be written.
    """
    return WRONG_INPUT if isinstance(error, InputError) else FAILED
