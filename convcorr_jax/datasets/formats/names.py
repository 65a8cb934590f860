"""Names that annotations give to pictures, before they become parts of paths."""

import re
from pathlib import Path

from convcorr_jax.errors import InputError

# A file name without folder: letters, digits and the signs that official releases use in theirs.
_PLAIN = re.compile(r"\w[\w.() -]*")
# File systems take 255 bytes; an ending and a temporary prefix still have to fit.
_MAX_BYTES = 200


def plain(name: str, *, named_in: Path) -> str:
    """The name itself, if it is the name of a file and not a path to one.

    Raises:
        InputError: it is empty, over 200 bytes, or holds a slash or any other sign that official names
            do without; ``named_in`` is the file that gave it.
    """
    if not _PLAIN.fullmatch(name) or len(name.encode(errors="replace")) > _MAX_BYTES:
        raise InputError(f"{named_in}: {name[:_MAX_BYTES]!r} is no plain name of a picture")
    return name
