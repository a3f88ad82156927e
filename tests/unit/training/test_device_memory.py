"""What is free follows the strictest limit, and the peak is that of what came after the question."""

import subprocess
import sys

import torch

from intelligen.training.device_memory import free_memory, memory_name

CPU = torch.device("cpu")
MIB = 2**20


def test_free_memory_is_what_can_be_had():
    assert free_memory(CPU) > 64 * MIB
    assert memory_name(CPU) == memory_name(CPU)


def test_a_limit_of_the_address_space_bounds_what_is_free():
    script = (
        "import resource, psutil, torch\n"
        "from intelligen.training.device_memory import free_memory, memory_name\n"
        "limit = psutil.Process().memory_info().vms + 200 * 2**20\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "assert memory_name(torch.device('cpu')) == f'cpu, {limit:,} bytes'\n"
        "assert free_memory(torch.device('cpu')) <= 200 * 2**20\n"
        "from intelligen.state.process_memory import new_process_bytes, shared_available_bytes\n"
        "assert new_process_bytes() == min(limit, shared_available_bytes())\n"  # its limit is its own
        "torch.empty(150 * 2**18)\n"
        "kept = torch.empty(190 * 2**18)\n"
        "assert free_memory(torch.device('cpu')) < 20 * 2**20\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_peak_is_that_of_what_came_since():
    """In a process of its own: what this one's earlier tests have freed may serve without a new page."""
    script = (
        "import torch\n"
        "from intelligen.training.device_memory import PeakMemory\n"
        "torch.ones(64 * 2**18)\n"
        "peak = PeakMemory(torch.device('cpu'))\n"
        "torch.ones(40 * 2**18)\n"
        "print(peak.bytes())\n"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    assert found == "None" or 39 * MIB < int(found) < 60 * MIB
