"""A pre-trained model that comes out as it went in, of every family: its weights, its tokenizer, its configuration."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftConfig, PeftModel
from pretrained_models import SENTENCES, make_pretrained
from safetensors.torch import load_file
from test_pretrained_models import FAMILIES, cut, found, sources, their_inputs, their_logits
from torch import Tensor
from transformers import AutoConfig

from intelligen.config.pretrained_directory import open_directory
from intelligen.config.schema.decoding import Beam, DecodingSearch, Greedy, Sample
from intelligen.config.schema.pretrained_model import Lora, Pretrained
from intelligen.config.schema.pretrained_source import open_as_resolved
from intelligen.data.pretrained_vocabulary import load_tokenizer
from intelligen.data.special_tokens import BOS
from intelligen.models.pretrained.export import export_network
from intelligen.models.pretrained.load import load_hf, load_pretrained
from intelligen.models.pretrained.network import PretrainedNetwork

every_family = pytest.mark.parametrize("name", FAMILIES)
LORA = Lora(rank=2)
GREEDY = Greedy()
TEXTS = [*SENTENCES[:20], "", "katze, 🐈!"]
WEIGHTS = "model.safetensors"


def exported(
    network: PretrainedNetwork,
    target: Path,
    *,
    search: DecodingSearch = GREEDY,
    longest: int = 20,
    adapter: bool = False,
) -> Path:
    target.mkdir()
    base = open_as_resolved(network.settings.found)
    export_network(network, base, target, search=search, longest=longest, adapter=adapter)
    return target


def loaded(directory: Path, *, lora: Lora | None = None) -> PretrainedNetwork:
    torch.manual_seed(1)
    return load_pretrained(Pretrained(path=str(directory), lora=lora)).eval()


def bits(file: Path) -> dict[str, tuple[torch.dtype, list[int]]]:
    """Of every tensor, its type and its bytes."""
    return {name: (one.dtype, one.flatten().view(torch.uint8).tolist()) for name, one in load_file(file).items()}


def configuration(directory: Path) -> dict[str, Any]:
    return {key: value for key, value in AutoConfig.from_pretrained(directory).to_dict().items() if key[0] != "_"}


@pytest.mark.parametrize("lora", [None, LORA], ids=["all weights", "LoRA"])
@every_family
def test_a_model_of_which_nothing_was_trained_comes_out_bit_for_bit(
    name: str, lora: Lora | None, tmp_path: Path
) -> None:
    """LoRA is merged; as long as it has learnt nothing, it adds nothing."""
    base = make_pretrained(name, tmp_path / "base")
    same = exported(loaded(base, lora=lora), tmp_path / "same")
    assert bits(base / WEIGHTS) == bits(same / WEIGHTS)
    assert configuration(base) == configuration(same)
    before, after = (load_tokenizer(directory) for directory in (base, same))
    assert before(TEXTS)["input_ids"] == after(TEXTS)["input_ids"]
    assert before(text_target=TEXTS)["input_ids"] == after(text_target=TEXTS)["input_ids"]
    assert before.get_vocab() == after.get_vocab()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["t5", "llama"])
def test_it_comes_out_in_the_precision_that_it_had(name: str, dtype: torch.dtype, tmp_path: Path) -> None:
    """Although it is trained in fp32."""
    base = Path(shutil.copytree(make_pretrained(name, tmp_path / "fp32"), tmp_path / "base"))
    load_hf(open_directory(str(tmp_path / "fp32"))).to(dtype).save_pretrained(base)
    same = exported(loaded(base), tmp_path / "same")
    assert {kind for kind, _ in bits(same / WEIGHTS).values()} == {dtype}
    assert bits(base / WEIGHTS) == bits(same / WEIGHTS)


@every_family
@torch.no_grad()
def test_an_adapter_alone_makes_of_the_base_model_what_was_trained(name: str, tmp_path: Path) -> None:
    """As `peft` reads it, to the last bit; merged with the projections, up to rounding."""
    base = make_pretrained(name, tmp_path / "base")
    network = loaded(base, lora=LORA)
    untrained = told(network)
    for weight in (one for name, one in network.named_parameters() if "lora_B" in name):
        torch.nn.init.normal_(weight, std=0.5)
    trained, state = told(network), network.state_dict()
    assert (trained - untrained).abs().max() > 0.1

    adapter = exported(network, tmp_path / "adapter", adapter=True)
    assert sorted(file.name for file in adapter.glob("*.safetensors")) == ["adapter_model.safetensors"]
    hf = load_hf(open_directory(str(base)))
    kind = PeftConfig.from_pretrained(adapter).task_type
    assert kind == ("SEQ_2_SEQ_LM" if network.settings.kind == "encoder_decoder" else "CAUSAL_LM")
    assert torch.equal(told(network, hf), untrained)
    assert torch.equal(told(network, PeftModel.from_pretrained(hf, adapter).eval()), trained)

    again = loaded(base, lora=LORA)
    again.load_state_dict(state)
    merged = load_hf(open_directory(str(exported(again, tmp_path / "merged"))))
    torch.testing.assert_close(told(network, merged), trained, rtol=1e-4, atol=1e-4)


THEIR_OWN = {
    "llama": {"do_sample": True, "temperature": 0.6, "top_p": 0.9, "top_k": 20, "repetition_penalty": 1.5},
    "bart": {"num_beams": 4, "early_stopping": True, "length_penalty": 2.0, "min_length": 9, "no_repeat_ngram_size": 1},
    "t5": {"bad_words_ids": [[row] for row in range(3, 40)], "eos_token_id": [1, *range(40, 60)]},
}
"""Generation configurations as published models have them."""


@pytest.mark.parametrize("search", [GREEDY, Beam(size=4, length_penalty=0.0), Sample()], ids=lambda one: one.name)
@pytest.mark.parametrize("name", THEIR_OWN)
@torch.no_grad()
def test_generate_of_what_was_exported_writes_what_was_scored(
    name: str, search: DecodingSearch, tmp_path: Path
) -> None:
    """Whatever the base model's own generation configuration says."""
    base = make_pretrained(name, tmp_path / "base")
    settings = json.loads((base / "generation_config.json").read_text()) | THEIR_OWN[name]
    (base / "generation_config.json").write_text(json.dumps(settings))
    network = loaded(base)
    source_BS = sources(network, (9, 7, 5, 9, 3, 6))
    inputs, own = their_inputs(network, source_BS), found(network, source_BS, search, bound=12)
    order = network.order
    hf = load_hf(open_directory(str(exported(network, tmp_path / "out", search=search, longest=12)))).eval()
    written_NT = hf.generate(**inputs)[:, inputs["input_ids"].size(1) if name == "llama" else 1 :]
    assert hf.generation_config.do_sample is (search.name == "sample")
    if search.name == "greedy":
        assert own == [cut([order.ours[row] for row in rows]) for rows in written_NT.tolist()]


def told(network: PretrainedNetwork, hf: Any = None) -> Tensor:
    """Logits of what both have rows for: of a network, or of a model of `transformers` in its place."""
    source_BS, target_NT = sources(network, (9, 5)), sources(network, (6, 6), seed=1)
    target_NT[:, 0] = BOS
    known = [token for token, row in enumerate(network.order.theirs) if row is not None]
    if hf is None:
        return network(source_BS, target_NT)[..., known]
    return their_logits(network, hf, source_BS, target_NT)[..., [network.order.theirs[token] for token in known]]
