"""Place of a pre-trained model's files: the runs directory's copy, or else where the settings name it."""

import shlex
from pathlib import Path

from intelligen.config.schema.model import Model
from intelligen.config.schema.pretrained_model import Pretrained
from intelligen.errors import DataError
from intelligen.state import layout


def placed(model: Model, store: Path) -> Model:
    """The settings, which name the place where a pre-trained model's files are found; other models' as they are.

    Args:
        model: Settings.
        store: The runs directory.

    Raises:
        DataError: They are in neither place.

    """
    if not isinstance(model, Pretrained):
        return model
    copy, named = layout.pretrained(store, model.found.files), model.found.path
    if copy.is_dir():
        return model.model_copy(update={"resolved": model.found.model_copy(update={"path": str(copy)})})
    if Path(named).is_absolute() and not Path(named).is_dir():
        folder, link = (shlex.quote(str(path)) for path in (copy.parent, copy))
        raise DataError(
            f"model.path: the pre-trained model is gone from {named}; restore it there, or say where it is now:"
            f" mkdir -p {folder} && ln -s DIRECTORY {link}"
        )
    return model
