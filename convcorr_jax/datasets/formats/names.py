"""Image names in annotations: checking them before they become parts of paths, and finding their files."""

import re
from pathlib import Path

from convcorr_jax.errors import InputError

# A file name without folder: letters, digits and the characters that official releases use in file names.
_PLAIN = re.compile(r"\w[\w.() -]*")
# File systems allow 255 bytes, of which a suffix and a temporary prefix take some.
_MAX_BYTES = 200

# In the order of preference: if a release has both, the JPEG was made from the PNG.
_ENDINGS = (".png", ".jpg", ".jpeg", ".PNG", ".JPG", ".JPEG")


def check_name(name: str, *, named_in: Path) -> str:
    """Return the name itself if it is the name of a file, and not a path.

    Args:
        name: the name that an annotation states.
        named_in: the file of the annotation, for the message.

    Raises:
        InputError: the name is empty, has over 200 bytes, or contains a slash or another character that does
            not occur in official file names.
    """
    if not _PLAIN.fullmatch(name) or len(name.encode(errors="replace")) > _MAX_BYTES:
        raise InputError(f"{named_in}: {name[:_MAX_BYTES]!r} is no plain name of an image")
    return name


def find_image(folder: Path, stem: str) -> Path | None:
    """Return the PNG or JPEG file with this name, without suffix, in a folder; None if there is none."""
    candidates = (folder / f"{stem}{ending}" for ending in _ENDINGS)
    return next((path for path in candidates if path.is_file()), None)
