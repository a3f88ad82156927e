"""One tensor, one name: the state of a model whose tensors go by several, and with an adapter the adapter's alone."""

from typing import Any

from torch import nn


def keep_own_names(module: nn.Module, *, trained_alone: bool) -> None:
    """Keep a module's `state_dict` to the first name of each of its tensors, or to those that are trained.

    Args:
        module: Whose state it is; hooks are put on it.
        trained_alone: Of tensors that are not trained the state holds none: they are what the module was built with.

    """
    first: dict[int, str] = {}
    aliases: dict[str, str] = {}  # further name → first name
    for name, parameter in module.named_parameters(remove_duplicate=False):
        if first.setdefault(id(parameter), name) != name:
            aliases[name] = first[id(parameter)]
    own = {name for name, parameter in module.named_parameters() if parameter.requires_grad or not trained_alone}
    if not trained_alone:
        own |= {name for name, _ in module.named_buffers()}
    left_out = frozenset(module.state_dict().keys() - own)

    def after_saving(_module: nn.Module, state: dict[str, Any], prefix: str, _metadata: Any) -> None:
        for name in left_out:
            state.pop(prefix + name, None)

    def before_loading(loading: nn.Module, state: dict[str, Any], prefix: str, *_rest: Any) -> None:
        """Give back what was left out, so that a missing tensor is still an error."""
        present = dict(loading.named_parameters(remove_duplicate=False)) | dict(loading.named_buffers())
        for name in left_out:
            source = prefix + aliases.get(name, name)
            if source in state or aliases.get(name, name) in left_out:
                state[prefix + name] = state.get(source, present[name])

    module.register_state_dict_post_hook(after_saving)  # type: ignore[no-untyped-call]
    module.register_load_state_dict_pre_hook(before_loading)  # type: ignore[no-untyped-call]
