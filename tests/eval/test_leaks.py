"""Labels of the tested split decide no setting and no prediction: changed labels leave both as they were.

Classification and ridge regressions of keypoints, and the settings of flows, are tested beside their code.
"""

import dataclasses

import numpy as np

from convcorr_jax.datasets import Selection
from convcorr_jax.probes import rgb_features
from convcorr_jax.tasks import CategoryData, attributes, keypoints, landmarks, scenes
from tests.builders.people import write_people


def test_landmarks_of_tested_faces_decide_nothing(tmp_path):
    train = landmarks.read_faces(["rendered"], test=False, rendered=12)
    test = landmarks.read_faces(["rendered"], test=True, rendered=3)
    boxes = {landmarks.ANNOTATED: landmarks.annotated_boxes(test)}
    mirrored = (dataclasses.replace(record, points=record.points[::-1].copy()) for record in test.records)
    other = dataclasses.replace(test, records=tuple(mirrored))

    def predicted(faces: landmarks.FaceSet, name: str) -> landmarks.RoundPredictions:
        options, cache = landmarks.LandmarkOptions(rounds=1), {"path": tmp_path / name, "features_key": {}}
        found = landmarks.predict_rounds(train, faces, rgb_features(side_px=8), options, boxes=boxes, **cache)
        return found[landmarks.ANNOTATED]

    assert (other.points != test.points).any()
    first, again = predicted(test, "test.npz"), predicted(other, "other.npz")
    for name, values in first.to_arrays().items():
        np.testing.assert_array_equal(again.to_arrays()[name], values, err_msg=name)


def test_joints_of_tested_people_decide_no_detector(tmp_path, small_weights):
    train, test = 9, 2
    dataset = write_people(tmp_path / "people", train=train, test=test, side=128)
    (category,) = keypoints.read_categories(CategoryData(dataset))
    points = category.points.copy()
    points[category.tested] = points[category.tested][:, ::-1] + 3
    options = keypoints.DetectorOptions(layers=("pool1",), box_px=100, rounds=1, folds=2, images=train)
    first, again = (
        keypoints.predict_category(
            one, options.sift_cells(), small_weights, options, folder=tmp_path / str(number)
        )
        for number, one in enumerate((category, dataclasses.replace(category, points=points)))
    )
    for settings in ("positive", "eta", "held_out_pck"):
        assert again.facts[0][settings] == first.facts[0][settings]
    for name, values in first.points.items():
        np.testing.assert_array_equal(again.points[name], values, err_msg=name)


def test_classes_of_tested_pixels_decide_no_segmentation(tmp_path, small_weights):
    read = scenes.read_scenes("rendered", rendered_train=2, rendered_test=1)
    turned = [dataclasses.replace(record, label_map=np.flip(record.label_map).copy()) for record in read.test]
    other = dataclasses.replace(read, test=Selection.of(turned))
    options = scenes.SegmentationOptions("pool5", 2, (0,))
    first, again = (
        scenes.segment_scenes(one, small_weights, options, out=tmp_path / str(number))
        for number, one in enumerate((read, other))
    )
    for name, result in first.items():
        assert (again[name].confusions != result.confusions).any()
        for field in ("held_out_error", "responses", "mixed"):
            np.testing.assert_array_equal(getattr(again[name], field), getattr(result, field))


def test_attributes_of_tested_faces_decide_no_direction(tmp_path, small_weights):
    read = attributes.read_faces("rendered", rendered_train=12, rendered_test=8)
    options = attributes.DirectionOptions("pool5", mirrored=False, penalty=None, steps=2)
    other = read._replace(test=read.test._replace(values=read.test.values[::-1].copy()))
    assert (other.test.values != read.test.values).any()
    first, again = (
        attributes.probe_attributes(one, small_weights, options, out=tmp_path / str(number))
        for number, one in enumerate((read, other))
    )
    for name, values in first._asdict().items():
        np.testing.assert_array_equal(getattr(again, name), values, err_msg=name)
