"""A face with hair, neck and shoulders, of varying expression, turned by up to 48 degrees.

Left and right are the person's own, so that the right eye is at the left of the image. One unit is about half
the width of a head.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from convcorr_jax.synthetic.rendering import palette
from convcorr_jax.synthetic.rendering.solids import Figure, Landmark, Number, Paint, Vector, rotation, vector
from convcorr_jax.synthetic.rendering.textures import Pattern, Rng

_SIDES = (("l", 1.0), ("r", -1.0))

NAMES = (
    *("l_jaw_0", "l_jaw_1", "l_jaw_2", "r_jaw_0", "r_jaw_1", "r_jaw_2", "chin"),
    *("l_brow_outer", "l_brow_middle", "l_brow_inner"),
    *("r_brow_outer", "r_brow_middle", "r_brow_inner"),
    *("l_eye_outer", "l_eye_top", "l_eye_inner", "l_eye_bottom", "l_pupil"),
    *("r_eye_outer", "r_eye_top", "r_eye_inner", "r_eye_bottom", "r_pupil"),
    *("nose_bridge", "nose_tip", "l_nostril", "r_nostril"),
    *("l_mouth_corner", "r_mouth_corner", "upper_lip_top", "upper_lip_bottom"),
    *("lower_lip_top", "lower_lip_bottom"),
)
PART_SETS = {
    "jaw": tuple(range(7)),
    "left_brow": (7, 8, 9),
    "right_brow": (10, 11, 12),
    "left_eye": tuple(range(13, 18)),
    "right_eye": tuple(range(18, 23)),
    "nose": tuple(range(23, 27)),
    "lips": tuple(range(27, 33)),
}
LABELS = ("skin", "brow", "eye", "nose", "mouth", "hair", "neck", "shirt")
BOX_LABELS = ("skin", "brow", "eye", "nose", "mouth")
"""Parts whose extent is the box; hair and shoulders are left out."""
NORMALIZER = ("l_eye_outer", "r_eye_outer")
"""The distance of the outer eye corners, by which 300-W divides errors."""

# The order of painting is set by hand through `nearer`: neck, shoulders and the hair at the back come first,
# then the head and its hair, then features (from 0.5), each followed by its details.

# Features are on this ellipsoid (half axes x, y, z), slightly in front of the head's own surface.
_CENTER_Y, _AXES = -0.05, vector(0.86, 1.22, 0.76)


class _Shape(NamedTuple):
    """Proportions and expression."""

    width: float
    jaw: float
    chin: float
    eye_x: float
    eye_y: float
    eye_width: float
    eye_open: float
    gaze: float
    brow_y: float
    brow_tilt: float
    nose_y: float
    nose_width: float
    mouth_y: float
    mouth_width: float
    mouth_open: float
    smile: float


class _Looks(NamedTuple):
    """Paints."""

    skin: Paint
    hair: Paint
    brow: Paint
    iris: Paint
    lips: Paint
    shirt: Paint


def draw(rng: Rng) -> Figure:
    """Draw a face of random shape, expression, colours, hair and orientation.

    Its attributes are ``glasses`` and ``beard``, 1 with and 2 without as in MTFL, ``turn_degrees``, which is
    positive if the nose points to the left of the image, and ``tilt_degrees``, which is positive if the head
    is turned clockwise in the image.
    """
    yaw, pitch, roll = rng.uniform(-48, 48), rng.normal(0, 13), rng.normal(0, 24)
    head = rotation("z", roll) @ rotation("x", pitch) @ rotation("y", yaw)
    figure = Figure(rotation=head)
    shape, looks = _draw_shape(rng), _draw_looks(rng)
    _add_bust(figure, looks)
    _add_head(figure, shape, looks)
    _add_hair(figure, looks, rng)
    for side, sign in _SIDES:
        _add_eye(figure, shape, looks, side, sign)
        _add_brow(figure, shape, looks, side, sign)
    if glasses := rng.uniform() < 0.2:
        _add_glasses(figure, shape, rng)
    _add_nose(figure, shape, looks)
    if beard := rng.uniform() < 0.2:
        _add_beard(figure, shape, looks)
    _add_mouth(figure, shape, looks)
    figure.attributes.update(
        glasses=1.0 if glasses else 2.0, beard=1.0 if beard else 2.0, turn_degrees=yaw, tilt_degrees=roll
    )
    return figure


def _draw_shape(rng: Rng) -> _Shape:
    def near(value: Number, spread: Number) -> float:
        return value + spread * rng.normal()

    return _Shape(
        width=near(0.76, 0.05),
        jaw=near(0.50, 0.05),
        chin=near(1.0, 0.08),
        eye_x=near(0.34, 0.03),
        eye_y=near(-0.12, 0.05),
        eye_width=near(0.16, 0.015),
        eye_open=np.clip(near(0.075, 0.03), 0.015, 0.13),
        gaze=np.clip(near(0, 0.3), -0.5, 0.5),
        brow_y=near(-0.36, 0.06),
        brow_tilt=near(0, 0.06),
        nose_y=near(0.30, 0.06),
        nose_width=near(0.15, 0.025),
        mouth_y=near(0.60, 0.05),
        mouth_width=near(0.27, 0.05),
        mouth_open=max(0.0, near(0.02, 0.10)),
        smile=near(0.02, 0.07),
    )


def _draw_looks(rng: Rng) -> _Looks:
    skin, hair = palette.skin(rng), palette.hair(rng)
    red, green, blue = skin.first
    lips = (min(1.0, 0.5 * red + 0.3), 0.45 * green, 0.5 * blue)
    return _Looks(
        skin=skin,
        hair=hair if rng.uniform() < 0.85 else palette.cloth(rng, repeat=0.4),
        brow=Paint(palette.darken(hair.first, 0.8), hair.first, Pattern.HAIR, 0.2),
        iris=palette.iris(rng),
        lips=palette.plain(lips),
        shirt=palette.cloth(rng, repeat=0.7),
    )


def _normal(x: float, y: float) -> Vector:
    """Return a vector along the outward normal of the face at (x, y)."""
    position = vector(x, y - _CENTER_Y, _surface(x, y)[2])
    return position / _AXES**2


def _surface(x: float, y: float, raised: float = 0.0) -> Vector:
    """Return the position on the front of the face at (x, y), moved out by ``raised``."""
    return _on_face([(x, y)], raised)[0]


def _on_face(outline: Sequence[tuple[float, float]], raised: float = 0.0) -> np.ndarray:
    """Return positions on the front of the face, moved out by ``raised``."""
    flat = np.array(outline)
    inside = 1 - (((flat - [0, _CENTER_Y]) / _AXES[:2]) ** 2).sum(axis=1)
    # Beyond its rim the ellipsoid continues steeply, so that an outline may overhang a little.
    front = -_AXES[2] * np.sqrt(np.maximum(inside, 0.03)) - raised
    return np.column_stack([flat, front])


def _add_bust(figure: Figure, looks: _Looks) -> None:
    neck = [vector(0, 0.8, 0.3), vector(0, 1.5, 0.35)]
    figure.hull("neck", neck, [0.42, 0.46], looks.skin, nearer=-0.5)
    body = [vector(x, y, 0.35) for x in (-1.0, 1.0) for y in (1.85, 2.8)]
    collar = [vector(x, 1.5, 0.4) for x in (-0.35, 0.35)]
    figure.hull("shirt", [*body, *collar], [0.42] * 4 + [0.15] * 2, looks.shirt, nearer=-0.4)


def _add_head(figure: Figure, shape: _Shape, looks: _Looks) -> None:
    """Add the skull, the ears, and the landmarks of the jaw line."""
    jaw = (
        (shape.width, 0.05, 0.12),
        (0.5 * (shape.width + shape.jaw) + 0.05, 0.48, 0.0),
        (0.75 * shape.jaw, 0.78 * shape.chin + 0.02, -0.22),
    )
    chin = vector(0.0, shape.chin, -0.42)
    centers, radii = [vector(0, -0.5, 0.25), vector(0, -0.4, -0.02)], [0.74, 0.68]
    bone = 0.18  # radius of the jaw's balls, and distance of their centres from the jaw line
    for side, sign in _SIDES:
        for step, (x, y, z) in enumerate(jaw):
            position = vector(sign * x, y, z)
            inwards = vector(0.0, 0.1, 0.1) - position
            inwards /= np.linalg.norm(inwards)
            centers.append(position + bone * inwards)
            radii.append(bone)
            figure.landmarks[f"{side}_jaw_{step}"] = Landmark(position, ("skin",), -inwards)
        ear = vector(sign * (shape.width + 0.02), 0.02, 0.2)
        figure.hull("skin", [ear, ear + vector(0, 0.2, 0)], [0.15, 0.1], looks.skin)
    centers += [chin + vector(0.06, -0.15, 0.05), chin + vector(-0.06, -0.15, 0.05)]
    figure.hull("skin", centers, [*radii, 0.15, 0.15], looks.skin)
    figure.landmarks["chin"] = Landmark(chin, ("skin", "hair"), vector(0, 0.6, -0.8))


def _add_hair(figure: Figure, looks: _Looks, rng: Rng) -> None:
    style = rng.uniform()
    if style < 0.1:
        return  # bald
    volume = rng.uniform(0.78, 0.95) if style < 0.8 else rng.uniform(1.0, 1.2)
    back = [vector(0.0, -0.55, 0.35)]
    radii = [volume]
    if rng.uniform() < 0.35:
        long = rng.uniform(0.5, 1.3)
        back += [vector(0.55, long, 0.4), vector(-0.55, long, 0.4)]
        radii += [0.35, 0.35]
    figure.hull("hair", back, radii, looks.hair, nearer=-0.3)
    crown = [vector(0, -0.95, 0), vector(0.32, -0.85, 0.1), vector(-0.32, -0.85, 0.1)]
    figure.hull("hair", crown, [0.42, 0.46, 0.46], looks.hair, nearer=0.6)
    parting, line = rng.uniform(-0.35, 0.35), rng.uniform(-0.92, -0.72)
    for sign in (-1.0, 1.0):
        root, end = vector(parting, line - 0.15, -0.42), vector(sign * 0.62, line + 0.2, -0.1)
        figure.hull("hair", [root, end], [0.24, 0.16], looks.hair, nearer=0.65)
        temple = [vector(sign * 0.6, -0.6, 0.3), vector(sign * 0.35, -0.9, 0.4)]
        figure.hull("hair", temple, [0.3, 0.45], looks.hair, nearer=0.45)


def _add_eye(figure: Figure, shape: _Shape, looks: _Looks, side: str, sign: float) -> None:
    x, y, width, height = shape.eye_x, shape.eye_y, shape.eye_width, shape.eye_open

    def lid(where: Number, up: Number) -> tuple[float, float]:
        """Return a position on the lid, from the inner (-1) to the outer corner (1)."""
        return sign * (x + where * width), y - 0.02 * where + up * height * (1 - where**2)

    steps = np.linspace(-1, 1, 7)
    upper, lower = [lid(s, -1.0) for s in steps], [lid(s, 0.8) for s in steps[::-1]]
    socket = Paint(palette.darken(looks.skin.first, 0.72), looks.skin.first)
    shadow = [lid(s, -1.9) for s in 1.25 * steps] + [lid(s, 1.5) for s in 1.2 * steps[::-1]]
    figure.sheet("eye", _on_face(shadow), socket, nearer=0.5)
    figure.sheet("eye", _on_face([*upper, *lower]), palette.plain(palette.WHITE), nearer=0.52)
    pupil_at = 0.5 * shape.gaze * sign
    for radius, paint, nearer in (
        (0.6 * width, looks.iris, 0.54),
        (0.28 * width, palette.plain(palette.BLACK), 0.56),
    ):
        ring = []
        for turn in np.linspace(0, 2 * np.pi, 12, endpoint=False):
            where = max(-0.98, min(0.98, pupil_at + radius / width * np.cos(turn)))
            # The lids hide the part of the iris beyond them.
            reach = height * (1 - where**2)
            across, level = lid(where, 0.0)
            ring.append((across, level + max(-reach, min(0.8 * reach, radius * np.sin(turn)))))
        figure.sheet("eye", _on_face(ring), paint, nearer=nearer)
    lash = [lid(s, -1.0) for s in steps] + [(px, py - 0.035) for px, py in upper[::-1]]
    figure.sheet("eye", _on_face(lash), palette.plain(palette.BLACK), nearer=0.57)
    positions = {
        "eye_inner": lid(-1, 0.0),
        "eye_outer": lid(1, 0.0),
        "eye_top": lid(0, -1.0),
        "eye_bottom": lid(0, 0.8),
        "pupil": lid(pupil_at, 0.0),
    }
    for name, position in positions.items():
        landmark = Landmark(_surface(*position), ("eye",), _normal(*position))
        figure.landmarks[f"{side}_{name}"] = landmark


def _add_brow(figure: Figure, shape: _Shape, looks: _Looks, side: str, sign: float) -> None:
    x, y, width = shape.eye_x, shape.brow_y, 1.35 * shape.eye_width
    spine = {
        "inner": (sign * (x - 0.85 * width), y + 0.03 + shape.brow_tilt),
        "middle": (sign * (x + 0.2 * width), y - 0.05),
        "outer": (sign * (x + 1.1 * width), y + 0.05 - shape.brow_tilt),
    }
    (ix, iy), (mx, my), (ox, oy) = spine.values()
    thick = 0.045
    band = [(ix, iy - thick), (mx, my - thick), (ox, oy), (mx, my + thick), (ix, iy + thick)]
    figure.sheet("brow", _on_face(band, 0.02), looks.brow, nearer=0.55)
    for name, position in spine.items():
        landmark = Landmark(_surface(*position, 0.02), ("brow",), _normal(*position))
        figure.landmarks[f"{side}_brow_{name}"] = landmark


def _add_glasses(figure: Figure, shape: _Shape, rng: Rng) -> None:
    frame = palette.plain(palette.darken(palette.any_color(rng), 0.5))
    radius, rim = 1.75 * shape.eye_width, 0.03
    turns = np.linspace(0, 2 * np.pi, 17)
    circle = np.stack([np.cos(turns), 0.8 * np.sin(turns)], axis=-1)
    z = _surface(shape.eye_x, shape.eye_y, 0.1)[2]
    for _, sign in _SIDES:
        middle = np.array([sign * shape.eye_x, shape.eye_y + 0.02])
        # One polygon with a slit: out along the outer edge, back along the inner one.
        ring = np.concatenate([middle + radius * circle, middle + (radius - rim) * circle[::-1]])
        depth = np.full((len(ring), 1), z)
        figure.sheet("eye", np.concatenate([ring, depth], axis=1), frame, nearer=0.6)
    inner, y = shape.eye_x - radius, shape.eye_y
    bridge = [(-inner, y - rim, z), (inner, y - rim, z), (inner, y + rim, z), (-inner, y + rim, z)]
    figure.sheet("eye", np.array(bridge), frame, nearer=0.6)


def _add_nose(figure: Figure, shape: _Shape, looks: _Looks) -> None:
    y, width = shape.nose_y, shape.nose_width
    bridge = _surface(0.0, shape.eye_y - 0.03, 0.02)
    tip = _surface(0.0, y, 0.2)
    base = _surface(0.0, y + 0.12, 0.06)
    bright, shine = looks.skin, palette.plain(palette.darken(looks.skin.first, 1.1))
    dark = palette.plain(palette.darken(looks.skin.first, 0.75))
    for side, sign in _SIDES:
        wing = _surface(sign * width, y + 0.06, 0.03)
        flank = np.array([bridge, wing, base, tip])
        figure.sheet("nose", flank, bright if sign > 0 else dark, nearer=0.62)
        figure.ball("nose", wing - vector(0.3 * sign * width, 0, 0), 0.07, looks.skin, nearer=0.63)
        hole = base + vector(sign * 0.5 * width, -0.01, -0.02)
        figure.ball("nose", hole, 0.035, palette.plain(palette.BLACK), nearer=0.9)
        outwards = vector(0.7 * sign, 0.1, -0.7)
        figure.landmarks[f"{side}_nostril"] = Landmark(wing, ("nose", "skin"), outwards)
    figure.ball("nose", tip + vector(0, 0, 0.08), 0.1, shine, nearer=0.64)
    figure.landmarks["nose_bridge"] = Landmark(bridge, ("nose", "eye"))
    figure.landmarks["nose_tip"] = Landmark(tip, ("nose",))


def _add_beard(figure: Figure, shape: _Shape, looks: _Looks) -> None:
    high = shape.mouth_y - 0.16
    across = np.linspace(-1, 1, 9)
    top = [(0.5 * s, high - 0.25 * s**2) for s in across]
    bottom = [(0.62 * s, shape.chin + 0.06 - 0.75 * s**2) for s in across[::-1]]
    figure.sheet("hair", _on_face([*top, *bottom], 0.02), looks.brow, nearer=0.5)


def _add_mouth(figure: Figure, shape: _Shape, looks: _Looks) -> None:
    y, width, gap = shape.mouth_y, shape.mouth_width, shape.mouth_open
    full = 0.075

    def lip(where: Number, down: Number) -> tuple[float, float]:
        """Return a position along the mouth, from the right (-1) to the left corner (1)."""
        return where * width, y - shape.smile * where**2 + down * (1 - where**2)

    steps = np.linspace(-1, 1, 9)
    edges = {"top": -full, "upper": 0.0, "lower": gap, "bottom": gap + 1.2 * full}
    curves = {name: [lip(s, down) for s in steps] for name, down in edges.items()}
    outer = [*curves["top"], *curves["bottom"][::-1]]
    figure.sheet("mouth", _on_face(outer, 0.03), looks.lips, nearer=0.6)
    parted = [lip(s, -0.006) for s in steps] + [lip(s, gap + 0.006) for s in steps[::-1]]
    figure.sheet("mouth", _on_face(parted, 0.03), palette.plain((0.25, 0.05, 0.06)), nearer=0.62)
    if gap > 0.04:
        teeth = [*curves["upper"], *[lip(s, 0.4 * gap) for s in steps[::-1]]]
        figure.sheet("mouth", _on_face(teeth, 0.03), palette.plain(palette.WHITE), nearer=0.64)
    positions = {
        "l_mouth_corner": lip(1, 0),
        "r_mouth_corner": lip(-1, 0),
        "upper_lip_top": lip(0, edges["top"]),
        "upper_lip_bottom": lip(0, edges["upper"]),
        "lower_lip_top": lip(0, edges["lower"]),
        "lower_lip_bottom": lip(0, edges["bottom"]),
    }
    for name, position in positions.items():
        figure.landmarks[name] = Landmark(_surface(*position, 0.03), ("mouth",), _normal(*position))
