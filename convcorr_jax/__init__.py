"""Where convnets look: dense alignment, keypoints, probes and pose, as pure functions in JAX."""
