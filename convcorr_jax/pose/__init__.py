"""Where a person's joints are: coarse heat-maps, a spatial model and a finer look, after Tompson et al. 2015.

Images enter as 8-bit RGB, ``[batch, height, width, 3]``; everything is NHWC. Points are in the *input frame*:
pixels of the image that the network sees. A cell (column, row) of a map of stride s has its centre at input
pixel ``(column + 0.5) s - 0.5``, likewise down (see `convcorr_jax.coords`). Letters in shapes: b batch, h w a
map, j joints, c features.

`architecture` has the presets; `cascade` the whole of the model, with ``init`` and ``predict``; `objective`
what training minimises.

Source: Tompson, Goroshin, Jain, LeCun and Bregler 2015, *Efficient Object Localization Using Convolutional
Networks*.
"""
