"""Outcome of a check: what it found, or why it failed or was skipped."""


class FailedError(Exception):
    """Something is not as it is to be."""


class SkippedError(Exception):
    """What the check needs is not here."""


def require(holds: bool, otherwise: str) -> None:
    """Fail the check unless something holds."""
    if not holds:
        raise FailedError(otherwise)


def require_gpu(on_gpu: bool) -> None:
    """Skip the check without a GPU."""
    if not on_gpu:
        raise SkippedError("no GPU")
