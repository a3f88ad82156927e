"""Pre-trained models behind our interfaces say what `transformers` says of them, and do what every generator must."""

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from pretrained_models import CAUSAL, ENCODER_DECODERS, make_pretrained
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from intelligen.config.pretrained_directory import CONFIG, WEIGHTS, PretrainedDirectory, open_directory
from intelligen.config.schema.decoding import Beam, ByLength, DecodingSearch, Greedy
from intelligen.config.schema.pretrained_model import Lora, Pretrained
from intelligen.conformance.generators import GeneratorConformance
from intelligen.data.pretrained_tokenizer import pack, unpacked
from intelligen.data.special_tokens import BOS, EOS, PAD
from intelligen.decoding.beam_search import penalty
from intelligen.decoding.decoding_step import mask_unwritable_
from intelligen.decoding.generate import generate
from intelligen.errors import DataError
from intelligen.models.losses import token_log_probs
from intelligen.models.pretrained.load import load_hf, load_pretrained
from intelligen.models.pretrained.network import PretrainedNetwork

FAMILIES = (*ENCODER_DECODERS, *CAUSAL)
LOW = "gpt2, logits of about -120"
"""As the published GPT-2 has them in many places."""
WIDE = "marian, as wide as the published ones"
BOUND = 24
"""Of a beam's hypotheses."""
Both = Callable[[str], tuple[PretrainedNetwork, Any]]
every_model = pytest.mark.parametrize("name", [*FAMILIES, LOW])


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("pretrained")
    return {name: make_pretrained(name, root / name, positions=32) for name in FAMILIES}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Name → a model as one of ours, and as `transformers` has it."""
    root = tmp_path_factory.mktemp("compared")

    @cache
    def load(name: str) -> tuple[PretrainedNetwork, Any]:
        directory = compared(name, root / name)
        return loaded(directory), load_hf(open_directory(str(directory)))

    return load


def compared(name: str, directory: Path) -> Path:
    """Of models whose hypotheses end, and not all where greedy ones do."""
    if name == WIDE:
        return make_pretrained("marian", directory, positions=32, width=512)
    if name == LOW:
        return with_low_logits(make_pretrained("gpt2", directory, positions=32, ends=3.0))
    # M2M100 begins with EOS, and repeats what it reads.
    return make_pretrained(name, directory, positions=32, ends=1.0 if name == "m2m100" else 3.0)


def with_low_logits(directory: Path) -> Path:
    """The same GPT-2 with some 120 less in every logit, by what all rows of its table have in common."""
    file = directory / "model.safetensors"
    weights = load_file(file)
    weights["transformer.wte.weight"][:, 0] = 0.5
    weights["transformer.ln_f.weight"][0], weights["transformer.ln_f.bias"][0] = 0.0, -240.0
    save_file(weights, file, metadata={"format": "pt"})
    return directory


def loaded(directory: Path, **settings: Any) -> PretrainedNetwork:
    torch.manual_seed(1)
    return load_pretrained(Pretrained(path=str(directory), **settings)).eval()


class TestPretrained(GeneratorConformance):
    @pytest.fixture(params=FAMILIES)
    def model(self, request: pytest.FixtureRequest, directories: dict[str, Path]) -> PretrainedNetwork:
        return loaded(directories[request.param])


class TestWithAdapters(GeneratorConformance):
    @pytest.fixture(params=["t5", "bart", "gpt2", "llama"])
    def model(self, request: pytest.FixtureRequest, directories: dict[str, Path]) -> PretrainedNetwork:
        return loaded(directories[request.param], lora=Lora(rank=2), checkpointing=True)


def sources(model: PretrainedNetwork, lengths: tuple[int, ...], *, seed: int = 0) -> Tensor:
    """Ordinary tokens, rows of these lengths and EOS."""
    random = torch.Generator().manual_seed(seed)
    # None of the first rows, where their own special tokens are: M2M100 counts no position for its padding.
    rows = [torch.randint(9, model.order.size, (length,), generator=random) for length in lengths]
    return pad_sequence([torch.cat([row, torch.tensor([EOS])]) for row in rows], batch_first=True, padding_value=PAD)


def theirs(model: PretrainedNetwork, tokens_NT: Tensor) -> Tensor:
    """The same tokens by their ids; a BOS that is a copy is EOS there."""
    rows = torch.tensor([0 if row is None else row for row in model.order.theirs])
    if BOS in model.order.added:
        rows[BOS] = model.order.eos
    return rows[tokens_NT]


def ours(model: PretrainedNetwork, row: list[int]) -> list[int]:
    tokens = [model.order.ours[token] for token in row]
    return tokens[: tokens.index(EOS) + 1] if EOS in tokens else tokens


def cut(row: list[int]) -> list[int]:
    return row[: row.index(EOS) + 1] if EOS in row else [token for token in row if token != PAD]


def their_inputs(model: PretrainedNetwork, source_BS: Tensor) -> dict[str, Tensor]:
    """The same sources in batches of the same shape; a causal model reads no EOS behind its prompt, but a BOS."""
    if model.settings.kind == "encoder_decoder":
        return {"input_ids": theirs(model, source_BS), "attention_mask": (source_BS != PAD).long()}
    prompts = [torch.cat([row[(row != PAD) & (row != EOS)], torch.tensor([BOS])]) for row in source_BS]
    prompt_BL = torch.stack([F.pad(row, (source_BS.size(1) + 1 - len(row), 0), value=PAD) for row in prompts])
    return {"input_ids": theirs(model, prompt_BL), "attention_mask": (prompt_BL != PAD).long()}


def found(model: PretrainedNetwork, source_BS: Tensor, search: DecodingSearch, *, bound: int) -> list[list[int]]:
    bounds_B = torch.full((len(source_BS),), bound)
    return [cut(row) for row in generate(model, source_BS, search, max_lengths_B=bounds_B).tokens_NT.tolist()]


def found_by_them(
    model: PretrainedNetwork, hf: Any, source_BS: Tensor, *, bound: int, **search: Any
) -> list[list[int]]:
    """What `generate` of `transformers` finds, in our ids."""
    return written_by_them(model, source_BS, generated_by_them(model, hf, source_BS, bound=bound, **search))


def generated_by_them(model: PretrainedNetwork, hf: Any, source_BS: Tensor, *, bound: int, **search: Any) -> Any:
    """What `generate` of `transformers` returns."""
    inputs = their_inputs(model, source_BS)
    # What cannot be written here cannot be written there.
    unwritable = {model.order.theirs[BOS]} - {None, model.order.eos}
    return hf.generate(
        **inputs,
        max_new_tokens=bound,
        do_sample=False,
        pad_token_id=model.order.eos,
        bad_words_ids=[[token] for token in unwritable] or None,
        renormalize_logits=True,
        forced_eos_token_id=None,
        **search,
    )


def written_by_them(model: PretrainedNetwork, source_BS: Tensor, written_NT: Tensor) -> list[list[int]]:
    """The sequences of `generate` in our ids, without what it begins with."""
    first = their_inputs(model, source_BS)["input_ids"].size(1) if model.settings.kind == "causal" else 1
    return [ours(model, row) for row in written_NT[:, first:].tolist()]


@every_model
@torch.no_grad()
def test_greedy_decoding_equals_that_of_transformers(name: str, both: Both) -> None:
    model, hf = both(name)
    source_BS = sources(model, (9, 7, 5, 9, 3, 6))
    expected = found_by_them(model, hf, source_BS, bound=12, num_beams=1)
    assert found(model, source_BS, Greedy(), bound=12) == expected


@every_model
@torch.no_grad()
def test_a_beam_of_four_finds_nothing_less_probable_than_that_of_transformers(name: str, both: Both) -> None:
    """Without a length penalty. To the end, both find the same; stopping early, they take the best of the first four.

    Hypotheses that reach the bound are left out: there they take a prefix for a hypothesis.
    """
    model, hf = both(name)
    source_BS = sources(model, (9, 7, 5, 9, 3, 6) * 6)
    own = found(model, source_BS, Beam(size=4, length_penalty=0.0), bound=BOUND)
    own_log_probs = log_probs(model, source_BS, own)
    for early in (False, True):
        search = {"num_beams": 4, "length_penalty": 0.0, "early_stopping": early}
        their = found_by_them(model, hf, source_BS, bound=BOUND, **search)
        ended = [row for row in range(len(own)) if own[row][-1] == their[row][-1] == EOS]
        their_log_probs = log_probs(model, source_BS, their)
        assert all(own_log_probs[row] >= their_log_probs[row] for row in ended)
        if not early:
            assert [own[row] for row in ended] == [their[row] for row in ended]
    greedy = found(model, source_BS, Greedy(), bound=BOUND)
    assert sum(own[row] != greedy[row] for row in ended) >= 3


@pytest.mark.parametrize("name", ["t5", "gpt2"])
@torch.no_grad()
def test_the_length_penalty_of_form_length_is_that_of_transformers(name: str, both: Both) -> None:
    """By the scores that they give to what they find; their beam is another after a hypothesis has ended."""
    model, hf = both(name)
    source_BS = sources(model, (9, 7, 5, 9, 3, 6) * 6)
    search = {"num_beams": 4, "length_penalty": 0.5, "early_stopping": "never", "output_scores": True}
    their = generated_by_them(model, hf, source_BS, bound=BOUND, return_dict_in_generate=True, **search)
    rows = written_by_them(model, source_BS, their.sequences)
    lengths = torch.tensor([len(row) for row in rows])
    own_B = log_probs(model, source_BS, rows) / penalty(lengths, ByLength(form="length", alpha=0.5))
    ended_B = lengths < BOUND
    assert ended_B.sum() >= 3
    torch.testing.assert_close(own_B[ended_B], their.sequences_scores[ended_B], rtol=1e-4, atol=1e-5)


def log_probs(model: PretrainedNetwork, source_BS: Tensor, hypotheses: list[list[int]]) -> Tensor:
    """Log p of each hypothesis, EOS included, teacher-forced; PAD and BOS cannot be written."""
    rows = [torch.tensor(row + [PAD] * (BOUND - len(row))) for row in hypotheses]
    hypothesis_NT = torch.stack(rows)
    read_NT = torch.cat([torch.full_like(hypothesis_NT[:, :1], BOS), hypothesis_NT[:, :-1]], dim=1)
    return token_log_probs(mask_unwritable_(model(source_BS, read_NT)), hypothesis_NT).sum(dim=1)


@pytest.mark.parametrize("lengths", [(9,) * 6, (9, 7, 5, 9, 3, 6)], ids=["no padding", "padding"])
@pytest.mark.parametrize("name", [*FAMILIES, LOW, WIDE])
@torch.no_grad()
def test_teacher_forced_logits_equal_those_of_transformers_to_the_last_bit(
    name: str, lengths: tuple[int, ...], both: Both
) -> None:
    """In batches of the same shape, at every position that is no padding."""
    model, hf = both(name)
    source_BS, target_NT = sources(model, lengths), sources(model, lengths[::-1], seed=1)
    if model.settings.kind == "causal" and len({*lengths}) == 1:
        source_BS = source_BS[:, :-1]  # the EOS, which is not read, would be padding
    target_NT = torch.cat([torch.full_like(target_NT[:, :1], BOS), target_NT[:, :-1]], dim=1)
    logits_NTV, expected_NTV = model(source_BS, target_NT), their_logits(model, hf, source_BS, target_NT)
    known = [token for token, row in enumerate(model.order.theirs) if row is not None]
    rows = [model.order.theirs[token] for token in known]
    real_NT = target_NT != PAD
    own_MV, their_MV = logits_NTV[real_NT][:, known], expected_NTV[real_NT][:, rows]
    torch.testing.assert_close(own_MV, their_MV, rtol=0, atol=0)
    # Rows that they do not have take next to nothing of the probability. Softmax adds in the order of the ids, which is
    # another one here: log p differs by what that sum is rounded by, and by its own last place.
    own_MV, their_MV = logits_NTV[real_NT].log_softmax(-1)[:, known], expected_NTV[real_NT].log_softmax(-1)[:, rows]
    torch.testing.assert_close(own_MV, their_MV, rtol=2.4e-7, atol=1e-6)


def their_logits(model: PretrainedNetwork, hf: Any, source_BS: Tensor, target_NT: Tensor) -> Tensor:
    inputs, target = their_inputs(model, source_BS), theirs(model, target_NT)
    if model.settings.kind == "encoder_decoder":
        logits_NTV: Tensor = hf(**inputs, decoder_input_ids=target).logits
        return logits_NTV
    # The BOS ends their prompt.
    seen = torch.cat([inputs["attention_mask"], torch.ones_like(target[:, 1:])], dim=1)
    positions = (seen.cumsum(dim=1) - 1).clamp(min=0)
    stream = torch.cat([inputs["input_ids"], target[:, 1:]], dim=1)
    logits_NTV = hf(input_ids=stream, attention_mask=seen, position_ids=positions).logits
    return logits_NTV[:, inputs["input_ids"].size(1) - 1 :]


@pytest.mark.parametrize("name", CAUSAL)
@torch.no_grad()
def test_a_text_alone_is_read_as_transformers_reads_it(name: str, directories: dict[str, Path]) -> None:
    model, hf = loaded(directories[name]), load_hf(open_directory(str(directories[name])))
    text_BT = torch.tensor([[BOS, 9, 12, 15, 11], [BOS, 10, 9, 14, 13]])
    found_BTV = model(text_BT[:, :0], text_BT)
    expected_BTV = hf(input_ids=theirs(model, text_BT)).logits
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


@pytest.mark.parametrize("name", FAMILIES)
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
    source_BS, target_NT = sources(trained, (5, 3)), sources(trained, (3, 5), seed=1)
    assert torch.equal(shape(source_BS, target_NT), trained(source_BS, target_NT))


def with_logit_bias(directory: Path, target: Path) -> PretrainedDirectory:
    """A copy whose logits have a bias, where its family knows one."""
    shutil.copytree(directory, target)
    weights = load_file(target / WEIGHTS)
    if "final_logits_bias" in weights:
        weights["final_logits_bias"].normal_()
        save_file(weights, target / WEIGHTS, metadata={"format": "pt"})
    return open_directory(str(target))


def test_weights_of_another_shape_than_the_configuration_s_are_named(
    directories: dict[str, Path], tmp_path: Path
) -> None:
    directory = Path(shutil.copytree(directories["t5"], tmp_path / "t5"))
    config = json.loads((directory / CONFIG).read_text())
    (directory / CONFIG).write_text(json.dumps({**config, "num_heads": 3}))
    weights = r"decoder\.block\.0\.layer\.0\.SelfAttention\.k\.weight"
    with pytest.raises(DataError, match=rf"{weights} have the shape \[32, 32\] in its files, and \[24, 32\] by config"):
        loaded(directory)


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
