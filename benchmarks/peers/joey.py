"""JoeyNMT's model and loss of our shape, built by its own `build_model`, random weights."""

import logging
from types import SimpleNamespace

import torch
from joeynmt.model import Model, build_model
from joeynmt.transformer_layers import MultiHeadedAttention, PositionwiseFeedForward
from joeynmt.vocabulary import Vocabulary
from torch import Tensor, nn

from intelligen.config.schema.model import Seq2Seq
from intelligen.data.batches import Batch
from intelligen.data.special_tokens import BOS, EOS, PAD, UNK

_SPECIAL = {PAD: "<pad>", UNK: "<unk>", BOS: "<s>", EOS: "</s>"}


def build(shape: Seq2Seq, vocabulary: int, *, label_smoothing: float) -> Model:
    """A model of our arithmetic: JoeyNMT's dropout inside attention and feed-forward blocks is off, as ours is."""
    logging.getLogger("joeynmt.model").setLevel(logging.WARNING)
    block = {
        "type": "transformer",
        "num_heads": shape.heads,
        "hidden_size": shape.d_model,
        "ff_size": shape.d_ff,
        "dropout": shape.dropout,
        "layer_norm": shape.norm,
        "activation": shape.activation,
        "embeddings": {"embedding_dim": shape.d_model, "scale": True, "dropout": shape.dropout},
    }
    config = {
        "encoder": {**block, "num_layers": shape.encoder_layers},
        "decoder": {**block, "num_layers": shape.decoder_layers},
        "tied_embeddings": True,
        "tied_softmax": True,
    }
    words = _vocabulary(vocabulary)
    torch.manual_seed(1)
    model = build_model(config, words, words)
    model.loss_function = ("crossentropy", label_smoothing)
    for part in model.modules():
        if isinstance(part, MultiHeadedAttention):
            part.dropout.p = shape.attention_dropout
        elif isinstance(part, PositionwiseFeedForward):
            part.pwff_layer[2].p = shape.activation_dropout
    return model.train()


def mean_loss(model: nn.Module, batch: Batch) -> Tensor:
    """Over the target tokens, as JoeyNMT's trainer takes it with `normalization: tokens`."""
    source_mask_B1S, target_mask_B1T = ((tokens != PAD)[:, None] for tokens in (batch.source_BS, batch.target_out_BT))
    summed, _, _, _ = model(
        return_type="loss",
        src=batch.source_BS,
        src_mask=source_mask_B1S,
        src_length=source_mask_B1S.sum(dim=2).squeeze(1),
        trg_input=batch.target_in_BT,
        trg=batch.target_out_BT,
        trg_mask=target_mask_B1T,
    )
    loss: Tensor = summed / batch.num_targets
    return loss


def _vocabulary(size: int) -> Vocabulary:
    """Words that stand for our token ids."""
    special = SimpleNamespace(
        pad_token=_SPECIAL[PAD],
        unk_token=_SPECIAL[UNK],
        bos_token=_SPECIAL[BOS],
        eos_token=_SPECIAL[EOS],
        sep_token=None,
        lang_tags=[],
        pad_id=PAD,
        unk_id=UNK,
        bos_id=BOS,
        eos_id=EOS,
        sep_id=None,
    )
    return _OurOrder([_SPECIAL.get(token, f"{token}") for token in range(size)], special)


class _OurOrder(Vocabulary):  # type: ignore[misc]
    """JoeyNMT puts its special words first, in an order of its own; here every word is at our id."""

    def add_tokens(self, tokens: list[str]) -> None:
        """Take the last words given, which are ours and hold the special ones."""
        self._itos = tokens[-(len(tokens) - len(self.specials)) :]
        self._stoi = {token: index for index, token in enumerate(self._itos)}
