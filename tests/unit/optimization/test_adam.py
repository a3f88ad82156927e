"""torch's optimizers without what they import for torch's compiler: the same numbers, sooner."""

import subprocess
import sys

SCRIPT = """
import sys
import torch
from intelligen.optimization.adam import adam


def trained(kind):
    torch.manual_seed(1)
    weights = [torch.randn(3, 4, requires_grad=True), torch.randn(4, requires_grad=True)]
    optimizer = kind([{"params": weights[:1]}, {"params": weights[1:], "weight_decay": 0.1}], lr=0.01, fused=True)
    for step in range(4):
        optimizer.zero_grad()
        sum((weight.sin() * (step + 1)).sum() for weight in weights).backward()
        optimizer.step()
        assert all(weight.requires_grad for weight in weights)
        optimizer.load_state_dict(optimizer.state_dict())
    return [*weights, *(moment for state in optimizer.state.values() for moment in state.values())]


ours = [trained(adam(name)) for name in ("adam", "adamw")]
assert "torch._dynamo" not in sys.modules
theirs = [trained(kind) for kind in (torch.optim.Adam, torch.optim.AdamW)]
assert all(map(torch.equal, sum(ours, []), sum(theirs, [])))
"""


def test_updates_are_those_of_torch_and_its_compiler_is_not_imported() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
