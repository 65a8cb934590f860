"""Reading and writing JSON files."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from convcorr_jax.errors import InputError
from convcorr_jax.io.atomic import written_whole
from convcorr_jax.io.paths import check_file


@contextlib.contextmanager
def json_file(path: Path, kind: str) -> Iterator[Any]:
    """What a JSON file holds, to be taken apart in a ``with`` block.

    Raises:
        InputError: the file is missing, empty or no JSON, or the block met what it did not expect; the
            sentence names the file, and by ``kind`` what it should have been.
    """
    check_file(path, kind)
    try:
        yield json.loads(path.read_text(encoding="utf-8"))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (OSError, ValueError, OverflowError, RecursionError) as error:
        raise InputError(f"{path} is damaged, or is no {kind}: {error}") from error
    except (LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is damaged, or is no {kind} ({type(error).__name__}: {error})"
        ) from error


def write_json(path: str | Path, value: Mapping[str, Any]) -> None:
    """Write a mapping as indented JSON; NaN and infinity are refused, since JSON has neither."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
