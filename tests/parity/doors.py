"""The doors: for each, the typed RPC and MLflow's predict on the same inputs, brought to the same plain values.

What MLflow throws away is taken from the typed reply, and nothing else; where MLflow has a defect that stands in the way
of all comparing, it is asked in such a way that it does not show, as said there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from savor.client import Client
from tests.parity import label_doors, media_doors, question_doors, writing_doors
from tests.parity.asked import Params, Predict


@dataclass(frozen=True)
class Door:
    """`ours` asks the client for a model, `theirs` asks MLflow; `rows` are the inputs as MLflow's rows of data."""

    ours: Callable[[Client, str, Any, Params], Any]
    theirs: Callable[[Predict, Any], Any]
    rows: Callable[[Any], list[Any]] = list


DOORS: Mapping[str, Door] = {
    "text-classification": Door(label_doors.classify_text, label_doors.text_labels),
    "text-pairs": Door(label_doors.classify_pairs, label_doors.pair_labels, label_doors.pair_rows),
    "token-classification": Door(label_doors.classify_tokens, label_doors.token_labels),
    "fill-mask": Door(label_doors.fill_mask, writing_doors.as_they_are),
    "feature-extraction": Door(label_doors.features, label_doors.each_alone),
    "zero-shot-classification": Door(
        question_doors.classify_zero_shot, question_doors.zero_shot_labels, question_doors.zero_shot_rows
    ),
    "zero-shot-two-columns": Door(
        question_doors.classify_zero_shot, question_doors.zero_shot_labels, question_doors.zero_shot_rows
    ),
    "question-answering": Door(question_doors.answer, question_doors.answers, question_doors.question_rows),
    "question-lists": Door(question_doors.answer, question_doors.answers, question_doors.question_rows),
    "question-arrays": Door(question_doors.answer, question_doors.answers_to_arrays, question_doors.question_arrays),
    "table-question-answering": Door(
        question_doors.answer_from_table, question_doors.table_answers, question_doors.table_rows
    ),
    "text-generation": Door(writing_doors.writing("generate_text"), writing_doors.as_they_are),
    "text2text-generation": Door(writing_doors.writing("transform_text"), writing_doors.as_they_are),
    "summarization": Door(writing_doors.writing("summarize_text"), writing_doors.as_they_are),
    "translation": Door(writing_doors.writing("translate_text"), writing_doors.as_they_are),
    "speech-recognition": Door(media_doors.recognize, media_doors.transcripts),
    "whisper": Door(media_doors.recognize_text, media_doors.each_text),
    "speech-samples": Door(media_doors.recognize_samples, media_doors.one_array),
    "audio-classification": Door(media_doors.classify_audio, media_doors.audio_labels),
    "audio-samples": Door(media_doors.classify_samples, media_doors.array_labels),
    "image-classification": Door(media_doors.classify_image, media_doors.image_labels, media_doors.image_rows),
    "chat": Door(writing_doors.chat, writing_doors.chat_replies, writing_doors.chat_rows),
    "completions": Door(writing_doors.complete, writing_doors.completions, writing_doors.prompt_rows),
    "embeddings": Door(writing_doors.embed, writing_doors.embeddings, writing_doors.embedding_rows),
}
"""Every family, and every form of data that asks MLflow for something else."""
