"""The database on disk: its rows against the network's own columns, killed builds, and damage."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from convcorr_jax.backbone import NETWORKS, Filters, activations, filter_shapes, preprocess
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.errors import InputError
from convcorr_jax.io import write_at
from convcorr_jax.patches import Plan, view
from convcorr_jax.runtime import stages
from convcorr_jax.tasks.patches import build_database, database, read_database
from tests.builders.records import record_of

ALEXNET = NETWORKS["alexnet"]
PLAN = Plan(layers=("conv1", "conv2"), longest_px=(96, 64), patches=300)
COUNT = 5


@pytest.fixture(scope="module")
def weights():
    rng = np.random.default_rng(3)
    params = {
        name: Filters(
            jax.numpy.asarray(rng.normal(size=shape) / np.prod(shape[:3]) ** 0.5, np.float32),
            jax.numpy.zeros(shape[-1]),
        )
        for name, shape in list(filter_shapes(ALEXNET).items())[:2]
    }
    return Weights(params, ALEXNET, "noise", tuple(params))


@pytest.fixture(scope="module")
def records():
    rng = np.random.default_rng(4)
    return [
        record_of(rng.integers(0, 256, (80, 100, 3), np.uint8), source_id=f"noise {number}")
        for number in range(COUNT)
    ]


@pytest.fixture(autouse=True, scope="module")
def two_photographs_a_chunk():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "PHOTOGRAPHS_PER_CHUNK", 2)
        yield


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory, weights, records):
    """The bytes of a finished database."""
    folder = tmp_path_factory.mktemp("whole")
    build_database(folder, records, weights, plan=PLAN)
    return contents(folder)


@pytest.fixture
def folder(tmp_path, whole):
    for name, content in whole.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_rows_are_the_columns_of_their_origins(folder, weights, records):
    for layer, length in (("conv1", 64), ("conv2", 192)):
        found = read_database(folder, layer)
        assert found.features.shape == (300, length)
        assert found.photographs == tuple(record.source_id for record in records)
        origins = list(zip(*(part.tolist() for part in found.origins), strict=True))
        assert len(set(origins)) == 300
        assert origins == sorted(origins, key=lambda one: (one[0], -one[1], *one[2:]))
        assert set(found.origins.photograph.tolist()) == set(range(COUNT))
        assert set(found.origins.flipped.tolist()) == {0, 1}
        for patch in range(0, 300, 23):
            number, longest, flipped, row, column = origins[patch]
            views = [view(records[number].image, longest_px=longest, flipped=f) for f in (False, True)]
            inputs = preprocess(np.stack(views), network=ALEXNET)
            maps = activations(weights.params, inputs, network=ALEXNET, layers=PLAN.layers)
            expected = np.asarray(maps[layer])[flipped, row, column]
            expected = expected / np.linalg.norm(expected)
            # Half precision keeps eleven bits.
            np.testing.assert_allclose(found.features[patch], expected, rtol=1e-3, atol=1e-6)


def test_all_cells_are_taken_if_they_are_few(tmp_path, weights, records):
    build_database(tmp_path, records[:1], weights, plan=Plan(PLAN.layers, (64,), 10**6))
    # Twice 7 x 7 cells: the view is 64 x 64, its lesser side being 51 otherwise.
    assert len(read_database(tmp_path, "conv2").features) == 2 * 7 * 7


def test_a_whole_database_is_left_as_it_is(folder, weights, records):
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    watched = []
    build_database(folder, records, weights, plan=PLAN, watch=lambda chunks: watched.append(chunks) or chunks)
    assert [list(chunks) for chunks in watched] == [[]]
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == times


@pytest.mark.parametrize("killed_in", ["conv1.float16", "conv2.float16", "manifest.json"])
def test_a_killed_build_goes_on(tmp_path, whole, weights, records, monkeypatch, killed_in):
    """Killed in the second chunk, before or after any of its files is written."""

    def die(path, start, content):
        write_at(path, start, content[: len(content) // 2])
        if path.name == killed_in:
            raise KeyboardInterrupt

    def die_at_once(*_):
        raise KeyboardInterrupt

    def two_chunks_then_killed(chunks):
        yield chunks[0]
        monkeypatch.setattr(stages.io, "write_at", write_at if killed_in == "manifest.json" else die)
        monkeypatch.setattr(stages.io, "write_json", die_at_once)
        yield chunks[1]

    with pytest.raises(KeyboardInterrupt):
        build_database(tmp_path, records, weights, plan=PLAN, watch=two_chunks_then_killed)
    monkeypatch.undo()
    with pytest.raises(InputError, match="is not finished"):
        read_database(tmp_path, "conv2")
    remaining = []
    build_database(
        tmp_path, records, weights, plan=PLAN, watch=lambda chunks: remaining.extend(chunks) or chunks
    )
    assert remaining == [1, 2]
    assert contents(tmp_path) == whole


def flipped_bit(content, place):
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize(
    ("name", "damage", "sentence"),
    [
        ("conv2.float16", lambda c: flipped_bit(c, 70_000), "rows .* are not as they were written"),
        ("conv2.float16", lambda c: c[:-1], "it ends before rows"),
        ("conv2.float16", lambda c: c + b"x", "it is too long"),
        ("conv2.float16", lambda c: b"", "it ends before rows 0"),
        ("conv2.origins", lambda c: flipped_bit(c, 1000), "origins are not as they were written"),
        ("conv2.origins", lambda c: c[:-4], "it ends before origins"),
        ("conv2.origins", lambda c: c + b"x", "it is too long"),
        ("manifest.json", lambda c: c[:100], "damaged"),
        ("manifest.json", lambda c: b"[]", "damaged"),
        ("manifest.json", lambda c: c.replace(b'"lengths"', b'"length"'), "damaged"),
    ],
)
def test_damage_is_named_and_rebuilt(folder, whole, weights, records, name, damage, sentence):
    (folder / name).write_bytes(damage(whole[name]))
    expected = f"{name.replace('.', '[.]')} is damaged.*{sentence}|{name} is {sentence}"
    with pytest.raises(InputError, match=expected):
        read_database(folder, "conv2")
    with pytest.raises(InputError, match=expected):
        build_database(folder, records, weights, plan=PLAN)
    build_database(folder, records, weights, plan=PLAN, rebuild=True)
    assert contents(folder) == whole


def test_a_missing_file_and_damage_before_a_killed_chunk_are_found(folder, whole, weights, records):
    (folder / "conv1.float16").unlink()
    with pytest.raises(InputError, match=r"conv1\.float16 is damaged"):
        read_database(folder, "conv1")
    manifest = json.loads(whole["manifest.json"])
    manifest["chunks"].pop()
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (folder / "conv1.float16").write_bytes(flipped_bit(whole["conv1.float16"], 5))
    with pytest.raises(InputError, match=r"conv1\.float16 is damaged: rows 0 to"):
        build_database(folder, records, weights, plan=PLAN)


def test_another_plan_is_refused(folder, weights, records):
    with pytest.raises(InputError, match="made with other patches, seed; choose another folder"):
        build_database(folder, records, weights, plan=Plan(PLAN.layers, PLAN.longest_px, 299, 1))
    with pytest.raises(InputError, match="made with other photographs"):
        build_database(folder, records[1:], weights, plan=PLAN)
    changed = dict(weights.params)
    changed["conv1"] = Filters(2 * changed["conv1"].kernel, changed["conv1"].bias)
    with pytest.raises(InputError, match="made with other weights"):
        build_database(folder, records, dataclasses.replace(weights, params=changed), plan=PLAN)


def test_bad_options_are_refused(folder, tmp_path, weights, records):
    with pytest.raises(InputError, match="at least one photograph"):
        build_database(tmp_path / "new", [], weights, plan=PLAN)
    with pytest.raises(InputError, match="at least one layer, one view and one patch"):
        build_database(tmp_path / "new", records, weights, plan=Plan(patches=0))
    with pytest.raises(InputError, match="no layer 'conv9'"):
        build_database(tmp_path / "new", records, weights, plan=Plan(layers=("conv9",)))
    with pytest.raises(InputError, match=r"manifest\.json does not exist"):
        read_database(tmp_path / "nothing", "conv2")
    with pytest.raises(InputError, match="no patches of conv5; it has those of conv1, conv2"):
        read_database(folder, "conv5")
