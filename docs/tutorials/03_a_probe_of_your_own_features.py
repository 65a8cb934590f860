"""
A probe of your own features
============================

Fit linear probes to any feature vectors, select their penalties, and read the result.

A probe asks what a feature still encodes: if a linear function of the feature predicts a property
of the image, the property is there (Sharif Razavian et al., 2014). Here the images are rendered
faces, the properties are the positions of their landmarks and the side to which they look, and two
features are compared: AlexNet's conv4 and the pixels themselves. Replace ``features`` and
``targets`` by your own arrays.
"""

# %%
# Images and targets
# ------------------
# Each face is cut out of its image by its box. Targets are the landmarks (x, y) in pixels of the
# cut-out square, one row a face.

import matplotlib.pyplot as plt
import numpy as np

from convcorr_jax import coords
from convcorr_jax.images import crop_and_resize
from convcorr_jax.synthetic import instances

SIDE = 96
records = {
    split: list(instances("face", split=split, count=count, size=(128, 128)))
    for split, count in (("train", 120), ("test", 30))
}
boxes = {split: [coords.square(each.box) for each in each_split] for split, each_split in records.items()}
images = {
    split: np.stack(
        [
            crop_and_resize(each.image, box, (SIDE, SIDE)).image
            for each, box in zip(records[split], boxes[split], strict=True)
        ]
    )
    for split in records
}
targets = {
    split: np.stack(
        [
            coords.box_to_size(box, (SIDE, SIDE))(each.points).ravel()
            for each, box in zip(records[split], boxes[split], strict=True)
        ]
    )
    for split in records
}

figure, axes = plt.subplots(1, 6, figsize=(9, 1.7), layout="constrained")
for axis, image in zip(axes, images["train"], strict=False):
    axis.imshow(image)
    axis.set_axis_off()

# %%
# Features
# --------
# `convcorr_jax.estimators.Descriptor` is a transformer of scikit-learn: images in, one row of
# features out. Features of your own network are a plain array with one row an image.

from convcorr_jax.estimators import Descriptor

conv4 = Descriptor(layer="conv4", side_px=SIDE)
features = {
    "conv4": {split: conv4.transform(images[split]) for split in images},
    "RGB": {
        split: images[split][:, ::6, ::6].reshape(len(images[split]), -1) / np.float32(255) for split in images
    },
}
{name: rows["train"].shape for name, rows in features.items()}

# %%
# Fit and predict
# ---------------
# `convcorr_jax.estimators.RidgeProbe` minimizes ``sum_i |y_i - W x_i - b|^2 + penalty |W|^2`` in
# closed form for all targets at once. Without folds, the penalty is the one with the least exact
# leave-one-out error, which follows from one decomposition. If near duplicates occur, such as
# frames of one video, state folds (``cv``) that keep them together.

from convcorr_jax.estimators import RidgeProbe

probes = {name: RidgeProbe().fit(rows["train"], targets["train"]) for name, rows in features.items()}

# %%
# Look at the path of penalties. If the least error is at an end, extend the path, unless the curve
# is flat there: conv4 has far more entries than there are faces, and hardly needs a penalty.

figure, axis = plt.subplots(figsize=(7, 3.4), layout="constrained")
for name, probe in probes.items():
    errors = np.sqrt(probe.cv_errors_.mean(axis=1))
    axis.loglog(probe.penalties_, errors, marker="o", markersize=4, label=name)
    axis.plot(probe.penalty_, errors.min(), marker="o", markersize=9, color="black", mfc="none")
axis.set_xlabel("penalty")
axis.set_ylabel("leave-one-out error\n(px of the square)")
axis.grid(alpha=0.3)
axis.legend(frameon=False)

# %%
# The test faces were used for nothing so far. The mean of the training targets is the prediction of
# a feature that encodes nothing.

predicted = {name: probe.predict(features[name]["test"]) for name, probe in probes.items()}
predicted["mean"] = np.broadcast_to(targets["train"].mean(axis=0), targets["test"].shape)
for name, rows in predicted.items():
    offsets = (rows - targets["test"]).reshape(len(rows), -1, 2)
    print(f"{name:6s} mean error {np.linalg.norm(offsets, axis=-1).mean():.1f} px of {SIDE}")

figure, axes = plt.subplots(1, 5, figsize=(9, 2.0), layout="constrained")
for axis, image, truth, rows in zip(axes, images["test"], targets["test"], predicted["conv4"], strict=False):
    axis.imshow(image)
    for points, style in ((truth, {"c": "white"}), (rows, {"c": "deepskyblue"})):
        axis.scatter(*points.reshape(-1, 2).T, s=5, **style)
    axis.set_axis_off()
figure.suptitle("true landmarks white, predicted ones blue", fontsize=10)

# %%
# A class as the property
# -----------------------
# `convcorr_jax.estimators.OneVsAllSVM` classifies. All estimators work with scikit-learn's tools,
# such as pipelines and cross-validation.

from sklearn.model_selection import cross_val_score

from convcorr_jax.estimators import OneVsAllSVM

middle = targets["train"].reshape(len(images["train"]), -1, 2).mean(axis=1)
looks_right = np.where(middle[:, 0] > np.median(middle[:, 0]), "right", "left")
for name, rows in features.items():
    scores = cross_val_score(OneVsAllSVM(cost=1.0), rows["train"], looks_right, cv=4)
    print(f"{name:6s} accuracy {scores.mean():.2f}")
