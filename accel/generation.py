"""Generation through transformers' `generate`, over batches whose sequences end each in its own time.

A stopping criterion looks at every sequence after every step: it ends those whose stop text came up or whose caller has
gone, and notes how long each became. For streams the same steps come out of an iterator; `generate` runs in a thread of
its own then, because it calls and can't be asked.
"""

import queue
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from transformers import LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList

from savor.accel.backend import Batch, RefusedOptions
from savor.accel.padding import stack
from savor.flavor.artifact import Artifact
from savor.flavor.generation import value
from savor.flavor.item import Array, Generate, Row
from savor.flavor.sequences import end_tokens

Rows = Sequence[Row]


class Generation:
    """Runs `generate` for one model, always in the same thread, which begins with `initialize`."""

    def __init__(self, artifact: Artifact, fill: Mapping[str, int], initialize: Callable[[], None]) -> None:
        self._artifact = artifact
        self._fill = fill
        self._thread = ThreadPoolExecutor(1, "savor-generate", initialize)

    def run(self, batch: Batch, run: Generate) -> Rows:
        """The generated sequences: for each item `tokens` (int64, (sequences, longest)) and `lengths` (sequences,)."""
        return self._thread.submit(self._generate, batch, run, self._steps(batch, run)).result()

    def stream(self, batch: Batch, run: Generate) -> Generator[Rows]:
        """As `run`, after every step. A reader that falls behind skips steps; one that stops ends the generation."""
        published: queue.SimpleQueue[Rows | None] = queue.SimpleQueue()
        steps = self._steps(batch, run)
        steps.publish = published.put
        future = self._thread.submit(self._generate, batch, run, steps)
        future.add_done_callback(lambda _: published.put(None))
        try:
            yield from _until_none(published)
            yield future.result()
        finally:
            steps.abandoned.set()
            future.exception()

    def close(self) -> None:
        """Ends the thread."""
        self._thread.shutdown()

    def _steps(self, batch: Batch, run: Generate) -> "_Steps":
        decoder_only = not self._artifact.pipeline.model.config.is_encoder_decoder
        # An encoder-decoder's output starts with its own start token, a decoder's with the padded prompt.
        return _Steps(self._artifact, batch, run, max(i.length for i in batch.items) if decoder_only else 1)

    def _generate(self, batch: Batch, run: Generate, steps: "_Steps") -> Rows:
        pipeline = self._artifact.pipeline
        arrays = stack(batch.items, self._fill, left=not pipeline.model.config.is_encoder_decoder)
        inputs = {name: torch.from_numpy(array).to(pipeline.model.device) for name, array in arrays.items()}
        if run.seed is not None:
            torch.manual_seed(run.seed)
        options = {"generation_config": pipeline.generation_config, **run.options}
        frequency, presence = (options.pop(name, None) or 0.0 for name in ("frequency_penalty", "presence_penalty"))
        if frequency or presence:
            options["logits_processor"] = LogitsProcessorList([_Penalties(steps.start, frequency, presence)])
        try:
            with torch.no_grad():
                output = pipeline.model.generate(**inputs, **options, stopping_criteria=StoppingCriteriaList([steps]))
        except ValueError as error:
            raise RefusedOptions(str(error)) from error
        return steps.result(output)


def _until_none(steps: "queue.SimpleQueue[Rows | None]") -> Iterator[Rows]:
    """The latest of the steps that are there, again and again until None comes."""
    while (step := steps.get()) is not None:
        while not steps.empty():
            newer = steps.get()
            if newer is None:
                return
            step = newer
        yield step


class _Penalties(LogitsProcessor):
    """Makes tokens that were generated less likely: logit - count * frequency - (count > 0) * presence.

    As OpenAI defines both penalties; transformers has neither. `start` is where generated tokens begin.
    """

    def __init__(self, start: int, frequency: float, presence: float) -> None:
        self._start = start
        self._frequency = frequency
        self._presence = presence

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """The logits after the penalties: shape (sequences of the batch, vocabulary)."""
        generated = input_ids[:, self._start :]
        counts = torch.zeros_like(scores).scatter_add_(1, generated, torch.ones_like(generated, dtype=scores.dtype))
        return scores - self._frequency * counts - self._presence * (counts > 0)


class Abandonment(StoppingCriteria):
    """Ends a batch's generation once nobody waits for any of it."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        """The same for every sequence: shape (sequences of the batch,), bool. Called by `generate` at each step."""
        over = not any(watch.alive() for watch in self._batch.watches)
        return torch.full((input_ids.shape[0],), over, device=input_ids.device)


class _Steps(Abandonment):
    """What happens between two steps of a batch's generation. `start` is where generated tokens begin."""

    def __init__(self, artifact: Artifact, batch: Batch, run: Generate, start: int) -> None:
        super().__init__(batch)
        config = artifact.pipeline.generation_config
        self.start = start
        self._beams = (value(run.options, config, "num_beams") or 1) > 1
        self._end_tokens = end_tokens(run.options, config)
        self._lengths: dict[int, int] = {}
        """How long each ended sequence became, by its place among all sequences of the batch."""
        self.publish: Callable[[Rows], None] | None = None
        self.abandoned = threading.Event()

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        """Whether each sequence has ended: shape (sequences of the batch,), bool. Called by `generate` at each step."""
        count = input_ids.shape[0]
        if self.abandoned.is_set():
            return torch.full((count,), True, device=input_ids.device)
        over = super().__call__(input_ids, scores)
        if self._beams or over.all():
            # Beams change places, so nothing can be said of any one of them before the end.
            return over
        generated = input_ids[:, self.start :].cpu().numpy()
        for place in range(count):
            if place not in self._lengths and self._ends(generated[place], place * len(self._batch.items) // count):
                self._lengths[place] = generated.shape[1]
        if self.publish is not None:
            self.publish(self._rows(generated, done=False))
        return torch.tensor([place in self._lengths for place in range(count)], device=input_ids.device)

    def _ends(self, tokens: Array, index: int) -> bool:
        if int(tokens[-1]) in self._end_tokens or not self._batch.watches[index].alive():
            return True
        ends = self._batch.items[index].ends
        return ends is not None and ends(tokens)

    def result(self, output: Any) -> Rows:
        """The rows of what `generate` returned."""
        sequences = getattr(output, "sequences", output)
        return self._rows(sequences[:, self.start :].cpu().numpy(), done=True)

    def _rows(self, generated: Array, *, done: bool) -> Rows:
        each = len(generated) // len(self._batch.items)
        lengths = np.array([self._length(place, tokens) for place, tokens in enumerate(generated)])
        ended = np.array([done or place in self._lengths for place in range(len(generated))])
        parts = (slice(index * each, (index + 1) * each) for index in range(len(self._batch.items)))
        return [{"tokens": generated[part], "lengths": lengths[part], "done": ended[part]} for part in parts]

    def _length(self, place: int, tokens: Array) -> int:
        if place in self._lengths:
            return self._lengths[place]
        ends = np.flatnonzero(np.isin(tokens, list(self._end_tokens)))
        return int(ends[0]) + 1 if len(ends) else len(tokens)
