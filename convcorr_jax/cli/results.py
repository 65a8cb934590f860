"""What a command prints at its end: a summary for people, or one JSON object for programs."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from tyro.conf import FlagCreatePairsOff


@dataclass(frozen=True)
class OutputOptions:
    """Every command has these options. An error is one sentence on the error stream, whatever they are."""

    json: Annotated[bool, FlagCreatePairsOff] = False
    """Print one JSON object, and nothing else, on the standard output; after an error, print nothing there."""
    quiet: Annotated[bool, FlagCreatePairsOff] = False
    """Show no progress, and print no summary."""


class Result(NamedTuple):
    """What a command found or wrote."""

    lines: Sequence[str]
    """The summary."""
    values: Mapping[str, Any]
    """The content of the JSON object: numbers, texts, paths, arrays, and sequences and mappings of them."""
    status: int = 0
    """The exit status of the command."""
    errors: Sequence[str] = ()
    """Sentences for the error stream, on parts of the work that failed."""


def rendered(result: Result, options: OutputOptions) -> str:
    r"""Return what a command prints on the standard output.

    Args:
        result: what the command found.
        options: ``json`` takes precedence over ``quiet``, which leaves nothing to print.

    >>> rendered(Result(["1 point."], {"points": [(1, math.nan)]}), OutputOptions(json=True))
    '{"points": [[1, null]]}\n'
    """
    if options.json:
        values = as_json(result.values)
        return f"{json.dumps(values, ensure_ascii=False, allow_nan=False)}\n"
    return "" if options.quiet else "".join(f"{line}\n" for line in result.lines)


def as_json(value: Any) -> Any:
    """Return a value as JSON stores it: arrays and tuples as lists, paths as strings, NaN as null.

    Args:
        value: a number, a text, a path, an array, or a sequence or mapping of such values.
    """
    if isinstance(value, Mapping):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [as_json(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return as_json(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
