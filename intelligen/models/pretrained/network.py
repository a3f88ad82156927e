"""What the networks of pre-trained models have in common: their tables, their state, and what of them is trained."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from intelligen.config.schema.pretrained_model import Pretrained
from intelligen.data.pretrained_vocabulary import VocabularyOrder
from intelligen.errors import ConfigError
from intelligen.models.interfaces import MixtureReader, Part
from intelligen.models.losses import Targets, summed_loss
from intelligen.models.pretrained.lora import add_lora
from intelligen.models.pretrained.own_names import keep_own_names
from intelligen.models.pretrained.token_tables import logit_bias, to_our_order


class PretrainedNetwork(MixtureReader):
    """A model of `transformers`, its vocabulary in our order.

    Args:
        hf: The model, which becomes part of this network and is changed in place.
        order: Of its vocabulary.
        settings: What of it is trained.

    Raises:
        ConfigError: That is nothing, or `lora.targets` names no projection.

    """

    def __init__(self, hf: Any, order: VocabularyOrder, settings: Pretrained) -> None:
        super().__init__()
        self.order = order
        self.settings = settings
        self.max_positions = settings.max_positions
        self.source_vocabulary = self.target_vocabulary = order.size
        # Before the tables change: what is added is a model's own.
        self._bias_V: Tensor
        self.register_buffer("_bias_V", logit_bias(hf, order), persistent=False)
        to_our_order(hf, order)
        for module in hf.modules():
            if hasattr(module, "layerdrop"):  # ranks would wait for the gradients of layers that were left out
                module.layerdrop = 0.0
        if settings.checkpointing:
            hf.activation_checkpointing_enable({"use_reentrant": False})
        if settings.lora is not None:
            add_lora(hf, settings.lora, family=settings.found.family)
        self.hf: Any = hf
        self._freeze()
        keep_own_names(self, trained_alone=settings.lora is not None)
        self.register_load_state_dict_post_hook(_take_up_bias)  # type: ignore[no-untyped-call]

    def project(self, states: Tensor) -> Tensor:
        """Logits by the model's output projection."""
        logits = F.linear(self._readable(states), self._projection_VD)
        # Added last, as `transformers` does: a wide product that begins with a bias is rounded otherwise.
        return logits.add_(self._bias_V)

    def summed_loss(self, states_NTD: Tensor, targets: Targets) -> Tensor:
        """The sum of the tokens' losses, without ever holding the logits of all positions."""
        return summed_loss(self._readable(states_NTD), self._projection_VD, targets, bias_V=self._bias_V)

    @property
    def parts(self) -> Mapping[Part, tuple[str, ...]]:
        """By the names that the model's own modules have."""
        names = {id(module): name for name, module in self.named_modules()}
        stacks: dict[Part, Any] = {"decoder": self.hf.get_decoder()}
        if self.settings.kind == "encoder_decoder":
            stacks = {"encoder": self.hf.get_encoder(), **stacks}
        table, output = map(self._first_name, (self.hf.get_input_embeddings().weight, self._projection_VD))
        found: dict[Part, tuple[str, ...]] = {part: (f"{names[id(module)]}.", table) for part, module in stacks.items()}
        found["decoder"] = tuple(dict.fromkeys((*found["decoder"], output)))
        return found | {"embeddings": (table.removesuffix("weight"),)}

    @property
    def _projection_VD(self) -> Tensor:
        projection: Tensor = self.hf.get_output_embeddings().weight
        return projection

    def _readable(self, states: Tensor) -> Tensor:
        """States as the output projection reads them."""
        return states

    def _embedded(self, tokens_NT: Tensor) -> Tensor:
        """Vectors as the stacks read them; the scale of some models lies in their table."""
        embedded_NTD: Tensor = self.hf.get_input_embeddings()(tokens_NT)
        return embedded_NTD

    def _mixed(self, mixture_NTV: Tensor) -> Tensor:
        table = self.hf.get_input_embeddings()
        mixed_NTD: Tensor = mixture_NTV @ table.weight * getattr(table, "embed_scale", 1.0)
        return mixed_NTD

    def _first_name(self, parameter: Tensor) -> str:
        return next(name for name, one in self.named_parameters() if one is parameter)

    def _freeze(self) -> None:
        prefixes = tuple(prefix for part in self.settings.freeze for prefix in self.parts[part])
        for name, parameter in self.named_parameters():
            if prefixes and name.startswith(prefixes):
                parameter.requires_grad_(False)
        if not any(parameter.requires_grad for parameter in self.parameters()):
            frozen = ", ".join(self.settings.freeze)
            raise ConfigError(f"model.freeze: without {frozen} nothing is left to train; leave a part out")


def _take_up_bias(network: PretrainedNetwork, _keys: Any) -> None:
    """The bias of the logits is made of a tensor that the model's state has."""
    network._bias_V.copy_(logit_bias(network.hf, network.order))
