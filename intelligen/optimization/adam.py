"""torch's Adam and AdamW, made ready for no compiler.

Each method of a torch optimizer imports `torch._dynamo` before its work, to keep torch's compiler out of it. That takes
longer than a short training, and nothing here compiles an optimizer.
"""

from inspect import unwrap

import torch


def adam(name: str) -> type[torch.optim.Adam]:
    """The class of this name in torch's settings; it computes what torch's own does.

    Args:
        name: `adam` or `adamw`.

    """
    kind: type[torch.optim.Adam] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
    guarded = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")
    methods = {method: unwrap(getattr(kind, method)) for method in guarded}
    return type(kind.__name__, (kind,), {**methods, "step": torch.no_grad()(unwrap(kind.step))})
