"""Weights of the built networks: how many they are, and to which part each of them belongs."""

import pytest
import torch
from torch import nn

from intelligen.config.schema.model import DecoderOnly, Encoder, Model, Seq2Seq
from intelligen.models.build import build_classifier, build_model, parameter_count
from intelligen.models.interfaces import Network

torch.set_num_threads(1)
SMALL = {"d_model": 8, "d_ff": 8, "heads": 2, "positions": "learned", "max_positions": 8}
PIECES = {"source": 11, "target": 11}
BASE = Seq2Seq(d_model=512, d_ff=2048, heads=8, encoder_layers=6, decoder_layers=6, norm="post", tied_embeddings="all")
TABLE_3 = {
    "base": ({}, 0),
    "A: h 1": ({"heads": 1}, 0),
    "A: h 4": ({"heads": 4}, 0),
    "A: h 16": ({"heads": 16}, 0),
    "A: h 32": ({"heads": 32}, 0),
    "B: d_k 16": ({"d_k": 16}, -7),
    "B: d_k 32": ({"d_k": 32}, -5),
    "C: N 2": ({"encoder_layers": 2, "decoder_layers": 2}, -29),
    "C: N 4": ({"encoder_layers": 4, "decoder_layers": 4}, -15),
    "C: N 8": ({"encoder_layers": 8, "decoder_layers": 8}, 15),
    "C: ff 1024": ({"d_ff": 1024}, -12),
    "C: ff 4096": ({"d_ff": 4096}, 25),
    "E": ({"positions": "learned"}, 0),
}
"""What differs from base, and by how many million parameters: Vaswani et al. (2017), Table 3, rows of width 512."""


def millions(**changes: object) -> float:
    settings = Seq2Seq.model_validate(BASE.model_dump() | changes)
    return parameter_count(settings, {"source": 37_000, "target": 37_000}) / 1e6


@pytest.mark.parametrize(("changes", "difference"), TABLE_3.values(), ids=TABLE_3)
def test_the_paper_s_rows_differ_from_base_as_they_do_there(changes: dict[str, object], difference: int) -> None:
    assert millions(**changes) - millions() == pytest.approx(difference, abs=1.1)


def test_the_counts_of_the_paper_s_rows() -> None:
    """What they are at 37,000 tied pieces; the paper's absolute numbers fit no single vocabulary."""
    assert round(millions(), 1) == 63.1
    assert round(millions(d_model=1024, d_ff=4096, heads=16), 1) == 214.2
    assert round(millions(encoder_layers=2, decoder_layers=2), 1) == 33.7


@pytest.mark.parametrize("settings", [Seq2Seq(**SMALL), DecoderOnly(**SMALL, tied_embeddings=False), Encoder(**SMALL)])
def test_a_count_is_that_of_the_network_and_draws_nothing(settings: Model) -> None:
    torch.manual_seed(3)
    counted = parameter_count(settings, {"text": 11}, classes=4)
    drawn = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(torch.rand(1), drawn)
    assert counted == _size(build_classifier(settings, [11], classes=4))
    if "generation" in settings.offers:
        assert parameter_count(settings, PIECES) == _size(build_model(settings, PIECES, seed=1))


def _size(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


NETWORKS = {
    "seq2seq, tied": lambda: build_model(Seq2Seq(**SMALL), PIECES, seed=1),
    "seq2seq, apart": lambda: build_model(Seq2Seq(**SMALL, tied_embeddings="none"), PIECES, seed=1),
    "decoder_only": lambda: build_model(DecoderOnly(**SMALL), PIECES, seed=1),
    "decoder_only, apart": lambda: build_model(DecoderOnly(**SMALL, tied_embeddings=False), PIECES, seed=1),
    "decoder_only, classes": lambda: build_classifier(DecoderOnly(**SMALL), [11], classes=2),
    "encoder": lambda: build_classifier(Encoder(**SMALL), [11, 7], classes=2),
}
HEADS = {"head.weight", "head.bias", "output.weight", "output.bias"}
"""What reads classes off a state, and is part of no stack."""


@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_all_weights_but_a_classifier_s_head_are_in_a_part(build) -> None:
    network: Network = build()
    prefixes = {prefix for part in network.parts.values() for prefix in part}
    apart = {name for name in network.state_dict() if not name.startswith(tuple(prefixes))}
    assert apart == ({*network.state_dict()} & HEADS if hasattr(network, "classes") else set())


@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_the_part_embeddings_is_tables_of_token_vectors(build) -> None:
    network: Network = build()
    state = network.state_dict()
    found = {name for name in state if name.startswith(network.parts["embeddings"])}
    assert found == {f"{prefix}weight" for prefix in network.parts["embeddings"]}
    assert all(state[name].shape in {(11, 8), (7, 8)} for name in found)
    tables = [name for name, module in network.named_modules() if isinstance(module, nn.Embedding)]
    assert found == {f"{name}.weight" for name in tables if name != "segments"}


def test_an_encoder_and_a_decoder_share_a_tied_table_alone() -> None:
    network = NETWORKS["seq2seq, tied"]()
    shared = [
        name for name in network.state_dict() if all(name.startswith(network.parts[p]) for p in ("encoder", "decoder"))
    ]
    assert shared == ["target_embedding.weight"]
