"""Conformance tests of a `Generator`: what decoding, evaluation and training take for granted of it.

    class TestMine(GeneratorConformance):
        @pytest.fixture
        def model(self) -> Generator:
            return Mine(source_vocabulary=11, target_vocabulary=11)

The network needs random weights in fp32, at least 8 tokens in either vocabulary, 12 positions, and no batch statistics.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from intelligen.config.schema.decoding import Beam, Greedy
from intelligen.data.special_tokens import BOS, EOS, PAD
from intelligen.decoding.decoding_step import mask_unwritable_
from intelligen.decoding.generate import evaluating, generate
from intelligen.models.interfaces import Generator
from intelligen.models.losses import Targets, token_losses

_LENGTHS = (6, 4, 1)
"""Tokens of the sources, EOS included."""


class GeneratorConformance:
    """Inherit from it, with a fixture `model`."""

    def test_the_vocabularies_and_positions_are_what_it_says(self, model: Generator) -> None:
        """The last token of either vocabulary, at the last position."""
        model.eval()
        source_1S = torch.tensor([[model.source_vocabulary - 1, EOS]])
        target_1T = torch.full((1, model.max_positions), model.target_vocabulary - 1)
        logits_1TV = model(source_1S, target_1T)
        assert logits_1TV.shape == (1, model.max_positions, model.target_vocabulary)
        assert logits_1TV.isfinite().all()

    @torch.no_grad()
    def test_source_and_prefix_are_read(self, model: Generator) -> None:
        """Each changes the logits by its tokens and by their order."""
        model.eval()
        source_BS, target_NT = _sources(model)[:1], _targets(model, 1, 4)
        plain = model(source_BS, target_NT)[:, -1]
        for changed in (
            model(_another(source_BS, 2, model.source_vocabulary), target_NT),
            model(source_BS[:, [1, 0, 2, 3, 4, 5]], target_NT),
            model(source_BS, _another(target_NT, 1, model.target_vocabulary)),
            model(source_BS, target_NT[:, [0, 2, 1, 3]]),
        ):
            assert not torch.allclose(changed[:, -1], plain)

    @torch.no_grad()
    def test_a_future_token_never_changes_earlier_logits(self, model: Generator) -> None:
        """To the last bit."""
        model.eval()
        source_BS, target_NT = _sources(model), _targets(model, 3, 7)
        before, after = model(source_BS, target_NT), model(source_BS, _another(target_NT, 4, model.target_vocabulary))
        torch.testing.assert_close(before[:, :4], after[:, :4], rtol=0, atol=0)
        assert not torch.allclose(before[:, 4:], after[:, 4:])

    @torch.no_grad()
    def test_padding_changes_no_real_position(self, model: Generator) -> None:
        """Behind sources, behind targets, and beside a longer row."""
        model.eval()
        source_BS, target_NT = _sources(model), _targets(model, 3, 4)
        plain = model(source_BS, target_NT)
        padded = model(F.pad(source_BS, (0, 3), value=PAD), F.pad(target_NT, (0, 3), value=PAD))
        torch.testing.assert_close(padded[:, :4], plain)
        for row, length in enumerate(_LENGTHS):
            alone = model(source_BS[row : row + 1, :length], target_NT[row : row + 1])
            torch.testing.assert_close(alone[0], plain[row])

    @torch.no_grad()
    def test_rows_of_one_source_are_read_as_if_each_had_its_own(self, model: Generator) -> None:
        """In the parallel pass and with a cache; `select` of a memory may repeat sources."""
        model.eval()
        encoded, target_NT = model.encode(_sources(model)), _targets(model, 9, 6)
        repeated = encoded.select(torch.arange(3).repeat_interleave(3))
        expected_NTV = model.decode(target_NT, repeated)
        torch.testing.assert_close(model.decode(target_NT, encoded), expected_NTV)
        cache = model.new_cache(encoded, max_length=6, rows_per_source=3)
        assert (cache.rows, cache.rows_per_source, cache.length) == (9, 3, 0)
        torch.testing.assert_close(model.extend(target_NT, cache), expected_NTV)

    @torch.no_grad()
    def test_cached_logits_equal_those_of_the_parallel_pass(self, model: Generator) -> None:
        """A prefix at once, single steps, then several positions behind cached ones."""
        model.eval()
        encoded, target_NT = model.encode(_sources(model)), _targets(model, 3, 8)
        cache = model.new_cache(encoded, max_length=8)
        parts = [model.extend(part, cache) for part in torch.split(target_NT, [3, 1, 1, 3], dim=1)]
        assert cache.length == 8
        torch.testing.assert_close(torch.cat(parts, dim=1), model.decode(target_NT, encoded))

    @torch.no_grad()
    def test_cached_rows_follow_their_sources(self, model: Generator) -> None:
        """As the prefixes of a beam do, and the sources that are still searched."""
        model.eval()
        encoded, target_NT = model.encode(_sources(model)), _targets(model, 6, 5)
        cache = model.new_cache(encoded, max_length=5, rows_per_source=2)
        model.extend(target_NT[:, :3], cache)
        swapped = torch.tensor([1, 0, 2, 2, 4, 5])
        cache.reorder(swapped)
        cache.select(torch.tensor([2, 0]))
        assert (cache.rows, cache.rows_per_source, cache.length) == (4, 2, 3)
        rows = swapped[torch.tensor([4, 5, 0, 1])]
        logits_NTV = model.extend(target_NT[rows, 3:], cache)
        expected_NTV = model.decode(target_NT[rows], encoded.select(torch.tensor([2, 0])))[:, 3:]
        torch.testing.assert_close(logits_NTV, expected_NTV)

    @torch.no_grad()
    def test_cached_rows_leave_one_by_one(self, model: Generator) -> None:
        """More rows than there were sources, then fewer, twice."""
        model.eval()
        encoded, target_NT = model.encode(_sources(model)), _targets(model, 6, 6)
        cache = model.new_cache(encoded, max_length=6, rows_per_source=2)
        model.extend(target_NT[:, :3], cache)
        rows = torch.arange(6)
        for position, kept in enumerate(([5, 0, 1, 2], [3, 0, 1], [2, 1]), start=3):
            cache.select_rows(torch.tensor(kept))
            assert (cache.rows, cache.rows_per_source) == (len(kept), 1)
            rows = rows[kept]
            logits_N1V = model.extend(target_NT[rows, position : position + 1], cache)
            expected_NTV = model.decode(target_NT[rows, : position + 1], encoded.select(rows // 2))
            torch.testing.assert_close(logits_N1V, expected_NTV[:, -1:])

    @torch.no_grad()
    def test_rows_that_begin_behind_padding_get_the_logits_they_get_without(self, model: Generator) -> None:
        """Prefixes of several lengths are prefilled together, and rows leave."""
        model.eval()
        encoded, padding, target_NT = model.encode(_sources(model)), [3, 0, 5], _targets(model, 3, 9)
        cache = model.new_cache(encoded, max_length=9, left_padding_N=torch.tensor(padding))
        model.prefill(target_NT[:, :4], cache)
        assert cache.length == 4
        logits_NTV = model.extend(target_NT[:, 4:6], cache)
        kept = torch.tensor([2, 0])
        cache.select_rows(kept)
        rest = [model.extend(part, cache) for part in torch.split(target_NT[kept, 6:], 1, dim=1)]
        logits_MTV = torch.cat(rest, dim=1)
        for row, first in enumerate(padding):
            expected_TV = model.decode(target_NT[row : row + 1, first:], encoded.select(torch.tensor([row])))[0]
            shown = max(first, 4)
            torch.testing.assert_close(logits_NTV[row, shown - 4 :], expected_TV[shown - first : 6 - first])
            if row in kept:
                torch.testing.assert_close(logits_MTV[kept.tolist().index(row)], expected_TV[6 - first :])

    @torch.no_grad()
    def test_what_the_padding_before_a_row_holds_changes_nothing(self, model: Generator) -> None:
        """To the last bit."""
        model.eval()

        def logits(tokens_NT: Tensor) -> Tensor:
            padding_N = torch.tensor([3, 0, 4])
            cache = model.new_cache(model.encode(_sources(model)), max_length=7, left_padding_N=padding_N)
            model.prefill(tokens_NT[:, :4], cache)
            rest_NT = torch.split(tokens_NT[:, 4:], [2, 1], dim=1)
            return torch.cat([model.extend(part_NT, cache) for part_NT in rest_NT], dim=1)

        target_NT = _targets(model, 3, 7)
        changed_NT = target_NT.clone()
        changed_NT[0, :3], changed_NT[2, :4] = PAD, BOS
        assert torch.equal(logits(changed_NT), logits(target_NT))

    @torch.no_grad()
    def test_rows_may_be_carried_along_behind_the_last_position(self, model: Generator) -> None:
        """As long as others, which begin behind padding, have positions left."""
        model.eval()
        encoded, longest = model.encode(_sources(model)), model.max_positions
        target_NT = _targets(model, 3, longest + 2)
        cache = model.new_cache(encoded, max_length=longest + 2, left_padding_N=torch.tensor([0, 2, 1]))
        model.prefill(target_NT[:, :longest], cache)
        logits_N2V = model.extend(target_NT[:, longest:], cache)
        expected_1TV = model.decode(target_NT[1:2, 2:], encoded.select(torch.tensor([1])))
        torch.testing.assert_close(logits_N2V[1], expected_1TV[0, -2:])

    def test_a_source_of_padding_alone_gives_finite_logits_and_gradients(self, model: Generator) -> None:
        """Whatever they mean."""
        source_BS, target_NT = _sources(model), _targets(model, 3, 4)
        source_BS[1] = PAD
        logits_NTV = model(source_BS, target_NT)
        logits_NTV.logsumexp(-1).sum().backward()
        assert logits_NTV.isfinite().all()
        assert all(weight.grad is None or weight.grad.isfinite().all() for weight in model.parameters())

    def test_the_summed_loss_is_the_sum_of_the_tokens_losses(self, model: Generator) -> None:
        """And so is its gradient; PAD counts nothing."""
        model.eval()
        source_BS, target_NT = _sources(model), _targets(model, 3, 5)
        expected_NT = target_NT.roll(-1, dims=1)
        expected_NT[1, 2:] = PAD
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        slow = token_losses(model(source_BS, target_NT), expected_NT, label_smoothing=0.1).sum()
        fast = model.summed_loss(model.states(target_NT, model.encode(source_BS)), Targets(expected_NT, 0.1))
        torch.testing.assert_close(fast, slow)
        gradients = [torch.autograd.grad(loss, weights, allow_unused=True) for loss in (fast, slow)]
        torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)

    def test_sources_for_several_passes_are_read_as_they_are_for_one(self, model: Generator) -> None:
        """States, and their gradients over several passes; `select` takes along what was computed of the sources."""
        model.eval()
        target_NT, picked_N = _targets(model, 6, 5), torch.tensor([2, 0])
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        found = []
        for several in (True, False):
            encoded = model.encode(_sources(model))
            encoded = model.for_several_passes(encoded) if several else encoded
            passes = (target_NT, target_NT[:3, :4].flip(1))
            both = [model.states(read_NT, encoded) for read_NT in passes]
            both.append(model.states(target_NT[:2], encoded.select(picked_N)))
            loss = torch.cat([model.project(states_NTD).logsumexp(-1).flatten() for states_NTD in both]).sum()
            found.append((both, torch.autograd.grad(loss, weights, allow_unused=True)))
        torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)

    def test_states_may_be_read_in_part(self, model: Generator) -> None:
        """The logits of some positions are those of these positions' states."""
        model.eval()
        states_NTD = model.states(_targets(model, 3, 5), model.encode(_sources(model)))
        torch.testing.assert_close(model.project(states_NTD[:, :2]), model.project(states_NTD)[:, :2])

    def test_every_trainable_weight_takes_part_in_a_loss(self, model: Generator) -> None:
        """Or else several ranks would wait for its gradient; of a batch that only keeps a rank company, too."""
        source_BS, target_NT = _sources(model), _targets(model, 3, 5)
        for expected_NT in (target_NT, torch.full_like(target_NT, PAD)):
            model.zero_grad(set_to_none=True)
            states_NTD = model.train().states(target_NT, model.encode(source_BS))
            model.summed_loss(states_NTD, Targets(expected_NT, 0.1)).backward()  # type: ignore[no-untyped-call]
            unused = [name for name, weight in model.named_parameters() if weight.requires_grad and weight.grad is None]
            assert unused == []

    def test_the_state_holds_every_tensor_once(self, model: Generator) -> None:
        """As a checkpoint does."""
        state = model.state_dict()
        assert len({tensor.data_ptr() for tensor in state.values()}) == len(state)

    @torch.no_grad()
    def test_searches_with_a_cache_equal_a_plain_loop_without(self, model: Generator) -> None:
        """Greedy decoding, and a beam of three, which a beam of one source alone must equal."""
        model.eval()
        source_BS, bounds_B = _sources(model), torch.tensor([7, 3, 5])
        greedy = generate(model, source_BS, Greedy(), max_lengths_B=bounds_B).tokens_NT
        beam = Beam(size=3)
        together = generate(model, source_BS, beam, max_lengths_B=bounds_B).tokens_NT
        for row, (length, bound) in enumerate(zip(_LENGTHS, bounds_B.tolist(), strict=True)):
            source_1S = source_BS[row : row + 1, :length]
            assert _without_padding(greedy[row]) == _greedy_loop(model, source_1S, bound)
            alone = generate(model, source_1S, beam, max_lengths_B=bounds_B[row : row + 1]).tokens_NT
            assert _without_padding(together[row]) == _without_padding(alone[0])

    @torch.no_grad()
    def test_in_evaluation_mode_nothing_is_random(self, model: Generator) -> None:
        """`generate` relies on it, and gives the former mode back."""
        source_BS, target_NT = _sources(model), _targets(model, 3, 4)
        model.train()
        with evaluating(model):
            first, second = model(source_BS, target_NT), model(source_BS, target_NT)
        assert model.training
        assert torch.equal(first, second)


def _sources(model: Generator) -> Tensor:
    source_BS = _tokens(3, max(_LENGTHS), vocabulary=model.source_vocabulary, seed=1)
    for row, length in enumerate(_LENGTHS):
        source_BS[row, length - 1], source_BS[row, length:] = EOS, PAD
    return source_BS


def _targets(model: Generator, rows: int, length: int) -> Tensor:
    target_NT = _tokens(rows, length, vocabulary=model.target_vocabulary, seed=2)
    target_NT[:, 0] = BOS
    return target_NT


def _tokens(*shape: int, vocabulary: int, seed: int) -> Tensor:
    """Adjacent tokens differ, so that their order matters."""
    generator = torch.Generator().manual_seed(seed)
    ordinary = vocabulary - EOS - 1
    steps = torch.randint(1, ordinary, shape, generator=generator)
    return steps.cumsum(dim=1) % ordinary + EOS + 1


def _another(token_NT: Tensor, position: int, vocabulary: int) -> Tensor:
    """With other tokens at a place."""
    changed_NT = token_NT.clone()
    changed_NT[:, position] = (changed_NT[:, position] - EOS) % (vocabulary - EOS - 1) + EOS + 1
    return changed_NT


def _without_padding(token_T: Tensor) -> list[int]:
    tokens: list[int] = token_T[token_T != PAD].tolist()
    return tokens


def _greedy_loop(model: Generator, source_1S: Tensor, bound: int) -> list[int]:
    tokens: list[int] = []
    while len(tokens) < bound and EOS not in tokens:
        logits_V = mask_unwritable_(model(source_1S, torch.tensor([[BOS, *tokens]]))[0, -1])
        tokens.append(int(logits_V.argmax()))
    return tokens
