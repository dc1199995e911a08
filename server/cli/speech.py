"""What was heard: recordings with their text, and live speech as it is understood."""

import dataclasses
from collections.abc import Iterable, Sequence

from rich.live import Live
from rich.table import Table

from savor.client import (
    RecognizeSpeechReply,
    SpeechChunk,
    StreamingRecognizeSpeechReply,
    StreamingSpeechResult,
    Timing,
)
from savor.server.cli.inputs import Input
from savor.server.cli.screen import Screen, line, plain, table


def show_speech(screen: Screen, inputs: Sequence[Input], reply: RecognizeSpeechReply) -> RecognizeSpeechReply:
    """Each recording's text, and its pieces with their times where they were asked for; how fast it went."""
    for each, result in zip(inputs, reply.results, strict=False):
        screen.out.print(line(each.shown, "bold") + plain(f"  {result.audio_s:.1f} s", "dim"))
        screen.out.print(plain(result.text.strip()))
        if result.chunks:
            screen.out.print(_chunks(result.chunks))
    screen.note(_speed(sum(result.audio_s for result in reply.results), reply.timing))
    return reply


def show_live(
    screen: Screen, _inputs: Sequence[Input], replies: Iterable[StreamingRecognizeSpeechReply]
) -> StreamingRecognizeSpeechReply:
    """Prints each piece of speech when it is final; until then a terminal shows what it seems to be."""
    last = StreamingRecognizeSpeechReply((), Timing(), (), "")
    warnings: tuple[str, ...] = ()
    with Live(console=screen.out, transient=True, auto_refresh=False) as live:
        for last in replies:
            warnings += last.warnings
            for result in last.results:
                if result.is_final:
                    _final(screen, result)
                live.update(plain("" if result.is_final else result.text, "dim"), refresh=True)
    return dataclasses.replace(last, warnings=warnings)


def _final(screen: Screen, result: StreamingSpeechResult) -> None:
    times = plain(f"{result.start_s:.1f}-{result.end_s:.1f} s  ", "dim")
    screen.out.print(times + plain(result.text.strip()))
    if result.chunks:
        screen.out.print(_chunks(result.chunks))


def _chunks(chunks: Iterable[SpeechChunk]) -> Table:
    rows = table("start", "end", "text")
    for chunk in chunks:
        end = "…" if chunk.end_s is None else f"{chunk.end_s:.2f}"
        rows.add_row(f"{chunk.start_s:.2f}", end, plain(chunk.text.strip()))
    return rows


def _speed(audio_s: float, timing: Timing) -> str:
    """The real-time factor: seconds of work for a second of audio, waiting in the queue left out."""
    work_s = timing.prepare_s + timing.run_s + timing.decode_s
    factor = f" · real-time factor {work_s / audio_s:.3f}" if audio_s else ""
    return f"{audio_s:.1f} s of audio{factor}"
