"""A trial of several workers does not run ahead of its reports."""

import threading

from intelligen.sweep.execution.epoch_gate import close_gate, open_gate, wait_at_gate


def waiting(directory, epoch: int) -> threading.Thread:
    thread = threading.Thread(target=wait_at_gate, args=(directory, epoch), daemon=True)
    thread.start()
    return thread


def test_a_trial_waits_until_its_report_was_decided_on(tmp_path):
    open_gate(tmp_path, 1)
    wait_at_gate(tmp_path, 1)
    second = waiting(tmp_path, 2)
    second.join(0.2)
    assert second.is_alive()
    open_gate(tmp_path, 2)
    second.join(10)
    assert not second.is_alive()


def test_a_new_launch_decides_on_the_last_report_again(tmp_path):
    open_gate(tmp_path, 1)
    close_gate(tmp_path)
    again = waiting(tmp_path, 1)
    again.join(0.2)
    assert again.is_alive()
    open_gate(tmp_path, 1)
    again.join(10)
    assert not again.is_alive()
