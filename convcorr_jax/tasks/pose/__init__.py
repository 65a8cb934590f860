"""Training and evaluation of the pose cascade (Tompson et al. 2015).

Records become `People` in the network's input frame; `train` trains a cascade on them; `evaluate` computes
errors of its predictions; `label_noise` compares two annotations of the same people.
"""

from convcorr_jax.tasks.pose.batches import Sampling as Sampling
from convcorr_jax.tasks.pose.batches import prefetch as prefetch
from convcorr_jax.tasks.pose.evaluation import Evaluation as Evaluation
from convcorr_jax.tasks.pose.evaluation import best_to_worst as best_to_worst
from convcorr_jax.tasks.pose.evaluation import compare_people as compare_people
from convcorr_jax.tasks.pose.evaluation import curve_alphas as curve_alphas
from convcorr_jax.tasks.pose.evaluation import evaluate as evaluate
from convcorr_jax.tasks.pose.evaluation import evaluate_records as evaluate_records
from convcorr_jax.tasks.pose.evaluation import forward_ms as forward_ms
from convcorr_jax.tasks.pose.evaluation import protocol_of as protocol_of
from convcorr_jax.tasks.pose.evaluation import read_peers as read_peers
from convcorr_jax.tasks.pose.evaluation import read_training as read_training
from convcorr_jax.tasks.pose.evaluation import reported as reported
from convcorr_jax.tasks.pose.label_noise import TwoAnnotations as TwoAnnotations
from convcorr_jax.tasks.pose.label_noise import annotations_of_duplicates as annotations_of_duplicates
from convcorr_jax.tasks.pose.label_noise import annotations_of_files as annotations_of_files
from convcorr_jax.tasks.pose.label_noise import label_noise as label_noise
from convcorr_jax.tasks.pose.people import Part as Part
from convcorr_jax.tasks.pose.people import Torso as Torso
from convcorr_jax.tasks.pose.people import prepare as prepare
from convcorr_jax.tasks.pose.people import read_people as read_people
from convcorr_jax.tasks.pose.people import reframed as reframed
from convcorr_jax.tasks.pose.people import sides_of as sides_of
from convcorr_jax.tasks.pose.prediction import PredictedJoints as PredictedJoints
from convcorr_jax.tasks.pose.prediction import Scores as Scores
from convcorr_jax.tasks.pose.prediction import predict_joints as predict_joints
from convcorr_jax.tasks.pose.prediction import score as score
from convcorr_jax.tasks.pose.setup import PLANS as PLANS
from convcorr_jax.tasks.pose.setup import Hosts as Hosts
from convcorr_jax.tasks.pose.setup import Plan as Plan
from convcorr_jax.tasks.pose.setup import PoseData as PoseData
from convcorr_jax.tasks.pose.setup import PredictionOptions as PredictionOptions
from convcorr_jax.tasks.pose.setup import Preset as Preset
from convcorr_jax.tasks.pose.setup import Training as Training
from convcorr_jax.tasks.pose.setup import TrainingConfig as TrainingConfig
from convcorr_jax.tasks.pose.setup import plan_of as plan_of
from convcorr_jax.tasks.pose.setup import read_part as read_part
from convcorr_jax.tasks.pose.step import StepMetrics as StepMetrics
from convcorr_jax.tasks.pose.step import TrainingLog as TrainingLog
from convcorr_jax.tasks.pose.step import TrainState as TrainState
from convcorr_jax.tasks.pose.step import compiled_step as compiled_step
from convcorr_jax.tasks.pose.step import log_curves as log_curves
from convcorr_jax.tasks.pose.step import phase_optimizer as phase_optimizer
from convcorr_jax.tasks.pose.training import prepare_run as prepare_run
from convcorr_jax.tasks.pose.training import train as train
