"""Every error a user can cause: one line (what, where, why, the mend) and one documented exit code."""

MOST_PROBLEMS = 10


class IntelligenError(Exception):
    """Base of the errors that a user can cause; `exit_code` is what the process ends with."""

    exit_code = 1


class ConfigError(IntelligenError):
    """An experiment or sweep file, an override or an option is wrong; each argument is the line of one problem."""

    exit_code = 2

    def __str__(self) -> str:
        lines = [str(line) for line in self.args[:MOST_PROBLEMS]]
        more = len(self.args) - len(lines)
        return "\n".join([*lines, f"… and {more} more"] if more else lines)


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


class ClusterLostError(IntelligenError):
    """The Ray cluster died under a sweep; the same command resumes it."""

    exit_code = 75


class ChangedError(IntelligenError):
    """The sweep file, the data or the search space changed since the sweep started."""

    exit_code = 78
