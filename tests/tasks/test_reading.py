"""Records of every source by one name, and which of their splits train or are tested."""

import shutil

import numpy as np
import pytest

from convcorr_jax import synthetic
from convcorr_jax.datasets import fingerprint, load_image, read_records, selection
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder
from convcorr_jax.tasks import COLLECTIONS, PHOTOGRAPHS, RENDERED, read, reading
from convcorr_jax.tasks.reading import choose_splits, select
from tests.builders.compact_folders import write_pf_willow
from tests.builders.leeds_tree import write_lsp


def ids(records):
    return [(record.category, record.split, record.source_id) for record in records]


def test_rendered_records_of_one_category_are_those_of_its_splits():
    found = read(RENDERED, categories=("face",), train=3, test=2)
    counts = {"train": 3, "test": 2}
    expected = [
        one for split in counts for one in synthetic.instances("face", split=split, count=counts[split])
    ]
    assert ids(found) == ids(expected)
    assert [record.split for record in found] == ["train"] * 3 + ["test"] * 2
    np.testing.assert_array_equal(load_image(found[4]), load_image(expected[4]))
    np.testing.assert_array_equal(found[4].points, expected[4].points)


def test_categories_named_twice_are_refused():
    for reader in (read, select):
        with pytest.raises(InputError, match="names one twice: face, car, face"):
            reader(RENDERED, categories=("face", "car", "face"), train=1, test=1)


def test_rendered_records_of_all_categories_have_the_numbers_that_are_asked_for():
    found = read(RENDERED, train=2, test=1)
    assert {record.category for record in found} == set(synthetic.CATEGORIES)
    for category in synthetic.CATEGORIES:
        splits = [record.split for record in found if record.category == category]
        assert sorted(splits) == ["test", "train", "train"]
    assert ids(found) == ids(synthetic.render_every_category(train=2, test=1))


def test_rendered_records_are_rendered_once_and_cannot_be_changed():
    (first,), (again,) = (read(RENDERED, categories=("car",), train=1, test=0) for _ in range(2))
    assert again is first
    with pytest.raises(ValueError, match="read-only"):
        first.points[0, 0] = 0


def test_records_of_some_categories_of_a_data_set(tmp_path):
    folder = write_pf_willow(make_folder(tmp_path / "pf_willow")).parent
    assert ids(read(folder, categories=("winebottle",))) == ids(read(folder))
    with pytest.raises(InputError, match="has no records of dragon, unicorn"):
        read(folder, categories=("unicorn", "winebottle", "dragon"))


def test_selected_records_are_rendered_when_they_are_indexed_and_not_kept(monkeypatch):
    rendered = []
    render = synthetic.render

    def counted(category, **options):
        rendered.append((category, options["index"], options["size"]))
        return render(category, **options)

    monkeypatch.setattr(synthetic, "render", counted)
    found = select(RENDERED, train=2000, test=1, side_px=32)
    assert len(found) == 4 * 2001
    assert found.splits().count("test") == 4
    first = fingerprint(found)
    # None, but for single records whose type the run-time type checker checks.
    assert len(rendered) < 10
    rendered.clear()
    np.testing.assert_array_equal(
        found[2001].image, synthetic.render("face", seed=0, index=0, size=(32, 32)).image
    )
    assert rendered[0] == ("face", 0, (32, 32))
    assert reading._rendered.cache_info().maxsize < 500
    # What the records depend on changes the fingerprint.
    others = [
        select(RENDERED, train=2000, test=1),
        select(RENDERED, train=1999, test=1, side_px=32),
        select(RENDERED, train=2000, test=1, side_px=32, change=lambda record: record),
    ]
    assert len({first, *map(fingerprint, others)}) == 4
    monkeypatch.setattr(synthetic, "GENERATOR_VERSION", -1)
    assert fingerprint(found) != first


def test_selected_records_are_those_that_are_read(tmp_path):
    folder = write_lsp(tmp_path / "lsp")
    assert ids(select(folder)) == ids(read(folder))
    assert ids(select(RENDERED, train=2, test=1)) == ids(read(RENDERED, train=2, test=1))
    assert ids(select(RENDERED, categories=("car",), train=1)[:1]) == [("car", "train", "car 0/0")]


def test_installed_photographs_are_records_without_keypoints():
    found = read(PHOTOGRAPHS)
    expected = selection.photographs()
    assert [record.source_id for record in found] == [photograph.name for photograph in expected]
    for record, photograph in zip(found, expected, strict=True):
        np.testing.assert_array_equal(record.image, photograph.image)
        assert (record.size, record.points.shape) == (photograph.image.shape[:2], (0, 2))


def test_a_folder_is_read_by_its_path_and_by_its_name(tmp_path):
    folder = write_lsp(tmp_path / "lsp")
    expected = ids(read_records(folder))
    assert len(expected) == 4
    assert ids(read(folder)) == ids(read(str(folder))) == ids(read("lsp", data_root=tmp_path)) == expected


def test_a_collection_is_its_data_sets_one_after_another(tmp_path, monkeypatch):
    for name in ("first", "second"):
        write_lsp(tmp_path / name / "lsp")
    shutil.rmtree(tmp_path / "second" / "lsp" / "images")
    monkeypatch.setattr(reading, "COLLECTIONS", {"both": (str(tmp_path / "first" / "lsp"), "lsp")})
    found = read("both", data_root=tmp_path / "first")
    assert ids(found) == 2 * ids(read_records(tmp_path / "first" / "lsp"))
    assert COLLECTIONS["faces"] == ("lfpw68", "helen68")


def test_a_missing_source_is_named(tmp_path):
    with pytest.raises(InputError, match="'nowhere' was not found"):
        read("nowhere", data_root=tmp_path)


@pytest.mark.parametrize(
    ("present", "tested", "expected"),
    [
        (("train", "test"), None, (("train",), "test")),
        (("train", "val"), None, (("train",), "val")),
        (("val", "test", "train"), None, (("train", "val"), "test")),
        # What is tested never trains, and neither does a test split that is not tested.
        (("train", "val", "test"), "val", (("train",), "val")),
        (("train", "common", "challenging"), "challenging", (("train",), "challenging")),
    ],
)
def test_the_evaluation_split_is_tested(present, tested, expected):
    found = choose_splits(present, tested=tested, source="it")
    assert (found.training, found.tested) == expected


@pytest.mark.parametrize(
    ("present", "tested", "sentence"),
    [
        (("train",), None, "; to test .* are expected"),
        (("test",), None, "; to test .* are expected"),
        (("train", "val"), "test", "; to test .* are expected"),
        (("train", "test"), "train", "; to test .* are expected"),
        (("val", "test"), "val", "; to test .* are expected"),
        ((), None, "; to test .* are expected"),
        (("train", "test", "extra"), None, "train, test, extra; name the one to test, since 'extra'"),
    ],
)
def test_what_cannot_be_tested_is_refused(present, tested, sentence):
    with pytest.raises(InputError, match=f"it has the splits .*{sentence}"):
        choose_splits(present, tested=tested, source="it")
