"""Keypoint transfer (Long et al. 2014, section 4): methods, protocols and figures."""
