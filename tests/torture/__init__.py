"""Kills at random moments and disks that fill: what resumes must end at the bytes of an undisturbed run."""
