"""`make demo`: from a fresh clone to real answers, and how to go on by hand; a second run reuses what there is."""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from demo import registry
from savor.client import Client, EmbedTextReply, RecognizeSpeechReply, connect

_CONSOLE = Console()
_STARTED_S = time.monotonic()
_SPEECH = Path(__file__).with_name("speech.flac")

_SENTENCES = (
    "The cat sat on the windowsill and watched the birds.",
    "A kitten was looking at sparrows through the window.",
    "The central bank raised interest rates again.",
    "Borrowing money has become more expensive.",
)


def main() -> None:
    """Runs the demo. Exits with 1 and one line where a step fails."""
    registry.ensure_logged(say)
    with _server() as target, connect(target) as client:
        _show_similarities(client.embed_text(_SENTENCES, model="minilm"))
        _show_speech(client.recognize_speech(_SPEECH, model="whisper", timestamps="word"))
        _show_mistake(client)
    _show_next_steps()


def say(text: str) -> None:
    """One line of progress, with the seconds since the start."""
    _CONSOLE.print(f"[dim]{time.monotonic() - _STARTED_S:5.1f} s[/]  {text}", highlight=False)


@contextmanager
def _server() -> Iterator[str]:
    """`savor serve` on both aliases, as a process of its own; yields where it listens."""
    command = [sys.executable, "-m", "savor.server", *_serve_arguments(), "--port", "0"]
    say(f"starting: savor {' '.join(_serve_arguments())}")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield _wait_ready(process)
        finally:
            process.terminate()
            process.wait(60)


def _serve_arguments() -> Sequence[str]:
    models = (f"models:/{name}@{registry.ALIAS}" for name in ("minilm", "whisper"))
    return ("serve", *models, "--tracking-uri", registry.TRACKING_URI)


def _wait_ready(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        if found := re.search(r"ready on (\S+:\d+)", line):
            say(f"ready on {found[1]}")
            # The log goes on; a full pipe would stop the server.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return found[1]
        if found := re.search(r"INFO\s+(\S.*\S)", line):
            say(f"[dim]server:[/] {found[1]}")
    raise SystemExit("the server ended:\n" + "".join(seen))


def _show_similarities(reply: EmbedTextReply) -> None:
    table = Table(title="EmbedText on models:/minilm@champion: cosine similarities", title_justify="left")
    table.add_column("")
    for number in range(1, len(_SENTENCES) + 1):
        table.add_column(str(number), justify="right")
    vectors = [result.values for result in reply.results]
    for number, (sentence, vector) in enumerate(zip(_SENTENCES, vectors, strict=True), 1):
        table.add_row(f"{number} {sentence}", *(_cell(_dot(vector, other)) for other in vectors))
    _CONSOLE.print(table)
    _show_timing(reply)


def _cell(similarity: float) -> str:
    return f"[bold green]{similarity:.2f}[/]" if similarity > 0.3 else f"{similarity:.2f}"


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _show_speech(reply: RecognizeSpeechReply) -> None:
    result = reply.results[0]
    table = Table(title=f"RecognizeSpeech on models:/whisper@champion: {_SPEECH.name}", title_justify="left")
    table.add_column("from s", justify="right")
    table.add_column("to s", justify="right")
    table.add_column("word")
    for chunk in result.chunks:
        table.add_row(f"{chunk.start_s:.2f}", "" if chunk.end_s is None else f"{chunk.end_s:.2f}", chunk.text)
    _CONSOLE.print(table)
    _CONSOLE.print(f"[bold green]{result.text.strip()}[/]", highlight=False)
    _show_timing(reply)


def _show_timing(reply: EmbedTextReply | RecognizeSpeechReply) -> None:
    timing = reply.timing
    parts = ((step, getattr(timing, f"{step}_s")) for step in ("queue", "prepare", "run", "decode"))
    shown = " · ".join(f"{step} {seconds * 1000:.1f} ms" for step, seconds in parts)
    _CONSOLE.print(f"[dim]{shown} · version {reply.model_version}[/]\n", highlight=False)


def _show_mistake(client: Client) -> None:
    from savor.client import SavorError

    try:
        client.classify_text("hello", model="minilm")
    except SavorError as error:
        _CONSOLE.print(f"a wrong call: classify_text on minilm → [yellow]{error}[/]\n", highlight=False)


def _show_next_steps() -> None:
    steps = (
        f".venv/bin/savor {' '.join(_serve_arguments())}",
        ".venv/bin/savor models",
        '.venv/bin/savor call minilm "A sentence." "Another one."',
        f".venv/bin/savor call whisper {_SPEECH.relative_to(Path.cwd())} -o timestamps=word",
    )
    _CONSOLE.print("[bold]Go on by hand[/], the first line in a terminal of its own:")
    for step in steps:
        # In one piece however narrow the terminal is, to be copied.
        _CONSOLE.print(f"  {step}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
