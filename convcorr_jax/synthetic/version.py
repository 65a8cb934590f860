"""The version of everything that this room generates."""

GENERATOR_VERSION = 1
"""Version of the rendered instances and warped pairs.

Increase it with every change of the pixels or annotations that a seed gives, so that results and caches
computed from the old ones are not mixed with new ones. A test compares small instances of every category with
stored values.
"""
