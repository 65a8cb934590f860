"""A four-legged animal, between horse, dog and cow, walking or running.

Left and right are the animal's own. One unit is about the length of its trunk.
"""

import numpy as np

from convcorr_jax.synthetic.rendering import palette
from convcorr_jax.synthetic.rendering.solids import Figure, Landmark, Number, Paint, Vector, rotation, vector
from convcorr_jax.synthetic.rendering.textures import Pattern, Rng

NAMES = (
    *("nose", "l_eye", "r_eye", "l_ear", "r_ear", "withers", "tail_base", "tail_tip"),
    *("l_front_knee", "r_front_knee", "l_front_hoof", "r_front_hoof"),
    *("l_hind_knee", "r_hind_knee", "l_hind_hoof", "r_hind_hoof"),
)
LABELS = (*("head", "neck", "trunk", "tail"), *("l_front_leg", "r_front_leg", "l_hind_leg", "r_hind_leg"))

_COATS = (Pattern.PLAIN, Pattern.STRIPES, Pattern.BLOTCHES, Pattern.DOTS, Pattern.HAIR, Pattern.SPECKLE)


def draw(rng: Rng) -> Figure:
    """Draw an animal of random build, coat and gait, seen mostly from one of its sides."""
    yaw = rng.choice([-90, 90]) + rng.uniform(-55, 55)
    roll = rng.normal(0, 9)
    figure = Figure(rotation=rotation("z", roll) @ rotation("x", rng.uniform(-3, 20)) @ rotation("y", yaw))
    girth = 0.2 * np.exp(rng.normal(0, 0.15))
    leg = 0.62 * np.exp(rng.normal(0, 0.2))
    coat = _draw_coat(rng)
    hoof = palette.plain(palette.darken(palette.any_color(rng), 0.5))
    chest, rump = vector(0.0, 0.0, -0.36), vector(0.0, 0.0, 0.36)
    belly = vector(0, 0.03 + rng.uniform(0, 0.06), 0.0)
    figure.hull("trunk", [chest, belly, rump], [girth, girth, 0.95 * girth], coat)
    for side, sign in (("l", 1.0), ("r", -1.0)):
        for end, hip, bends in (("front", chest, 1.0), ("hind", rump, -1.0)):
            root = hip + vector(sign * 0.6 * girth, 0.35 * girth, 0.0)
            _add_leg(figure, f"{side}_{end}", root, leg, bends, coat, hoof, rng)
    _add_head(figure, chest, girth, coat, rng)
    _add_tail(figure, rump, girth, coat, rng)
    withers = chest + vector(0.0, -girth, 0.05)
    figure.landmarks["withers"] = Landmark(withers, ("trunk", "neck"))
    return figure


def _draw_coat(rng: Rng) -> Paint:
    pattern = _COATS[rng.integers(len(_COATS))]
    first, second = palette.any_color(rng), palette.any_color(rng)
    if rng.uniform() < 0.6:  # most animals are brown, grey, black or white
        first, second = palette.hair(rng).second, palette.hair(rng).first
    return Paint(first, second, pattern, rng.uniform(0.25, 0.6), rng.choice([0.0, np.pi / 2]))


def _add_leg(
    figure: Figure, name: str, root: Vector, length: float, bends: float, coat: Paint, hoof: Paint, rng: Rng
) -> None:
    """Add a leg with knee, which points forwards if ``bends`` is 1 and backwards if it is -1, and hoof."""
    swing = np.clip(rng.normal(0, 28), -60, 60)
    bend = abs(rng.normal(8, 25))
    upper = rotation("x", swing + 0.3 * bends * bend) @ vector(0.0, 0.5 * length, 0.0)
    lower = rotation("x", swing - bends * bend) @ vector(0.0, 0.5 * length, 0.0)
    knee = root + upper
    end = knee + lower
    label = f"{name}_leg"
    figure.hull(label, [root, knee], [0.105, 0.052], coat)
    figure.hull(label, [knee, end], [0.048, 0.032], coat)
    toes = end + rotation("x", swing) @ vector(0.0, 0.03, -0.035)
    figure.hull(label, [end, toes], [0.045, 0.045], hoof, nearer=0.01)
    figure.landmarks[f"{name}_knee"] = Landmark(knee, (label,))
    figure.landmarks[f"{name}_hoof"] = Landmark(end, (label,))


def _add_head(figure: Figure, chest: Vector, girth: float, coat: Paint, rng: Rng) -> None:
    length, raised = rng.uniform(0.32, 0.62), rng.uniform(-5, 75)
    rise, reach = np.sin(np.radians(raised)), np.cos(np.radians(raised))
    root = chest + vector(0.0, -0.3 * girth, -0.2 * girth)
    poll = root + length * vector(rng.normal(0, 0.1), -rise, -reach)
    turned = rotation("y", rng.normal(0, 20)) @ rotation("x", rng.uniform(-45, 15))
    size = rng.uniform(0.085, 0.12)
    muzzle = rng.uniform(1.6, 3.0)

    def at(x: Number, y: Number, z: Number) -> Vector:
        """Return a position in the head's frame, whose unit is the radius of the skull."""
        return poll + turned @ (size * vector(x, y, z))

    mane = palette.hair(rng)
    figure.hull("neck", [root, poll], [0.75 * girth, 0.95 * size], coat)
    back = vector(0.0, -0.55, 0.55)
    figure.hull("neck", [root + girth * back, poll + size * back], [0.05, 0.05], mane, nearer=-0.02)
    figure.hull("head", [at(0, 0, 0), at(0, 0.45, -muzzle)], [size, 0.55 * size], coat, nearer=0.02)
    pale = palette.plain(palette.darken(coat.second, 0.8))
    figure.ball("head", at(0, 0.45, -muzzle - 0.1), 0.52 * size, pale, nearer=0.03)
    nostrils = [at(-0.2, 0.35, -muzzle - 0.5), at(0.2, 0.35, -muzzle - 0.5)]
    figure.hull("head", nostrils, [0.13 * size] * 2, palette.plain(palette.BLACK), nearer=0.03)
    tall = rng.uniform(0.9, 1.9)
    for side, sign in (("l", 1.0), ("r", -1.0)):
        tip = at(0.8 * sign, -0.6 - tall, 0.2)
        figure.hull("head", [at(0.6 * sign, -0.6, 0.1), tip], [0.34 * size, 0.08 * size], coat)
        eye = at(0.78 * sign, -0.25, -0.75)
        figure.ball("head", eye, 0.24 * size, palette.plain(palette.WHITE), nearer=0.03)
        pupil = at(0.9 * sign, -0.25, -0.85)
        figure.ball("head", pupil, 0.16 * size, palette.plain(palette.BLACK), nearer=0.04)
        outwards = turned @ vector(0.8 * sign, -0.2, -0.6)
        figure.landmarks[f"{side}_eye"] = Landmark(eye, ("head",), outwards)
        figure.landmarks[f"{side}_ear"] = Landmark(tip, ("head",))
    figure.landmarks["nose"] = Landmark(at(0, 0.45, -muzzle - 0.4), ("head",))


def _add_tail(figure: Figure, rump: Vector, girth: float, coat: Paint, rng: Rng) -> None:
    base = rump + girth * vector(0.0, -0.55, 0.75)
    length, droop = rng.uniform(0.25, 0.5), rng.uniform(-40, 85)
    side = rng.normal(0, 20)
    out = rotation("y", side) @ rotation("x", droop) @ vector(0.0, 0.0, 1.0)
    down = rotation("y", side) @ rotation("x", min(90.0, droop + 40)) @ vector(0.0, 0.0, 1.0)
    middle = base + 0.5 * length * out
    tip = middle + 0.5 * length * down
    figure.hull("tail", [base, middle], [0.045, 0.035], coat)
    figure.hull("tail", [middle, tip], [0.035, 0.05 * rng.uniform(0.3, 1.2)], palette.hair(rng))
    figure.landmarks["tail_base"] = Landmark(base, ("tail", "trunk"))
    figure.landmarks["tail_tip"] = Landmark(tip, ("tail",))
