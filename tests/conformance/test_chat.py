"""Chat: answers appear token by token, and every key and command does what it says."""

import io
import os
import pty
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from select import select

import pytest
import torch
from chatting import endless
from task_data import CPU, Parts, prepare_tasks, task_trial

from intelligen.cli.chat_loop import chat_on_standard_input
from intelligen.cli.main import commands, guarded
from intelligen.config.schema.decoding import Beam, Greedy, Mbr, Sample
from intelligen.data.special_tokens import EOS, PAD
from intelligen.decoding.generate import generate
from intelligen.decoding.streaming import stream_tokens
from intelligen.training.chat import Chat
from intelligen.training.fit import fit
from intelligen.training.runtime import Runtime
from intelligen.training.trained_model import TrainedModel

PATIENCE_S = 300


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chat")


@pytest.fixture(scope="module")
def identities(store: Path) -> dict[str, str]:
    return prepare_tasks(store)


@pytest.fixture(scope="module")
def trained(store: Path, identities: dict[str, str]) -> TrainedModel:
    fit(task_trial("question_answering", "seq2seq", identities["question_answering"]), Runtime(store, store / "t"))
    return TrainedModel.load(store / "t", store=store, device=CPU)


@pytest.mark.parametrize("model", ["seq2seq", "decoder_only"])
@pytest.mark.parametrize("search", [Greedy(), Beam(size=2), Sample(temperature=0.01)], ids=lambda one: one.name)
def test_what_is_streamed_is_what_is_generated(
    search: Greedy | Beam | Sample, model: str, store: Path, identities: dict[str, str]
) -> None:
    parts = Parts(task_trial("question_answering", model, identities["question_answering"]), store)
    parts.train(1, 10)
    parts.model.eval()
    source_1S = (
        parts.task.examples(parts.prepared.split("test"), parts.prepared)
        .batch(torch.tensor([3]).numpy(), update_targets=1, update_rows=1)
        .source_BS
    )
    for most in (1, 12):
        found = generate(parts.model, source_1S, search, max_lengths_B=torch.tensor([most])).tokens_NT[0].tolist()
        streamed = [*stream_tokens(parts.model, source_1S, search, most=most)]
        assert streamed == [token for token in found if token not in (EOS, PAD)]


def test_an_answer_by_minimum_bayes_risk_is_one_of_the_drawn_texts(trained: TrainedModel) -> None:
    line = trained.prepared.split("test").texts("question")[0]
    torch.manual_seed(3)
    answer = "".join(Chat(trained, Mbr(samples=9)).answer(line))
    torch.manual_seed(3)
    how = {"prepared": trained.prepared, "decoding": trained.trial.decoding, "device": CPU, "notes": Counter()}
    (once,) = trained.task.predict(trained.model, [line], search=Mbr(samples=9), **how)
    assert answer == once


def test_an_answer_is_what_inference_says_and_comes_in_pieces(trained: TrainedModel) -> None:
    line = trained.prepared.split("test").texts("question")[0]
    pieces = [*Chat(trained, Greedy()).answer(line)]
    how = {"prepared": trained.prepared, "search": Greedy(), "decoding": trained.trial.decoding, "device": CPU}
    (whole,) = trained.task.predict(trained.model, [line], **how, notes={"cut": 0, "cut_start": 0})
    assert "".join(pieces) == whole
    assert len(pieces) > 1


def test_earlier_turns_are_read_as_far_as_the_bound_goes(trained: TrainedModel) -> None:
    chat, most = Chat(trained, Greedy(), turns=2), trained.prepared.manifest.data.max_tokens
    tokenizer = trained.prepared.tokenizer("question")

    def read(line: str) -> list[int]:
        return chat._source(line)[0][0].tolist()[:-1]

    answers = ["".join(chat.answer(line)) for line in ("ape", "bee", "cat")]
    assert read("dog") == tokenizer.encode([f"bee {answers[1]} cat {answers[2]} dog"])[0]
    long = " ".join(["ape"] * (most // len(tokenizer.encode(["ape"])[0]) - 1))
    assert read(long) == tokenizer.encode([long])[0]  # no part of a turn
    assert not chat.cut
    too_long = "bee " * most + "ape"
    assert read(too_long) == tokenizer.encode([too_long])[0][-most:]
    assert chat.cut
    chat.reset()
    assert read("dog") == tokenizer.encode(["dog"])[0]
    assert [*chat.answer("  ")] == []


@pytest.fixture
def piped(trained: TrainedModel, monkeypatch: pytest.MonkeyPatch, store: Path) -> Callable[..., int]:
    def run(text: str, *options: str) -> int:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        arguments = ["chat", str(store / "t"), "--runs", str(store), "--device", "cpu", *options]
        return guarded(lambda: commands.main(arguments, standalone_mode=False))

    return run


def test_in_a_pipe_a_line_in_is_a_line_out(
    piped: Callable[..., int], trained: TrainedModel, capsys: pytest.CaptureFixture[str]
) -> None:
    long = "ape " * 60
    assert piped(f"ape bee\n\n/quit\n{long}\n{long}\n", "--search", "greedy") == 0
    out, err = capsys.readouterr()
    chat = Chat(trained, Greedy())
    assert out.split("\n") == ["".join(chat.answer(line)) for line in ("ape bee", "", "/quit", long, long)] + [""]
    assert out.split("\n")[1] == ""
    assert err.count("only so much of its end was read") == 1


def test_a_model_that_does_not_answer_is_refused(
    store: Path, identities: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    fit(task_trial("classification", "encoder", identities["classification"]), Runtime(store, store / "c"))
    arguments = ["chat", str(store / "c"), "--runs", str(store)]
    assert guarded(lambda: commands.main(arguments, standalone_mode=False)) == 2
    assert "a model of the task classification does not answer; use `intelligen inference`" in capsys.readouterr().err


class Terminal:
    """A chat that runs behind a pseudo-terminal."""

    def __init__(self, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        script = Path(__file__).with_name("chatting.py")
        paths = [str(script.parent), str(script.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "TERM": "dumb", "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, str(script), *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            preexec_fn=lambda: self._own(theirs),
        )
        os.close(theirs)
        self.shown = ""

    @staticmethod
    def _own(terminal: int) -> None:
        """In the child: the terminal is its own, and Ctrl-C interrupts it even where tests run in the background."""
        os.login_tty(terminal)
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def interrupt_until(self, text: str) -> str:
        """What was shown up to and with the text, after Ctrl-C.

        It is pressed again and again: between the prompt and the read, a signal is noticed only at the next one.

        """
        for _ in range(PATIENCE_S):
            self.type("\x03")
            if self._shows(text, within_s=1):
                break
        return self.wait_for(text)

    def wait_for(self, text: str) -> str:
        """What was shown up to and with the text."""
        assert self._shows(text, within_s=PATIENCE_S), f"no {text!r} in {self.shown[-500:]!r}"
        before, _, self.shown = self.shown.partition(text)
        return before + text

    def _shows(self, text: str, *, within_s: float) -> bool:
        while text not in self.shown:
            ready, _, _ = select([self._ours], [], [], within_s)
            if not ready:
                return False
            self.shown += os.read(self._ours, 65536).decode(errors="replace")
        return True

    def ended(self) -> int:
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


@pytest.mark.skipif(not hasattr(os, "login_tty"), reason="needs Python 3.11 on Unix")
def test_a_chat_on_a_terminal(store: Path, identities: dict[str, str]) -> None:
    terminal = Terminal(str(store), identities["question_answering"], "1")
    try:
        terminal.wait_for("/search greedy|beam|sample|mbr, /quit")
        terminal.wait_for("> ")
        terminal.type("\n")  # an empty line has no answer
        terminal.wait_for("> ")
        terminal.type("ape bee\n")
        terminal.wait_for("ape bee\r\n")
        (first,) = endless_beginning(store, identities["question_answering"], "ape bee")
        terminal.wait_for(first)  # 5,000 tokens would follow
        terminal.type("\x03")
        assert terminal.wait_for("> ").endswith(" …\r\n> ")
        terminal.type("/sing\n")
        terminal.wait_for("/sing: no such command; there are /reset, /search")
        terminal.wait_for("> ")
        terminal.interrupt_until("ends the chat")
        terminal.wait_for("> ")
        for command in ("/reset", "/search sample"):
            terminal.type(f"{command}\n")
            assert "no such" not in terminal.wait_for("> ")
        terminal.type("\x04")
        assert terminal.ended() == 0
    finally:
        terminal.close()


def endless_beginning(store: Path, identity: str, line: str) -> list[str]:
    """The first piece of its answer."""
    pieces = Chat(endless(store, identity), Greedy()).answer(line)
    return [next(piece for piece in pieces if piece.strip()).strip()]


def test_quit_ends_a_chat_and_commands_change_it(
    trained: TrainedModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = iter(["ape", "/search beam", "/reset", "/quit", "never read"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(lines))
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda self: True})())
    chat = Chat(trained, Greedy(), turns=3)
    chat_on_standard_input(chat)
    assert (chat.search.name, chat._said, next(lines)) == ("beam", [], "never read")
    assert capsys.readouterr().out == "".join(Chat(trained, Greedy()).answer("ape")) + "\n"


def test_neither_a_wrong_byte_nor_ctrl_c_at_an_answer_s_end_ends_a_chat(
    trained: TrainedModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = iter(["\udcff", UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), "a\0", "ape", "/quit"])

    def read(_: str) -> str:
        if isinstance(line := next(typed), Exception):
            raise line
        return line

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", read)
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda self: True, "encoding": "utf-8"})())
    monkeypatch.setattr("intelligen.cli.chat_loop._Said.tell", interrupted)
    chat_on_standard_input(Chat(trained, Greedy()))
    out, err = capsys.readouterr()
    assert out == "".join(Chat(trained, Greedy()).answer("ape")) + "\n"
    assert err.count("not utf-8 text, so it was not read; check the terminal's encoding") == 3
    assert err.count("Ctrl-D or /quit ends the chat.") == 1
    assert next(typed, None) is None
