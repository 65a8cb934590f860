import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.tasks.pose import Plan


@pytest.mark.parametrize(
    ("before", "now", "done"),
    [
        ((5, 3, 2), (5, 3, 2), 4),
        ((5, 3, 2), (9, 3, 2), 4),
        ((5, 3, 2), (9, 1, 7), 5),
        ((5, 3, 2), (5, 4, 2), 6),
        ((5, 0, 2), (5, 0, 8), 7),
        ((5, 3, 2), (4, 3, 2), 4),
    ],
)
def test_the_last_phase_may_become_longer(before, now, done):
    Plan(now).check_extends(before, done=done)


@pytest.mark.parametrize(
    ("before", "now", "done", "phase"),
    [
        ((5, 3, 2), (6, 3, 2), 6, "coarse"),
        ((5, 3, 2), (3, 3, 2), 4, "coarse"),
        ((5, 3, 2), (5, 4, 2), 9, "fine"),
        ((5, 3, 2), (5, 3, 1), 10, "joint"),
    ],
)
def test_what_is_done_stays(before, now, done, phase):
    with pytest.raises(InputError, match=f"{done} steps are done .* phase {phase} would not"):
        Plan(now).check_extends(before, done=done)
