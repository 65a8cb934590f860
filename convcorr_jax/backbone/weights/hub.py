"""Files that programs of Hugging Face have downloaded.

A repository ORG/NAME is the folder ``models--ORG--NAME`` of $HF_HUB_CACHE, or else of ``hub`` in $HF_HOME, or
else of ``~/.cache/huggingface/hub``. Its ``refs/main`` names the revision, a folder in ``snapshots``.
"""

import os
import re
from pathlib import Path

from convcorr_jax.errors import InputError

# In the order in which they are looked for.
_FILES = (
    *("model.safetensors", "model.safetensors.index.json"),
    *("open_clip_model.safetensors", "pytorch_model.bin"),
)
_ENDINGS = (".safetensors", ".pth", ".pt", ".bin", ".npz")
_OTHER_ENDINGS = (".caffemodel", ".ckpt", ".onnx", ".whl", ".json")


def is_repository(name: str) -> bool:
    """Return whether a text has the form ORG/NAME, and not that of a path of a file of weights."""
    has_form = re.fullmatch(r"[\w-][\w.-]{0,95}/[\w-][\w.-]{0,95}", name) is not None
    return has_form and not name.endswith((*_ENDINGS, *_OTHER_ENDINGS))


def hub_folder() -> Path:
    """Return the folder of downloaded repositories."""
    if chosen := os.environ.get("HF_HUB_CACHE"):
        return Path(chosen)
    if chosen := os.environ.get("HF_HOME"):
        return Path(chosen) / "hub"
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "huggingface" / "hub"


def cached_file(repository: str) -> Path:
    """Find the file of weights of a repository in the cache.

    Raises:
        InputError: the cache has no such repository, or that has no file of weights, or several.
    """
    folder = hub_folder() / f"models--{repository.replace('/', '--')}"
    if not folder.is_dir():
        raise InputError(
            f"{repository} is not in the cache of Hugging Face: there is no {folder}; download it, or name its "
            "file of weights"
        )
    reference, snapshots = folder / "refs" / "main", folder / "snapshots"
    revisions = sorted(path.name for path in snapshots.glob("*"))
    if reference.is_file():
        revisions = [reference.read_text(encoding="utf-8").strip()]
    if len(revisions) != 1 or not re.fullmatch(r"\w+", revisions[0]):
        raise InputError(f"{snapshots} has {len(revisions)} revisions and no refs/main; one is expected")
    snapshot = snapshots / revisions[0]
    present = [snapshot / name for name in _FILES if (snapshot / name).is_file()]
    others = sorted(path for path in snapshot.glob("*") if path.suffix in _ENDINGS and path.is_file())
    found = present[:1] or others
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise InputError(f"{snapshot} has these files of weights: {names}; one is expected")
    return found[0]
