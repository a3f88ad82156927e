"""A trial of several workers does not run ahead of its reports."""

import threading

from intelligen.sweep.verdict import await_verdict, forget_verdicts, let_go_on


def waiting(directory, epoch: int) -> threading.Thread:
    thread = threading.Thread(target=await_verdict, args=(directory, epoch), daemon=True)
    thread.start()
    return thread


def test_a_trial_waits_until_its_report_was_judged(tmp_path):
    let_go_on(tmp_path, 1)
    await_verdict(tmp_path, 1)
    second = waiting(tmp_path, 2)
    second.join(0.2)
    assert second.is_alive()
    let_go_on(tmp_path, 2)
    second.join(10)
    assert not second.is_alive()


def test_a_new_launch_judges_the_last_report_again(tmp_path):
    let_go_on(tmp_path, 1)
    forget_verdicts(tmp_path)
    again = waiting(tmp_path, 1)
    again.join(0.2)
    assert again.is_alive()
    let_go_on(tmp_path, 1)
    again.join(10)
    assert not again.is_alive()
