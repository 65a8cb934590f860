"""Figures made of round solids and flat sheets in space, and their outlines in a picture.

The frame is the camera's: x to the right, y down, z away from it, so that a picture simply drops z.
A figure is built facing the camera: its front looks towards -z, and its own left is at +x. Lengths
are in the figure's own unit; only the picture has pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax.synthetic.rendering.textures import Pattern

Vector = Float[np.ndarray, "3"]
"""A position or direction in space."""

Rotation = Float[np.ndarray, "3 3"]
"""A matrix that turns vectors."""

Number = float | int
"""A coordinate or an angle; figures are full of round ones."""

Color = tuple[float, float, float]
"""Red, green, blue in [0, 1]."""


class Paint(NamedTuple):
    """Two colours, blended by a pattern that repeats every ``repeat`` units, turned in radians."""

    first: Color
    second: Color
    pattern: Pattern = Pattern.PLAIN
    repeat: float = 0.4
    angle: float = 0.0


class Solid(NamedTuple):
    """The convex hull of balls: one is a ball, two a limb, more a body."""

    label: str
    centers: Float[np.ndarray, "balls 3"]
    radii: Float[np.ndarray, " balls"]
    paint: Paint
    nearer: float = 0.0
    """Subtracted from the depth by which parts are painted over each other."""


class Sheet(NamedTuple):
    """A flat polygon."""

    label: str
    corners: Float[np.ndarray, "corners 3"]
    paint: Paint
    normal: Vector | None = None
    """Outward; a sheet that turns its back is not drawn. None: it is seen from both sides."""
    nearer: float = 0.0
    attached_to: Vector | None = None
    """Painted as if it lay at this place: what sticks to a surface must come after all of it."""


class Landmark(NamedTuple):
    """A named place on a figure."""

    position: Vector
    labels: tuple[str, ...]
    """It is visible where the topmost part has one of these labels ..."""
    normal: Vector | None = None
    """... and, where a normal is given, this looks towards the camera."""


@dataclass(frozen=True)
class Figure:
    """An object, posed and painted: what it is made of, its named places, and what is said of it."""

    parts: list[Solid | Sheet] = field(default_factory=list)
    landmarks: dict[str, Landmark] = field(default_factory=dict)
    rotation: Rotation = field(default_factory=lambda: np.eye(3))
    """From the figure's frame to the camera's."""
    attributes: dict[str, float] = field(default_factory=dict)
    """Numbers by name, for `convcorr_jax.datasets.records.Record`."""

    def ball(
        self, label: str, center: Vector, radius: float, paint: Paint, nearer: float = 0.0
    ) -> None:
        """Add a ball."""
        self.parts.append(Solid(label, np.array([center]), np.array([radius]), paint, nearer))

    def hull(
        self,
        label: str,
        centers: Sequence[Vector],
        radii: Sequence[float],
        paint: Paint,
        nearer: float = 0.0,
    ) -> None:
        """Add the hull of balls."""
        self.parts.append(Solid(label, np.array(centers), np.array(radii), paint, nearer))

    def sheet(
        self,
        label: str,
        corners: Float[np.ndarray, "corners 3"],
        paint: Paint,
        normal: Vector | None = None,
        nearer: float = 0.0,
        attached_to: Vector | None = None,
    ) -> None:
        """Add a flat polygon."""
        self.parts.append(Sheet(label, corners, paint, normal, nearer, attached_to))


class Outline(NamedTuple):
    """A part as the camera sees it; positions in the picture are in the figure's unit."""

    label: str | None
    """None: it is no part of the figure."""
    polygon: Float[np.ndarray, "corners 2"]
    depth: float
    paint: Paint
    texture: Float[np.ndarray, "2 3"]
    """Position (x, y, 1) to the place in the pattern, in repeats."""
    across: Float[np.ndarray, "3"]
    """Position (x, y, 1) to the place across a round part, from -1 to 1."""
    shade: tuple[float, float, float]
    """Brightness is ``shade[0] + shade[1] * a + shade[2] * a²`` at place ``a`` across."""


# A round outline is a polygon of this many corners: at 256 pixels the error is a tenth of a pixel.
_DIRECTIONS = 32
_TURNS = np.arange(_DIRECTIONS) * (2 * np.pi / _DIRECTIONS)
_CIRCLE = np.stack([np.cos(_TURNS), np.sin(_TURNS)], axis=-1)
# How much brighter the lit side of a limb is, and how much darker both its edges are.
_SIDE_LIGHT, _ROUNDNESS = 0.2, 0.3
# The share of light that comes from everywhere.
_AMBIENT = 0.55
# A sheet seen under this sine of an angle covers next to nothing.
_EDGE_ON = 0.04
# Pattern that is seen from the end of a limb would be squeezed without limit.
_MOST_SQUEEZED = 0.35


def vector(x: Number, y: Number, z: Number) -> Vector:
    """A position or direction from its three coordinates."""
    return np.array([x, y, z], dtype=np.float64)


def rotation(axis: Literal["x", "y", "z"], angle_degrees: Number) -> Rotation:
    """The matrix that turns about one axis of the frame.

    A turn about y by a positive angle brings the front towards the left of the picture, about x
    upwards, about z clockwise.
    """
    angle = np.radians(angle_degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    first, second = {"x": (1, 2), "y": (0, 2), "z": (1, 0)}[axis]
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = cos
    matrix[first, second], matrix[second, first] = sin, -sin
    return matrix


def outline(part: Solid | Sheet, turned: Rotation, light: Vector) -> Outline | None:
    """The part's outline after the figure is turned; None where it cannot be seen.

    ``light`` is the unit direction towards the light, in the camera's frame.
    """
    if isinstance(part, Solid):
        return _solid_outline(part, turned, light)
    return _sheet_outline(part, turned, light)


def _solid_outline(part: Solid, turned: Rotation, light: Vector) -> Outline:
    centers = part.centers @ turned.T
    flat = centers[:, :2]
    # In every direction the hull of discs reaches as far as the disc that reaches farthest.
    reach = flat @ _CIRCLE.T + part.radii[:, None]
    farthest = reach.argmax(axis=0)
    polygon = flat[farthest] + part.radii[farthest, None] * _CIRCLE
    along = flat[-1] - flat[0]
    length = np.hypot(*along)
    spatial_length = np.linalg.norm(centers[-1] - centers[0])
    if length > 1e-6:
        along = along / length
        squeezed = max(_MOST_SQUEEZED, length / spatial_length)
    else:
        along, squeezed = np.array([0.0, 1.0]), 1.0
    side = np.array([-along[1], along[0]])
    places = polygon @ side
    middle, half = (places.max() + places.min()) / 2, (places.max() - places.min()) / 2
    texture = _pattern_frame(part.paint, np.array([along / squeezed, side]), flat[0])
    return Outline(
        label=part.label,
        polygon=polygon,
        depth=float(centers[:, 2].mean()) - part.nearer,
        paint=part.paint,
        texture=texture,
        across=np.array([side[0] / half, side[1] / half, -middle / half]),
        shade=(1.0, _SIDE_LIGHT * float(side @ light[:2]), -_ROUNDNESS),
    )


def _sheet_outline(part: Sheet, turned: Rotation, light: Vector) -> Outline | None:
    corners = part.corners @ turned.T
    brightness = 1.0
    if part.normal is not None:
        normal = turned @ part.normal
        if normal[2] >= 0:
            return None
        brightness = _AMBIENT + (1 - _AMBIENT) * max(0.0, float(normal @ light))
    # Three corners far from each other tell the plane of a sheet that is not quite flat.
    third = len(corners) // 3
    first = corners[third] - corners[0]
    first /= np.linalg.norm(first)
    second = corners[2 * third] - corners[0]
    second -= (second @ first) * first
    second /= np.linalg.norm(second)
    plane = np.stack([first[:2], second[:2]], axis=1)
    if abs(np.linalg.det(plane)) < _EDGE_ON:
        return None
    lies = corners.mean(axis=0) if part.attached_to is None else turned @ part.attached_to
    return Outline(
        label=part.label,
        polygon=corners[:, :2],
        depth=float(lies[2]) - part.nearer,
        paint=part.paint,
        texture=_pattern_frame(part.paint, np.linalg.inv(plane), corners[0, :2]),
        across=np.zeros(3),
        shade=(brightness, 0.0, 0.0),
    )


def _pattern_frame(paint: Paint, axes: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """``[2, 3]``: position (x, y, 1) to repeats of the pattern along both axes from the origin."""
    cos, sin = np.cos(paint.angle), np.sin(paint.angle)
    linear = np.array([[cos, -sin], [sin, cos]]) @ axes / paint.repeat
    return np.concatenate([linear, -(linear @ origin)[:, None]], axis=1)
