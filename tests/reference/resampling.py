"""Textbook resampling: Keys' cubic kernel, widened for shrinking, one sum for each pixel."""

import numpy as np

# Keys' kernel with a = -1/2 reproduces quadratics; it is what "bicubic" means in Pillow.
_A = -0.5


def kernel(distance: float) -> float:
    """Evaluate the kernel of Keys 1981, equation 15."""
    t = abs(distance)
    if t < 1:
        return (_A + 2) * t**3 - (_A + 3) * t**2 + 1
    if t < 2:
        return _A * t**3 - 5 * _A * t**2 + 8 * _A * t - 4 * _A
    return 0.0


def weights(length: int, first_edge: float, last_edge: float, count: int) -> np.ndarray:
    """Compute weights ``[count, length]`` for samples at the centres of ``count`` equal parts of an interval.

    Sample j covers j to j + 1; where the kernel reaches beyond the samples, the rest of it is scaled up.
    """
    scale = (last_edge - first_edge) / count
    widened = max(scale, 1.0)
    found = np.zeros((count, length))
    for i in range(count):
        center = first_edge + (i + 0.5) * scale
        for j in range(length):
            found[i, j] = kernel((j + 0.5 - center) / widened)
        found[i] /= found[i].sum()
    return found


def crop_and_resize(image, box, size):
    """Resample the part of an image in (x0, y0, x1, y1), with border pixels repeated beyond the image.

    Edges count from the left and upper edge of the first pixel.
    """
    height, width = image.shape[:2]
    left, top, right, bottom = (
        int(np.ceil(max(0, beyond))) for beyond in (-box[0], -box[1], box[2] - width, box[3] - height)
    )
    padded = np.pad(image.astype(float), ((top, bottom), (left, right), (0, 0)), mode="edge")
    rows = weights(padded.shape[0], box[1] + top, box[3] + top, size[0])
    columns = weights(padded.shape[1], box[0] + left, box[2] + left, size[1])
    return np.einsum("yh,xw,hwc->yxc", rows, columns, padded)
