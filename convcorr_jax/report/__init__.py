"""Figures, tables and HTML pages of results.

Figure functions are pure: they take arrays and return an 8-bit RGB image or a matplotlib `Figure`, which
`pixels` converts to an image. Points are (x, y) in pixels of the image that they are drawn on. `render_page`
writes a page of sections; `convcorr_jax.report.sections` builds the sections of the papers' tables from
scripts' results.
"""

from convcorr_jax.report import plots as plots
from convcorr_jax.report.drawing import name_colors as name_colors
from convcorr_jax.report.drawing import pixels as pixels
from convcorr_jax.report.drawing import points_overlay as points_overlay
from convcorr_jax.report.drawing import skeleton as skeleton
from convcorr_jax.report.explorer import Direction as Direction
from convcorr_jax.report.explorer import LayerResponses as LayerResponses
from convcorr_jax.report.explorer import MatchedPair as MatchedPair
from convcorr_jax.report.explorer import MethodMatches as MethodMatches
from convcorr_jax.report.explorer import copy_matches as copy_matches
from convcorr_jax.report.explorer import directions_data as directions_data
from convcorr_jax.report.explorer import joints_data as joints_data
from convcorr_jax.report.explorer import layers_data as layers_data
from convcorr_jax.report.explorer import match_page as match_page
from convcorr_jax.report.explorer import matched_pair as matched_pair
from convcorr_jax.report.explorer import matches_data as matches_data
from convcorr_jax.report.figures import ablation_curves as ablation_curves
from convcorr_jax.report.figures import alignment_figure as alignment_figure
from convcorr_jax.report.figures import figure_element as figure_element
from convcorr_jax.report.figures import joint_curves as joint_curves
from convcorr_jax.report.figures import joint_error_histograms as joint_error_histograms
from convcorr_jax.report.figures import people_figure as people_figure
from convcorr_jax.report.figures import verdict_sentence as verdict_sentence
from convcorr_jax.report.grids import Segmented as Segmented
from convcorr_jax.report.grids import contact_sheet as contact_sheet
from convcorr_jax.report.grids import draw_annotations as draw_annotations
from convcorr_jax.report.grids import image_grid as image_grid
from convcorr_jax.report.grids import reconstruction_figure as reconstruction_figure
from convcorr_jax.report.grids import segmentation_figure as segmentation_figure
from convcorr_jax.report.page import Fold as Fold
from convcorr_jax.report.page import PageFigure as PageFigure
from convcorr_jax.report.page import Section as Section
from convcorr_jax.report.page import Table as Table
from convcorr_jax.report.page import Widget as Widget
from convcorr_jax.report.page import cell_text as cell_text
from convcorr_jax.report.page import finding_lines as finding_lines
from convcorr_jax.report.page import findings_page as findings_page
from convcorr_jax.report.page import in_order_of_papers as in_order_of_papers
from convcorr_jax.report.page import render_page as render_page
from convcorr_jax.report.plots import cumulative_curves as cumulative_curves
from convcorr_jax.report.plots import interval_curves as interval_curves
from convcorr_jax.report.plots import learning_curve as learning_curve
from convcorr_jax.report.plots import pck_curves as pck_curves
from convcorr_jax.report.plots import score_curves as score_curves
from convcorr_jax.report.plots import score_table as score_table
from convcorr_jax.report.plots import shares_over_costs as shares_over_costs
from convcorr_jax.report.plots import training_curves as training_curves
from convcorr_jax.report.review import found_sheet as found_sheet
from convcorr_jax.report.review import review_page as review_page
