"""COCO's keypoints: average precision beside loops, PCK, the round trip, and files that are refused."""

import json
import sys

import numpy as np
import pytest

from convcorr_jax.datasets.poses import coco, read_comparison
from convcorr_jax.errors import InputError
from convcorr_jax.tasks.scoring import COCO_FIGURES, score_oks
from eval import score_predictions
from tests.reference import coco_loops

SIGMAS = [0.05, 0.1, 0.08, 0.03, 0.1]
NAMES = ["left_shoulder", "right_shoulder", "left_hip", "right_hip", "nose"]
IMAGES = [{"id": number, "height": 400, "width": 600} for number in (7, 0, 40)]


def write(folder, content, results):
    paths = folder / "truth.json", folder / "results.json"
    for path, value in zip(paths, (content, results), strict=True):
        path.write_text(json.dumps(value), encoding="utf-8")
    return paths


def annotation(number, image, points, flags, **more):
    (left, top), (width, height) = points.min(axis=0).tolist(), np.ptp(points, axis=0).tolist()
    keypoints = np.concatenate([points * (flags[:, None] > 0), flags[:, None]], axis=1).ravel().tolist()
    fields = {"id": number, "image_id": image, "category_id": 1, "keypoints": keypoints, "area": width * height}
    return fields | {"bbox": [left, top, width, height], "num_keypoints": int((flags > 0).sum())} | more


def result(image, points, score, **more):
    keypoints = np.pad(points, ((0, 0), (0, 1)), constant_values=0.5).ravel().tolist()
    return {"image_id": image, "category_id": 1, "keypoints": keypoints, "score": score, **more}


def random_case(seed, *, categories=(1, 1, 9)):
    """Return images with objects of all sizes, hidden ones and crowds, and results near them."""
    rng = np.random.default_rng(seed)
    people, results = [], []
    for number in range(14):
        owner, image = {"category_id": int(rng.choice(categories))}, int(rng.choice([7, 0, 40]))
        points = rng.uniform(0, 300, 2) + rng.uniform(0, rng.choice([30, 90, 200]), (5, 2))
        flags = rng.choice([0, 1, 2], 5) * int(rng.random() < 0.8)
        people.append(annotation(3 * number, image, points, flags, iscrowd=int(rng.random() < 0.15), **owner))
        for _ in range(rng.integers(25) if number == 0 else rng.integers(4)):
            moved = points + rng.normal(0, rng.choice([1, 4, 12]), (5, 2))
            score = float(rng.choice([0.5, rng.random()]))
            # Boxes of every other case state the area of a result.
            box = {"bbox": [1.0, 2.0, float(rng.uniform(1, 200)), 40.0]} if seed % 2 else {}
            results.append(result(image, moved, score, **owner, **box))
    kinds = [{"id": number, "name": str(number), "keypoints": NAMES} for number in sorted({*categories})]
    return {"images": IMAGES, "categories": kinds, "annotations": people}, results


@pytest.mark.parametrize("seed", range(10))
def test_the_figures_are_those_of_loops(tmp_path, seed):
    content, results = random_case(seed)
    found = score_oks(*write(tmp_path, content, results), sigmas=SIGMAS).figures
    expected = coco_loops.figures(content, results, SIGMAS)
    assert found == pytest.approx(dict(zip(COCO_FIGURES, expected, strict=True)), abs=1e-4)


@pytest.fixture
def person():
    """One small person, with 0 for an id, of whose two keypoints one is predicted two pixels away."""
    points = np.array([[10.0, 10.0], [20.0, 20.0]])
    people = [annotation(0, "a.jpg", points, np.array([2, 1]), area=100)]
    categories = [{"id": 1, "keypoints": ["a", "b"]}]
    content = {"images": [{"id": "a.jpg"}], "categories": categories, "annotations": people}
    return content, [result("a.jpg", points + np.array([[0, 0], [2, 0]]), 0.9)]


def test_a_person_is_scored_by_hand_and_matched_by_its_image(tmp_path, person):
    """OKS is (1 + exp(-4 / (2 * 100 * 0.2 ** 2))) / 2 = 0.803, at least seven of the ten thresholds."""
    paths = write(tmp_path, *person)
    found = score_oks(*paths, sigmas=[0.1, 0.1])
    absent = dict.fromkeys(("APm", "APl", "ARm", "ARl"))
    assert found.figures == dict.fromkeys(COCO_FIGURES, 100) | {"AP": 70, "AR": 70} | absent
    assert (found.objects, found.results, found.notes) == (1, 1, ())
    pair = read_comparison(*paths)
    np.testing.assert_array_equal(pair.predicted - pair.truth.points, [[[0, 0], [2, 0]]])


@pytest.mark.parametrize(
    ("part", "change", "sentence"),
    [
        *(("annotations", {"area": area}, "annotation 0 has area") for area in (0, -1, None, float("nan"))),
        ("annotations", {"keypoints": [1, 2, 2]}, "3 numbers in keypoints; 6 are expected"),
        ("annotations", {"keypoints": [1, 2, 2, 3, 4, 5]}, "a visibility in keypoints other than 0, 1 and 2"),
        ("annotations", {"num_keypoints": 1}, "num_keypoints 1, but 2 with a visibility above 0"),
        ("annotations", {"bbox": [1, 2, -3, 4]}, "a bbox of negative width or height"),
        ("annotations", {"image_id": "b.jpg"}, "has image_id 'b.jpg', which none of the images has"),
        ("annotations", {"iscrowd": 1}, "has no object to score"),
        ("annotations", lambda _: [], "none of them empty, is expected"),
        ("annotations", lambda each: each * 2, "two of its annotations have the id 0"),
        ("categories", {"keypoints": NAMES}, "6 numbers in keypoints; 15 are expected"),
        ("results", {"category_id": 2}, r"results\[0\] has category_id 2, which none of the categories has"),
        ("results", {"score": float("inf")}, r"results\[0\] has score inf; a finite number"),
        ("results", {"keypoints": [1, 2, 3, 4]}, "4 numbers in keypoints; 6 are expected"),
        ("results", {"keypoints": [1, 2, 1, float("nan"), 4, 1]}, r"results\[0\] has keypoints \[1, 2, 1, nan"),
        ("results", lambda _: [], "a list of results, not an empty one"),
        ("results", lambda each: [{"image_id": "a.jpg"}], r"results\[0\] has no 'category_id'"),
    ],
)
def test_what_scores_wrongly_is_refused_by_name(tmp_path, person, part, change, sentence):
    content, results = person
    entries = {**content, "results": results}[part]
    entries[:] = change(entries) if callable(change) else [entries[0] | change]
    with pytest.raises(InputError, match=sentence):
        score_oks(*write(tmp_path, content, results), sigmas=[0.1, 0.1])


def test_other_sigmas_and_the_absent_extra_are_refused(tmp_path, person, monkeypatch):
    paths = write(tmp_path, *person)
    for sigmas, words in (
        ([], r"\(\); a positive one is expected for each of the 2"),
        ([0.1, 0.0], r"\(0.1 0.0\)"),
    ):
        with pytest.raises(InputError, match=f"--sigmas has the numbers {words}"):
            score_oks(*paths, sigmas=sigmas)
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    with pytest.raises(InputError, match=r"needs pycocotools.*pip install pycocotools"):
        score_oks(*paths, sigmas=[0.1, 0.1])


def test_written_predictions_are_scored_by_the_script_and_matched_by_annotation(tmp_path, capsys):
    content, _ = random_case(0, categories=(1,))
    people = [each for each in content["annotations"] if each["num_keypoints"] and not each["iscrowd"]]
    triples = np.array([each["keypoints"] for each in people]).reshape(-1, 5, 3)
    points, scores = np.where(triples[..., 2:] > 0, triples[..., :2], np.nan), np.ones(len(people))
    truth, results = write(tmp_path, content, [])
    images, ids = [each["image_id"] for each in people], [each["id"] for each in people]
    coco.write_results(results, points[::-1], scores, image_ids=images[::-1], annotation_ids=ids[::-1])
    words = f"--metric oks --ground-truth {truth} --predictions {results} --out {tmp_path / 'out'} --sigmas"
    score_predictions.script(argv=[*words.split(), *map(str, SIGMAS)])
    out, err = capsys.readouterr()
    *lines, _, last = out.splitlines()
    assert [line.split()[0] for line in lines] == [*COCO_FIGURES, str(len(ids))]
    assert (set(json.loads(last).values()), err) == ({100}, "")
    assert json.loads((tmp_path / "out" / "result.json").read_text())["sigmas"] == SIGMAS
    pair = read_comparison(truth, results)
    np.testing.assert_array_equal([pair.predicted, pair.truth.points], [points] * 2)
    np.testing.assert_array_equal(pair.truth.visible, triples[..., 2] == 2)
    np.testing.assert_allclose(pair.truth.boxes[0, 2:], np.add(people[0]["bbox"][:2], people[0]["bbox"][2:]))
    assert (pair.truth.names[0], pair.truth.image_sizes[0].tolist()) == ("l_shoulder", [400, 600])
    coco.write_results(results, points, scores, image_ids=images)
    with pytest.raises(InputError, match="results; one is expected for each of the"):
        read_comparison(truth, results)
    for wrong, sentence in ((points[:1], "must have 1 entries each"), (points + np.inf, "infinite coordinate")):
        with pytest.raises(InputError, match=sentence):
            coco.write_results(results, wrong, scores[: len(wrong)], image_ids=images)


def test_notes_name_results_that_are_left_out_and_other_keypoints(tmp_path):
    points, kinds = np.arange(34.0).reshape(17, 2), [{"id": 1, "keypoints": [f"k{n}" for n in range(17)]}]
    content = {"images": IMAGES, "categories": kinds, "annotations": [annotation(1, 7, points, np.full(17, 2))]}
    notes = score_oks(*write(tmp_path, content, [result(7, points, 0.5)] * 21)).notes
    assert "1 images have more than 20 results of a category" in notes[0]
    assert "not k0 to k16; --sigmas states others" in notes[1]
