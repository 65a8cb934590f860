"""Random data for linear regression."""

import numpy as np


def draw(rng, n, d, t=3):
    """Draw rows with unequal deviations about a mean that is not zero, and noisy linear targets."""
    features = rng.standard_normal((n, d)) * rng.uniform(0.1, 2, d) + rng.uniform(-1, 3, d)
    targets = features @ rng.standard_normal((d, t)) + rng.standard_normal((n, t)) + 5
    return features.astype(np.float32), targets.astype(np.float32)
