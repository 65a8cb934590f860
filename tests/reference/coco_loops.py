"""COCO's average precision and recall of keypoints by loops over objects, thresholds and recalls."""

import itertools
import math

import numpy as np

THRESHOLDS = np.linspace(0.5, 0.95, 10).tolist()
ALL, MEDIUM, LARGE = (0, 1e10), (32**2, 96**2), (96**2, 1e10)


def similarity(truth: dict, result: dict, sigmas: list[float]) -> float:
    """Compute OKS; of an object without labelled keypoints by the distance to its box, doubled in size."""
    (left, top, width, height), terms = truth["bbox"], []
    for k, sigma in enumerate(sigmas):
        (x, y, flag), (u, v, _) = (each["keypoints"][3 * k : 3 * k + 3] for each in (truth, result))
        dx, dy = u - x, v - y
        if not truth["num_keypoints"]:
            dx = max(0, left - width - u, u - left - 2 * width)
            dy = max(0, top - height - v, v - top - 2 * height)
        if flag > 0 or not truth["num_keypoints"]:
            terms.append(math.exp(-(dx**2 + dy**2) / (2 * truth["area"] * (2 * sigma) ** 2)))
    return sum(terms) / len(terms)


def curve(truth: dict, results: list, sigmas: list, category: int, least: float, area: tuple) -> tuple | None:
    """Return the precision averaged over 101 recalls, and the last recall, of a category at a threshold."""
    scored, positives = [], 0
    for image in sorted(each["id"] for each in truth["images"]):
        owner = {"image_id": image, "category_id": category}.items()
        people = [each for each in truth["annotations"] if owner <= each.items()]
        right = [area[0] <= each["area"] <= area[1] and not each["iscrowd"] for each in people]
        counts = [fits and each["num_keypoints"] > 0 for fits, each in zip(right, people, strict=True)]
        positives += sum(counts)
        taken: set[int | None] = set()
        for result in sorted((r for r in results if owner <= r.items()), key=lambda r: -r["score"])[:20]:
            similar = [similarity(each, result, sigmas) for each in people]
            free = [place not in taken or each["iscrowd"] for place, each in enumerate(people)]
            # One that counts goes first, of equally similar ones the last.
            fitting = [
                each
                for each in zip(counts, similar, free, range(len(people)), strict=True)
                if each[1] >= least and each[2]
            ]
            x, y = result["keypoints"][0::3], result["keypoints"][1::3]
            _, _, width, height = result.get("bbox", (0, 0, max(x) - min(x), max(y) - min(y)))
            is_counted, *_, best = max(fitting, default=(area[0] <= width * height <= area[1], None))
            taken.add(best)
            if is_counted:
                scored.append((-result["score"], best is not None))
    hits = list(itertools.accumulate(hit for _, hit in sorted(scored, key=lambda pair: pair[0])))
    points = [(hit / max(positives, 1), hit / number) for number, hit in enumerate(hits, start=1)]
    reached = [max((p for r, p in points if r >= recall), default=0) for recall in np.linspace(0, 1, 101)]
    return (sum(reached) / 101, max((recall for recall, _ in points), default=0)) if positives else None


def figures(truth: dict, results: list, sigmas: list[float]) -> list[float | None]:
    """Return AP, AP50, AP75, APm, APl and the same of AR, in percent; None where no object counts."""
    categories, found = [each["id"] for each in truth["categories"]], []
    for place in (0, 1):
        for chosen, area in (
            *((THRESHOLDS, ALL), (THRESHOLDS[:1], ALL), (THRESHOLDS[5:6], ALL)),
            *((THRESHOLDS, MEDIUM), (THRESHOLDS, LARGE)),
        ):
            cells = itertools.product(categories, chosen)
            curves = [curve(truth, results, sigmas, category, least, area) for category, least in cells]
            values = [each[place] for each in curves if each is not None]
            found.append(100 * sum(values) / len(values) if values else None)
    return found
