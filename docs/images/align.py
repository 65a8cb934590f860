"""Draw the picture of the README: points of one face, copied to the face of another person.

    python -m docs.images.align

The photographs are of Eileen Collins (NASA) and Grace Hopper (US Navy), in the public domain; scikit-image and
matplotlib install them. The points of the first were placed by hand.
"""

import tempfile
from pathlib import Path

from convcorr_jax.cli import main as convcorr
from convcorr_jax.datasets.selection import photographs
from convcorr_jax.io import read_image, read_points, write_image
from convcorr_jax.report import image_grid, pixels, points_overlay

# The photographs, the rows and columns of head and shoulders, and the face there.
HEADS = {
    "collins": ("astronaut", slice(0, 300), slice(76, 376), "104 89 196 182"),
    "hopper": ("grace_hopper", slice(60, 460), slice(70, 470), "104 96 292 285"),
}
POINTS = """name,x,y
left_brow,122,88
right_brow,174,92
left_eye,127,101
right_eye,170,103
nose,147,127
left_mouth,127,140
right_mouth,168,141
lower_lip,147,152
chin,146,177
"""


def write_inputs(folder: Path) -> dict[str, str]:
    """Write ``collins.jpg``, ``hopper.jpg`` and ``points.csv``, and return the boxes of the faces by name."""
    by_name = {photograph.name: photograph.image for photograph in photographs()}
    for name, (whole, rows, columns, _) in HEADS.items():
        write_image(folder / f"{name}.jpg", by_name[whole][rows, columns])
    (folder / "points.csv").write_text(POINTS, encoding="utf-8")
    return {name: box for name, (*_, box) in HEADS.items()}


def main(path: Path) -> None:
    """Carry and draw the points.

    Args:
        path: the file to write.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        boxes = write_inputs(folder)
        a, b = (folder / f"{head}.jpg" for head in HEADS)
        carried = folder / "match.csv"
        words = ["align", str(a), str(b), "--points", str(folder / "points.csv")]
        words += ["--box-a", *boxes["collins"].split(), "--box-b", *boxes["hopper"].split()]
        if convcorr(argv=[*words, "--out", str(carried.with_suffix(".png"))]):
            raise RuntimeError("convcorr align failed")
        panels = [
            points_overlay(read_image(photograph), read_points(table).points, longest_px=440)
            for photograph, table in ((a, folder / "points.csv"), (b, carried))
        ]
    labels = ("collins.jpg, with nine points", "hopper.jpg: convcorr align copied them")
    write_image(path, pixels(image_grid([panels], column_labels=labels, cell_px=440)))


if __name__ == "__main__":
    main(Path(__file__).with_suffix(".jpg"))
