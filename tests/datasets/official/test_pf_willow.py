"""PF-WILLOW on a tiny tree in its official format."""

import contextlib
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcorr_jax import coords
from convcorr_jax.datasets import DATASETS, Absent, Record
from convcorr_jax.datasets.official import pf_willow
from convcorr_jax.errors import InputError
from tests.builders import mat_files, voc_tree
from tests.builders.fuzzing import FUZZ, mistyped
from tests.builders.genuine import genuine
from tests.builders.willow_tree import ROOT, STEMS, keypoints, write_pf_willow_release


@pytest.fixture(scope="module")
def whole_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = write_pf_willow_release(tmp_path_factory.mktemp("willow"))
    (tree / ROOT / "car(G)" / "._a_1.mat").write_bytes(b"hidden")
    return tree


@pytest.fixture
def tree(whole_tree: Path, tmp_path: Path) -> Path:
    """A copy to be changed; its files are links until they are."""
    for path in whole_tree.rglob("*.*"):
        copy = tmp_path / path.relative_to(whole_tree)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.symlink_to(path)
    return tmp_path


def replace(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def test_images_are_read(whole_tree: Path):
    records = list(pf_willow.read(whole_tree))
    expected = [f"{subset}/{stem}" for subset, stem in itertools.product(pf_willow.SUBSETS, STEMS)]
    assert [record.source_id for record in records] == expected
    bottle = records[-1]
    assert isinstance(bottle, Record)
    points = keypoints("winebottle(woC)", "c_3").T - 1
    np.testing.assert_allclose(bottle.points, points, atol=1e-12)
    assert (bottle.category, bottle.split) == ("winebottle", "test")
    assert (bottle.names[0], bottle.names[-1]) == ("part_A", "part_J")
    assert bottle.box == coords.tight_box(bottle.points)
    assert bottle.normalizer_px == max(np.ptp(bottle.points, axis=0))
    assert bottle.size == coords.Size(voc_tree.HEIGHT, voc_tree.WIDTH)
    # Only bottles have sides; every keypoint of theirs has an opposite.
    assert sorted(itertools.chain(*bottle.left_right_pairs)) == list(range(10))
    assert records[0].left_right_pairs == ()
    assert DATASETS["pf_willow"].is_release(whole_tree)


def test_pairs_are_all_ordered_pairs_of_a_subset(whole_tree: Path):
    found = pf_willow.read_pairs(whole_tree / ROOT)
    assert (len(found.records), len(found.pairs)) == (30, 60)
    names = [record.source_id for record in found.records]
    listed = {(pair.subset, names[pair.source], names[pair.target]) for pair in found.pairs}
    assert listed == {
        (subset, f"{subset}/{first}", f"{subset}/{second}")
        for subset in pf_willow.SUBSETS
        for first, second in itertools.permutations(STEMS, 2)
    }


def listed_line(subset: str, first: str, second: str) -> str:
    numbers = [*keypoints(subset, first).ravel(), *keypoints(subset, second).ravel()]
    paths = [f"PF-dataset/{subset}/{stem}.png" for stem in (first, second)]
    return ",".join([*paths, *map(repr, map(float, numbers))]) + "\n"


def write_list(path: Path, *lines: str) -> None:
    path.write_text("source_image,target_image,XA1\n" + "".join(lines))


def test_the_list_of_pairs_gives_their_order(tree: Path):
    line = ("duck(S)", "b_2", "a_1"), ("car(G)", "c_3", "a_1")
    path = tree / ROOT / "test_pairs_pf.csv"
    write_list(path, *(listed_line(*names) for names in line))
    found = pf_willow.read_pairs(tree)
    names = [record.source_id for record in found.records]
    assert [(pair.subset, names[pair.source], names[pair.target]) for pair in found.pairs] == [
        ("duck(S)", "duck(S)/b_2", "duck(S)/a_1"),
        ("car(G)", "car(G)/c_3", "car(G)/a_1"),
    ]
    # Its points are those of the .mat files.
    for pair, listed in zip(found.pairs, pf_willow.read_pair_list(path), strict=True):
        np.testing.assert_allclose(listed.source_points, found.records[pair.source].points)
        np.testing.assert_allclose(listed.target_points, found.records[pair.target].points)


LISTS = {
    "unknown image": (listed_line("duck(S)", "b_2", "x"), r"names duck\(S\)/b_2 and duck\(S\)/x"),
    "no folder": (listed_line("", "b_2", "a_1").replace("PF-dataset/", ""), "no plain name"),
    "escape": (listed_line("..", "b_2", "a_1"), r"'\.\.' is no plain name"),
    "no path": ("," * 41 + "\n", "'' is not|no plain name|could not convert"),
    "no number": (listed_line("duck(S)", "b_2", "a_1").replace(".", "!", 3), "could not convert"),
    "half a line": ("PF-dataset/duck(S)/b_2.png\n", "line 2: 1 fields, where 42 are expected"),
}


@pytest.mark.parametrize(("line", "sentence"), LISTS.values(), ids=LISTS)
def test_other_lists_are_refused(line: str, sentence: str, tree: Path):
    write_list(tree / ROOT / "test_pairs_pf.csv", line)
    with pytest.raises(InputError, match=rf"test_pairs_pf\.csv.*({sentence})"):
        pf_willow.read_pairs(tree)


@pytest.mark.parametrize("ending", ["png", "mat"])
def test_what_is_not_there_is_named(ending: str, tree: Path):
    (tree / ROOT / "car(M)" / f"b_2.{ending}").unlink()
    absent = [record for record in pf_willow.read(tree) if isinstance(record, Absent)]
    assert absent == [Absent("car(M)/b_2", f"b_2.{ending} is missing")]
    with pytest.raises(InputError, match=rf"car\(M\)/b_2 makes no record: b_2\.{ending}"):
        pf_willow.read_pairs(tree)


def test_what_makes_no_record_is_named(tree: Path):
    replace(tree / ROOT / "car(M)" / "b_2.png", b"no image")
    path = tree / ROOT / "duck(S)" / "a_1.mat"
    path.unlink()
    mat_files.write_mat(path, {"pts_coord": np.ones((2, 10))})
    absent = [record for record in pf_willow.read(tree) if isinstance(record, Absent)]
    assert [record.source_id for record in absent] == ["car(M)/b_2", "duck(S)/a_1"]
    assert "b_2.png is not an image" in absent[0].reason
    assert "has no area" in absent[1].reason


def test_another_tree_is_refused(tree: Path):
    with pytest.raises(InputError, match=r"holds no PF-WILLOW; the folders car\(G\), car\(M\)"):
        pf_willow.read(tree / "elsewhere")
    (tree / ROOT / "winebottle(wC)").rename(tree / "moved")
    with pytest.raises(InputError, match=r"no folder winebottle\(wC\); was PF-WILLOW unpacked"):
        pf_willow.read(tree)


@pytest.mark.parametrize(
    "variables",
    [
        {"pts_coord": np.zeros((10, 2))},
        {"pts_coord": np.full((2, 10), np.nan)},
        {"pts": np.zeros((2, 10))},
        {"pts_coord": "text"},
    ],
)
def test_other_keypoints_are_refused(variables: dict, tree: Path):
    path = tree / ROOT / "car(G)" / "a_1.mat"
    path.unlink()
    mat_files.write_mat(path, variables)
    with pytest.raises(InputError, match=r"a_1\.mat.*pts_coord"):
        list(pf_willow.read(tree))


@FUZZ
@given(data=st.data())
def test_damage_gives_pairs_or_the_projects_error(tmp_path: Path, data: st.DataObject):
    lines = listed_line("duck(S)", "b_2", "a_1") + listed_line("car(G)", "c_3", "a_1")
    replace(tmp_path / "list.csv", mistyped(data, b"heading\n" + lines.encode()))
    with contextlib.suppress(InputError):
        pf_willow.read_pair_list(tmp_path / "list.csv")


def test_the_genuine_annotations_in_their_official_form(tmp_path: Path):
    """The whole set, turned back from a compact copy into the tree that it was made of."""
    folder = genuine("pf_willow")
    stored = json.loads((folder / "annotations.json").read_text())
    source_ids = {}
    for subset, members in stored["subsets"].items():
        for member in members:
            entry = stored["images"][member]
            stem = Path(entry["source"]).stem
            source_ids[subset, member] = f"{subset}/{stem}"
            path = tmp_path / subset / f"{stem}.png"
            path.parent.mkdir(exist_ok=True)
            path.symlink_to(folder / entry["file"])
            points = np.array(entry["keypoints"]) + 1
            mat_files.write_mat(path.with_suffix(".mat"), {"pts_coord": points.T})
    found = pf_willow.read_pairs(tmp_path)
    assert (len(found.records), len(found.pairs)) == (100, 900)
    names = [record.source_id for record in found.records]
    assert {(pair.subset, names[pair.source], names[pair.target]) for pair in found.pairs} == {
        (subset, source_ids[subset, source], source_ids[subset, target])
        for subset, source, target in stored["pairs"]
    }
    entries = {source_ids[key]: stored["images"][key[1]] for key in source_ids}
    for record in found.records:
        entry = entries[record.source_id]
        assert record.category == entry["category"]
        assert record.size == (entry["height"], entry["width"])
        # The copy keeps three decimals.
        np.testing.assert_allclose(record.points, entry["keypoints"], atol=1e-9)
        np.testing.assert_allclose(np.array(record.box), entry["bbox"], atol=2e-3)
        swap = stored["left_right_swap"][record.category] or []
        pairs = {frozenset((here, there)) for here, there in enumerate(swap)}
        assert {frozenset(pair) for pair in record.left_right_pairs} == pairs
