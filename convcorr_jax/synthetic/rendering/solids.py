"""Figures made of round solids and flat sheets in space, and their outlines in the image plane.

The frame is the camera's: x to the right, y down, z away from the camera, so that the projection drops z. A
figure is built facing the camera: its front points towards -z, and its own left is at +x. Lengths are in the
figure's own unit; only the image has pixels.
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
"""A rotation matrix for vectors."""

Number = float | int
"""A coordinate or an angle; whole numbers are common in figures."""

Color = tuple[float, float, float]
"""Red, green and blue in [0, 1]."""


class Paint(NamedTuple):
    """Two colours, blended from 0 to 1 by a periodic pattern."""

    first: Color
    second: Color
    pattern: Pattern = Pattern.PLAIN
    repeat: float = 0.4
    """Period of the pattern in the figure's unit."""
    angle: float = 0.0
    """Rotation of the pattern in radians."""


class Solid(NamedTuple):
    """The convex hull of balls: a ball of one, a limb of two, a body of more."""

    label: str
    centers: Float[np.ndarray, "balls 3"]
    """Centres of the balls; a limb's pattern follows the line from the first to the last."""
    radii: Float[np.ndarray, " balls"]
    paint: Paint
    nearer: float = 0.0
    """Subtracted from the depth that orders parts."""


class Sheet(NamedTuple):
    """A flat polygon of a part in the label map."""

    label: str
    corners: Float[np.ndarray, "corners 3"]
    paint: Paint
    normal: Vector | None = None
    """Outward normal; a sheet is drawn only if it faces the camera. With None both sides are drawn."""
    nearer: float = 0.0
    """Subtracted from the depth that orders parts."""
    attached_to: Vector | None = None
    """The position whose depth orders the sheet, for details of a surface; by default the corners' mean."""


class Landmark(NamedTuple):
    """A named position on a figure."""

    position: Vector
    labels: tuple[str, ...]
    """Parts of which one must be topmost near the landmark for it to be visible."""
    normal: Vector | None = None
    """Direction that must point towards the camera for the landmark to be visible; None for no condition."""


@dataclass(frozen=True)
class Figure:
    """A posed and painted object: parts and landmarks in its own frame, orientation and attributes."""

    parts: list[Solid | Sheet] = field(default_factory=list)
    landmarks: dict[str, Landmark] = field(default_factory=dict)
    rotation: Rotation = field(default_factory=lambda: np.eye(3))
    """Rotation from the figure's frame to the camera's."""
    attributes: dict[str, float] = field(default_factory=dict)
    """Numbers by name, for `convcorr_jax.datasets.records.Record`."""

    def ball(self, label: str, center: Vector, radius: float, paint: Paint, *, nearer: float = 0.0) -> None:
        """Add a ball."""
        self.parts.append(Solid(label, np.array([center]), np.array([radius]), paint, nearer))

    def hull(
        self,
        label: str,
        centers: Sequence[Vector],
        radii: Sequence[float],
        paint: Paint,
        *,
        nearer: float = 0.0,
    ) -> None:
        """Add the convex hull of balls."""
        self.parts.append(Solid(label, np.array(centers), np.array(radii), paint, nearer))

    def sheet(
        self,
        label: str,
        corners: Float[np.ndarray, "corners 3"],
        paint: Paint,
        *,
        normal: Vector | None = None,
        nearer: float = 0.0,
        attached_to: Vector | None = None,
    ) -> None:
        """Add a flat polygon."""
        self.parts.append(Sheet(label, corners, paint, normal, nearer, attached_to))


class Outline(NamedTuple):
    """A part projected to the image plane; positions are in the figure's unit."""

    label: str | None
    """Name of the part in the label map; None for an occluder."""
    polygon: Float[np.ndarray, "corners 2"]
    depth: float
    """Distance that orders parts; a part hides those of greater depth."""
    paint: Paint
    texture: Float[np.ndarray, "2 3"]
    """Maps a position (x, y, 1) to coordinates in the pattern, in periods."""
    across: Float[np.ndarray, "3"]
    """Maps a position (x, y, 1) to the coordinate a across a round part, from -1 to 1."""
    shade: tuple[float, float, float]
    """Coefficients of the brightness ``shade[0] + shade[1] * a + shade[2] * a²``."""


# Corners of a round outline: at 256 pixels the error is a tenth of a pixel.
_DIRECTIONS = 32
_TURNS = np.arange(_DIRECTIONS) * (2 * np.pi / _DIRECTIONS)
_CIRCLE = np.stack([np.cos(_TURNS), np.sin(_TURNS)], axis=-1)
# Increase of brightness at the lit side of a limb, and decrease at both edges.
_SIDE_LIGHT, _ROUNDNESS = 0.2, 0.3
# The fraction of light that comes from all directions.
_AMBIENT = 0.55
# The least sine of the angle between a sheet and the line of sight; thinner projections are left out.
_LEAST_SINE = 0.04
# The least foreshortening of a limb's pattern; without a bound it vanishes for a limb seen from its end.
_LEAST_FORESHORTENING = 0.35


def vector(x: Number, y: Number, z: Number) -> Vector:
    """Return a position or direction from its three coordinates."""
    return np.array([x, y, z], dtype=np.float64)


def rotation(axis: Literal["x", "y", "z"], angle_degrees: Number) -> Rotation:
    """Return the matrix of a rotation about one axis of the frame.

    A positive angle about y turns the front towards the left of the image, about x upwards; a positive angle
    about z turns clockwise in the image.
    """
    angle = np.radians(angle_degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    first, second = {"x": (1, 2), "y": (0, 2), "z": (1, 0)}[axis]
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = cos
    matrix[first, second], matrix[second, first] = sin, -sin
    return matrix


def outline(part: Solid | Sheet, to_camera: Rotation, light: Vector) -> Outline | None:
    """Project a part to the image plane; None for a sheet that shows its back or its edge.

    The light is a unit vector towards it, in the camera's frame.
    """
    if isinstance(part, Solid):
        return _solid_outline(part, to_camera, light)
    return _sheet_outline(part, to_camera, light)


def _solid_outline(part: Solid, to_camera: Rotation, light: Vector) -> Outline:
    centers = part.centers @ to_camera.T
    flat = centers[:, :2]
    # In every direction the hull of discs extends as far as the disc that extends farthest.
    reach = flat @ _CIRCLE.T + part.radii[:, None]
    farthest = reach.argmax(axis=0)
    polygon = flat[farthest] + part.radii[farthest, None] * _CIRCLE
    along = flat[-1] - flat[0]
    length = np.hypot(*along)
    spatial_length = np.linalg.norm(centers[-1] - centers[0])
    if length > 1e-6:
        along = along / length
        foreshortening = max(_LEAST_FORESHORTENING, length / spatial_length)
    else:
        along, foreshortening = np.array([0.0, 1.0]), 1.0
    side = np.array([-along[1], along[0]])
    offsets = polygon @ side
    middle, half = (offsets.max() + offsets.min()) / 2, (offsets.max() - offsets.min()) / 2
    texture = _pattern_frame(part.paint, np.array([along / foreshortening, side]), flat[0])
    return Outline(
        label=part.label,
        polygon=polygon,
        depth=float(centers[:, 2].mean()) - part.nearer,
        paint=part.paint,
        texture=texture,
        across=np.array([side[0] / half, side[1] / half, -middle / half]),
        shade=(1.0, _SIDE_LIGHT * float(side @ light[:2]), -_ROUNDNESS),
    )


def _sheet_outline(part: Sheet, to_camera: Rotation, light: Vector) -> Outline | None:
    corners = part.corners @ to_camera.T
    brightness = 1.0
    if part.normal is not None:
        normal = to_camera @ part.normal
        if normal[2] >= 0:
            return None
        brightness = _AMBIENT + (1 - _AMBIENT) * max(0.0, float(normal @ light))
    # Three corners far from each other determine the plane of a sheet that is not exactly flat.
    third = len(corners) // 3
    first = corners[third] - corners[0]
    first /= np.linalg.norm(first)
    second = corners[2 * third] - corners[0]
    second -= (second @ first) * first
    second /= np.linalg.norm(second)
    plane = np.stack([first[:2], second[:2]], axis=1)
    if abs(np.linalg.det(plane)) < _LEAST_SINE:
        return None
    anchor = corners.mean(axis=0) if part.attached_to is None else to_camera @ part.attached_to
    return Outline(
        label=part.label,
        polygon=corners[:, :2],
        depth=float(anchor[2]) - part.nearer,
        paint=part.paint,
        texture=_pattern_frame(part.paint, np.linalg.inv(plane), corners[0, :2]),
        across=np.zeros(3),
        shade=(brightness, 0.0, 0.0),
    )


def _pattern_frame(paint: Paint, axes: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Return the matrix ``[2, 3]`` from positions (x, y, 1) to periods of the pattern along both axes."""
    cos, sin = np.cos(paint.angle), np.sin(paint.angle)
    linear = np.array([[cos, -sin], [sin, cos]]) @ axes / paint.repeat
    return np.concatenate([linear, -(linear @ origin)[:, None]], axis=1)
