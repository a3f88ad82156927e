"""A reused actor keeps nothing of the trials before."""

import gc
import weakref

from intelligen.sweep.workers import _return_free_memory


class Cycle:
    def __init__(self) -> None:
        self.me = self


def test_what_a_trial_leaves_is_freed_however_late_it_lets_go(request):
    request.addfinalizer(gc.unfreeze)
    _return_free_memory()
    held = Cycle()
    left = weakref.ref(held)
    _return_free_memory()
    assert left() is not None
    del held
    _return_free_memory()
    assert left() is None
