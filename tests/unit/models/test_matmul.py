"""Products by oneDNN are those of `F.linear`, and so are their gradients; what it cannot compute is left to torch."""

import copy
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from intelligen.config.schema.model import DecoderOnly, Encoder, Seq2Seq
from intelligen.data.special_tokens import PAD
from intelligen.models import losses
from intelligen.models import matmul as module
from intelligen.models.build import build_classifier, build_model
from intelligen.models.interfaces import Generator
from intelligen.models.losses import Targets, summed_loss, token_losses
from intelligen.models.matmul import (
    Linear,
    linear,
    matmul,
    matmul_in_use,
    matmul_used,
    offers,
    product_over_rows,
    use_matmul,
)

SIZES = {"source": 23, "target": 23}
SEQ2SEQ = Seq2Seq(d_model=16, d_ff=32, heads=2, encoder_layers=1, decoder_layers=1, dropout=0.0, tied_embeddings="none")


@pytest.fixture
def onednn(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not offers("onednn"):
        pytest.skip("this build of torch has no such operator")
    monkeypatch.setattr(module, "_LEAST_MULTIPLICATIONS", 1)
    with matmul_used("onednn"):
        yield


def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes that oneDNN is given from now on."""
    given: list[tuple[int, ...]] = []
    product = module._onednn

    def told(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        given.append(tuple(x.shape))
        return product(x, weight, bias)

    monkeypatch.setattr(module, "_onednn", told)
    return given


def assert_near(found: object, expected: object) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


INPUTS = {
    "matrix": lambda: torch.randn(5, 8),
    "sequence": lambda: torch.randn(2, 5, 8),
    "four dimensions": lambda: torch.randn(2, 3, 4, 8),
    "one row": lambda: torch.randn(1, 8),
    "one row of a sequence": lambda: torch.randn(3, 1, 8),
    "transposed": lambda: torch.randn(8, 5).t(),
    "swapped": lambda: torch.randn(5, 2, 8).transpose(0, 1),
    "every other column": lambda: torch.randn(2, 5, 16)[..., ::2],
    "part of the columns": lambda: torch.randn(5, 16)[:, 8:],
    "repeated": lambda: torch.randn(1, 8).expand(5, 8),
}
WEIGHTS = {
    "whole": lambda: torch.randn(6, 8),
    "part of its rows": lambda: torch.randn(9, 8)[3:],
    "part of its columns": lambda: torch.randn(6, 16)[:, 8:],
    "transposed": lambda: torch.randn(8, 6).t(),
    "one row": lambda: torch.randn(1, 8),
}


@pytest.mark.usefixtures("onednn")
@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("x", INPUTS)
def test_values_and_gradients_are_those_of_torch(
    x: str, weight: str, bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    given = calls(monkeypatch)
    given_x, given_weight = INPUTS[x](), WEIGHTS[weight]()
    ours = [given_x.detach().requires_grad_(), given_weight.detach().requires_grad_()]
    if bias:
        ours.append(torch.randn(len(given_weight)).requires_grad_())
    theirs = [one.detach().clone(memory_format=torch.preserve_format).requires_grad_() for one in ours]
    found, expected = linear(*ours), F.linear(*theirs)
    assert found.shape == expected.shape
    assert_near(found, expected)
    weighed = torch.randn(found.shape)
    (found * weighed).sum().backward()
    (expected * weighed).sum().backward()
    for one, other in zip(ours, theirs, strict=True):
        assert_near(one.grad, other.grad)
    assert len(given) == 3  # the product, and a gradient for each factor


@pytest.mark.usefixtures("onednn")
def test_a_gradient_is_computed_only_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    x, frozen = torch.randn(5, 8, requires_grad=True), torch.randn(6, 8)
    given = calls(monkeypatch)
    linear(x, frozen).sum().backward()
    assert len(given) == 2
    assert_near(x.grad, torch.ones(5, 6) @ frozen)


@pytest.mark.usefixtures("onednn")
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients_there_is_no_graph(mode: type[torch.no_grad]) -> None:
    weight = torch.randn(6, 8, requires_grad=True)
    with mode():
        found = linear(torch.ones(2, 8), weight)
    assert not found.requires_grad
    assert_near(found, weight.detach().sum(1).expand(2, 6))


@pytest.mark.usefixtures("onednn")
@pytest.mark.parametrize("x", INPUTS)
def test_a_product_with_a_matrix_is_that_of_torch(x: str) -> None:
    torch.manual_seed(1)
    given, matrix = INPUTS[x](), torch.randn(8, 6, requires_grad=True)
    found = matmul(given, matrix)
    assert_near(found, given @ matrix)
    assert_near(*(torch.autograd.grad(one.square().sum(), matrix) for one in (found, given @ matrix)))


@pytest.mark.usefixtures("onednn")
@pytest.mark.parametrize(("width", "other"), [(3, 8), (8, 8), (8, 3), (1, 1)])
def test_a_product_over_rows_is_that_of_torch(width: int, other: int) -> None:
    a, b = torch.randn(5, width), torch.randn(5, other)
    assert_near(product_over_rows(a, b), a.t() @ b)


LEFT_TO_TORCH = {
    "double": lambda: (torch.randn(5, 8).double(), torch.randn(6, 8).double(), None),
    "bf16": lambda: (torch.randn(5, 8).bfloat16(), torch.randn(6, 8).bfloat16(), None),
    "meta": lambda: (torch.randn(5, 8, device="meta"), torch.randn(6, 8, device="meta"), None),
    "a vector": lambda: (torch.randn(8), torch.randn(6, 8), None),
    "no rows": lambda: (torch.randn(0, 8), torch.randn(6, 8), torch.randn(6)),
    "no steps": lambda: (torch.randn(3, 0, 8), torch.randn(6, 8), None),
    "no columns": lambda: (torch.randn(5, 0), torch.randn(6, 0), None),
    "no outputs": lambda: (torch.randn(5, 8), torch.randn(0, 8), None),
    "strided bias": lambda: (torch.randn(5, 8), torch.randn(6, 8), torch.randn(12)[::2]),
}


@pytest.mark.usefixtures("onednn")
@pytest.mark.parametrize("what", LEFT_TO_TORCH)
def test_what_it_cannot_compute_is_left_to_torch(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight, bias = LEFT_TO_TORCH[what]()
    given = calls(monkeypatch)
    found, expected = linear(x, weight, bias), F.linear(x, weight, bias)
    assert (found.shape, found.dtype, found.device) == (expected.shape, expected.dtype, expected.device)
    assert found.is_meta or torch.equal(found, expected)
    assert not given


@pytest.mark.skipif(not offers("onednn"), reason="this build of torch has no such operator")
def test_a_product_that_is_too_small_to_be_worth_the_call_is_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    given = calls(monkeypatch)
    with matmul_used("onednn"):
        for rows in (15, 16):
            linear(torch.ones(rows, 256), torch.ones(512, 256))
            matmul(torch.ones(rows, 256), torch.ones(256, 512))
            product_over_rows(torch.ones(256, rows), torch.ones(256, 512))
    assert [shape[0] for shape in given] == [16, 16, 16]


@pytest.mark.usefixtures("onednn")
def test_autocast_decides_the_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, given = Linear(8, 6), calls(monkeypatch)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(torch.ones(2, 8))
    assert found.dtype == torch.bfloat16
    assert not given
    found.sum().backward()  # outside of it, as torch has it
    assert layer.weight.grad is not None
    # A product from before it, whose gradient is taken inside of it, stays in fp32.
    x = torch.randn(2, 8, requires_grad=True)
    out = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        out.sum().backward()
    assert_near(x.grad, layer.weight.detach().sum(0).expand(2, 8))


@pytest.mark.usefixtures("onednn")
def test_a_compiler_chooses_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, given = Linear(8, 6), calls(monkeypatch)
    x = torch.randn(2, 8)
    compiled = torch.compile(layer, backend="eager", fullgraph=True)
    assert torch.equal(compiled(x), F.linear(x, layer.weight, layer.bias))
    assert not given


@pytest.mark.usefixtures("onednn")
def test_a_copy_and_a_wrapped_module_compute_the_same(tmp_path_factory: pytest.TempPathFactory) -> None:
    torch.manual_seed(1)
    layer = nn.Sequential(Linear(8, 6), nn.ReLU(), Linear(6, 4))
    x = torch.randn(3, 8)
    expected = torch.autograd.grad(layer(x).square().sum(), list(layer.parameters()))
    rendezvous = tmp_path_factory.mktemp("group") / "file"
    torch.distributed.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=0, world_size=1)
    try:
        for other in (copy.deepcopy(layer), DistributedDataParallel(copy.deepcopy(layer))):
            other(x).square().sum().backward()
            assert all(torch.equal(one.grad, wanted) for one, wanted in zip(other.parameters(), expected, strict=True))
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.usefixtures("onednn")
def test_the_summed_loss_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    monkeypatch.setitem(losses._LOGITS, "cpu", 18)  # two rows at once
    states_NTD, projection_VD = torch.randn(2, 3, 4).requires_grad_(), torch.randn(9, 4).requires_grad_()
    target_NT = torch.randint(4, 9, (2, 3))
    target_NT[1, 1:] = PAD
    found = summed_loss(states_NTD, projection_VD, Targets(target_NT, 0.1))
    expected = token_losses(F.linear(states_NTD, projection_VD), target_NT, label_smoothing=0.1).sum()
    assert_near(found, expected)
    both = (states_NTD, projection_VD)
    assert_near(torch.autograd.grad(found, both), torch.autograd.grad(expected, both))


MODELS = {
    "seq2seq": lambda: build_model(SEQ2SEQ, SIZES, seed=1),
    "decoder_only": lambda: build_model(
        DecoderOnly(d_model=16, d_ff=32, heads=2, layers=1, dropout=0.0), SIZES, seed=1
    ),
    "encoder": lambda: build_classifier(Encoder(d_model=16, d_ff=32, heads=2, layers=1, dropout=0.0), [23], classes=3),
}


@pytest.mark.usefixtures("onednn")
@pytest.mark.parametrize("name", MODELS)
def test_all_products_with_weights_of_our_models_go_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    model = MODELS[name]().eval()

    def answers() -> list[Tensor]:
        tokens_BT = torch.arange(12).view(2, 6) % 19 + 4
        if isinstance(model, Generator):
            states = model.states(tokens_BT, model.encode(tokens_BT))
            outcome = [model.project(states), model.summed_loss(states, Targets(tokens_BT, 0.1))]
        else:
            outcome = [model(tokens_BT)]
        return [*outcome, *torch.autograd.grad(outcome[-1].sum(), [*model.parameters()], allow_unused=True)]

    given = calls(monkeypatch)
    found = answers()
    assert given
    torchs_own = F.linear
    monkeypatch.setattr(F, "linear", None)
    answers()
    monkeypatch.setattr(F, "linear", torchs_own)
    with matmul_used("mkl"):
        assert_near(found, answers())


def test_a_build_of_torch_without_the_operator_goes_on_with_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*given: object) -> Tensor:
        raise AttributeError("'_OpNamespace' 'mkldnn' object has no attribute '_linear_pointwise'")

    offers.cache_clear()
    monkeypatch.setattr(module, "_onednn", gone)
    try:
        with matmul_used("mkl"):
            use_matmul("onednn")
            assert matmul_in_use() == "mkl"
            assert torch.equal(linear(torch.ones(2, 3), torch.ones(4, 3)), torch.full((2, 4), 3.0))
    finally:
        offers.cache_clear()


def test_a_while_ends_with_what_was_before() -> None:
    with matmul_used("mkl"), pytest.raises(KeyError), matmul_used("onednn"):
        raise KeyError
    assert matmul_in_use() == "mkl"
