"""Workers meet at the address of their node, whatever its name resolves to."""

import os
import socket

import psutil
import pytest
import ray

from intelligen.sweep.execution.gloo_rendezvous import INTERFACE, bind_to_own_address, interface_of


def test_an_interface_is_found_by_its_address() -> None:
    loopback = next(
        name
        for name, addresses in psutil.net_if_addrs().items()
        if any(one.family is socket.AF_INET and one.address == "127.0.0.1" for one in addresses)
    )
    assert interface_of("127.0.0.1") == loopback
    assert interface_of("203.0.113.7") is None


def test_a_worker_binds_to_its_nodes_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray.util, "get_node_ip_address", lambda: "127.0.0.1")
    monkeypatch.setenv(INTERFACE, "")  # so that it is put back
    monkeypatch.delenv(INTERFACE)
    bind_to_own_address()
    assert os.environ[INTERFACE] == interface_of("127.0.0.1")


def test_the_interface_that_the_user_named_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(INTERFACE, "ens5")
    bind_to_own_address()
    assert os.environ[INTERFACE] == "ens5"
