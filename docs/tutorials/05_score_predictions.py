"""
Score somebody's predictions
============================

Score poses that any program predicted, by the official rules of a data set, and find out why a score is low.

The scorer reads ``.npz``, ``.h5`` and ``.mat`` files of many layouts. On the command line it is
``python -m eval.score_predictions --metric lsp_pck --ground-truth joints.mat --predictions
predictions.npz``. This tutorial writes a small file of annotations in the format of Leeds Sports
Poses and three files of predictions.
"""

# %%
# A file of annotations
# ---------------------
# Rendered people have the joints of LSP. Its file ``joints.mat`` holds ``[x, y, hidden]`` of
# fourteen joints, counted from 1; of its people, the second half is for testing.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.io import savemat

from convcorr_jax.synthetic import instances

people = list(instances("person", split="test", count=40, size=(96, 96)))
truth = np.stack([person.points for person in people])

folder = tempfile.TemporaryDirectory()
annotations = Path(folder.name) / "joints.mat"
stored = np.concatenate([truth + 1, np.zeros((len(truth), 14, 1))], axis=-1)
savemat(annotations, {"joints": stored.transpose(2, 1, 0)})

# %%
# Three files of predictions
# --------------------------
# The first is the truth with noise; in the second the sides of every other person are exchanged;
# the third lacks a tenth of the joints (NaN).

rng = np.random.default_rng(0)
noisy = truth + rng.normal(0, 1.0, truth.shape) + 1
swapped = noisy.copy()
mirror = np.arange(14)
for left, right in people[0].left_right_pairs:
    mirror[[left, right]] = right, left
swapped[::2] = swapped[::2][:, mirror]
absent = np.where(rng.random((*truth.shape[:2], 1)) < 0.1, np.nan, noisy)

files = {}
for name, points in (("noisy", noisy), ("swapped", swapped), ("absent", absent)):
    files[name] = Path(folder.name) / f"{name}.npz"
    np.savez(files[name], predictions=points)

# %%
# Score them
# ----------
# `convcorr_jax.tasks.scoring.score_predictions` applies the rules of the metric: which joints count,
# by what length an error is divided, and whether a missing prediction is wrong.

from rich.console import Console

from convcorr_jax.report import score_table
from convcorr_jax.tasks.scoring import alphas_of, percentages, score_predictions

alphas = alphas_of("lsp_pck")
scores = {
    name: score_predictions(annotations, path, metric="lsp_pck", alphas=alphas) for name, path in files.items()
}
console = Console(width=100)
for name, score in scores.items():
    rows = {alpha: percentages(score.table.at(alpha)) for alpha in alphas}
    console.print(score_table(rows, title=name, caption=f"read: {score.source}"))

# %%
# How the file was read
# ---------------------
# A file rarely states everything. The result says how it was understood, how many people and joints
# count, and what else the file could mean.

score = scores["absent"]
print(f"{score.people} people; {score.absent} predictions are NaN and count as wrong")
print(f"read: {score.source}; left and right {score.sides}")
for note in score.notes:
    print("note:", note.replace(f"{folder.name}/", ""))

# %%
# Read the curves
# ---------------
# Noise bends a curve at small thresholds. A loss that stays at all thresholds has another cause:
# exchanged sides take away nearly the same share of all joints that have a side; missing
# predictions keep the curve below 1 for every joint.

figure, axes = plt.subplots(1, 3, figsize=(9, 3.0), sharey=True, layout="constrained")
for axis, (name, score) in zip(axes, scores.items(), strict=True):
    for column in ("head", "wrist", "ankle", "total"):
        row = score.table.columns.index(column)
        axis.plot(score.table.alphas, score.table.shares[row], label=column)
    axis.set_title(name)
    axis.set_xlabel("threshold (of the torso)")
    axis.set_ylim(0, 1.02)
    axis.grid(alpha=0.3)
axes[0].set_ylabel("PCK")
axes[0].legend(frameon=False)

# %%
folder.cleanup()
