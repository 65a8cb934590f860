import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, jaccard_score, recall_score

from convcorr_jax.metrics import confusion_counts, iou_sums, mean_ratios, segmentation_scores

CLASSES = 5


@pytest.fixture
def maps(rng):
    """Two images' true labels, a tenth of them ignored, and predictions that are right half the time."""
    truth = rng.integers(0, CLASSES, (2, 20, 30)).astype(np.uint8)
    predicted = np.where(rng.random(truth.shape) < 0.5, truth, rng.integers(0, CLASSES, truth.shape))
    truth[rng.random(truth.shape) < 0.1] = 255
    return truth, predicted


def test_counts_and_scores_are_those_of_scikit_learn_and_counts_add_up(maps):
    truth, predicted = maps
    pair = truth[truth != 255], predicted[truth != 255]
    counts = confusion_counts(truth, predicted, classes=CLASSES)
    np.testing.assert_array_equal(counts, confusion_matrix(*pair))
    of_images = [confusion_counts(*image, classes=CLASSES) for image in zip(*maps, strict=True)]
    np.testing.assert_array_equal(sum(of_images), counts)
    found = segmentation_scores(counts)
    np.testing.assert_allclose(found.iou, jaccard_score(*pair, average=None), rtol=1e-12)
    assert found.mean_iou == pytest.approx(jaccard_score(*pair, average="macro"))
    np.testing.assert_allclose(found.class_accuracy, recall_score(*pair, average=None), rtol=1e-12)
    assert found.mean_class_accuracy == pytest.approx(recall_score(*pair, average="macro"))
    assert found.accuracy == pytest.approx(accuracy_score(*pair))


def test_a_class_that_is_not_there_counts_only_where_it_is_predicted():
    truth = np.array([0, 0, 1, 1])
    absent = segmentation_scores(confusion_counts(truth, truth, classes=3))
    assert np.isnan(absent.iou[2])
    assert absent.mean_iou == absent.mean_class_accuracy == 1
    taken = segmentation_scores(confusion_counts(truth, np.array([0, 0, 1, 2]), classes=3))
    assert taken.iou.tolist() == [1, 0.5, 0]
    assert np.isnan(taken.class_accuracy[2])
    assert taken.mean_iou == pytest.approx(0.5)
    assert taken.mean_class_accuracy == pytest.approx(0.75)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "uint16", "int64", "uint64", "bool"])
def test_no_type_of_labels_overflows_and_all_shapes_count_alike(dtype):
    classes = {"int8": 127, "uint8": 200, "bool": 2}.get(dtype, 600)
    numbers = np.arange(classes)[::-1].reshape(-1, 1).astype(dtype)
    found = confusion_counts(numbers, numbers, classes=classes, ignored=None)
    np.testing.assert_array_equal(found, np.eye(classes))
    listed = confusion_counts(numbers[:, 0].tolist(), numbers[:, 0], classes=classes, ignored=None)
    np.testing.assert_array_equal(listed, found)


ROWS = np.array([0, 1, 2, 1])


def test_a_column_is_a_map_of_labels():
    column = confusion_counts(ROWS[:, None], ROWS[:, None], classes=3)
    np.testing.assert_array_equal(column, np.diag([1, 2, 1]))


def test_images_add_up_to_the_mean_iou(rng):
    counts = np.stack(
        [confusion_counts(rng.integers(0, 4, 60), rng.integers(0, 4, 60), classes=6) for _ in range(5)]
    )
    # Two classes occur in no image.
    expected = segmentation_scores(counts.sum(axis=0)).mean_iou
    assert mean_ratios(iou_sums(counts)) == pytest.approx([expected])
