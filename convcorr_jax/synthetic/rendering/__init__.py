"""The renderer of articulated figures.

Figures in space (`person`, `face`, `quadruped`, `car`) consist of `solids` with colours from `palette` and
patterns from `textures`. `surroundings` paints them over photographs and behind occluders.
"""
