"""A person: an articulated figure with clothes, in poses from standing to leaping.

The keypoints are the 14 joints of Leeds Sports Pose; left and right are the person's own. One unit is about a
metre.
"""

from typing import NamedTuple

import numpy as np

from convcorr_jax.synthetic.rendering import palette
from convcorr_jax.synthetic.rendering.solids import Figure, Landmark, Number, Paint, Vector, rotation, vector
from convcorr_jax.synthetic.rendering.textures import Rng

NAMES = (
    *("r_ankle", "r_knee", "r_hip", "l_hip", "l_knee", "l_ankle"),
    *("r_wrist", "r_elbow", "r_shoulder", "l_shoulder", "l_elbow", "l_wrist"),
    *("neck", "head_top"),
)
LABELS = (
    *("head", "torso"),
    *("r_upper_arm", "r_forearm", "r_hand", "l_upper_arm", "l_forearm", "l_hand"),
    *("r_thigh", "r_shin", "r_foot", "l_thigh", "l_shin", "l_foot"),
)
NORMALIZER = ("l_shoulder", "r_hip")
"""The torso diagonal, by which LSP divides errors."""

DOWN, FORWARD = vector(0.0, 1.0, 0.0), vector(0.0, 0.0, -1.0)


class _Wardrobe(NamedTuple):
    """Paints of skin, hair and clothes, and how many segments of arm and leg are covered."""

    skin: Paint
    hair: Paint
    shirt: Paint
    sleeve: int
    trousers: Paint
    trouser: int
    shoe: Paint


class _Build(NamedTuple):
    """Half widths and lengths of the body; the girth is a factor on the radii."""

    girth: float
    shoulder: float
    hip: float
    torso: float
    upper_arm: float
    forearm: float
    thigh: float
    shin: float
    head: float


def draw(rng: Rng) -> Figure:
    """Draw a person of random build, clothes and pose, seen from a random side."""
    build, wardrobe = _draw_build(rng), _draw_wardrobe(rng)
    figure = Figure(rotation=_draw_view(rng))
    spine = (
        rotation("y", rng.normal(0, 15))
        @ rotation("z", rng.normal(0, 10))
        @ rotation("x", -abs(rng.normal(0, 18)))
    )
    _add_trunk(figure, build, wardrobe, spine)
    _add_head(figure, build, wardrobe, spine, rng)
    for side, sign in (("r", -1.0), ("l", 1.0)):
        _add_arm(figure, build, wardrobe, side, sign, spine, rng)
        _add_leg(figure, build, wardrobe, side, sign, rng)
    return figure


def _draw_build(rng: Rng) -> _Build:
    def near(length: float) -> float:
        return length * np.exp(rng.normal(0.0, 0.08))

    return _Build(
        girth=np.exp(rng.normal(0.05, 0.16)),
        shoulder=near(0.17),
        hip=near(0.09),
        torso=near(0.50),
        upper_arm=near(0.29),
        forearm=near(0.26),
        thigh=near(0.42),
        shin=near(0.42),
        head=near(0.115),
    )


def _draw_wardrobe(rng: Rng) -> _Wardrobe:
    return _Wardrobe(
        skin=palette.skin(rng),
        hair=palette.hair(rng),
        shirt=palette.cloth(rng, repeat=0.3),
        sleeve=int(rng.integers(0, 3)),
        trousers=palette.cloth(rng, repeat=0.25),
        trouser=int(rng.integers(1, 3)),
        shoe=palette.plain(palette.any_color(rng)),
    )


def _draw_view(rng: Rng) -> np.ndarray:
    """Draw an orientation: mostly upright, and towards the camera in half of the cases."""
    towards = rng.uniform()
    if towards < 0.5:
        yaw = rng.normal(0, 25)
    elif towards < 0.7:
        yaw = rng.normal(180, 25)
    else:
        yaw = rng.choice([-1, 1]) * rng.uniform(45, 135)
    roll = rng.uniform(-70, 70) if rng.uniform() < 0.2 else rng.normal(0, 10)
    return rotation("z", roll) @ rotation("x", rng.normal(0, 10)) @ rotation("y", yaw)


def _add_trunk(figure: Figure, build: _Build, wardrobe: _Wardrobe, spine: np.ndarray) -> None:
    """Add torso, shoulders, hips and neck."""
    chest, waist, belt = 0.10 * build.girth, 0.085 * build.girth, 0.09 * build.girth
    shoulders = [spine @ vector(s * build.shoulder, -build.torso, 0) for s in (-1, 1)]
    hips = [vector(s * build.hip, 0.0, 0.0) for s in (-1.0, 1.0)]
    ribs = [spine @ vector(s * build.shoulder * 0.75, -0.8 * build.torso, 0) for s in (-1, 1)]
    middle = spine @ vector(0, -0.35 * build.torso, 0)
    neck = spine @ vector(0.0, -build.torso - 0.07, 0.0)
    chest_radii = [waist, chest, chest, 0.06, 0.06]
    figure.hull("torso", [middle, *ribs, *shoulders], chest_radii, wardrobe.shirt)
    belly_radii = [waist * 0.97, belt, belt]
    figure.hull("torso", [middle, *hips], belly_radii, wardrobe.trousers, nearer=-0.01)
    collar = spine @ vector(0.0, -build.torso, 0.0)
    figure.hull("head", [collar, neck], [0.055, 0.05], wardrobe.skin)
    for side, shoulder, hip in zip("rl", shoulders, hips, strict=True):
        arm, leg = (f"{side}_upper_arm", "torso"), (f"{side}_thigh", "torso")
        figure.landmarks[f"{side}_shoulder"] = Landmark(shoulder, arm)
        figure.landmarks[f"{side}_hip"] = Landmark(hip, leg)
    figure.landmarks["neck"] = Landmark(neck, ("head", "torso"))


def _add_head(figure: Figure, build: _Build, wardrobe: _Wardrobe, spine: np.ndarray, rng: Rng) -> None:
    neck = figure.landmarks["neck"].position
    turned = spine @ rotation("y", rng.normal(0, 25)) @ rotation("x", rng.normal(5, 15))
    size = build.head

    def at(x: Number, y: Number, z: Number) -> Vector:
        """Return a position in the head's frame, whose unit is the head's half width."""
        return neck + turned @ (size * vector(x, y - 1.1, z))

    skin, hair = wardrobe.skin, wardrobe.hair
    figure.hull("head", [at(0, -0.35, 0.1), at(0, 0.55, -0.3)], [size, 0.55 * size], skin)
    cap = rng.uniform() < 0.25
    crown = palette.plain(palette.any_color(rng)) if cap else hair
    length = rng.choice([0.0, 0.9])
    back, paint = [at(0, -0.5, 0.25), at(0, -0.2 + length, 0.4)], crown if length == 0 else hair
    figure.hull("head", back, [1.05 * size, 0.85 * size], paint, nearer=0.02)
    figure.hull("head", [at(-0.3, -1.0, -0.3), at(0.3, -1.0, -0.3)], [0.52 * size] * 2, crown, nearer=0.0)
    if cap:
        figure.hull("head", [at(-0.4, -0.75, -1.1), at(0.4, -0.75, -1.1)], [0.2 * size] * 2, crown, nearer=0.05)
    white, black = palette.plain(palette.WHITE), palette.plain(palette.BLACK)
    for sign in (-1, 1):
        figure.ball("head", at(sign, -0.1, 0.05), 0.22 * size, skin)
        figure.ball("head", at(0.4 * sign, -0.25, -0.85), 0.2 * size, white)
        figure.ball("head", at(0.4 * sign, -0.25, -0.98), 0.12 * size, black, nearer=0.02)
    nose = [at(0, -0.1, -0.95), at(0, 0.12, -1.05)]
    figure.hull("head", nose, [0.1 * size, 0.15 * size], skin, nearer=0.02)
    mouth, lips = [at(-0.3, 0.52, -0.8), at(0.3, 0.52, -0.8)], palette.plain((0.65, 0.2, 0.2))
    figure.hull("head", mouth, [0.09 * size] * 2, lips, nearer=0.02)
    figure.landmarks["head_top"] = Landmark(at(0, -1.5, 0.1), ("head",))


def _add_arm(
    figure: Figure, build: _Build, wardrobe: _Wardrobe, side: str, sign: float, spine: np.ndarray, rng: Rng
) -> None:
    shoulder = figure.landmarks[f"{side}_shoulder"].position
    outwards = rng.uniform(5, 150) if rng.uniform() < 0.45 else 5 + abs(rng.normal(0, 20))
    upper = _swing(sign, outwards, np.clip(rng.normal(10, 40), -50, 150))
    towards = vector(-sign * rng.uniform(0, 1), -rng.uniform(0, 0.8), -rng.uniform(0.2, 1))
    lower = _bent(upper, towards, rng.uniform(0, 130) * rng.uniform())
    elbow = shoulder + spine @ upper * build.upper_arm
    wrist = elbow + spine @ lower * build.forearm
    palm = wrist + spine @ lower * 0.06
    width = 0.5 + 0.5 * build.girth
    sleeve = [wardrobe.shirt if wardrobe.sleeve > covered else wardrobe.skin for covered in (0, 1)]
    radii = [0.056 * width, 0.044 * width, 0.03 * width]
    figure.hull(f"{side}_upper_arm", [shoulder, elbow], radii[:2], sleeve[0])
    figure.hull(f"{side}_forearm", [elbow, wrist], radii[1:], sleeve[1])
    fingers = palm + spine @ _bent(lower, towards, 25) * 0.07
    figure.hull(f"{side}_hand", [palm, fingers], [0.04, 0.022], wardrobe.skin, nearer=0.005)
    thumb = palm + spine @ _bent(lower, vector(-sign, 0, -1.0), 55) * 0.065
    figure.hull(f"{side}_hand", [palm, thumb], [0.025, 0.014], wardrobe.skin, nearer=0.006)
    figure.landmarks[f"{side}_elbow"] = Landmark(elbow, (f"{side}_upper_arm", f"{side}_forearm"))
    figure.landmarks[f"{side}_wrist"] = Landmark(wrist, (f"{side}_forearm", f"{side}_hand"))


def _add_leg(figure: Figure, build: _Build, wardrobe: _Wardrobe, side: str, sign: float, rng: Rng) -> None:
    hip = figure.landmarks[f"{side}_hip"].position
    outwards = abs(rng.normal(3, 14))
    forwards = np.clip(rng.normal(12, 34), -45, 115)
    upper = _swing(sign, outwards, forwards)
    backwards = _swing(sign, outwards, forwards - 90)
    lower = _bent(upper, backwards, abs(rng.normal(0, 45)))
    knee = hip + upper * build.thigh
    ankle = knee + lower * build.shin
    width = 0.4 + 0.6 * build.girth
    radii = [0.088 * width, 0.062 * width, 0.04 * width]
    shin = wardrobe.trousers if wardrobe.trouser == 2 else wardrobe.skin
    figure.hull(f"{side}_thigh", [hip, knee], radii[:2], wardrobe.trousers)
    figure.hull(f"{side}_shin", [knee, ankle], radii[1:], shin)
    sole = ankle + lower * 0.05
    toes = sole - _bent(lower, backwards, 90 + rng.uniform(-10, 40)) * 0.17
    heel = sole + backwards * 0.03
    white = palette.plain(palette.WHITE)
    below = lower * 0.02
    figure.hull(f"{side}_foot", [heel + below, toes + below], [0.04, 0.032], white, nearer=0.004)
    shoe = [heel, ankle, toes]
    figure.hull(f"{side}_foot", shoe, [0.04, 0.042, 0.032], wardrobe.shoe, nearer=0.006)
    figure.landmarks[f"{side}_knee"] = Landmark(knee, (f"{side}_thigh", f"{side}_shin"))
    figure.landmarks[f"{side}_ankle"] = Landmark(ankle, (f"{side}_shin", f"{side}_foot"))


def _swing(sign: float, outwards_degrees: Number, forwards_degrees: Number) -> Vector:
    """Return the direction of a hanging limb that is lifted to its own side, then swung forwards."""
    lifted = np.array([sign * np.sin(np.radians(outwards_degrees)), np.cos(np.radians(outwards_degrees)), 0.0])
    return rotation("x", forwards_degrees) @ lifted


def _bent(direction: Vector, towards: Vector, angle_degrees: Number) -> Vector:
    """Rotate a unit vector by an angle towards another vector."""
    square = towards - (towards @ direction) * direction
    length = np.linalg.norm(square)
    if length < 1e-6:
        return direction
    angle = np.radians(angle_degrees)
    return np.cos(angle) * direction + np.sin(angle) * square / length
