"""The network computes what torch's own Transformer layers compute from the same weights, dropout included."""

import math

import pytest
import torch
from torch import Tensor, nn

from intelligen.config.schema.model import DecoderOnly, Seq2Seq
from intelligen.data.special_tokens import BOS, PAD
from intelligen.models.decoder_only_transformer import DecoderOnlyTransformer
from intelligen.models.seq2seq_transformer import Seq2SeqTransformer

torch.set_num_threads(1)
VOCABULARY, WIDTH, HEADS, LAYERS, POSITIONS = 11, 16, 4, 2, 9
SHAPE = {"d_model": WIDTH, "d_ff": 24, "heads": HEADS, "encoder_layers": LAYERS, "decoder_layers": LAYERS}
State = dict[str, Tensor]


def sentences() -> tuple[Tensor, Tensor]:
    source_BS = torch.randint(4, VOCABULARY, (3, 6), generator=torch.Generator().manual_seed(1))
    target_BT = torch.randint(4, VOCABULARY, (3, 5), generator=torch.Generator().manual_seed(2))
    source_BS[1, 4:], source_BS[2, 1:], target_BT[:, 0] = PAD, PAD, BOS
    return source_BS, target_BT


class Dropout(nn.Dropout):
    """Draws in the order of rows, positions and columns, however torch's attention has laid them out."""

    def forward(self, x_BTD: Tensor) -> Tensor:
        return super().forward(x_BTD.contiguous())


class TorchTransformer(nn.Module):
    """The published network of torch's own layers, which read a state of ours."""

    def __init__(self, state: State, *, norm_first: bool, dropout: float) -> None:
        super().__init__()
        self.table_VD = state["target_embedding.weight"]
        self.dropout = nn.Dropout(dropout)
        shape = (WIDTH, HEADS, SHAPE["d_ff"], dropout, nn.functional.relu)
        kind = {"batch_first": True, "norm_first": norm_first}
        self.encoder = nn.ModuleList(nn.TransformerEncoderLayer(*shape, **kind) for _ in range(LAYERS))
        self.decoder = nn.ModuleList(nn.TransformerDecoderLayer(*shape, **kind) for _ in range(LAYERS))
        self.norms = nn.ModuleDict({"encoder": nn.Identity(), "decoder": nn.Identity()})
        for name, layers in (("encoder", self.encoder), ("decoder", self.decoder)):
            if norm_first:
                self.norms[name] = nn.LayerNorm(WIDTH)
                self.norms[name].load_state_dict({kind: state[f"{name}_norm.{kind}"] for kind in ("weight", "bias")})
            for index, layer in enumerate(layers):
                layer.load_state_dict(torch_state(state, f"{name}.{index}."))
                layer.dropout1, layer.dropout2, layer.dropout3 = (Dropout(dropout) for _ in range(3))

    def forward(self, source_BS: Tensor, target_BT: Tensor) -> Tensor:
        hidden_BS, causal_TT = source_BS == PAD, torch.ones(target_BT.size(1), target_BT.size(1)).triu(1).bool()
        x_BSD = self.embed(source_BS)
        for layer in self.encoder:
            x_BSD = layer(x_BSD, src_key_padding_mask=hidden_BS)
        memory_BSD, y_BTD = self.norms["encoder"](x_BSD), self.embed(target_BT)
        for layer in self.decoder:
            y_BTD = layer(y_BTD, memory_BSD, tgt_mask=causal_TT, memory_key_padding_mask=hidden_BS)
        logits_BTV: Tensor = self.norms["decoder"](y_BTD) @ self.table_VD.T
        return logits_BTV

    def embed(self, tokens_BT: Tensor) -> Tensor:
        """Vaswani et al. (2017), sections 3.4 and 3.5; all sines stand before all cosines."""
        angle_TH = [[t / 10_000 ** (2 * i / WIDTH) for i in range(WIDTH // 2)] for t in range(tokens_BT.size(1))]
        waves_TD = torch.tensor([[*map(math.sin, row), *map(math.cos, row)] for row in angle_TH])
        embedded: Tensor = self.dropout(self.table_VD[tokens_BT] * math.sqrt(WIDTH) + waves_TD)
        return embedded


def torch_state(state: State, layer: str) -> State:
    """A layer's weights under torch's names."""
    names = {
        "self_attention.qkv.": "self_attn.in_proj_",
        "self_attention.out.": "self_attn.out_proj.",
        "cross_attention.out.": "multihead_attn.out_proj.",
        "feed_forward.0.": "linear1.",
        "feed_forward.3.": "linear2.",
        "around_self_attention.norm.": "norm1.",
        "around_cross_attention.norm.": "norm2.",
        "around_feed_forward.norm.": "norm3." if layer.startswith("decoder") else "norm2.",
    }
    found = {}
    for kind in ("weight", "bias"):
        for ours, theirs in names.items():
            if (name := f"{layer}{ours}{kind}") in state:
                found[f"{theirs}{kind}"] = state[name]
        if layer.startswith("decoder"):
            parts = [state[f"{layer}cross_attention.{part}.{kind}"] for part in ("query", "kv")]
            found[f"multihead_attn.in_proj_{kind}"] = torch.cat(parts)
    return found


@pytest.mark.parametrize(("dropout", "training"), [(0.0, True), (0.4, True), (0.4, False)])
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_logits_are_those_of_torch_s_layers(norm: str, dropout: float, training: bool) -> None:
    torch.manual_seed(0)
    everywhere = {"dropout": dropout, "attention_dropout": dropout, "activation_dropout": dropout}
    config = Seq2Seq(**SHAPE, **everywhere, norm=norm, tied_embeddings="all", max_positions=POSITIONS)
    ours = Seq2SeqTransformer(config, source_vocabulary=VOCABULARY, target_vocabulary=VOCABULARY)
    with torch.no_grad():
        for weight in ours.parameters():
            weight.add_(torch.randn_like(weight) / 10)  # norms and biases, too, are no longer 1 and 0
    theirs = TorchTransformer(ours.state_dict(), norm_first=norm == "pre", dropout=dropout)
    seen = []
    for model in (ours.train(training), theirs.train(training)):
        torch.manual_seed(5)  # both draw their dropout in the same order
        seen.append(model(*sentences()))
    torch.testing.assert_close(*seen, rtol=1e-4, atol=1e-5)


class TorchDecoder(nn.Module):
    """A causal stack of torch's own encoder layers, which reads a state of ours."""

    def __init__(self, state: State, *, norm_first: bool, activation: str, dropout: float) -> None:
        super().__init__()
        self.table_VD = nn.Parameter(state["trunk.embedding.weight"].clone())
        self.positions_PD = nn.Parameter(state["trunk.positions.table_PD"].clone())
        self.dropout = nn.Dropout(dropout)
        shape = (WIDTH, HEADS, SHAPE["d_ff"], dropout, activation)
        kind = {"batch_first": True, "norm_first": norm_first}
        self.layers = nn.ModuleList(nn.TransformerEncoderLayer(*shape, **kind) for _ in range(LAYERS))
        self.norm: nn.Module = nn.Identity()
        if norm_first:
            self.norm = nn.LayerNorm(WIDTH)
            self.norm.load_state_dict({kind: state[f"trunk.norm.{kind}"] for kind in ("weight", "bias")})
        for index, layer in enumerate(self.layers):
            layer.load_state_dict(torch_state(state, f"trunk.layers.{index}."))
            layer.dropout1, layer.dropout2 = Dropout(dropout), Dropout(dropout)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        length = tokens_BT.size(1)
        x_BTD = self.dropout(self.table_VD[tokens_BT] * math.sqrt(WIDTH) + self.positions_PD[:length])
        for layer in self.layers:
            x_BTD = layer(x_BTD, torch.ones(length, length).triu(1).bool())
        logits_BTV: Tensor = self.norm(x_BTD) @ self.table_VD.T
        return logits_BTV


@pytest.mark.parametrize(("dropout", "training"), [(0.0, True), (0.4, True), (0.4, False)])
@pytest.mark.parametrize(("norm", "activation"), [("pre", "gelu"), ("post", "relu"), ("post", "gelu")])
def test_a_decoder_alone_is_a_causal_stack_of_torch_s_layers(
    norm: str, activation: str, dropout: float, training: bool
) -> None:
    """Logits, and the gradients of all weights."""
    torch.manual_seed(0)
    everywhere = {"dropout": dropout, "attention_dropout": dropout, "activation_dropout": dropout}
    shape = {"d_model": WIDTH, "d_ff": SHAPE["d_ff"], "heads": HEADS, "layers": LAYERS, "positions": "learned"}
    config = DecoderOnly(**shape, **everywhere, norm=norm, activation=activation, max_positions=POSITIONS)
    ours = DecoderOnlyTransformer(config, vocabulary=VOCABULARY)
    with torch.no_grad():
        for weight in ours.parameters():
            weight.add_(torch.randn_like(weight) / 10)
    theirs = TorchDecoder(ours.state_dict(), norm_first=norm == "pre", activation=activation, dropout=dropout)
    tokens_BT = torch.randint(4, VOCABULARY, (3, POSITIONS), generator=torch.Generator().manual_seed(1))
    seen = []
    for model, inputs in ((ours, (tokens_BT[:, :0], tokens_BT)), (theirs, (tokens_BT,))):
        torch.manual_seed(5)  # both draw their dropout in the same order
        seen.append(model.train(training)(*inputs))
        seen[-1].log_softmax(-1)[..., 4].sum().backward()
    torch.testing.assert_close(*seen, rtol=1e-4, atol=1e-5)
    gradients = {name: weight.grad for name, weight in ours.named_parameters()}
    expected = {"trunk.embedding.weight": theirs.table_VD.grad, "trunk.positions.table_PD": theirs.positions_PD.grad}
    for index, layer in enumerate(theirs.layers):
        found = torch_state(gradients, f"trunk.layers.{index}.")
        torch.testing.assert_close(
            found, {name: one.grad for name, one in layer.named_parameters()}, rtol=1e-4, atol=1e-4
        )
    torch.testing.assert_close({name: gradients[name] for name in expected}, expected, rtol=1e-4, atol=1e-4)
