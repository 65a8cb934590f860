"""How results of the pose cascade are shown on the page of `eval.reproduce`, beside the published numbers."""

from typing import Any

from convcorr_jax.report.page import Picture, Section, Table

# Tompson et al. 2015, Table 3: PCK at 0.05 on FLIC, in percent.
PUBLISHED_FLIC = {
    "4x": {"head": 92.6, "shoulder": 73.0, "elbow": 57.1, "wrist": 60.4},
    "8x": {"head": 92.1, "shoulder": 75.8, "elbow": 55.6, "wrist": 56.6},
    "16x": {"head": 91.6, "shoulder": 73.0, "elbow": 47.7, "wrist": 45.5},
}
# Table 2: milliseconds of a forward pass on an Nvidia K40.
PUBLISHED_MS = {
    "4x": {"coarse": 140.0, "fine": 17.2, "cascade": 157.2},
    "8x": {"coarse": 74.9, "fine": 19.3, "cascade": 94.2},
    "16x": {"coarse": 54.7, "fine": 15.9, "cascade": 70.6},
}


def cascade(name: str, result: dict[str, Any]) -> Section:
    """Tables 2 and 3 and Figures 9 and 14, of the variants that were trained."""
    first = next(iter(result["pck"].values()))
    alphas = tuple(first["cascade"])
    correct = Table(
        "Tompson et al. 2015, Figures 9, 12 and 14: PCK over all joints",
        ("variant", "net", *alphas),
        tuple(
            (variant, net, *(shares[alpha] for alpha in alphas))
            for variant, pck in result["pck"].items()
            for net, shares in pck.items()
        ),
    )
    published = Table(
        "Tompson et al. 2015, Table 3: PCK at 0.05 on FLIC, in percent",
        ("pooling", *next(iter(PUBLISHED_FLIC.values()))),
        tuple((pooling, *shares.values()) for pooling, shares in PUBLISHED_FLIC.items()),
        note="Other data and full size: compare the order, not the level.",
    )
    times = Table(
        "Tompson et al. 2015, Table 2: milliseconds of a forward pass of one image",
        ("variant", "coarse", "fine", "cascade", "paper, cascade (K40)"),
        tuple(
            (variant, *one.values(), PUBLISHED_MS.get(variant, {}).get("cascade"))
            for variant, one in result["forward_ms"].items()
        ),
        note=f"Ours on {result['device']}.",
    )
    training = next(iter(result["training"].values()))
    plan = training["plan"]
    text = (
        f"The preset {result['preset']}, trained on {training['people']} people of {result['dataset']} for "
        f"{sum(plan['steps'])} steps of {plan['batch']}. The cascade looks again, more closely, at each "
        "joint that the coarse net found."
    )
    pictures = (
        Picture(f"{name}/curves.png", "Joints whose error is at most so much of the torso."),
        *(
            Picture(f"{name}/{variant}/test/people.jpg", f"Annotated and found, {variant}.")
            for variant in result["pck"]
        ),
    )
    return Section("Pose", text, (correct, published, times), pictures)
