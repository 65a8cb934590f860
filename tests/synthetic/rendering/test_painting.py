import numpy as np
import pytest
from scipy.spatial import ConvexHull

from convcorr_jax import coords
from convcorr_jax.synthetic.rendering.solids import Figure, Outline, Paint, Solid, outline, rotation, vector
from convcorr_jax.synthetic.rendering.surroundings import SUPERSAMPLING, paint
from convcorr_jax.synthetic.rendering.textures import TILE, Pattern, atlas

RED = Paint((1.0, 0.0, 0.0), (1.0, 0.0, 0.0))
BLUE = Paint((0.0, 0.0, 1.0), (0.0, 0.0, 1.0))
OVERHEAD = vector(0, -1, 0)
IDENTITY = coords.Transform(np.ones(2), np.zeros(2))
BLACK = np.zeros((40, 50, 3), np.uint8)


def outlines_of(figure: Figure, to_camera: np.ndarray | None = None) -> list[Outline]:
    to_camera = np.eye(3) if to_camera is None else to_camera
    outlines = [outline(part, to_camera, OVERHEAD) for part in figure.parts]
    return [part for part in outlines if part is not None]


def disc(x: float, y: float, radius: float, color: Paint = RED) -> Figure:
    figure = Figure()
    figure.ball("disc", vector(x, y, 0), radius, color)
    return figure


@pytest.mark.parametrize("middle", [(20.0, 13.0), (20.5, 13.5), (22.3, 17.8)])
def test_a_disc_is_painted_around_its_centre(middle: tuple[float, float]):
    painted = paint(BLACK, outlines_of(disc(*middle, 9.0)), IDENTITY)
    rows, columns = np.nonzero(painted.image[..., 0])
    cover = painted.topmost.astype(bool)
    # Pillow paints a polygon's border with its inside, up to half a pixel more on every side.
    assert np.pi * 9.0**2 * 0.98 < cover.sum() / SUPERSAMPLING**2 < np.pi * 9.5**2
    cell_rows, cell_columns = np.nonzero(cover)
    place = (np.array([cell_columns.mean(), cell_rows.mean()]) + 0.5) / SUPERSAMPLING - 0.5
    np.testing.assert_allclose(place, middle, atol=0.15)
    assert abs(columns.mean() - middle[0]) < 0.3
    assert abs(rows.mean() - middle[1]) < 0.3


def test_the_edge_is_a_blend_and_the_background_stays():
    painted = paint(np.full_like(BLACK, 255), outlines_of(disc(20.25, 13.25, 9.0, BLUE)), IDENTITY)
    untouched = ~painted.topmost.reshape(40, SUPERSAMPLING, 50, SUPERSAMPLING).any(axis=(1, 3))
    assert (painted.image[untouched] == 255).all()
    assert 0.8 < untouched.mean() < 0.9
    assert painted.image[13, 20, 0] == 0
    reds = np.unique(painted.image[..., 0])
    assert ((reds > 0) & (reds < 255)).any()


def test_later_parts_hide_earlier_ones():
    outlines = [*outlines_of(disc(20, 20, 9.0)), *outlines_of(disc(24, 20, 9.0, BLUE))]
    painted = paint(BLACK, outlines, IDENTITY)
    assert painted.image[20, 22, 0] == 0
    assert painted.image[20, 22, 2] > 100
    assert painted.image[20, 13, 0] > 100
    assert set(np.unique(painted.topmost)) == {0, 1, 2}


def test_a_pattern_rotates_with_its_limb():
    """Stripes across a limb stay across it after a rotation by a right angle."""
    striped = Paint((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), Pattern.STRIPES, repeat=20.0)
    images = []
    for end in (vector(42, 20, 0), vector(20, 42, 0)):
        figure = Figure()
        figure.hull("limb", [vector(20, 20, 0), end], [6.0, 6.0], striped)
        images.append(paint(np.zeros((64, 64, 3), np.uint8), outlines_of(figure), IDENTITY).image[..., 0])
    along, across = images[0][20, 16:46], images[0][15:26, 24]
    assert along.std() > 3 * across.std()
    # Cells are rounded, and the light falls on another side.
    assert np.corrcoef(along.astype(float), images[1][16:46, 20].astype(float))[0, 1] > 0.95


def test_a_hull_is_the_convex_hull_of_its_balls(rng: np.random.Generator):
    for count in (1, 2, 5):
        centers, radii = rng.normal(0, 2, (count, 3)), rng.uniform(0.3, 1.5, count)
        part = outline(Solid("x", centers, radii, RED), np.eye(3), OVERHEAD)
        assert part is not None
        turns = np.linspace(0, 2 * np.pi, 720)[:, None]
        circle = np.concatenate([np.cos(turns), np.sin(turns)], axis=1)
        all_circles = (centers[:, None, :2] + radii[:, None, None] * circle).reshape(-1, 2)
        expected, result = ConvexHull(all_circles), ConvexHull(part.polygon)
        # A polygon of 32 corners lacks 0.6 % of its circle's area (in 2-D, a "volume").
        assert result.volume == pytest.approx(expected.volume, rel=0.008)
        joint = ConvexHull(np.concatenate([all_circles, part.polygon]))
        assert joint.volume == pytest.approx(expected.volume, rel=1e-5)


def test_rotations_have_the_documented_direction():
    front = vector(0, 0, -1)
    np.testing.assert_allclose(rotation("y", 90) @ front, [-1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(rotation("x", 90) @ front, [0, -1, 0], atol=1e-12)
    np.testing.assert_allclose(rotation("z", 90) @ vector(1, 0, 0), [0, 1, 0], atol=1e-12)
    for axis in ("x", "y", "z"):
        turn = rotation(axis, 33)
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(turn) == pytest.approx(1)


def test_a_sheet_from_the_back_is_not_drawn():
    corners = np.array([[0.0, 0, 0], [4, 0, 0], [4, 4, 0], [0, 4, 0]])
    figure = Figure()
    figure.sheet("x", corners, RED, normal=vector(0, 0, -1))
    figure.sheet("x", corners, RED)
    assert len(outlines_of(figure)) == 2
    assert len(outlines_of(figure, rotation("y", 180))) == 1
    assert len(outlines_of(figure, rotation("y", 90))) == 0  # edge-on


def test_tiles_fill_their_range_and_repeat():
    tiles = atlas()
    assert tiles.shape == (len(Pattern), TILE, TILE)
    assert tiles.min() >= 0
    assert tiles.max() <= 1
    for pattern in Pattern:
        tile = tiles[pattern]
        assert tile.std() > (0.02 if pattern is Pattern.PLAIN else 0.15)
        # The step over the seam is no greater than steps inside, whose maximum is at an edge.
        assert np.abs(tile[0] - tile[-1]).mean() <= np.abs(np.diff(tile, axis=0)).mean(axis=1).max()
        assert np.abs(tile[:, 0] - tile[:, -1]).mean() <= np.abs(np.diff(tile, axis=1)).mean(axis=0).max()
