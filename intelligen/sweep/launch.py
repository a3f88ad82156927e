"""One launch of a sweep, or of the rest of it: what the commands and the Python API share."""

import sys
import threading

from intelligen.errors import UnavailableError
from intelligen.sweep.cluster.ray_directories import require_home
from intelligen.sweep.launch_reporter import Reporter
from intelligen.sweep.launch_request import LaunchRequest
from intelligen.sweep.signals import INTERRUPTED_LINE, Interrupts


def launch_sweep(request: LaunchRequest, reporter: Reporter, *, ends_process: bool) -> int:
    """Run a sweep, or the rest of it; returns the exit code.

    Args:
        request: What is launched.
        reporter: Shows progress and results.
        ends_process: Whether a second Ctrl-C ends the process at once; else it raises KeyboardInterrupt.

    Raises:
        IntelligenError: It cannot run here, or cannot go on.

    """
    require_home()
    from intelligen.sweep.cluster.ray_session import require_no_ray  # Ray cannot be imported without a home

    if threading.current_thread() is not threading.main_thread():
        raise UnavailableError(
            "a sweep runs only in the main thread, because signals reach no other thread; call it from there"
        )
    require_no_ray()
    with Interrupts(ends_process=ends_process) as interrupts:
        try:
            from intelligen.sweep.launch_steps import run_sweep  # takes seconds, in which signals are handled already

            return run_sweep(request, reporter, interrupts)
        except KeyboardInterrupt:
            print(INTERRUPTED_LINE, file=sys.stderr, flush=True)
            return interrupts.exit_code
        except OSError as error:
            from intelligen.sweep.execution.failure_causes import fault_of

            raise (fault_of(error, directory=request.directory) or error) from None
