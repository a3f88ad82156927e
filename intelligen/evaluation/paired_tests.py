"""Two systems with one seed each, by sacreBLEU's own tests: over sentences, not over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

from sacrebleu.significance import PairedTest

from intelligen.config.bleu import DEFAULT_BLEU_TOKENIZER, BleuTokenizer
from intelligen.data.bleu import bleu_metric
from intelligen.evaluation.intervals import RESAMPLES


@dataclass(frozen=True)
class PairTest:
    """Two systems with one seed each, by sacreBLEU."""

    ours: float
    control: float
    """Corpus BLEU."""
    p_value: float
    signature: str
    """BLEU's, with the test, its repetitions and its seed."""


def paired_bootstrap(
    ours: Sequence[str],
    control: Sequence[str],
    references: Sequence[str],
    *,
    tokenizer: BleuTokenizer = DEFAULT_BLEU_TOKENIZER,
    resamples: int = RESAMPLES,
) -> PairTest:
    """The `--paired-bs` of sacreBLEU (Koehn 2004) for one pair: over sentences, not over seeds."""
    return _pair_test(ours, control, references, tokenizer, test="bs", repetitions=resamples)


def approximate_randomisation(
    ours: Sequence[str],
    control: Sequence[str],
    references: Sequence[str],
    *,
    tokenizer: BleuTokenizer = DEFAULT_BLEU_TOKENIZER,
    trials: int = 10_000,
) -> PairTest:
    """The `--paired-ar` of sacreBLEU (Riezler & Maxwell 2005) for one pair: over sentences, not over seeds."""
    return _pair_test(ours, control, references, tokenizer, test="ar", repetitions=trials)


def _pair_test(
    ours: Sequence[str],
    control: Sequence[str],
    references: Sequence[str],
    tokenizer: BleuTokenizer,
    *,
    test: str,
    repetitions: int,
) -> PairTest:
    if not len(ours) == len(control) == len(references) > 0:
        raise ValueError(f"{len(ours)} and {len(control)} hypotheses for {len(references)} references")
    systems = [("control", control), ("ours", ours)]
    signatures, found = PairedTest(
        systems, {"BLEU": bleu_metric(tokenizer)}, [references], test_type=test, n_samples=repetitions
    )()
    theirs, own = found["BLEU"]
    return PairTest(own.score, theirs.score, own.p_value, str(signatures["BLEU"]))
