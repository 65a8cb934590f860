from contextlib import nullcontext

import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.tasks.pose import Plan


@pytest.mark.parametrize(
    ("before", "now", "done", "refused"),
    [
        ((5, 3, 2), (5, 3, 2), 4, None),
        ((5, 3, 2), (9, 3, 2), 4, None),
        ((5, 3, 2), (9, 1, 7), 5, None),
        ((5, 3, 2), (5, 4, 2), 6, None),
        ((5, 0, 2), (5, 0, 8), 7, None),
        ((5, 3, 2), (4, 3, 2), 4, None),
        ((5, 3, 2), (6, 3, 2), 6, "coarse"),
        ((5, 3, 2), (3, 3, 2), 4, "coarse"),
        ((5, 3, 2), (5, 4, 2), 9, "fine"),
        ((5, 3, 2), (5, 3, 1), 10, "joint"),
    ],
)
def test_the_last_phase_may_become_longer_and_what_is_done_stays(before, now, done, refused):
    sentence = f"{done} steps are done .* phase {refused} would not"
    with pytest.raises(InputError, match=sentence) if refused else nullcontext():
        Plan(now).check_extends(before, done=done)
