"""Rendered categories and warped photographs, whose annotations are exact.

`render` draws one instance of a category, `instances` and `render_every_category` many; `warped_pair` gives two
images of one photograph with the flow between them. Every result is determined by its seed.
"""

from convcorr_jax.synthetic.light import GENERATOR_VERSION as GENERATOR_VERSION
from convcorr_jax.synthetic.light import Light as Light
from convcorr_jax.synthetic.light import relight as relight
from convcorr_jax.synthetic.scenes import CATEGORIES as CATEGORIES
from convcorr_jax.synthetic.scenes import indices as indices
from convcorr_jax.synthetic.scenes import instances as instances
from convcorr_jax.synthetic.scenes import render as render
from convcorr_jax.synthetic.scenes import render_every_category as render_every_category
from convcorr_jax.synthetic.scenes import split_of as split_of
from convcorr_jax.synthetic.warped_photographs import MODERATE_WARP as MODERATE_WARP
from convcorr_jax.synthetic.warped_photographs import Warp as Warp
from convcorr_jax.synthetic.warped_photographs import WarpedPair as WarpedPair
from convcorr_jax.synthetic.warped_photographs import draw_warp as draw_warp
from convcorr_jax.synthetic.warped_photographs import least_area as least_area
from convcorr_jax.synthetic.warped_photographs import warped_pair as warped_pair
