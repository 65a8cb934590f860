"""Every script refuses wrong options and data with status 2 and one sentence."""

import importlib
from pathlib import Path

import pytest

from convcorr_jax.runtime import run

pytestmark = pytest.mark.usefixtures("small_network")

CLASSIFICATION = (
    "eval.keypoint_classification --categories person --rendered-train 2 --rendered-test 1 --layers conv1 "
    "--radii-px 20 --side-px 64"
)
COLORS = "eval.rgb_reconstruction --rendered-train 1 --rendered-test 1"
DETECTORS = "train.keypoint_detectors --categories person --rendered-train 4 --rendered-test 1"
DIRECTIONS = "eval.semantic_directions --rendered-train 16 --rendered-test 8"
FLOWS = "eval.flow_accuracy"
LEADERBOARD = "eval.leaderboard --networks alexnet"
LANDMARKS = "eval.face_landmarks --rendered-train 4 --rendered-test 1"
MATCHES = "eval.match_explorer"
PROBES = "train.ridge_probes --layer pool5 --rendered-train 8"
SCORES = "eval.score_predictions --ground-truth a.json --predictions b.json --metric"
SEGMENTATION = "eval.segmentation --rendered-train 1 --rendered-test 1"

REFUSED = [
    ("eval.annotation", "--labels nowhere", "nowhere does not exist"),
    ("eval.annotation", "--methods", "methods has no value; auto, one stage"),
    ("eval.annotation", "--examples", "examples has no value; numbers are expected"),
    ("eval.annotation", "--draws 0", "draws is 0; at least 1 is expected"),
    ("eval.annotation", "--review 3 --rounds 0", "rounds is 0; at least 1 is expected"),
    ("eval.annotation", "--review -3", "review is -3; at least 0 is expected"),
    ("eval.annotation_folders", "--folders cats", "'cats' is no folder of labelled photographs; car, duck"),
    (CLASSIFICATION, "--costs 1.0 0.1", "in rising order"),
    (CLASSIFICATION, "--layers conv1 conv1", "none of them twice"),
    (CLASSIFICATION, "--layers conv9", "no layer 'conv9'"),
    (CLASSIFICATION, "--side-px 0", "side_px is 0"),
    (CLASSIFICATION, "--radii-px 0", "radius_px is 0"),
    (CLASSIFICATION, "--windows -1", "windows is -1"),
    (CLASSIFICATION, "--keypoints tail", "'person' has no keypoints ['tail']; it has "),
    (COLORS, "--datasets", "datasets is ()"),
    (COLORS, "--datasets rendered rendered", "none of them twice"),
    (COLORS, "--datasets rendered nowhere", "data set 'nowhere' was not found"),
    (COLORS, "--images 3", "at least 4 and 1 are expected"),
    (COLORS, "--shown 0", "shown 0"),
    (COLORS, "--copies 0", "0 variations"),
    (COLORS, "--layer conv9", "no layer 'conv9'"),
    (COLORS, "--rendered-test 0", "and 0 to test"),
    (DETECTORS, "--images 1", "images is 1; at least 2 is expected"),
    (DETECTORS, "--folds 1", "folds is 1; at least 2 is expected"),
    (DETECTORS, "--box-px 0", "box_px is 0; at least 1 is expected"),
    (DETECTORS, "--box-px 100", "the descriptor of every cell covers every keypoint"),
    (DIRECTIONS, "--attributes glasses beauty", "turn_degrees, tilt_degrees are known"),
    (DIRECTIONS, "--attributes glasses glasses", "each once"),
    (DIRECTIONS, "--steps 1", "steps is 1"),
    (DIRECTIONS, "--shown 0", "shown 0"),
    (DIRECTIONS, "--layer conv9", "no layer 'conv9'"),
    (DIRECTIONS, "--direction-penalty 0.0", "above 0 is expected"),
    (DIRECTIONS, "--rendered-train 7", "7 faces of the split train; at least 8"),
    (DIRECTIONS, "--rendered-train 0 --rendered-test 0", "all the 0 faces of rendered, none are known"),
    (DIRECTIONS, "--dataset lfw_attributes --data-root tests", "tests/lfw_attributes"),
    (FLOWS, "--no-such-option", "Unrecognized options: --no-such-option"),
    (FLOWS, "--seeds many", "--seeds"),
    (LANDMARKS, "--rounds -1", "rounds is -1"),
    (LANDMARKS, "--share 0.0", "share 0.0"),
    (LANDMARKS, "--rendered-train 3", "3 faces to learn from have all landmarks; 4 are expected"),
    (LANDMARKS, "--rendered-test 0", "rendered has no faces to test"),
    (LANDMARKS, "--test nowhere", "data set 'nowhere' was not found"),
    (LANDMARKS, "--layer conv9", "no layer 'conv9'"),
    (LEADERBOARD, "alexnet", "none of them twice"),
    (LEADERBOARD, "--probes nowhere", "data set 'nowhere' was not found"),
    (LEADERBOARD, "--probes rendered --joined vgg16 vit_s14", "joined networks do not have"),
    (LEADERBOARD, "--data-root tests", "data set 'pf_willow' was not found"),
    (MATCHES, "--pairs 0", "rising positive numbers"),
    (MATCHES, "--factors", "rising positive numbers"),
    (MATCHES, "--factors 1.0 0.5", "rising positive numbers"),
    ("eval.patch_reconstruction", "--examples 0", "examples is 0"),
    ("eval.pose", "--batch 0", "batch is 0; at least 1 is expected"),
    (PROBES, "--probe colors --train rendered rendered", "one data set is expected"),
    (PROBES, "--probe colors --train nowhere", "data set 'nowhere' was not found"),
    (PROBES, "--backgrounds nowhere", "data set 'nowhere' was not found"),
    ("eval.flow_selection", "--data-root tests", "data set 'pf_willow' was not found"),
    (PROBES, "--probe keypoints --rendered-train 3", "is annotated in"),
    (PROBES, "--probe classes --rendered-train 0", "records of 'test' and of 'train' are expected"),
    (SCORES, "oks --alpha 0.5", "--alpha is not for oks"),
    (SCORES, "pckh --sigmas 0.1", "--sigmas is for oks only"),
    (SEGMENTATION, "--copies 1", "copies is 1"),
    (SEGMENTATION, "--shown 0", "shown 0"),
    (SEGMENTATION, "--layer conv9", "no layer 'conv9'"),
    (SEGMENTATION, "--rendered-test 0", "rendered has the splits train; to test"),
]


ROOT = Path(__file__).parents[2]
# These read no data set of the catalogue.
WITHOUT_DATA = ("eval.annotation", "eval.pose_costs", "eval.score_predictions", "eval.shipped_models")
SCRIPTS = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for pattern in ("train/*.py", "eval/*.py", "eval/benchmark/*.py")
    for path in sorted(ROOT.glob(pattern))
    if "run(Config, main" in path.read_text(encoding="utf-8")
]
REFUSED += [
    (script, "--data-root nowhere", "the data root nowhere is not a folder")
    for script in SCRIPTS
    if script not in WITHOUT_DATA
]


@pytest.mark.parametrize(("command", "options", "sentence"), REFUSED)
def test_wrong_options_are_refused(tmp_path, capsys, command, options, sentence):
    name, *words = f"{command} {options} --out {tmp_path}".split()
    script = importlib.import_module(name)
    with pytest.raises(SystemExit) as ended:
        run(script.Config, script.main, None, argv=words)
    assert ended.value.code == 2
    # Bars of progress may stand beside it.
    message = capsys.readouterr().err
    assert sentence in message
    assert "Traceback" not in message
