"""The cause of a failed attempt is found by its error: real ones, each raised by what raises it."""

import datetime
import errno
import multiprocessing
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import ray
import torch
from ray._raylet import ActorID
from ray.core.generated.common_pb2 import ActorDiedErrorContext
from sqlalchemy.exc import OperationalError
from torch import distributed

from intelligen.errors import (
    BusyError,
    CannotCreateError,
    ConfigError,
    CrashedError,
    DataError,
    IntelligenError,
    MemoryShortageError,
    NodeLostError,
    StorageError,
    UnavailableError,
    writing,
)
from intelligen.sweep.execution.failure_causes import at_host, fault_of, unwrapped
from intelligen.training.divergence import DivergedError

DIRECTORY = Path(__file__).parent


def raised(act: Callable[[], object]) -> BaseException:
    try:
        act()
    except Exception as error:
        return error
    raise AssertionError("it raised nothing")


def fault(act: Callable[[], object]) -> IntelligenError | None:
    return fault_of(raised(act), directory=DIRECTORY)


def of_system(number: int, *names: str) -> Callable[[], object]:
    def act() -> None:
        raise OSError(number, os.strerror(number), *names)

    return act


def write_to_full_device() -> None:
    with open("/dev/full", "w") as file:
        file.write("x" * 100_000)


def fill_database() -> None:
    with sqlite3.connect(":memory:") as database:
        database.execute("pragma max_page_count = 2")
        database.execute("create table t (x)")
        for _ in range(100):
            database.execute("insert into t values (zeroblob(4000))")


def meet_nobody() -> None:
    soon = datetime.timedelta(seconds=1)
    distributed.TCPStore("127.0.0.1", 9, world_size=2, is_master=False, timeout=soon)


@pytest.mark.parametrize(
    ("act", "kind", "named"),
    [
        (write_to_full_device, StorageError, "No space left on device; "),
        (of_system(errno.EDQUOT, "/runs/x"), StorageError, "/runs/x: cannot be written: Disk quota exceeded"),
        (of_system(errno.EIO), StorageError, f"{DIRECTORY}: Input/output error; check its disk"),
        (of_system(errno.ESTALE), StorageError, "Stale file handle"),
        (of_system(errno.EROFS, "/runs/x"), CannotCreateError, "/runs/x: cannot be written: Read-only file system"),
        (of_system(errno.EACCES, "/runs/x"), CannotCreateError, "Permission denied"),
        (
            lambda: Path("/nowhere/model.safetensors").read_bytes(),
            StorageError,
            "/nowhere/model.safetensors: not there; restore or install it, and run the same command",
        ),
        (of_system(errno.ENOMEM), MemoryShortageError, "Cannot allocate memory"),
        (of_system(errno.ECONNREFUSED), BusyError, "Connection refused"),
        (of_system(errno.EHOSTUNREACH), BusyError, "No route to host"),
        (fill_database, StorageError, "database or disk is full"),
        (lambda: __import__("no_such_module"), UnavailableError, "No module named 'no_such_module'; install it"),
        (lambda: torch.empty(10**16), MemoryShortageError, "out of memory"),
        (lambda: bytearray(2**62), MemoryShortageError, "out of memory"),
        (meet_nobody, BusyError, "its workers cannot reach each other"),
    ],
)
def test_a_fault_of_the_host_ends_the_launch_with_its_own_code_and_line(act, kind, named):
    found = fault(act)
    assert type(found) is kind
    assert named in str(found)
    assert "\n" not in str(found)


@pytest.mark.skipif(torch.cuda.is_available(), reason="only a GPU that cannot be used shows it")
def test_a_gpu_that_cannot_be_used_is_a_fault_of_the_host():
    found = fault(lambda: torch.empty(1, device="cuda"))
    assert type(found) is UnavailableError
    assert "its GPU cannot be used" in str(found)


@pytest.mark.parametrize(
    "text",
    [
        "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU",
        "No CUDA GPUs are available",
        "CUDA error: no CUDA-capable device is detected",
        "CUDA error: CUDA-capable device(s) is/are busy or unavailable",
        "CUDA error: uncorrectable ECC error encountered",
        "The NVIDIA driver on your system is too old (found version 11040).",
    ],
)
def test_torch_s_complaints_about_drivers_are_faults_of_the_host(text):
    assert type(fault_of(RuntimeError(text), directory=DIRECTORY)) is UnavailableError


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a bug"),
        RuntimeError("CUDA error: device-side assert triggered"),
        RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"),
        DivergedError("diverged: gradient norm nan by update 20"),
        ConfigError("values that do not go together"),
        ray.exceptions.ActorDiedError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_trial_s_own_errors_and_unexplained_deaths_are_no_fault_of_the_host(error):
    assert fault_of(error, directory=DIRECTORY) is None


@pytest.mark.parametrize("directory", ["sweeps/s", "sweeps/s/trials/t0001", "baselines/0123"])
@pytest.mark.parametrize(
    ("path", "fix"),
    [
        ("/r/runs/prepared/x/train.bin", "make the runs directory available on every node"),
        ("/r/runs/sweeps/s/trials/t0001/history.jsonl", "make the runs directory available on every node"),
        ("/r/runs", "make the runs directory available on every node"),
        ("/r/runs-of-others/x", "restore or install it"),
        ("git", "restore or install it"),
    ],
)
def test_a_file_that_is_missing_is_named_and_nodes_are_suspected_only_where_it_is_of_the_runs_directory(
    directory, path, fix
):
    error = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    found = fault_of(error, directory=Path("/r/runs") / directory)
    assert type(found) is StorageError
    assert str(found) == f"{path}: not there; {fix}, and run the same command"


def test_a_process_that_ray_never_started_is_no_crash_of_its_trial() -> None:
    reported = ActorDiedErrorContext(class_name="Trial", actor_id=ActorID.nil().binary(), never_started=True)
    assert type(fault_of(ray.exceptions.ActorDiedError(reported), directory=DIRECTORY)) is BusyError


@pytest.mark.parametrize("error", [StorageError("x: damaged"), DataError("no checkpoint is whole")])
def test_our_own_errors_keep_their_code_and_line(error):
    assert fault_of(error, directory=DIRECTORY) is error


def test_what_hides_a_fault_does_not_change_it():
    def act() -> None:
        try:
            raise StorageError("t0001/checkpoints/20: cannot write a checkpoint")
        finally:
            write_to_full_device()  # as a log that cannot be closed

    assert str(fault(act)) == "t0001/checkpoints/20: cannot write a checkpoint"


def test_an_error_that_was_dealt_with_explains_no_later_one():
    def act() -> None:
        try:
            Path("/nowhere").read_bytes()
        except OSError:
            raise ValueError("a bug") from None

    assert fault(act) is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ray.exceptions.NodeDiedError("gone"), NodeLostError),
        (ray.exceptions.ActorUnavailableError("no answer", None), NodeLostError),
        (ray.exceptions.RayActorError(preempted=True), NodeLostError),
        (ray.exceptions.OutOfMemoryError("1 worker(s) were killed"), MemoryShortageError),
        (RuntimeError("1 worker(s) were killed due to the node running low on memory."), MemoryShortageError),
        (ray.exceptions.RuntimeEnvSetupError("pip failed"), UnavailableError),
        (ray.exceptions.OutOfDiskError("the disk is full"), StorageError),
        (OperationalError("insert", {}, raised(fill_database)), StorageError),
    ],
    ids=lambda value: getattr(value, "__name__", None) or type(value).__name__,
)
def test_errors_of_ray_and_sqlalchemy_are_read(error, kind):
    assert type(fault_of(error, directory=DIRECTORY)) is kind


def test_what_ray_wraps_is_said_with_its_node():
    cause = RuntimeError("[enforce fail at gloo/transport/tcp/device.cc:84] Unable to find address for: nosuch0")
    wrapped = ray.exceptions.RayTaskError("train", "ray::train() (pid=7, ip=10.0.0.7, actor_id=3b)\n…", cause)
    found = fault_of(ray.train.ControllerError(wrapped.as_instanceof_cause()), directory=DIRECTORY)
    assert type(found) is BusyError
    assert str(found).endswith(" (on node 10.0.0.7)")


def test_of_a_group_s_errors_the_one_that_led_to_the_others_decides():
    lost = RuntimeError("[gloo/transport/tcp/pair.cc:537] Read error [10.0.0.1]:25763: Connection reset by peer.")
    died, bug, full = ray.exceptions.ActorDiedError(), ValueError("a bug"), StorageError("full")

    def of(*errors: Exception) -> BaseException:
        return unwrapped(ray.train.WorkerGroupError("", dict(enumerate(errors))), directory=DIRECTORY)

    assert of(lost, died) is died
    assert of(bug, lost) is bug
    assert of(died, full, lost) is full
    assert type(fault_of(of(lost, lost), directory=DIRECTORY)) is BusyError


def test_a_worker_s_error_survives_the_way_through_ray():
    reported = at_host(raised(write_to_full_device), directory=DIRECTORY)
    again = ray.cloudpickle.loads(ray.cloudpickle.dumps(reported))
    assert (type(again), str(again)) == (StorageError, str(reported))
    assert "(on host " in str(reported)
    bug = ValueError("a bug")
    reported = at_host(bug, directory=DIRECTORY)
    assert (type(reported), str(reported)) == (CrashedError, "ValueError: a bug")
    assert fault_of(reported, directory=DIRECTORY) is None


def test_where_there_is_no_room_the_bytes_needed_and_free_are_said(tmp_path):
    with (
        pytest.raises(StorageError, match=r"/f: cannot be written: No space left on device; it needs 7 bytes, [\d,]+ "),
        writing(tmp_path / "f", needed=7),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("directory", "kind", "fix"),
    [
        ("gone/deep/f", StorageError, ": the directory {}/gone is gone; restore it and run the same command"),
        ("file/f", CannotCreateError, "; a file is where a directory must be: move it, and run the same command"),
        ("directory", CannotCreateError, "; a directory is where the file must be: move it, and run the same command"),
        ("n" * 300, CannotCreateError, "; choose a place with a shorter path, and run the same command"),
    ],
    ids=["no directory", "a file in its way", "a directory in its way", "a long name"],
)
def test_a_path_that_cannot_be_written_is_not_blamed_on_the_disk(tmp_path, directory, kind, fix):
    (tmp_path / "file").touch()
    (tmp_path / "directory").mkdir()
    with pytest.raises(kind) as caught, writing(tmp_path / directory):
        (tmp_path / directory).write_bytes(b"")
    assert str(caught.value).endswith(fix.format(tmp_path))


def _meet(rank: int, port: int, reported: "multiprocessing.Queue[tuple[type, str]]") -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="nosuch0")
    error = raised(lambda: distributed.init_process_group("gloo", rank=rank, world_size=1))
    found = fault_of(error, directory=DIRECTORY)
    reported.put((type(found), str(found)))


@pytest.fixture
def reported() -> Iterator["multiprocessing.Queue[tuple[type, str]]"]:
    with multiprocessing.get_context("spawn").Manager() as manager:
        yield manager.Queue()


def test_workers_that_cannot_bind_to_a_network_are_a_fault_of_the_host(reported):
    process = multiprocessing.get_context("spawn").Process(target=_meet, args=(0, 29611, reported))
    process.start()
    process.join(60)
    kind, line = reported.get(timeout=1)
    assert kind is BusyError
    assert "Unable to find address for: nosuch0" in line
