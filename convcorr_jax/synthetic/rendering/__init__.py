"""How rendered categories are made.

Figures in space (`person`, `face`, `quadruped`, `car`) are built of `solids`, coloured from
`palette` and `textures`, painted by `painting`, and stand among `surroundings`.
"""
