"""Corpus scores by sacreBLEU (Post 2018), always with their signature."""

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from sacrebleu.metrics import BLEU, CHRF, TER

from intelligen.config.schema.bleu_tokenizer_names import DEFAULT_BLEU_TOKENIZER, BleuTokenizer
from intelligen.data.bleu_tokenizers import bleu_metric, word_splitter
from intelligen.data.moses_tokenizer import MosesTokenizer
from intelligen.evaluation.sharded_evaluation import Evaluation, Shard, merge_shards
from intelligen.evaluation.text_health import TEXT_SHARES, distinct

LENGTHS: Final = {"01-10": range(11), "11-20": range(11, 21), "21-30": range(21, 31), "31-up": range(31, sys.maxsize)}
"""Buckets of reference lengths in tokens; MLflow allows no `+` in a metric's name."""


def score(
    shards: Sequence[Shard],
    references: Sequence[str],
    *,
    tokenizer: BleuTokenizer = DEFAULT_BLEU_TOKENIZER,
    moses_language: str | None = None,
) -> Evaluation:
    """Put the ranks' shards together and score them.

    Args:
        shards: Of every rank; together they hold each row once.
        references: Detokenised, in the split's order.
        tokenizer: BLEU's.
        moses_language: Also score `moses_bleu`, by this language's rules.

    """
    hypotheses, sums = merge_shards(shards, rows=len(references))
    bleu, chrf, ter = bleu_metric(tokenizer), CHRF(), TER()
    bleu_score = bleu.corpus_score(hypotheses, [references])
    metrics = {
        "bleu": bleu_score.score,
        "chrf": chrf.corpus_score(hypotheses, [references]).score,
        "ter": ter.corpus_score(hypotheses, [references]).score,
        "length_ratio": bleu_score.ratio,
        # Hypotheses without a token repeat and copy nothing.
        **dict.fromkeys(TEXT_SHARES, 0.0),
        **sums.means(),
        "distinct_1": distinct(hypotheses, 1, tokenizer=tokenizer),
        "distinct_2": distinct(hypotheses, 2, tokenizer=tokenizer),
        **bleu_by_length(hypotheses, references, tokenizer=tokenizer),
    }
    scorers: dict[str, BLEU | CHRF | TER] = {"bleu": bleu, "chrf": chrf, "ter": ter}
    if moses_language is not None:
        scorers["moses_bleu"] = moses = BLEU(lowercase=True, tokenize="none", smooth_method="none", force=True)
        metrics["moses_bleu"] = moses_bleu(moses, hypotheses, references, language=moses_language)
    signatures = {f"{name}_signature": str(scorer.get_signature()) for name, scorer in scorers.items()}
    if moses_language is not None:
        signatures["moses_bleu_signature"] += f"|moses:{moses_language}|sacremoses:{version('sacremoses')}"
    return Evaluation(metrics, hypotheses, signatures)


def moses_bleu(bleu: BLEU, hypotheses: Sequence[str], references: Sequence[str], *, language: str) -> float:
    """BLEU of lower-cased text in Moses' tokens, as `multi-bleu.perl -lc` gives it."""
    rules = MosesTokenizer(language)
    hypothesis_tokens, reference_tokens = ([*map(rules.tokenize, texts)] for texts in (hypotheses, references))
    return float(bleu.corpus_score(hypothesis_tokens, [reference_tokens]).score)


def bleu_by_length(
    hypotheses: Sequence[str], references: Sequence[str], *, tokenizer: BleuTokenizer = DEFAULT_BLEU_TOKENIZER
) -> dict[str, float]:
    """`bleu_by_length/11-20` and so on: corpus BLEU of the sentences whose references have so many of its tokens."""
    lengths = [*map(len, map(word_splitter(tokenizer), references))]
    # Of hypotheses that look tokenized, sacreBLEU has warned when it scored all of them.
    bleu = bleu_metric(tokenizer, force=True)
    scores = {}
    for name, bucket in LENGTHS.items():
        rows = [row for row, length in enumerate(lengths) if length in bucket]
        if rows:
            found = bleu.corpus_score([hypotheses[row] for row in rows], [[references[row] for row in rows]])
            scores[f"bleu_by_length/{name}"] = found.score
    return scores
