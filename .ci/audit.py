"""Compare the pinned versions, and the lower bounds of the dependencies, with published advisories.

python .ci/audit.py prints one line for each version that is older than the first without an advisory, and ends
with status 1 if there is one. The advisories are those of .ci/advisories.txt, which were looked up by hand; it
misses others. Where there is a network, `make audit` also asks the database of pip-audit.

python .ci/audit.py REPORT prints what pip-audit's report in JSON contains, the vulnerable packages and how many
packages the database knows, and ends with status 1 if one is vulnerable.
"""

import json
import re
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]


class Advisory(NamedTuple):
    """A line of .ci/advisories.txt."""

    package: str
    fixed: Version
    identifier: str
    summary: str


def normalized(name: str) -> str:
    """Return a package's name in lower case, with hyphens."""
    return re.sub(r"[-_.]+", "-", name).lower()


def advisories(text: str) -> list[Advisory]:
    """Read advisories, one a line."""
    lines = (line.split(maxsplit=3) for line in text.splitlines() if line and line[0] != "#")
    return [Advisory(normalized(name), Version(fixed), *rest) for name, fixed, *rest in lines]


def pinned(constraints: str) -> dict[str, Version]:
    """Return the pinned versions by the normalized name of their package."""
    pairs = (line.split("==") for line in constraints.splitlines() if "==" in line)
    return {normalized(name): Version(version) for name, version in pairs}


def lower_bounds(pyproject: str) -> dict[str, Version]:
    """Return the oldest version that each dependency, of the package or of an extra, may have."""
    project = tomllib.loads(pyproject)["project"]
    extras = project["optional-dependencies"].values()
    found = {}
    for requirement in map(
        Requirement, [*project["dependencies"], *(one for extra in extras for one in extra)]
    ):
        bounds = [Version(one.version) for one in requirement.specifier if one.operator in (">=", "==")]
        if bounds:
            found[normalized(requirement.name)] = max(bounds)
    return found


def violations(versions: dict[str, Version], known: list[Advisory], *, where: str) -> list[str]:
    """Return a line for every version that an advisory is about."""
    return [
        f"{where}: {one.package} {versions[one.package]} is older than {one.fixed}, "
        f"the first without {one.identifier}: {one.summary}"
        for one in known
        if one.package in versions and versions[one.package] < one.fixed
    ]


def summary_of_report(path: Path) -> tuple[list[str], int]:
    """Return the lines that tell what a report of pip-audit contains, and the status."""
    try:
        packages = json.loads(path.read_text(encoding="utf-8"))["dependencies"]
    except (OSError, ValueError):
        packages = []
    known = [one for one in packages if "vulns" in one]
    if not known:
        return ["pip-audit has no database here: only .ci/advisories.txt was compared"], 0
    lines = [
        f"{one['name']} {one['version']}: {vulnerability['id']}"
        for one in known
        for vulnerability in one["vulns"]
    ]
    return [*lines, f"pip-audit: {len(known)} of {len(packages)} packages looked up"], int(bool(lines))


def main(arguments: list[str]) -> int:
    """Print the violations of this repository, or what a report of pip-audit contains."""
    if arguments:
        lines, status = summary_of_report(Path(arguments[0]))
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        return status
    known = advisories((ROOT / ".ci" / "advisories.txt").read_text(encoding="utf-8"))
    pins = pinned((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    bounds = lower_bounds((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = [
        *violations(pins, known, where="constraints.txt"),
        *violations(bounds, known, where="pyproject.toml"),
    ]
    sys.stdout.write("".join(f"{line}\n" for line in found))
    if not found:
        sys.stdout.write(f"{len(pins)} pins and {len(bounds)} lower bounds: none of {len(known)} advisories\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
