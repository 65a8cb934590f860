"""A car: one profile, extruded to the car's width, with wheels, windows and lights.

Left and right are the driver's. One unit is about half the car's length.
"""

import numpy as np

from convcorr_jax.synthetic.rendering import palette
from convcorr_jax.synthetic.rendering.solids import Figure, Landmark, Paint, Vector, rotation, vector
from convcorr_jax.synthetic.rendering.textures import Pattern, Rng

NAMES = (
    *("l_front_wheel", "r_front_wheel", "l_rear_wheel", "r_rear_wheel"),
    *("l_headlight", "r_headlight", "l_tail_light", "r_tail_light"),
    *("l_front_roof", "r_front_roof", "l_rear_roof", "r_rear_roof"),
    *("l_windshield_base", "r_windshield_base"),
)
LABELS = ("body", "window", "wheel", "light")

_LEFT, _RIGHT = vector(1.0, 0.0, 0.0), vector(-1.0, 0.0, 0.0)
_TURNS = np.linspace(0, 2 * np.pi, 24, endpoint=False)


def draw(rng: Rng) -> Figure:
    """Draw a car of random shape and paint, seen from slightly above and from any side."""
    yaw = rng.uniform(0, 360)
    if abs(np.cos(np.radians(yaw))) > 0.92:  # few parts are visible exactly from front or back
        yaw += 45
    figure = Figure(
        rotation=rotation("z", rng.normal(0, 8)) @ rotation("x", -rng.uniform(4, 28)) @ rotation("y", yaw)
    )
    width = rng.uniform(0.34, 0.46)
    profile = _draw_profile(rng)
    body = _draw_body(rng)
    glass = Paint((0.12, 0.16, 0.20), (0.45, 0.55, 0.62), Pattern.BLOTCHES, 1.5)
    _add_body(figure, profile, width, body, glass)
    wheel = rng.uniform(0.16, 0.22)
    rim = palette.plain((0.75, 0.75, 0.78))
    spokes = int(rng.integers(3, 8))
    for end, z in (("front", -0.58), ("rear", 0.56)):
        _add_wheels(figure, end, z + rng.uniform(-0.05, 0.05), width, wheel, rim, spokes)
    _add_lights(figure, profile, width)
    return figure


def _draw_profile(rng: Rng) -> dict[str, np.ndarray]:
    """Draw the corners (z, y) of the silhouette, clockwise seen from the left; y is 0 on the road."""
    belt, roof = -rng.uniform(0.50, 0.60), -rng.uniform(0.75, 1.05)
    hood, boot = rng.uniform(0.30, 0.62), rng.choice([0.02, rng.uniform(0.15, 0.45)])
    windshield, rear_window = rng.uniform(0.12, 0.32), rng.uniform(0.03, 0.3)
    front, rear = -1.0, rng.uniform(0.9, 1.05)
    cowl, shelf = front + hood, rear - boot
    return {
        "front_sill": np.array([front, -0.15]),
        "bumper": np.array([front - 0.02, -0.3]),
        "hood_front": np.array([front + 0.04, belt + 0.10]),
        "cowl": np.array([cowl, belt]),
        "roof_front": np.array([cowl + windshield, roof]),
        "roof_rear": np.array([shelf - rear_window, roof + rng.uniform(0, 0.06)]),
        "shelf": np.array([shelf, belt]),
        "tail": np.array([rear, belt + 0.04]),
        "rear_sill": np.array([rear + 0.01, -0.17]),
    }


def _draw_body(rng: Rng) -> Paint:
    """Draw the paint of the body: usually one colour, else a pattern."""
    color = palette.any_color(rng)
    if rng.uniform() < 0.55:
        return Paint(color, palette.darken(color, 0.8), Pattern.BLOTCHES, 2.0)
    return palette.cloth(rng, repeat=0.6)


def _in_space(corner: np.ndarray, x: float) -> Vector:
    """Return the position of a corner (z, y) of the profile at x."""
    return vector(x, corner[1], corner[0])


def _add_body(figure: Figure, profile: dict[str, np.ndarray], width: float, body: Paint, glass: Paint) -> None:
    corners = list(profile.values())
    names = list(profile)
    middle = np.mean(corners, axis=0)
    for index, name in enumerate(names):
        start, stop = corners[index], corners[(index + 1) % len(corners)]
        along = stop - start
        outwards = np.array([along[1], -along[0]]) / np.linalg.norm(along)
        outwards *= np.sign(outwards @ ((start + stop) / 2 - middle))
        normal = _in_space(outwards, 0.0)
        edges = ((start, -width), (start, width), (stop, width), (stop, -width))
        quad = np.array([_in_space(corner, x) for corner, x in edges])
        figure.sheet("body", quad, body, normal=normal)
        if name in ("cowl", "roof_rear"):
            center = quad.mean(axis=0)
            pane = center + 0.86 * (quad - center)
            figure.sheet("window", pane, glass, normal=normal, nearer=0.02, attached_to=center)
    for x, normal in ((width, _LEFT), (-width, _RIGHT)):
        side = np.array([_in_space(corner, x) for corner in corners])
        figure.sheet("body", side, body, normal=normal, nearer=0.01)
        door = side.mean(axis=0)
        cabin = np.array([profile[name] for name in ("cowl", "roof_front", "roof_rear", "shelf")])
        center = cabin.mean(axis=0)
        cabin = center + np.array([0.84, 0.8]) * (cabin - center)
        post = (cabin[1] + cabin[2]) / 2, (cabin[0] + cabin[3]) / 2
        gap = np.array([0.025, 0.0])
        for window in (
            [cabin[0], cabin[1], post[0] - gap, post[1] - gap],
            [post[1] + gap, post[0] + gap, cabin[2], cabin[3]],
        ):
            panes = np.array([_in_space(corner, x) for corner in window])
            figure.sheet("window", panes, glass, normal=normal, nearer=0.03, attached_to=door)
        handle = _in_space(post[1] + np.array([0.06, 0.08]), x)
        bar = handle + np.array([[0, 0, 0], [0, 0, 0.12], [0, 0.03, 0.12], [0, 0.03, 0]])
        figure.sheet("body", bar, palette.plain(palette.BLACK), normal=normal, nearer=0.03, attached_to=door)
    for side, sign in (("l", 1.0), ("r", -1.0)):
        for name, corner, back in (
            ("front_roof", "roof_front", -0.5),
            ("rear_roof", "roof_rear", 0.5),
            ("windshield_base", "cowl", -0.5),
        ):
            position = _in_space(profile[corner], sign * width)
            outwards = vector(0.7 * sign, -0.5, back)
            figure.landmarks[f"{side}_{name}"] = Landmark(position, ("body", "window"), outwards)


def _add_wheels(
    figure: Figure, end: str, z: float, width: float, radius: float, rim: Paint, spokes: int
) -> None:
    tyre, dark = palette.plain(palette.BLACK), palette.plain((0.25, 0.25, 0.27))
    circle = np.stack([np.zeros(_TURNS.size), np.sin(_TURNS), np.cos(_TURNS)], axis=-1)
    for side, x, normal in (("l", width, _LEFT), ("r", -width, _RIGHT)):
        hub = vector(1.03 * x, -radius, z)
        door = vector(1.03 * x, -0.4, 0.0)
        figure.sheet("wheel", hub + radius * circle, tyre, normal=normal, nearer=0.05, attached_to=door)
        inner = hub - 0.25 * x * vector(1, 0, 0) + radius * circle
        figure.sheet("wheel", inner, tyre, nearer=-1.0)
        figure.sheet("wheel", hub + 0.66 * radius * circle, rim, normal=normal, nearer=0.06, attached_to=door)
        for turn in np.arange(spokes) * (2 * np.pi / spokes):
            turns = turn + np.array([0.0, -0.8, 0.8]) / spokes
            reach = radius * np.array([0.2, 0.6, 0.6])
            gap = np.stack([np.zeros(3), reach * np.sin(turns), reach * np.cos(turns)], axis=-1)
            figure.sheet("wheel", hub + gap, dark, normal=normal, nearer=0.07, attached_to=door)
        figure.sheet("wheel", hub + 0.14 * radius * circle, dark, normal=normal, nearer=0.08, attached_to=door)
        figure.landmarks[f"{side}_{end}_wheel"] = Landmark(hub, ("wheel",), normal)


def _add_lights(figure: Figure, profile: dict[str, np.ndarray], width: float) -> None:
    lamp = Paint(palette.WHITE, (0.9, 0.85, 0.5), Pattern.CHECKS, 0.1)
    red = Paint((0.85, 0.08, 0.06), (0.6, 0.05, 0.05), Pattern.CHECKS, 0.1)
    dark = palette.plain(palette.BLACK)
    square = np.array([[-1.0, -1.0, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    for name, low, high, normal, paint in (
        ("headlight", "bumper", "hood_front", vector(0, 0, -1.0), lamp),
        ("tail_light", "rear_sill", "tail", vector(0, 0, 1.0), red),
    ):
        z = (profile[low][0] + profile[high][0]) / 2
        y = 0.35 * profile[low][1] + 0.65 * profile[high][1]
        end = vector(0.0, y, z)
        for side, sign in (("l", 1), ("r", -1)):
            center = end + vector(sign * (width - 0.09), 0.0, 0.0)
            figure.sheet("light", center + 0.08 * square, paint, normal=normal, nearer=0.03, attached_to=end)
            figure.landmarks[f"{side}_{name}"] = Landmark(center, ("light",), normal)
        grille = end + vector(0.5 * width, 0.05, 0) * square
        figure.sheet("body", grille, dark, normal=normal, nearer=0.03, attached_to=end)
