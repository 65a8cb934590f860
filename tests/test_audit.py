"""No pinned or permitted version is one that a listed advisory is about, and a planted one is reported."""

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_SPEC = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
audit = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(audit)
KNOWN = audit.advisories((ROOT / ".ci" / "advisories.txt").read_text(encoding="utf-8"))
PINS = (ROOT / "constraints.txt").read_text(encoding="utf-8")
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_repository_passes(capsys):
    assert audit.main([]) == 0
    assert f"none of {len(KNOWN)} advisories" in capsys.readouterr().out


def test_every_advisory_is_about_a_pinned_package_and_complete():
    assert {one.package for one in KNOWN} <= set(audit.pinned(PINS))
    assert all(one.identifier and one.summary for one in KNOWN)


@pytest.mark.parametrize("advisory", KNOWN, ids=lambda one: one.identifier)
def test_a_planted_old_version_is_reported(advisory):
    planted = audit.pinned(f"{PINS}{advisory.package.replace('-', '_')}==0.0.1\n")
    found = audit.violations(planted, KNOWN, where="constraints.txt")
    assert any(advisory.identifier in line and "0.0.1" in line for line in found)
    assert not [line for line in found if advisory.package not in line]


def test_an_old_lower_bound_is_reported():
    planted = PYPROJECT.replace('"pillow>=13"', '"pillow>=12.3"')
    assert planted != PYPROJECT
    (line,) = audit.violations(audit.lower_bounds(planted), KNOWN, where="pyproject.toml")
    assert line.startswith("pyproject.toml: pillow 12.3 is older than 13.0.0")


SKIPPED = {"name": "jax", "skip_reason": "could not be audited"}
SAFE = {"name": "numpy", "version": "2.4.0", "vulns": []}
VULNERABLE = {"name": "pillow", "version": "1.0", "vulns": [{"id": "CVE-1-2"}, {"id": "CVE-3-4"}]}


@pytest.mark.parametrize(
    ("packages", "printed", "status"),
    [
        ([SKIPPED, SAFE], "pip-audit: 1 of 2 packages looked up\n", 0),
        (
            [SAFE, VULNERABLE],
            "pillow 1.0: CVE-1-2\npillow 1.0: CVE-3-4\npip-audit: 2 of 2 packages looked up\n",
            1,
        ),
        ([SKIPPED], "pip-audit has no database here: only .ci/advisories.txt was compared\n", 0),
        (None, "pip-audit has no database here: only .ci/advisories.txt was compared\n", 0),
    ],
)
def test_a_report_says_how_many_packages_were_looked_up(tmp_path, capsys, packages, printed, status):
    report = tmp_path / "report.json"
    if packages is not None:
        report.write_text(json.dumps({"dependencies": packages, "fixes": []}), encoding="utf-8")
    assert audit.main([str(report)]) == status
    assert capsys.readouterr().out == printed
