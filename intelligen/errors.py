"""Every error a user can cause: one line (what, where, why, the mend) and one documented exit code."""


class IntelligenError(Exception):
    """Base of the errors that a user can cause; `exit_code` is what the process ends with."""

    exit_code = 1


class ConfigError(IntelligenError):
    """An experiment or sweep file, an override or an option is wrong."""

    exit_code = 2


class TrialsFailedError(IntelligenError):
    """The sweep went on to its end, but some trials failed."""

    exit_code = 3


class DataError(IntelligenError):
    """The data are not what they claim to be: encoding, line counts, emptiness, damage."""

    exit_code = 65


class UnavailableError(IntelligenError):
    """A resource or a service is missing: processors, accelerators, memory, the tracking server, the hub."""

    exit_code = 69


class CannotCreateError(IntelligenError):
    """A directory or file that must be written cannot be created."""

    exit_code = 73


class StorageError(IntelligenError):
    """Reading or writing failed: disk full, input/output error, damaged state."""

    exit_code = 74


class BusyError(IntelligenError):
    """Somebody else holds it; retry later."""

    exit_code = 75


class ChangedError(IntelligenError):
    """The sweep file, the data or the search space changed since the sweep started."""

    exit_code = 78
