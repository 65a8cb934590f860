"""
Train a cascade
===============

Train the coarse net of a small pose cascade on rendered people, and look at its heat-maps.

The cascade of Tompson et al. (2015) has a coarse net, which computes a heat-map for every joint
from a pyramid of the image; a spatial model, which selects the peaks that belong to one person; and
a fine net, which corrects each peak within a window of the coarse net's features. ``python -m
train.pose_cascade`` trains all of them with checkpoints, validation and several devices, in less
than an hour on two cores. This tutorial writes the loop by hand, for five joints and a net so small
that it takes seconds.
"""

# %%
# People
# ------
# `convcorr_jax.tasks.pose.prepare` brings records into the input frame of the network. These people
# are rendered; the records of a data set (`convcorr_jax.datasets.read_records`) have the same form.

import dataclasses

import jax
import matplotlib.pyplot as plt
import numpy as np
import optax

from convcorr_jax.coords import Size
from convcorr_jax.pose import small
from convcorr_jax.synthetic import instances
from convcorr_jax.tasks.pose import prepare

records = list(instances("person", split="train", count=12, size=(128, 128)))
joints = ("head_top", "l_wrist", "r_wrist", "l_ankle", "r_ankle")
architecture = dataclasses.replace(
    small(joints, ((1, 2), (3, 4)), pooling=4),
    name="tutorial",
    input_size=Size(64, 64),
    levels=1,
    features=(16, 24),
    hidden=(48,),
    fine_features=12,
    spatial_dropout=0.0,
)
people = prepare(records, architecture)
people.images.shape, people.points.shape

# %%
# The loss, and a step
# --------------------
# `convcorr_jax.pose.loss` is a pure function of keys, parameters and a batch. Its phase decides
# what is learned: ``"coarse"`` is the coarse net alone, ``"fine"`` the fine net and the spatial
# model, ``"joint"`` all together. This tutorial does the first phase; the steps of the others
# differ in this argument only. `convcorr_jax.pose.augment` turns, scales and mirrors people on the
# device; this short run goes without it, and the net only learns its 12 people by heart.

from convcorr_jax.pose import cascade, loss

STEPS = 300
params = cascade.init(jax.random.key(0), architecture)
optimizer = optax.adam(optax.cosine_decay_schedule(5e-3, STEPS))
moments = optimizer.init(params)


@jax.jit
def step(key, params, moments, batch):
    """Update the parameters by the gradient of one batch."""
    keys = jax.random.split(key, len(batch.images))

    def of_params(params):
        return loss(keys, params, batch, architecture=architecture, phase="coarse")

    gradient, losses = jax.grad(of_params, has_aux=True)(params)
    updates, moments = optimizer.update(gradient, moments, params)
    return optax.apply_updates(params, updates), moments, losses


rng = np.random.default_rng(0)
errors = []
for number in range(STEPS):
    batch = people.batch(rng.permutation(len(records))[:6])
    key = jax.random.fold_in(jax.random.key(1), number)
    params, moments, losses = step(key, params, moments, batch)
    errors.append(float(losses.e1))

figure, axis = plt.subplots(figsize=(7, 3.0), layout="constrained")
axis.semilogy(errors)
axis.set_xlabel("step")
axis.set_ylabel("squared error of heat-maps")
axis.grid(alpha=0.3)

# %%
# Heat-maps and peaks
# -------------------
# `convcorr_jax.pose.cascade.detect` returns the heat-maps of the coarse net;
# `convcorr_jax.pose.peaks` finds the highest cell of each. Points are in pixels of the input frame.

from convcorr_jax.pose import peaks

detection = cascade.detect(params, people.images[:8], people.torso[:8], architecture=architecture)
found = np.asarray(peaks(detection.heatmaps, architecture.cells).points)

figure, axes = plt.subplots(2, 4, figsize=(9, 4.7), layout="constrained")
colors = plt.get_cmap("Set1")(np.arange(len(joints)))
for column, (above, below) in enumerate(axes.T):
    above.imshow(people.images[column])
    above.scatter(*found[column].T, c=colors, s=30, edgecolors="white")
    below.imshow(detection.heatmaps[column, ..., 2], cmap="magma", vmin=0, vmax=1)
    above.set_axis_off()
    below.set_axis_off()
axes[0, 0].set_title("peaks of five joints", loc="left", fontsize=9)
axes[1, 0].set_title("heat-map of the right wrist", loc="left", fontsize=9)

# %%
distance = np.linalg.norm(found - people.points[:8], axis=-1)
print(f"median error {np.nanmedian(distance):.1f} px of 64, on people of the training set")

# %%
# An error on people that the net has seen says nothing about others. ``train.pose_cascade`` keeps
# people for validation and saves the best model; ``convcorr pose`` applies it, and ``eval.pose``
# scores a test split.
