"""Pre-trained models behind our interfaces say what `transformers` says of them, and do what every generator must."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from pretrained_models import CAUSAL, ENCODER_DECODERS, make_pretrained
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from intelligen.config.pretrained_directory import CONFIG, WEIGHTS, PretrainedDirectory, open_directory
from intelligen.config.schema.decoding import Greedy
from intelligen.config.schema.pretrained_model import Lora, Pretrained
from intelligen.conformance.generators import GeneratorConformance
from intelligen.data.pretrained_tokenizer import pack, unpacked
from intelligen.data.special_tokens import BOS, EOS, PAD
from intelligen.decoding.generate import generate
from intelligen.errors import DataError
from intelligen.models.pretrained.load import load_hf, load_pretrained
from intelligen.models.pretrained.network import PretrainedNetwork

BOUND = 12


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("pretrained")
    return {name: make_pretrained(name, root / name, positions=32) for name in (*ENCODER_DECODERS, *CAUSAL)}


def loaded(directory: Path, **settings: Any) -> PretrainedNetwork:
    torch.manual_seed(1)
    return load_pretrained(Pretrained(path=str(directory), **settings)).eval()


class TestPretrained(GeneratorConformance):
    @pytest.fixture(params=[*ENCODER_DECODERS, *CAUSAL])
    def model(self, request: pytest.FixtureRequest, directories: dict[str, Path]) -> PretrainedNetwork:
        return loaded(directories[request.param])


class TestWithAdapters(GeneratorConformance):
    @pytest.fixture(params=["t5", "bart", "gpt2", "llama"])
    def model(self, request: pytest.FixtureRequest, directories: dict[str, Path]) -> PretrainedNetwork:
        return loaded(directories[request.param], lora=Lora(rank=2), checkpointing=True)


def sources(model: PretrainedNetwork, *, seed: int = 0) -> Tensor:
    """Ordinary tokens, rows of several lengths, EOS at their ends."""
    random = torch.Generator().manual_seed(seed)
    lengths = (9, 7, 5, 9, 3, 6)
    # None of the first rows, where their own special tokens are: M2M100 counts no position for its padding.
    rows = [torch.randint(9, model.order.size, (length,), generator=random) for length in lengths]
    return pad_sequence([torch.cat([row, torch.tensor([EOS])]) for row in rows], batch_first=True, padding_value=PAD)


def theirs(model: PretrainedNetwork, tokens_NT: Tensor, *, pad: int) -> Tensor:
    """The same tokens by their ids; a BOS that is a copy is EOS there."""
    rows = torch.tensor([pad if row is None else row for row in model.order.theirs])
    if BOS in model.order.added:
        rows[BOS] = model.order.eos
    return rows[tokens_NT]


def ours(model: PretrainedNetwork, row: list[int]) -> list[int]:
    tokens = [model.order.ours[token] for token in row]
    return tokens[: tokens.index(EOS) + 1] if EOS in tokens else tokens


def cut(row: list[int]) -> list[int]:
    return row[: row.index(EOS) + 1] if EOS in row else [token for token in row if token != PAD]


def their_inputs(model: PretrainedNetwork, hf: Any, source_BS: Tensor) -> dict[str, Tensor]:
    """What `generate` is given for the same sources; a causal model reads a BOS behind its prompt."""
    seen_BS = source_BS != PAD
    if model.settings.kind == "encoder_decoder":
        return {"input_ids": theirs(model, source_BS, pad=0), "attention_mask": seen_BS.long()}
    prompts = [torch.tensor([*row[row != PAD][:-1].tolist(), BOS]) for row in source_BS]
    prompt_BS = pad_sequence(prompts, batch_first=True, padding_value=PAD, padding_side="left")
    return {"input_ids": theirs(model, prompt_BS, pad=0), "attention_mask": (prompt_BS != PAD).long()}


@pytest.mark.parametrize("name", [*ENCODER_DECODERS, *CAUSAL])
@torch.no_grad()
def test_greedy_decoding_equals_that_of_transformers(name: str, directories: dict[str, Path]) -> None:
    model, hf = loaded(directories[name]), load_hf(open_directory(str(directories[name])))
    source_BS = sources(model)
    found = generate(model, source_BS, Greedy(), max_lengths_B=torch.full((6,), BOUND)).tokens_NT
    # What cannot be written here cannot be written there.
    unwritable = {model.order.theirs[BOS]} - {None, model.order.eos}
    expected = hf.generate(
        **their_inputs(model, hf, source_BS),
        max_new_tokens=BOUND,
        do_sample=False,
        num_beams=1,
        pad_token_id=model.order.eos,
        bad_words_ids=[[token] for token in unwritable] or None,
        forced_eos_token_id=None,
    )
    causal = model.settings.kind == "causal"
    written = expected[:, their_inputs(model, hf, source_BS)["input_ids"].size(1) if causal else 1 :]
    assert [cut(row) for row in found.tolist()] == [ours(model, row) for row in written.tolist()]


@pytest.mark.parametrize("name", [*ENCODER_DECODERS, *CAUSAL])
@torch.no_grad()
def test_teacher_forced_logits_are_those_of_transformers(name: str, directories: dict[str, Path]) -> None:
    model, hf = loaded(directories[name]), load_hf(open_directory(str(directories[name])))
    source_BS = sources(model)
    target_NT = torch.cat([torch.full((6, 1), BOS), sources(model, seed=1)[:, :6].clamp(min=9)], dim=1)
    logits_NTV = model(source_BS, target_NT)
    inputs = their_inputs(model, hf, source_BS)
    target = theirs(model, target_NT, pad=0)
    if model.settings.kind == "encoder_decoder":
        expected_NTV = hf(**inputs, decoder_input_ids=target).logits
    else:
        seen = torch.cat([inputs["attention_mask"], torch.ones_like(target[:, 1:])], dim=1)
        positions = (seen.cumsum(dim=1) - 1).clamp(min=0)
        stream = torch.cat([inputs["input_ids"], target[:, 1:]], dim=1)
        logits = hf(input_ids=stream, attention_mask=seen, position_ids=positions).logits
        expected_NTV = logits[:, inputs["input_ids"].size(1) - 1 :]
    known = [token for token, row in enumerate(model.order.theirs) if row is not None]
    rows = [model.order.theirs[token] for token in known]
    torch.testing.assert_close(logits_NTV[..., known], expected_NTV[..., rows], rtol=1e-4, atol=1e-5)
    # The probabilities, too: rows that they do not have take next to nothing.
    torch.testing.assert_close(
        logits_NTV.log_softmax(-1)[..., known], expected_NTV.log_softmax(-1)[..., rows], rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("name", CAUSAL)
@torch.no_grad()
def test_a_text_alone_is_read_as_transformers_reads_it(name: str, directories: dict[str, Path]) -> None:
    model, hf = loaded(directories[name]), load_hf(open_directory(str(directories[name])))
    text_BT = torch.tensor([[BOS, 9, 12, 15, 11], [BOS, 10, 9, 14, 13]])
    found_BTV = model(text_BT[:, :0], text_BT)
    expected_BTV = hf(input_ids=theirs(model, text_BT, pad=0)).logits
    known = [token for token, row in enumerate(model.order.theirs) if row is not None]
    rows = [model.order.theirs[token] for token in known]
    torch.testing.assert_close(found_BTV[..., known], expected_BTV[..., rows], rtol=1e-4, atol=1e-5)
    # What goes on from a prefix is what the parallel pass says, one token after the other.
    written = generate(model, text_BT[:, :0], Greedy(), max_lengths_B=torch.tensor([8, 8]), prefix_NT=text_BT[:, 1:])
    for row, prefix in zip(written.tokens_NT.tolist(), text_BT.tolist(), strict=True):
        for length in range(4, len(cut(row))):
            logits_V = model(text_BT[:1, :0], torch.tensor([[*prefix[:1], *row[:length]]]))[0, -1]
            logits_V[[PAD, BOS]] = -torch.inf
            assert logits_V.argmax() == row[length]


@pytest.mark.parametrize("name", CAUSAL)
@torch.no_grad()
def test_documents_in_one_row_are_read_as_if_each_had_its_own(name: str, directories: dict[str, Path]) -> None:
    model, documents = loaded(directories[name]), [[BOS, 9, 12, 15], [BOS, 11], [BOS, 10, 14, 9]]
    row_1T = torch.tensor([[token for one in documents for token in one]])
    together = model(torch.empty(1, 0).long(), row_1T)[0]
    alone = [model(torch.empty(1, 0).long(), torch.tensor([one]))[0] for one in documents]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)
    one_hot_1TV = torch.nn.functional.one_hot(row_1T, model.order.size).float()
    mixed = model.project(model.mixture_states(one_hot_1TV, model.encode(torch.empty(1, 0).long())))[0]
    torch.testing.assert_close(mixed, together, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [*ENCODER_DECODERS, *CAUSAL])
@torch.no_grad()
def test_a_trained_model_s_weights_need_only_the_shape_of_their_directory(
    name: str, directories: dict[str, Path], tmp_path: Path
) -> None:
    pack(with_logit_bias(directories[name], tmp_path / name), tmp_path / "packed", written=False)
    trained = loaded(tmp_path / name)
    with unpacked(tmp_path / "packed") as (found, _):
        assert not list(found.path.glob("*.safetensors"))
        known = trained.settings.found.model_copy(update={"path": str(found.path), "shape_alone": True})
        shape = load_pretrained(trained.settings.model_copy(update={"resolved": known})).eval()
    assert shape.state_dict().keys() == trained.state_dict().keys()
    shape.load_state_dict(trained.state_dict())
    source_BS, target_NT = sources(trained), sources(trained, seed=1)[:, :6]
    assert torch.equal(shape(source_BS, target_NT), trained(source_BS, target_NT))


def with_logit_bias(directory: Path, target: Path) -> PretrainedDirectory:
    """A copy whose logits have a bias, where its family knows one."""
    shutil.copytree(directory, target)
    weights = load_file(target / WEIGHTS)
    if "final_logits_bias" in weights:
        weights["final_logits_bias"].normal_()
        save_file(weights, target / WEIGHTS, metadata={"format": "pt"})
    return open_directory(str(target))


def test_two_tables_that_the_configuration_ties_are_refused(directories: dict[str, Path], tmp_path: Path) -> None:
    directory = Path(shutil.copytree(directories["gpt2"], tmp_path / "gpt2"))
    weights = load_file(directory / WEIGHTS)
    weights["lm_head.weight"] = weights["transformer.wte.weight"] + 1
    save_file(weights, directory / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(
        DataError, match=r"config\.json ties lm_head\.weight .*; set tie_word_embeddings to false there"
    ):
        loaded(directory)
    config = json.loads((directory / CONFIG).read_text())
    (directory / CONFIG).write_text(json.dumps({**config, "tie_word_embeddings": False}))
    assert loaded(directory)
