"""Damaged files, for tests that readers return values or raise the project's error, whatever they read.

Such a test suppresses `InputError`; any other exception fails it.
"""

import string

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

FUZZ = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    # All examples share the folders of fixtures: each writes the file that it damages.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

_WORDS = [b"nan", b"-inf", b"1e308", b"1e400", b"9" * 400, b"\n#", b"}{"]
_TYPED = st.text(string.printable, max_size=6).map(str.encode)


def damaged(data: st.DataObject, content: bytes) -> bytes:
    """Return a binary file in which up to three bytes are replaced, or of which the end is missing."""
    if data.draw(st.integers(0, 9)) == 9:
        return content[: data.draw(st.integers(0, len(content) - 1))]
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    return bytes(changed)


def mistyped(data: st.DataObject, content: bytes) -> bytes:
    """Return a text in which, in one or two places, up to four bytes are replaced by others."""
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.integers(0, len(content) - 1))
        rest = content[at + data.draw(st.integers(0, 4)) :]
        patch = data.draw(_TYPED | st.binary(max_size=6) | st.sampled_from(_WORDS))
        content = content[:at] + patch + rest
    return content
