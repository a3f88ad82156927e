"""Token tables of a pre-trained model: put into our order when it is loaded, and back when it is exported."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from intelligen.data.pretrained_vocabulary import VocabularyOrder
from intelligen.data.special_tokens import PAD

NEVER = -100.0
"""Added to the logits of rows that the model does not have. They are copies of EOS' row, so that each takes e^-100 of
EOS' probability, wherever a model's logits lie: GPT-2's are often below -100. Label smoothing, which asks for a little
of each token, stays finite."""


def to_our_order(hf: Any, order: VocabularyOrder) -> None:
    """Put the rows of the embedding and of the output projection into our order; added rows are copies of EOS' row.

    Args:
        hf: A model of `transformers`, in place.
        order: Of its vocabulary.

    """
    rows = torch.tensor([order.eos if row is None else row for row in order.theirs])
    _replace(hf, lambda theirs_VD: theirs_VD[rows])


def to_their_order(hf: Any, order: VocabularyOrder) -> None:
    """The inverse of `to_our_order`; what was learnt about added rows is lost."""
    tokens = torch.tensor([order.ours[row] for row in range(order.rows)])
    _replace(hf, lambda ours_VD: ours_VD[tokens])


def logit_bias(hf: Any, order: VocabularyOrder) -> Tensor:
    """What is added to the logits [V]: the model's own bias, where it has one, in our order, and `NEVER`."""
    theirs: Tensor | None = getattr(hf, "final_logits_bias", None)
    if theirs is None:
        theirs = torch.zeros(1, order.rows)
    row_V = torch.tensor([row or 0 for row in order.theirs], device=theirs.device)
    added_V = torch.tensor([row is None for row in order.theirs], device=theirs.device)
    return theirs[0, row_V].masked_fill(added_V, NEVER)


def _replace(hf: Any, change: Callable[[Tensor], Tensor]) -> None:
    """Change each table, wherever it is used: modules that shared one share the new one."""
    tables = {id(one.weight) for one in (hf.get_input_embeddings(), hf.get_output_embeddings())}
    changed: dict[int, nn.Parameter] = {}
    for module in hf.modules():
        weight = getattr(module, "weight", None)
        if not isinstance(weight, nn.Parameter) or id(weight) not in tables:
            continue
        if id(weight) not in changed:
            changed[id(weight)] = nn.Parameter(change(weight.detach()), requires_grad=weight.requires_grad)
            tables.add(id(changed[id(weight)]))
        table = changed.get(id(weight), weight)
        module.weight = table
        if isinstance(module, nn.Embedding):
            module.num_embeddings, module.padding_idx = len(table), PAD
        elif isinstance(module, nn.Linear):
            module.out_features = len(table)
