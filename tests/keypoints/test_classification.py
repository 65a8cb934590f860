import numpy as np
import pytest
from sklearn.svm import SVC, LinearSVC

from convcorr_jax.errors import InputError
from convcorr_jax.keypoints import UNKNOWN, Samples, accuracy, classify, confusion
from convcorr_jax.linear import grouped_folds

TYPES = 4
# Tests share shapes, so that they share compiled programs: eighty training samples and three costs.
COSTS = (1e-3, 1e-1, 10.0)


def drawn(rng, *, photographs=30, tested=10, noise=0.5):
    """Four types around four directions; every photograph shows all of them, shifted alike."""
    centers = 2 * np.eye(TYPES, 8)
    own = noise * rng.standard_normal((photographs, TYPES, 8))
    shared = noise * rng.standard_normal((photographs, 1, 8))
    features = (centers + own + shared).reshape(-1, 8).astype(np.float32)
    number = np.repeat(np.arange(photographs), TYPES)
    folds = np.where(number < tested, 0, -1)
    return Samples(features, np.tile(np.arange(TYPES), photographs), number, folds)


def without(samples, dropped):
    return Samples(*(part[~dropped] for part in samples))


@pytest.mark.parametrize("loss", ["squared_hinge", "hinge"])
def test_agrees_with_scikit_learn(rng, loss):
    samples = drawn(rng)
    found = classify(samples, types=TYPES, costs=COSTS, loss=loss)
    cost = found.costs[0]
    tested = samples.folds == 0
    decisions = []
    for kind in range(TYPES):
        if loss == "hinge":
            reference = SVC(kernel="linear", C=cost)
        else:
            # The bias is regularized, but only slightly.
            reference = LinearSVC(C=cost, intercept_scaling=100, max_iter=100_000)
        reference.fit(samples.features[~tested], samples.labels[~tested] == kind)
        decisions.append(reference.decision_function(samples.features[tested]))
    mine = [found.decisions(samples.features[tested], fold=0, label=k) for k in range(TYPES)]
    # scikit-learn stops at a thousandth of its violations, ours at a thousandth of the objective.
    np.testing.assert_allclose(mine, decisions, atol=0.05)
    np.testing.assert_array_equal(found.predicted[tested], np.argmax(mine, axis=0))
    assert (found.predicted[~tested] == UNKNOWN).all()
    assert found.converged


def test_the_curve_is_that_of_scikit_learn_and_parts_no_photograph(rng):
    samples = drawn(rng)
    found = classify(samples, types=TYPES, costs=COSTS)
    training = without(samples, samples.folds == 0)
    folds = grouped_folds(training.photographs, k=5)
    expected = []
    for cost in COSTS:
        right = np.zeros(len(folds), bool)
        for fold in range(5):
            out = folds == fold
            reference = LinearSVC(C=cost, intercept_scaling=100, max_iter=100_000)
            reference.fit(training.features[~out], training.labels[~out])
            right[out] = reference.predict(training.features[out]) == training.labels[out]
        expected.append(right.mean())
    # One of eighty samples may lie between two classifiers' borders.
    np.testing.assert_allclose(found.curve, expected, atol=1.5 / 80)
    assert found.costs.tolist() == [COSTS[int(np.argmax(found.curve))]]
    assert found.type_accuracy.mean() == pytest.approx(found.curve.max())


def test_each_photograph_in_turn_is_tested(rng):
    samples = drawn(rng, photographs=11)._replace(folds=np.repeat(np.arange(11), TYPES))
    found = classify(samples, types=TYPES, costs=COSTS)
    assert (found.predicted != UNKNOWN).all()
    assert found.weights.shape == (11, TYPES, 8)
    alone = classify(samples._replace(folds=np.where(samples.folds == 2, 0, -1)), types=TYPES, costs=COSTS)
    one = samples.folds == 2
    np.testing.assert_array_equal(found.predicted[one], alone.predicted[one])
    assert found.costs[2] == alone.costs[0]


def test_tested_samples_have_no_part_in_training(rng):
    samples = drawn(rng)
    tested = samples.folds == 0
    found = classify(samples, types=TYPES, costs=COSTS)
    relabelled = samples._replace(labels=np.where(tested, (samples.labels + 1) % TYPES, samples.labels))
    for name, value in classify(relabelled, types=TYPES, costs=COSTS)._asdict().items():
        np.testing.assert_array_equal(value, getattr(found, name))
    spoilt = samples._replace(features=np.where(tested[:, None], -samples.features, samples.features))
    other = classify(spoilt, types=TYPES, costs=COSTS)
    np.testing.assert_array_equal(found.curve, other.curve)
    np.testing.assert_array_equal(found.weights, other.weights)


def test_a_type_that_training_lacks_is_not_scored(rng):
    samples = drawn(rng)
    lacking = (samples.folds < 0) & (samples.labels == 1)
    samples = samples._replace(labels=np.where(lacking, 0, samples.labels))
    found = classify(samples, types=TYPES, costs=COSTS)
    tested = samples.folds == 0
    np.testing.assert_array_equal(found.predicted[tested] == UNKNOWN, samples.labels[tested] == 1)
    # Nor is anything taken for it.
    assert 1 not in found.predicted
    assert confusion(samples.labels, found.predicted, types=TYPES)[1].sum() == 0
    assert found.type_accuracy[1] == 0


def test_a_type_that_one_training_photograph_shows_is_named(rng):
    samples = drawn(rng)
    rare = (samples.labels == 1) & (samples.photographs != 15)
    with pytest.warns(UserWarning, match=r"fold \d trains on no \[1\]: accuracies"):
        classify(samples._replace(labels=np.where(rare, 0, samples.labels)), types=TYPES, costs=COSTS)


def test_accuracy_and_confusion_count_what_has_a_prediction():
    labels, predicted = np.array([0, 1, 1, 2, 0]), np.array([0, 1, 2, UNKNOWN, UNKNOWN])
    assert accuracy(labels, predicted) == pytest.approx(2 / 3)
    assert confusion(labels, predicted, types=3).tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]
    assert np.isnan(accuracy(labels, np.full(5, UNKNOWN)))


def test_labels_of_small_types_do_not_overflow_and_others_are_refused(rng):
    labels, predicted = np.array([20], np.uint8), np.array([19], np.int8)
    assert np.argwhere(confusion(labels, predicted, types=21)).tolist() == [[20, 19]]
    for bad in (labels.astype(float), labels[:, None]):
        with pytest.raises(InputError, match="labels"):
            confusion(bad, predicted, types=21)
        with pytest.raises(InputError, match="labels"):
            accuracy(bad, predicted)
    samples = drawn(rng)
    with pytest.raises(InputError, match=r"samples' labels \[4\] are outside 0 to 3"):
        classify(samples._replace(labels=samples.labels + 1), types=TYPES)


def test_too_few_samples_are_refused(rng):
    samples = drawn(rng)
    for few, message in (
        (drawn(rng, photographs=3, tested=2), "there are 1 photographs to train on, which show 4"),
        (
            without(samples, (samples.folds < 0) & (samples.labels != 1)),
            "20 photographs .*, which show 1 types",
        ),
        (drawn(rng, tested=0), "no sample is tested"),
    ):
        with pytest.raises(InputError, match=message):
            classify(few, types=TYPES)
