"""What a script needs to run: options, progress, cached stages, checkpoints, devices and the run log."""
