"""The renderer of articulated figures.

Figures in space (`person`, `face`, `quadruped`, `car`) consist of `solids` with colours from `palette` and
patterns from `textures`. `painting` paints them over the photographs and behind the occluders of
`surroundings`.
"""
