"""Scoring of files of predicted poses by the official rules; no model and no image is needed."""

from convcorr_jax.tasks.scoring.predictions import COCO_FIGURES as COCO_FIGURES
from convcorr_jax.tasks.scoring.predictions import RULES as RULES
from convcorr_jax.tasks.scoring.predictions import Metric as Metric
from convcorr_jax.tasks.scoring.predictions import OksScore as OksScore
from convcorr_jax.tasks.scoring.predictions import PredictionScore as PredictionScore
from convcorr_jax.tasks.scoring.predictions import alphas_of as alphas_of
from convcorr_jax.tasks.scoring.predictions import percentages as percentages
from convcorr_jax.tasks.scoring.predictions import read_aligned as read_aligned
from convcorr_jax.tasks.scoring.predictions import score_details as score_details
from convcorr_jax.tasks.scoring.predictions import score_oks as score_oks
from convcorr_jax.tasks.scoring.predictions import score_predictions as score_predictions
from convcorr_jax.tasks.scoring.predictions import score_summary as score_summary
