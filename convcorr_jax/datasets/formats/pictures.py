"""Finding a picture whose annotation names it without saying in which format it is."""

from pathlib import Path

# In the order of preference: where a release has both, the JPEG was made from the PNG.
ENDINGS = (".png", ".jpg", ".jpeg", ".PNG", ".JPG", ".JPEG")


def find(folder: Path, stem: str) -> Path | None:
    """The PNG or JPEG file of this name in a folder; None where there is none."""
    candidates = (folder / f"{stem}{ending}" for ending in ENDINGS)
    return next((path for path in candidates if path.is_file()), None)
