"""Training and scoring of the pose cascade (Tompson et al. 2015)."""
