"""Fitted models on disk: arrays in one ``.npz``, the rest in a ``.json`` of the same name."""

from pathlib import Path


def with_ending(path: Path, ending: str) -> Path:
    """The path of one of two files, ``.npz`` and ``.json``, given by that of either or by what they share.

    >>> with_ending(Path("cat.json"), ".npz").name, with_ending(Path("cat.v2"), ".npz").name
    ('cat.npz', 'cat.v2.npz')
    """
    known = path.suffix in (".npz", ".json")
    return path.with_suffix(ending) if known else path.with_name(path.name + ending)
