"""Keypoint classification and prediction (Long et al. 2014, sections 5 and 6)."""
