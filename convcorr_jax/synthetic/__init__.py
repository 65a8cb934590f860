"""Rendered categories and warped photographs, with everything known about them."""

from convcorr_jax.synthetic.scenes import CATEGORIES as CATEGORIES
from convcorr_jax.synthetic.scenes import Category as Category
from convcorr_jax.synthetic.scenes import every_category as every_category
from convcorr_jax.synthetic.scenes import instances as instances
from convcorr_jax.synthetic.scenes import render as render
from convcorr_jax.synthetic.scenes import split_of as split_of
