"""Examples of every command, which its help shows at the end."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

EXAMPLES: Mapping[tuple[str, ...], tuple[str, ...]] = MappingProxyType(
    {
        (): (
            "convcorr align cat.jpg tiger.jpg",
            "convcorr pose runner.jpg --json",
            "convcorr align --help",
        ),
        ("align",): (
            "convcorr align cat.jpg tiger.jpg --out match.png",
            "convcorr align cat.jpg others/ --out matches --html matches.html",
            "convcorr align --pairs pairs.csv --out matches --json",
        ),
        ("keypoints",): (
            "convcorr keypoints face.jpg",
            "convcorr keypoints cat.jpg --model cat.npz --box 40 30 310 280 --refine",
        ),
        ("landmarks",): (
            "convcorr landmarks face.jpg",
            "convcorr landmarks group.jpg --box 120 80 260 240 --out landmarks.pdf",
        ),
        ("pose",): (
            "convcorr pose runner.jpg",
            "convcorr pose runner.jpg --box 120 40 380 620 --out joints.pdf",
        ),
        ("pck",): (
            "convcorr pck --predictions pred.h5 --ground-truth valid.h5",
            "convcorr pck --predictions a.npz --ground-truth b.npz --explain 0.701",
            "convcorr pck --predictions a.npz --ground-truth b.json --alphas 0.1 --json",
        ),
        ("weights",): ("convcorr weights list",),
        ("weights", "list"): ("convcorr weights list", "convcorr weights list --json"),
        ("weights", "fetch"): ("convcorr weights fetch vgg16",),
        ("weights", "check"): (
            "convcorr weights check",
            "convcorr weights check vgg16",
            "convcorr weights check mine.npz --network alexnet",
        ),
        ("datasets",): ("convcorr datasets list",),
        ("datasets", "list"): ("convcorr datasets list --data-root data",),
        ("datasets", "prepare"): (
            "convcorr datasets prepare lsp --source lsp_dataset.zip --out data",
        ),
        ("datasets", "check"): (
            "convcorr datasets check lsp",
            "convcorr datasets check data/lsp --html findings.html",
        ),
        ("datasets", "show"): ("convcorr datasets show lsp --n 12 --out lsp.png",),
        ("doctor",): ("convcorr doctor", "convcorr doctor --json"),
    }
)
"""Command lines by the words of the command."""


def epilog(words: Sequence[str]) -> str:
    r"""Return the examples for the command that a command line names.

    Args:
        words: the words after ``convcorr``, such as ``["align", "--help"]``.

    >>> epilog(["weights", "fetch", "-h"])
    '\nexamples:\n  convcorr weights fetch vgg16\n'
    """
    named = next(tuple(words[:count]) for count in (2, 1, 0) if tuple(words[:count]) in EXAMPLES)
    return "".join(("\nexamples:\n", *(f"  {example}\n" for example in EXAMPLES[named])))
