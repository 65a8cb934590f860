"""The frame of every script: options from its ``Config``, the path of its result, one way to end."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from convcorr_jax.runtime import compilation_cache
from convcorr_jax.runtime.ending import DEBUG, ended, leave
from convcorr_jax.runtime.options import parse

Config = TypeVar("Config")


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
        argv: the command line's words; by default those of ``sys.argv``, and the process ends after the script.

    Returns:
        The path of the result.

    Raises:
        SystemExit: with a status of `convcorr_jax.runtime.ending`, after one sentence on the error stream,
            unless the script succeeds.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    results: list[Path] = []

    def program() -> int:
        config = parse(config_class, argv, description=description)
        compilation_cache.enable()
        results.append(main(config))
        sys.stdout.write(f"{results[0]}\n")
        return 0

    status = ended(program, debug=DEBUG in words)
    if argv is None:
        leave(status)
    if status:
        raise SystemExit(status)
    return results[0]
