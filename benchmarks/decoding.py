"""Decoding with the same weights in every system: sentences per second, and the same tokens out of each.

    python benchmarks/decoding.py [--full] [--threads 1] [--store runs/benchmarks] [--folder MULTI30K | --trained TRIAL]

Ours runs as `intelligen test` runs it: the batches of the test split, longest first, through `generate`. The peers get
the sentences in the same order, in batches of the size that suits each. All hypotheses have the same bound. Products
are computed by the faster library, as a training here would have it; one thread is timed by the process' own clock,
which other programs move little.

- Beam search compares Σ log p: Marian and CTranslate2 divide it by |Y|^α, ours and JoeyNMT by ((5 + |Y|) / 6)^α, and
  α = 0 is the one setting that means the same in all of them. The beams differ in detail: ours and JoeyNMT's narrow by
  every hypothesis that ends, Marian and CTranslate2 keep K unfinished prefixes beside those. So one search may
  find what another does not; whatever is not identical is shown with what our model gives for both.
- Samples cannot be equal, for no two systems share a source of random numbers. All draw from the same distribution, the
  softmax over the same ten most probable tokens: the greedy rows show that the logits are the same.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import rounds
import torch
from small_model import trained_model

from intelligen.config.schema.compute import Compute
from intelligen.config.schema.decoding import Beam, Decoding, DecodingSearch, Greedy, Sample
from intelligen.config.schema.model import Seq2Seq
from intelligen.data.batches import Batch, SentencePairs, cut, evaluation_batches
from intelligen.data.special_tokens import BOS, EOS, PAD
from intelligen.decoding.generate import generate
from intelligen.models.interfaces import Generator
from intelligen.models.losses import token_log_probs
from intelligen.models.matmul import use_matmul
from intelligen.state.trial_result import read_trial
from intelligen.training.matmul_choice import chosen_matmul
from intelligen.training.trained_model import TrainedModel

Hypotheses = list[list[int]]
"""Of all the sources, in their order, without EOS."""

BOUND = 50
BATCH_TOKENS = Decoding().batch_tokens
STORE = Path("runs/benchmarks")
SEARCHES: dict[str, DecodingSearch] = {
    "greedy": Greedy(),
    "beam 4": Beam(size=4, length_penalty=0.0),
    "sampling": Sample(top_k=10),
}
MODULES = {"Hugging Face": "transformers", "CTranslate2": "ctranslate2", "JoeyNMT": "joeynmt"}
TARGETS = {
    ("greedy", "Hugging Face"): "≥ 2.0",
    ("greedy", "CTranslate2"): "≥ 0.8",
    ("greedy", "JoeyNMT"): "≥ 10",
    ("beam 4", "Hugging Face"): "≥ 2.0",
    ("beam 4", "CTranslate2"): "≥ 0.8",
    ("sampling", "CTranslate2"): "≥ 0.8",
}


@dataclass(frozen=True)
class Ours:
    """Our model and what it decodes."""

    model: Generator
    batches: list[Batch]

    @classmethod
    def of(cls, trained: TrainedModel, *, every: int) -> "Ours":
        """With the batches of `intelligen test`, or their likes of every n-th sentence."""
        pairs = SentencePairs(trained.prepared.split("test"))
        rows = np.concatenate([batch.rows for batch in evaluation_batches(pairs, batch_tokens=BATCH_TOKENS)])[::every]
        bounds = pairwise(cut(pairs.lengths[rows], BATCH_TOKENS))
        return cls(trained.model, [pairs.batch(rows[a:b], update_targets=b - a, update_rows=b - a) for a, b in bounds])

    @cached_property
    def sources(self) -> list[list[int]]:
        """Tokens of all the sources, EOS included, in the order of the batches."""
        return [[token for token in row if token != PAD] for one in self.batches for row in one.source_BS.tolist()]

    def decode(self, search: DecodingSearch) -> Hypotheses:
        """As the corpus is decoded, save that all hypotheses have one bound."""
        hypotheses: Hypotheses = []
        for batch in self.batches:
            bounds_B = torch.full((len(batch.rows),), BOUND)
            found = generate(self.model, batch.source_BS, search, max_lengths_B=bounds_B)
            hypotheses += [[token for token in row if token not in (PAD, EOS)] for row in found.tokens_NT.tolist()]
        return hypotheses

    def difference(self, ours: Hypotheses, theirs: Hypotheses) -> str:
        """What our model gives for the hypotheses that are not identical: a tie, or a miss of either search."""
        differing = [index for index in range(len(ours)) if ours[index] != theirs[index]]
        gains = [self._log_prob(index, ours[index]) - self._log_prob(index, theirs[index]) for index in differing]
        worst = differing[gains.index(min(gains))]
        return (
            f"in {len(gains)} sentences; log p of ours minus theirs is {min(gains):.1e} to {max(gains):.1e}:"
            f" in sentence {worst} {ours[worst]} against {theirs[worst]}"
        )

    @torch.inference_mode()
    def _log_prob(self, index: int, hypothesis: list[int]) -> float:
        target_1T = torch.tensor([[BOS, *hypothesis, EOS]])
        logits_1TV = self.model(torch.tensor([self.sources[index]]), target_1T[:, :-1])
        logits_1TV[:, :, [PAD, BOS]] = -torch.inf
        return token_log_probs(logits_1TV, target_1T[:, 1:]).sum().item()


def measure(
    *, full: bool, threads: int, store: Path = STORE, folder: Path | None = None, trained: Path | None = None
) -> rounds.Table:
    """Ours against each peer, search by search.

    Args:
        full: Half of the test split and every peer; else every eighth sentence, and the slow JoeyNMT only greedily.
        threads: Of every side.
        store: Keeps the model between runs.
        folder: See `trained_model`.
        trained: A trial's directory in the store, to decode with instead.

    """
    if trained is None:
        found = trained_model(store, folder=folder)
    else:
        found = TrainedModel.load(trained, store=store, device=torch.device("cpu"))
    torch.set_num_threads(threads)
    trial = read_trial(found.directory)
    # The record says what was faster where the model was trained, in as many threads as that had.
    use_matmul(chosen_matmul(Compute(), trial.model, trial.training, device=torch.device("cpu")))
    ours, shape = Ours.of(found, every=2 if full else 8), trial.model
    table: rounds.Table = [rounds.Remark(peer, why) for peer in MODULES if (why := _why_not(peer, shape))]
    with tempfile.TemporaryDirectory() as directory:
        peers = _peers(ours, shape, threads=threads, directory=Path(directory))
        for name, search in SEARCHES.items():
            chosen = {
                peer: partial(decode, search)
                for peer, decode in peers.items()
                if peer != "JoeyNMT" or name == "greedy" or (full and name == "beam 4")
            }
            clock = time.process_time if threads == 1 else time.perf_counter
            table += _compared(name, ours, partial(ours.decode, search), chosen, full=full, clock=clock)
    return table


def _compared(
    name: str,
    model: Ours,
    ours: Callable[[], Hypotheses],
    peers: dict[str, Callable[[], Hypotheses]],
    *,
    full: bool,
    clock: Callable[[], float],
) -> rounds.Table:
    outputs: dict[str, Hypotheses] = {}

    def work(side: str, decode: Callable[[], Hypotheses]) -> None:
        outputs[side] = decode()

    sides = {
        side: rounds.timed(partial(work, side, decode), clock=clock) for side, decode in {"ours": ours, **peers}.items()
    }
    seconds = rounds.round_robin(sides, rounds=3 if full else 1)
    expected = outputs.pop("ours")
    speeds = {side: [len(expected) / second for second in figures] for side, figures in seconds.items()}
    table: rounds.Table = []
    for peer, output in outputs.items():
        same = sum(a == b for a, b in zip(expected, output, strict=True))
        title, target = f"{name}, {peer}", TARGETS.get((name, peer), "")
        row = rounds.compare(title, speeds["ours"], speeds[peer], unit="sentences/s", target=target, faster=True)
        table.append(row)
        if name != "sampling":
            counts = [float(same)], [float(len(expected))]
            title = f"{title}: same tokens"
            table.append(rounds.compare(title, *counts, unit="sentences", target="≥ 1.0", faster=False))
            if same < len(expected):
                table.append(rounds.Remark(f"{title}, or not", model.difference(expected, output)))
    return table


def _why_not(peer: str, shape: Seq2Seq) -> str:
    if shape.tied_embeddings != "all" or shape.positions != "sinusoidal":
        return "the weights are carried over for tied embeddings and sinusoidal positions only"
    if peer == "Hugging Face" and shape.norm != "post":
        return "Marian has post-norm layers only"
    return rounds.missing(MODULES[peer])


def _peers(
    ours: Ours, shape: Seq2Seq, *, threads: int, directory: Path
) -> dict[str, Callable[[DecodingSearch], Hypotheses]]:
    """Every peer that can be compared; its library is imported only then."""
    peers: dict[str, Callable[[DecodingSearch], Hypotheses]] = {}
    if not _why_not("Hugging Face", shape):
        from peers import marian_weights

        marian = marian_weights.carried(ours.model, shape)
        peers["Hugging Face"] = partial(marian_weights.decode, marian, ours.sources, bound=BOUND)
    if not _why_not("CTranslate2", shape):
        from peers import ctranslate2_weights

        translator = ctranslate2_weights.carried(ours.model, shape, directory, threads=threads)
        peers["CTranslate2"] = partial(ctranslate2_weights.decode, translator, ours.sources, bound=BOUND)
    if not _why_not("JoeyNMT", shape):
        from peers import joey_weights

        joey = joey_weights.carried(ours.model, shape)
        peers["JoeyNMT"] = partial(joey_weights.decode, joey, ours.sources, bound=BOUND)
    return peers


def main() -> None:
    """Print the table."""
    parser = rounds.parser(__doc__)
    parser.add_argument("--store", type=Path, default=STORE, help="keeps the model between runs")
    parser.add_argument("--folder", type=Path, help="with Multi30k's files: train on them, not on the corpus inside")
    parser.add_argument("--trained", type=Path, help="directory of a trial in the store: decode with its weights")
    given = vars(parser.parse_args())
    print(rounds.machine(given["threads"]), rounds.markdown(measure(**given)), sep="\n\n")


if __name__ == "__main__":
    main()
