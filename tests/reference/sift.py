"""SIFT by its definition: one vote of one pixel after another, in NumPy, in float64.

Independent of the library in its form: it votes into the two nearest bins along each axis (Lowe's
trilinear interpolation), where the library sums weighted images.
"""

import numpy as np
from scipy import ndimage


def sift(
    grey: np.ndarray,
    centers: np.ndarray,
    *,
    radius_px: float,
    smoothing_sigma_px: float,
    contrast_threshold: float,
) -> np.ndarray:
    """Compute descriptors [n, 128] of a grey image at the centres [n, 2] (x, y)."""
    grey = grey.astype(np.float64)
    if smoothing_sigma_px > 0:
        reach = int(np.ceil(4 * smoothing_sigma_px))
        grey = ndimage.gaussian_filter(grey, smoothing_sigma_px, mode="nearest", radius=reach)
    gradient_y, gradient_x = np.gradient(grey)
    length = np.hypot(gradient_x, gradient_y)
    orientation = np.arctan2(gradient_y, gradient_x) % (2 * np.pi) / (2 * np.pi) * 8
    bin_px = radius_px / 2
    histograms = [_histogram(length, orientation, center_x, center_y, bin_px) for center_x, center_y in centers]
    return np.stack([_descriptor(h, bin_px, contrast_threshold) for h in histograms])


def _histogram(
    length: np.ndarray, orientation: np.ndarray, center_x: float, center_y: float, bin_px: float
) -> np.ndarray:
    # One bin more on every side catches the votes that fall outside; it is cut off at the end.
    histogram = np.zeros((6, 6, 8))
    for y, x in np.ndindex(length.shape):
        u_x, u_y = (x - center_x) / bin_px, (y - center_y) / bin_px
        if max(abs(u_x), abs(u_y)) >= 2.5:
            continue
        vote = length[y, x] * np.exp(-(u_x**2 + u_y**2) / 8)
        column, row, turn = u_x + 2.5, u_y + 2.5, orientation[y, x]
        for i in (int(column), int(column) + 1):
            for j in (int(row), int(row) + 1):
                for t in (int(turn), int(turn) + 1):
                    share = (1 - abs(column - i)) * (1 - abs(row - j)) * (1 - abs(turn - t))
                    histogram[j, i, t % 8] += share * vote
    return histogram[1:-1, 1:-1].reshape(128)


def _descriptor(histogram: np.ndarray, bin_px: float, contrast_threshold: float) -> np.ndarray:
    contrast = histogram.sum() / (3 * bin_px + 1) ** 2
    if contrast < contrast_threshold or not histogram.any():
        return np.zeros(128)
    clipped = np.minimum(histogram / np.linalg.norm(histogram), 0.2)
    return clipped / np.linalg.norm(clipped)
