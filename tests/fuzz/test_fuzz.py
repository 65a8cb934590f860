"""A short run of every target, and a parser with a planted mistake."""

import pytest

from tests.fuzz.mutation import Target, mutated
from tests.fuzz.running import TARGETS, input_of, run


@pytest.mark.parametrize("name", TARGETS)
def test_changed_files_are_read_or_refused(name, tmp_path):
    outcome = run(TARGETS[name], tmp_path, inputs=100, seconds=1.5)
    assert [failure.reason for failure in outcome.failures] == []
    assert outcome.inputs > 0


def test_an_exception_that_is_no_refusal_is_found(tmp_path):
    def read(path):
        return path.read_bytes().decode("ascii")

    planted = Target("planted", lambda: [b"text of ASCII"], read, mutated)
    outcome = run(planted, tmp_path, inputs=200, seconds=10)
    assert "UnicodeDecodeError" in outcome.failures[0].reason
    assert outcome.failures[0].number == run(planted, tmp_path, inputs=200, seconds=10).failures[0][0]
    with pytest.raises(UnicodeDecodeError):
        input_of(planted, outcome.failures[0].number).decode("ascii")
