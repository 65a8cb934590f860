"""The tables and figures of the documentation, and the results that they are copied from.

``docs/results.json`` has, by name, the command of each run, the commit that it ran, the checksums of its data,
and those figures that a page prints, each with the ends of its interval if any. `docs.figures_of_pages` lists
them, copies them from the folder of a run, and finds the rows and sentences that pages lack, as a test does.
"""

import hashlib
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from convcorr_jax.datasets import root_folder

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results.json"
# The keys of intervals, by those of the figures beside which they stand.
_INTERVALS = {
    "pck": "interval",
    "mean": "interval",
    "mean_iou": "interval",
    "pck_by_torso": "interval_by_torso",
    "accuracy": "interval",
}


class Table(NamedTuple):
    """Rows of a page whose cells are figures of results.

    ``path`` leads to a figure, with ``{row}`` and ``{column}`` in place of the keys of rows and columns; its
    first key is the name of a result. Where the result has an interval, the cell has it in brackets.
    """

    page: str
    path: str
    columns: tuple[str, ...]
    rows: Mapping[str, str]
    """The key of every row by its label, which may be of several cells."""

    def paths(self, row: str) -> list[str]:
        """Return the paths of the figures of a row."""
        path = self.path.replace("{row}", self.rows[row])
        return [path.replace("{column}", column) for column in self.columns]


class Sentence(NamedTuple):
    """A sentence of a page with ``{}`` in place of figures, whose paths follow; ``+`` asks for the interval."""

    page: str
    text: str
    paths: tuple[str, ...]


def figure(results: Mapping[str, Any], path: str, *, interval: bool = True) -> str:
    """Return a figure as pages print it: three decimals without a leading zero, and its interval if any."""
    value, *ends = map(_printed, _figures(results, path)[path.partition("/")[2]])
    return f"{value} [{', '.join(ends)}]" if ends and interval else value


def printed(each: Table | Sentence, results: Mapping[str, Any]) -> list[str]:
    """Return the rows of a table in Markdown, or a sentence with its figures."""
    if isinstance(each, Sentence):
        figures = (figure(results, path.rstrip("+"), interval=path.endswith("+")) for path in each.paths)
        return [each.text.format(*figures)]
    return [
        f"| {label} | {' | '.join(figure(results, path) for path in each.paths(label))} |"
        for label in each.rows
    ]


def lacking(pages: tuple[Table | Sentence, ...], results: Mapping[str, Any]) -> Iterator[str]:
    """Yield the rows and sentences that their pages lack."""
    texts = {each.page: re.sub(r"\s+", " ", (ROOT / each.page).read_text(encoding="utf-8")) for each in pages}
    for each in pages:
        absent = [path for path in paths_of(each) if path.partition("/")[2] not in _figures(results, path)]
        yield from (f"{each.page}: no result has {path}" for path in absent)
        if not absent:
            yield from (
                f"{each.page}: {text}" for text in printed(each, results) if text not in texts[each.page]
            )


def _figures(results: Mapping[str, Any], path: str) -> Mapping[str, Sequence[float]]:
    return results.get(path.partition("/")[0], {"figures": {}})["figures"]


def paths_of(each: Table | Sentence) -> list[str]:
    """Return the paths of all figures of a table or a sentence."""
    if isinstance(each, Sentence):
        return [path.rstrip("+") for path in each.paths]
    return [path for label in each.rows for path in each.paths(label)]


def record(name: str, folder: Path, pages: tuple[Table | Sentence, ...], *, commit: str | None = None) -> None:
    """Copy the figures that pages print from the folder of a run to ``docs/results.json``.

    ``commit`` is that of a run whose ``run.json`` has none.
    """
    result, run = (
        json.loads((folder / f"{part}.json").read_text(encoding="utf-8")) for part in ("result", "run")
    )
    paths = (path.partition("/") for each in pages for path in paths_of(each))
    figures = {rest: _figure(result, rest) for of_result, _, rest in paths if of_result == name}
    words = ["python", "-m", f"eval.{Path(run['command'][0]).stem}", *run["command"][1:]]
    for option in ("--out", "--data-root"):
        if option in words:
            del words[words.index(option) : words.index(option) + 2]
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    results[name] = {
        "command": shlex.join(re.sub(r".*/shared/", "../shared/", word) for word in words),
        "commit": run["commit"] if commit is None else commit,
        "finished": run["finished"],
        "data": {
            data.name: _checksum(data)
            for word in words
            if (data := root_folder(data_root=None) / word).is_dir()
        },
        "figures": figures,
    }
    text = json.dumps(dict(sorted(results.items())), indent=1)
    # A figure and its interval are on one line.
    text = re.sub(r"\[[^\[\]{}]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text)
    RESULTS.write_text(text + "\n", encoding="utf-8")


def _checksum(folder: Path) -> str:
    """Return a hash of the names and sizes of a data set's files."""
    files = [
        (str(path.relative_to(folder)), path.stat().st_size) for path in folder.rglob("*") if path.is_file()
    ]
    return hashlib.blake2b(json.dumps(sorted(files)).encode(), digest_size=8).hexdigest()


def _printed(number: float) -> str:
    return re.sub(r"^(-?)0\.", r"\1.", f"{number:.3f}")


def _figure(result: Any, path: str) -> list[float]:
    """Return a figure, and the ends of the interval that stands at its path but for one key."""
    keys = path.split("/")
    figure = round(_at(result, keys), 6)
    for place, key in enumerate(keys):
        if key in _INTERVALS:
            ends = _at(result, [*keys[:place], _INTERVALS[key], *keys[place + 1 :]])
            if isinstance(ends, list):
                return [figure, *(round(end, 6) for end in ends)]
    return [figure]


def _at(result: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        if isinstance(result, list):
            result = dict(enumerate(result)).get(int(key))
        elif not isinstance(result, Mapping) or key not in result:
            return None
        else:
            result = result[key]
    return result
