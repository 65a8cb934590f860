"""
Your own keypoints
==================

Mark keypoints in one photograph and carry them to a photograph of another object.

Nothing is trained: the photographs are aligned, and the flow carries the keypoints along. On the
command line, ``convcorr align a.jpg b.jpg --points points.csv`` carries the points of one file.
"""

# %%
# Mark keypoints
# --------------
# The two portraits come with scikit-image and matplotlib: Eileen Collins and Grace Hopper. The
# keypoints of the first were read off in an image viewer, as were the boxes of the faces. Points
# are (x, y) in pixels, left and right are the person's own. `convcorr_jax.io.read_points` reads a
# CSV file with the header ``name,x,y`` instead.

import matplotlib.pyplot as plt
import numpy as np

from convcorr_jax.coords import Box
from convcorr_jax.datasets.selection import photographs

images = {photograph.name: photograph.image for photograph in photographs()}
collins, hopper = images["astronaut"], images["grace_hopper"]

names = ("right eye", "left eye", "nose", "right mouth corner", "left mouth corner")
points = np.array([[203.0, 101.0], [247.0, 103.0], [228.0, 124.0], [206.0, 142.0], [245.0, 142.0]])
box_collins = Box(180.0, 75.0, 272.0, 180.0)
box_hopper = Box(170.0, 135.0, 352.0, 325.0)

# %%
# Carry them
# ----------
# `convcorr_jax.matching.align_photographs` aligns the boxes, to which it adds a margin.
# `carry_to_b` interpolates the flow at the points, and returns a confidence for each.

from convcorr_jax.backbone.weights import load
from convcorr_jax.matching import align_photographs, carry_to_b

weights = load("alexnet")


def align(a, b, box_a, box_b):
    """Align two photographs, each in a box, with AlexNet."""
    return align_photographs(a, b, weights.params, network=weights.network, box_a=box_a, box_b=box_b)


carried = carry_to_b(points, align(collins, hopper, box_collins, box_hopper))
for name, (x, y), confidence in zip(names, carried.b_px, carried.confidence, strict=True):
    print(f"{name:20s}{x:6.1f}{y:7.1f}   confidence {confidence:.2f}")

# %%
# Marked and carried points in the same colours:

figure, axes = plt.subplots(1, 2, figsize=(9, 5.0), layout="constrained")
colors = plt.get_cmap("Set1")(np.arange(len(names)))
for axis, image, marks, box, title in (
    (axes[0], collins, points, box_collins, "marked"),
    (axes[1], hopper, carried.b_px, box_hopper, "carried"),
):
    axis.imshow(image)
    axis.scatter(*marks.T, c=colors, s=70, edgecolors="white", linewidths=1.5)
    axis.add_patch(plt.Rectangle(box[:2], box.width, box.height, fill=False, edgecolor="white"))
    around = 0.25 * box.longer_side
    axis.set_xlim(box.x0 - around, box.x1 + around)
    axis.set_ylim(box.y1 + around, box.y0 - around)
    axis.set_title(title)
    axis.set_axis_off()
handles = [plt.Line2D([], [], marker="o", ls="", color=color) for color in colors]
figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False)

# %%
# Check them
# ----------
# The same points, read off by hand in the second photograph, give the error. PCK is the share of
# keypoints whose error is at most ``alpha`` times a length of the object, here the longer side of
# its box. Copying each point to the same place in the other box is the baseline that a flow has to
# beat.

from convcorr_jax import coords
from convcorr_jax.metrics import correct

truth = np.array([[220.0, 189.0], [304.0, 187.0], [262.0, 240.0], [229.0, 280.0], [308.0, 279.0]])
in_unit_square = coords.box_to_size(box_collins, (1, 1))(points)
copied = coords.box_to_size(box_hopper, (1, 1)).inverse(in_unit_square)

length = np.full(len(points), box_hopper.longer_side)
for method, predicted in (("flow", carried.b_px), ("copying", copied)):
    shares = [correct(predicted, truth, length, alpha=alpha).mean() for alpha in (0.05, 0.1)]
    error = np.linalg.norm(predicted - truth, axis=1).mean() / length[0]
    print(f"{method:8s} PCK@0.05 {shares[0]:.1f}  PCK@0.1 {shares[1]:.1f}  mean error {error:.3f} of the box")

# %%
# Five points of one pair show how to measure, not how good the method is; ``python -m
# eval.keypoint_transfer`` scores whole data sets. With several annotated photographs,
# `convcorr_jax.keypoints.vote` combines the points that each of them proposes. With some tens of
# them, trained detectors are better: ``python -m train.keypoint_detectors`` trains them, ``convcorr
# keypoints`` applies them.
