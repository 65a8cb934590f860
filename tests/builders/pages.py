"""Pages of what is known: every kind of widget, and photographs with a bright spot to review."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from convcorr_jax import coords, images
from convcorr_jax.io import write_image
from convcorr_jax.labels import Found, FoundObject, FoundPhotograph
from convcorr_jax.report import (
    Direction,
    LayerResponses,
    MatchedPair,
    MethodMatches,
    PageFigure,
    Section,
    Table,
    Widget,
    copy_matches,
    directions_data,
    joints_data,
    layers_data,
    matches_data,
    render_page,
)
from convcorr_jax.synthetic import warped_pair

CELLS = 16
JOINTS = ("l_shoulder", "l_elbow", "l_wrist")


class Page(NamedTuple):
    """A page, and what its match explorer shows."""

    html: str
    pair: MatchedPair


def known_pair(photograph: int) -> MatchedPair:
    """A photograph and a warp of itself; the flow of "truth" is the warp's own on a grid of cells.

    The three values of the smoothness have flows of 100 %, 50 % and 0 % of its length.
    """
    warped = warped_pair(photograph, seed=0, longest_px=160)
    to_px = coords.resize((CELLS, CELLS), warped.source.size)
    centers = to_px(coords.cell_grid((CELLS, CELLS)).astype(np.float64))
    flow = images.sample(warped.flow_px, centers.reshape(-1, 2)).reshape(CELLS, CELLS, 2)
    flow = flow / to_px.scale
    cells = coords.cell_grid((CELLS, CELLS))
    distance = np.linalg.norm((cells + flow)[:, :, None, None] - cells[None, None], axis=-1)
    flows = np.stack([flow, 0.5 * flow, 0 * flow])
    confidence = np.stack([np.exp(-distance.min(axis=(2, 3)))] * 3)
    method = MethodMatches("truth", to_px, to_px, (0.01, 0.1, 1.0), flows, confidence, distance)
    source, target = warped.source, warped.target
    photographs, methods = map(np.asarray, (source.image, target.image)), (method, copy_matches(method))
    return MatchedPair(source.source_id, *photographs, methods, source.points, target.points, source.names)


def whole_page() -> Page:
    """A page with text, facts, tables, a figure, and every kind of widget."""
    pairs = [known_pair(1), known_pair(3)]
    rng = np.random.default_rng(0)
    photograph = pairs[0].b
    height, width = photograph.shape[:2]
    faces = rng.random((2, 4, 4, 3))
    change = np.zeros((4, 4, 3))
    change[..., 0] = 0.1
    directions = directions_data(
        faces, [Direction("gender: female to male", change, 5.0)], names=["face 1", "face 2"]
    )
    joints = rng.uniform(20, 100, (1, 3, 2))
    people = joints_data(
        [photograph], {"coarse": joints, "annotated": joints + 2}, JOINTS, texts=["mean error 0.10"]
    )
    response = np.zeros((6, 6))
    response[2, 3] = 1.0
    to_px, maps = (coords.resize((6, 6), (height, width)),) * 2, (response, response.T)
    nose = LayerResponses("nose", photograph, np.array([30.0, 20.0]), maps, to_px)
    layers = layers_data([nose], {"conv1": "conv1: 20 %", "conv2": "conv2: 30 %"}, shown=0)
    columns = ("method", *(f"a rather long column {number}" for number in range(12)))
    table = Table("A wide table", columns, (("ours", *(0.123,) * 12), ("paper", *(None,) * 12)))
    white = "data:image/gif;base64,R0lGODlhAQABAIAAAP///wAAACwAAAAAAQABAAACAkQBADs="
    sections = [
        Section(
            "Matches", "Known points.", widgets=(Widget("matches", matches_data(pairs, smoothness=0.01), ""),)
        ),
        Section(
            "A section of a paper",
            "Text.",
            (table,),
            (PageFigure(white, "A white square."),),
            tuple(
                Widget(kind, data, f"About {kind}.")
                for kind, data in (("directions", directions), ("joints", people), ("layers", layers))
            ),
            group="A paper",
            items=("Table 1", "Figure 2"),
            facts={"Data": "a/very/long/path/" * 12, "Seconds": "3"},
            command="python -m eval.something --out " + "folder/" * 30,
        ),
    ]
    page = render_page("A page", sections, facts={"Device": "cpu"}, lead="What it is about.")
    return Page(page, pairs[0])


# The centre of the light in the photograph that is shown, as a share of its sides.
LIGHT = """image => {
  const { naturalWidth: width, naturalHeight: height } = image, sums = [0, 0, 0];
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(image, 0, 0);
  context.getImageData(0, 0, width, height).data.forEach((value, k) => {
    if (k % 4 || value < 40) return;
    const at = [((k / 4) % width + 0.5) / width, (Math.floor(k / 4 / width) + 0.5) / height, 1];
    at.forEach((share, axis) => { sums[axis] += value * share; });
  });
  return [sums[0] / sums[2], sums[1] / sums[2]];
}"""


def exported(tab, button: str, folder: Path) -> Path:
    """Save what a button of a page exports."""
    with tab.expect_download() as started:
        tab.get_by_role("button", name=button).click()
    path = folder / started.value.suggested_filename
    started.value.save_as(path)
    return path


def bright_photographs(folder: Path) -> tuple[Found, dict[str, tuple[int, int]]]:
    """Photographs of one bright spot on black; both points, "spot" and "tail", were found elsewhere.

    Returns also the pixel (x, y) of each spot by the name of its file. The order of the ranks is a, b, c.
    """
    spots = {"a.png": (640, 555), "b.png": (213, 47), "c.png": (7, 22)}
    photographs = []
    for rank, (name, width, height) in enumerate(
        [("a.png", 1000, 700), ("b.png", 300, 200), ("c.png", 40, 30)]
    ):
        image, (x, y) = np.zeros((height, width, 3), np.uint8), spots[name]
        # With its neighbours, so that it outlives the reduction of a large photograph.
        image[y - 1 : y + 2, x - 1 : x + 2] = 255
        write_image(folder / name, image)
        points = np.array([[0.3, 0.4], [0.7, 0.6]]) * (width, height)
        confidence, radius = np.array([0.9, 0.2]), np.array([0.1 * width, np.nan])
        one = FoundObject(points, confidence, coords.tight_box(points), 0.8, radius)
        verdict = ("poor", "doubtful", "good")[rank]
        photographs.append(FoundPhotograph(folder / name, (height, width), (one,), verdict, rank))
    return Found(("spot", "tail"), tuple(photographs[::-1]), "lamp", ((0, 1),)), spots
