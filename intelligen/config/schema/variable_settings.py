"""Settings that trials of one row may differ in: what a search space may vary."""

# All trials of a row start from one baseline, so its shape, its data and its own training are the same for all.
VARIABLE_GROUPS = ("finetuning", "strategy", "decoding")
VARIABLE_SETTINGS = ("model.dropout", "model.attention_dropout", "model.activation_dropout", "model.output_dropout")
# Where no baseline is trained, its shape and its training vary too.
VARIABLE_GROUPS_OF_TRAINING = ("training", "strategy", "decoding", "model")


def may_vary(setting: str, *, trains: bool) -> bool:
    """Whether trials of one row may differ in a setting, where they are trained without a baseline or with one."""
    groups = VARIABLE_GROUPS_OF_TRAINING if trains else VARIABLE_GROUPS
    return setting in VARIABLE_SETTINGS or setting.partition(".")[0] in groups
