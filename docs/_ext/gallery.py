"""The gallery: what the commands print and draw for photographs that other packages install."""

import contextlib
import io
import shlex
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from PIL import Image as PillowImage
from skimage import data

from convcorr_jax.cli import main as convcorr
from docs.images.align import HEADS, write_inputs

PAGE = "match.html"
"""The interactive page, which stands beside the start page."""

_WIDTH_PX = 1000
_TEXT = """# Gallery

Every picture was drawn when these pages were built, by the command above it; what the command printed is
below it. The photographs are installed with scikit-image and matplotlib: Eileen Collins (NASA), Grace Hopper
(US Navy) and the rocket (SpaceX) are in the public domain; Chelsea the cat, by Stefan van der Walt, is CC0.
None of them shows a person from head to feet, whom `convcorr pose` expects; [a
tutorial](tutorials/04_train_a_cascade.rst) draws the joints of rendered people.
"""
_BOXES = [box for *_, box in HEADS.values()]


class Shown(NamedTuple):
    """A command of the gallery."""

    title: str
    text: str
    command: str
    picture: str


SHOWN = (
    Shown(
        "Copy keypoints to another photograph",
        "Nine points were placed on one face; the lines lead to their places in the other. The boxes are the "
        "faces. `match.csv` has the places and their confidences.",
        "convcorr align collins.jpg hopper.jpg --points points.csv "
        f"--box-a {_BOXES[0]} --box-b {_BOXES[1]} --out match.png",
        "match.png",
    ),
    Shown(
        "Place points by hand",
        '<a href="../match.html">The page</a> that the command writes holds the photographs. Tap a '
        "point, name it, drag it, and export all as CSV or COCO keypoints.",
        f"convcorr align collins.jpg hopper.jpg --box-a {_BOXES[0]} --box-b {_BOXES[1]} "
        f"--html {PAGE} --out lines.png",
        "lines.png",
    ),
    Shown(
        "Find the landmarks of a face",
        "Sixty-eight points, and the box of the face that was found.",
        "convcorr landmarks hopper.jpg --out landmarks.png",
        "landmarks.png",
    ),
    Shown(
        "Find the keypoints of a face",
        "Fifteen points with names and confidences.",
        "convcorr keypoints collins.jpg --out keypoints.png",
        "keypoints.png",
    ),
    Shown(
        "Align a mirrored photograph",
        "Two objects that face opposite sides do not match until one is mirrored.",
        "convcorr align cat.jpg mirrored.jpg --mirror auto --out mirrored.png",
        "mirrored.png",
    ),
    Shown(
        "A pair that cannot be aligned",
        "A cat has no counterpart in a photograph of a rocket: the verdict says so.",
        "convcorr align cat.jpg rocket.jpg --out poor.png",
        "poor.png",
    ),
)


def write_gallery(folder: Path, site: Path) -> str:
    """Run the commands, write their pictures into a folder and `PAGE` into the site's, and return the page."""
    for each in (folder, site):
        each.mkdir(parents=True, exist_ok=True)
    parts = [_TEXT]
    with tempfile.TemporaryDirectory() as temporary, contextlib.chdir(temporary):
        write_inputs(Path())
        PillowImage.fromarray(data.chelsea()).save("cat.jpg")
        PillowImage.fromarray(data.chelsea()[20:280, 400:60:-1]).save("mirrored.jpg")
        PillowImage.fromarray(data.rocket()).save("rocket.jpg")
        for shown in SHOWN:
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                status = convcorr(argv=shlex.split(shown.command)[1:])
            if status:
                raise RuntimeError(f"{shown.command} ended with status {status}")
            picture = PillowImage.open(shown.picture).convert("RGB")
            picture.thumbnail((_WIDTH_PX, 2 * _WIDTH_PX))
            name = f"{Path(shown.picture).stem}.jpg"
            picture.save(folder / name, quality=88)
            parts += [
                f"## {shown.title}\n\n{shown.text}\n\n```sh\n{shown.command}\n```\n",
                f"![{shown.title}: what the command draws](gallery/{name})\n",
                f"```text\n{printed.getvalue().strip()}\n```\n",
            ]
        shutil.copy(PAGE, site)
    return "\n".join(parts)
