"""Sections of the page of `eval.reproduce`: our results beside the published numbers."""
