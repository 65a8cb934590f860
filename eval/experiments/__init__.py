"""The experiments of `eval.reproduce`: scripts with their options, and the sections that show their results."""

from eval.experiments.choice import experiments as experiments
from eval.experiments.embedded import POSE_BATCH as POSE_BATCH
from eval.experiments.experiment import Experiment as Experiment
from eval.experiments.experiment import transfer_experiment as transfer_experiment
from eval.experiments.inputs import Inputs as Inputs
from eval.experiments.inputs import is_finished as is_finished
from eval.experiments.running import BackgroundRunner as BackgroundRunner
from eval.experiments.running import result_of as result_of
from eval.experiments.running import start_in_background as start_in_background
