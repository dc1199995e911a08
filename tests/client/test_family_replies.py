"""What the methods give back for texts, questions, chats and media: every field of the response, sync and aio alike."""

from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.message_factory import GetMessageClass

from savor.client import (
    Answer,
    AnswerQuestionReply,
    AnswerTableQuestionReply,
    AudioClassificationResult,
    CellCoordinate,
    ChatMessage,
    ChatReply,
    ChatResult,
    ClassifyAudioReply,
    ClassifyImageReply,
    ClassifyTokensReply,
    ClassifyZeroShotReply,
    CompleteChatReply,
    FilledMask,
    FillMaskReply,
    FillMaskResult,
    FinishReason,
    GeneratedSequence,
    ImageClassificationResult,
    MaskCandidate,
    PredictReply,
    QuestionAnsweringResult,
    ScoredLabel,
    StreamCompleteChatReply,
    StreamSummarizeTextReply,
    StreamTransformTextReply,
    StreamTranslateTextReply,
    SummarizeTextReply,
    TableQuestionAnsweringResult,
    TextGenerationDelta,
    TextGenerationResult,
    Timing,
    TokenClassificationResult,
    TokenEntity,
    TransformTextReply,
    TranslateTextReply,
    ZeroShotClassificationResult,
)
from savor.v1 import model_pb2
from tests.client.conftest import EitherClient
from tests.client.serving import SERVICES, Script

RPCS = {rpc.name: rpc for service in SERVICES.values() for rpc in service.methods}
TAIL = 'timing { queue_s: 1 prepare_s: 2 run_s: 3 decode_s: 4 } warnings: "w" warnings: "x" model_version: "7"'
READ_TAIL: tuple[Any, ...] = (Timing(1.0, 2.0, 3.0, 4.0), ("w", "x"), "7")

LABELS = 'labels { label: "a" score: 0.75 } labels { label: "b, c" score: 0.25 }'
READ_LABELS = (ScoredLabel("a", 0.75), ScoredLabel("b, c", 0.25))
SEQUENCE = 'sequences { text: "b" finish_reason: FINISH_REASON_END_TOKEN token_count: 2 } prompt_token_count: 4'
READ_SEQUENCE = TextGenerationResult((GeneratedSequence("b", FinishReason.END_TOKEN, 2),), 4)

CASES: list[tuple[str, str, list[Any], dict[str, Any], str, object]] = [
    (
        "classify_tokens",
        "ClassifyTokens",
        ["a"],
        {},
        'results { entities { label: "PER" score: 0.5 word: "x" start: 0 end: 1 token_index: 0 }'
        ' entities { label: "LOC" word: "y" } } results {}',
        ClassifyTokensReply(
            (
                TokenClassificationResult(
                    (TokenEntity("PER", 0.5, "x", 0, 1, 0), TokenEntity("LOC", 0.0, "y", None, None, None))
                ),
                TokenClassificationResult(()),
            ),
            *READ_TAIL,
        ),
    ),
    (
        "classify_zero_shot",
        "ClassifyZeroShot",
        ["a"],
        {"candidate_labels": "x"},
        f"results {{ {LABELS} }}",
        ClassifyZeroShotReply((ZeroShotClassificationResult(READ_LABELS),), *READ_TAIL),
    ),
    (
        "fill_mask",
        "FillMask",
        ["a"],
        {},
        'results { masks { candidates { token: " t" token_id: 5 score: 0.5 sequence: "s" } } masks {} }',
        FillMaskReply((FillMaskResult((FilledMask((MaskCandidate(" t", 5, 0.5, "s"),)), FilledMask(()))),), *READ_TAIL),
    ),
    (
        "answer_question",
        "AnswerQuestion",
        [{"question": "q", "context": "c"}],
        {},
        'results { answers { text: "c" score: 0.5 start: 1 end: 2 } answers {} } results {}',
        AnswerQuestionReply(
            (
                QuestionAnsweringResult((Answer("c", 0.5, 1, 2), Answer("", 0.0, 0, 0))),
                QuestionAnsweringResult(()),
            ),
            *READ_TAIL,
        ),
    ),
    (
        "answer_table_question",
        "AnswerTableQuestion",
        ["q"],
        {"table": {"a": ["1"]}},
        'results { answer: "SUM > 1" aggregator: "SUM" cells: "1" coordinates { row: 2 column: 3 } } results {}',
        AnswerTableQuestionReply(
            (
                TableQuestionAnsweringResult("SUM > 1", "SUM", ("1",), (CellCoordinate(2, 3),)),
                TableQuestionAnsweringResult("", "", (), ()),
            ),
            *READ_TAIL,
        ),
    ),
    (
        "transform_text",
        "TransformText",
        ["a"],
        {},
        f"results {{ {SEQUENCE} }}",
        TransformTextReply((READ_SEQUENCE,), *READ_TAIL),
    ),
    (
        "summarize_text",
        "SummarizeText",
        ["a"],
        {},
        f"results {{ {SEQUENCE} }}",
        SummarizeTextReply((READ_SEQUENCE,), *READ_TAIL),
    ),
    (
        "translate_text",
        "TranslateText",
        ["a"],
        {},
        f"results {{ {SEQUENCE} }}",
        TranslateTextReply((READ_SEQUENCE,), *READ_TAIL),
    ),
    (
        "complete_chat",
        "CompleteChat",
        ["a"],
        {},
        'results { replies { message { role: "assistant" content: "b" } finish_reason: FINISH_REASON_LENGTH'
        ' token_count: 2 } replies { message { role: "assistant" name: "bot" } } prompt_token_count: 4 }',
        CompleteChatReply(
            (
                ChatResult(
                    (
                        ChatReply(ChatMessage("assistant", "b"), FinishReason.LENGTH, 2),
                        ChatReply(ChatMessage("assistant", "", "bot"), None, 0),
                    ),
                    4,
                ),
            ),
            *READ_TAIL,
        ),
    ),
    (
        "classify_audio",
        "ClassifyAudio",
        [b"a"],
        {},
        f"results {{ {LABELS} }} results {{}}",
        ClassifyAudioReply((AudioClassificationResult(READ_LABELS), AudioClassificationResult(())), *READ_TAIL),
    ),
    (
        "classify_image",
        "ClassifyImage",
        [b"a"],
        {},
        f"results {{ {LABELS} }}",
        ClassifyImageReply((ImageClassificationResult(READ_LABELS),), *READ_TAIL),
    ),
    (
        "predict",
        "Predict",
        [{}],
        {},
        'json: "{\\"predictions\\": [NaN]}"',
        PredictReply('{"predictions": [NaN]}', *READ_TAIL),
    ),
]


@pytest.mark.parametrize(
    ("method", "rpc", "args", "options", "sent", "expected"), CASES, ids=[case[0] for case in CASES]
)
async def test_a_reply_holds_the_whole_response(
    either: EitherClient,
    script: Script,
    method: str,
    rpc: str,
    args: list[Any],
    options: dict[str, Any],
    sent: str,
    expected: object,
) -> None:
    script.answers[rpc] = text_format.Parse(f"{sent} {TAIL}", GetMessageClass(RPCS[rpc].output_type)())
    reply = await either.call(method, *args, **options)
    assert reply == expected
    # 2 == 2.0 == True: the representation tells them apart.
    assert repr(reply) == repr(expected)


STREAMS = [
    pytest.param("stream_transform_text", "StreamTransformText", StreamTransformTextReply, id="transform"),
    pytest.param("stream_summarize_text", "StreamSummarizeText", StreamSummarizeTextReply, id="summarize"),
    pytest.param("stream_translate_text", "StreamTranslateText", StreamTranslateTextReply, id="translate"),
    pytest.param("stream_complete_chat", "StreamCompleteChat", StreamCompleteChatReply, id="chat"),
]


@pytest.mark.parametrize(("method", "rpc", "kind"), STREAMS)
async def test_a_stream_gives_each_reply_as_it_came(
    either: EitherClient, script: Script, method: str, rpc: str, kind: Any
) -> None:
    message = GetMessageClass(RPCS[rpc].output_type)
    sent = ['results { input: 1 text: "a" token_count: 1 prompt_token_count: 5 }', TAIL]
    responses = [text_format.Parse(each, message()) for each in sent]
    script.answers[rpc] = lambda _request, _context: iter(responses)
    assert await either.ask(method, "a") == [
        kind((TextGenerationDelta(1, 0, "a", None, 1, 5),), None, (), ""),
        kind((), *READ_TAIL),
    ]


async def test_a_model_tells_what_was_saved_with_it(either: EitherClient, script: Script) -> None:
    told = 'inference_task: "llm/v1/chat" model_card: "# A" license: "MIT" warnings: "w" warnings: "x"'
    script.answers["GetModel"] = text_format.Parse(f"model {{ {told} }}", model_pb2.GetModelResponse())
    model = (await either.call("get_model")).model
    assert (model.inference_task, model.model_card, model.license, model.warnings) == (
        "llm/v1/chat",
        "# A",
        "MIT",
        ("w", "x"),
    )


def test_a_prediction_is_read_as_python_values() -> None:
    reply = PredictReply('{"predictions": [1, "é", null]}', Timing(), (), "")
    assert reply.body == {"predictions": [1, "é", None]}
