"""`predict_stream`: chunks whose texts, joined, are what the whole answer has; options by OpenAI's names."""

import threading
from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from mlflow.exceptions import MlflowException
from mlflow.gateway.schemas.completions import StreamResponsePayload
from mlflow.types.chat import ChatCompletionChunk

from savor.client import connect
from savor.deployments import SavorDeploymentClient
from savor.v1.chat_pb2 import StreamCompleteChatResponse
from savor.v1.model_pb2 import MODEL_STATE_LOADING, GetModelResponse, Model
from savor.v1.text_generation_pb2 import TextGenerationDelta
from tests.client.serving import Context, Script, failing

MESSAGES = [{"role": "user", "content": "hi"}]
CHAT = "savor.v1.ChatService/StreamCompleteChat"
TEXT = "savor.v1.TextGenerationService/StreamGenerateText"


def joined(chunks: Sequence[dict[str, Any]], index: int = 0) -> str:
    choices = [chunk["choices"][0] for chunk in chunks]
    return "".join(
        choice["delta"]["content"] if "delta" in choice else choice["text"]
        for choice in choices
        if choice["index"] == index
    )


def test_a_chat_streams_what_predict_answers(deployments: SavorDeploymentClient) -> None:
    request = {"messages": MESSAGES, "max_tokens": 5}
    chunks = list(deployments.predict_stream(endpoint="llm-chat", inputs=request))
    [whole] = deployments.predict(endpoint="llm-chat", inputs=request)
    assert joined(chunks).lstrip() == whole["choices"][0]["message"]["content"]
    assert chunks[-1]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"] == "length"
    assert chunks[-1]["usage"] == whole["usage"]


def test_chat_chunks_are_openai_s(deployments: SavorDeploymentClient) -> None:
    chunks = list(deployments.predict_stream("llm-chat", {"messages": MESSAGES, "max_tokens": 4}))
    assert len(chunks) > 1
    assert [ChatCompletionChunk(**chunk).model_dump(exclude_none=True)["model"] for chunk in chunks] == [
        "llm-chat"
    ] * len(chunks)
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({(chunk["id"], chunk["created"]) for chunk in chunks}) == 1
    roles = [chunk["choices"][0]["delta"].get("role") for chunk in chunks]
    assert roles == ["assistant"] + [None] * (len(chunks) - 1)
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert reasons == [None] * (len(chunks) - 1) + ["length"]


def test_completion_chunks_are_those_of_mlflow_s_gateway(deployments: SavorDeploymentClient) -> None:
    chunks = list(deployments.predict_stream("generator", {"prompt": "the License", "max_tokens": 4}))
    kind = StreamResponsePayload.model_fields["object"].default
    for chunk in chunks:
        assert StreamResponsePayload(**chunk).object == chunk["object"] == kind


@pytest.mark.parametrize("model", ["generator", "text2text", "summarizer", "translator"])
@pytest.mark.parametrize("inputs", ["one two", ["one two"]], ids=["text", "list of one"])
def test_a_text_streams_what_predict_answers(deployments: SavorDeploymentClient, model: str, inputs: Any) -> None:
    chunks = list(deployments.predict_stream(model, {"inputs": inputs}))
    [whole] = deployments.predict(model, {"inputs": inputs})["predictions"]
    assert joined(chunks).strip() == whole.strip() != ""


def test_options_reach_the_model_by_openai_s_names(deployments: SavorDeploymentClient, target: str) -> None:
    request = {
        "prompt": "the License",
        "max_tokens": 6,
        "n": 2,
        "temperature": 2,
        "seed": 3,
        "stop": None,
        "stream": True,
    }
    params = {"do_sample": True, "return_full_text": False}
    chunks = list(deployments.predict_stream("generator", {**request, "params": params}))
    with connect(target.removeprefix("savor://")) as client:
        options = {"max_new_tokens": 6, "num_return_sequences": 2, "temperature": 2.0, **params}
        [result] = client.generate_text("the License", model="generator", parameters=options, seed=3).results
    assert [joined(chunks, 0), joined(chunks, 1)] == [each.text for each in result.sequences]
    counts = sum(each.token_count for each in result.sequences)
    assert chunks[-1]["usage"] == {
        "prompt_tokens": result.prompt_token_count,
        "completion_tokens": counts,
        "total_tokens": result.prompt_token_count + counts,
    }


def test_a_stop_text_ends_the_stream(deployments: SavorDeploymentClient) -> None:
    whole = joined(list(deployments.predict_stream("text2text", {"inputs": "one two"})))
    stop = whole[2:4]
    chunks = list(deployments.predict_stream("text2text", {"inputs": "one two", "stop": stop}))
    assert joined(chunks) == whole[: whole.index(stop)]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def serve_a_model(script: Script, **fields: Any) -> None:
    script.answers["GetModel"] = GetModelResponse(model=Model(name="m", task="text-generation", **fields))


def test_the_typed_request_has_what_was_asked(scripted: SavorDeploymentClient, script: Script) -> None:
    serve_a_model(script, methods=[CHAT])
    request = {
        "messages": [{"role": "user", "content": "hi", "name": "Ann", "refusal": None, "tool_calls": None}],
        "max_completion_tokens": 5,
        "presence_penalty": 1,
        "stop": ["a", "b"],
        "top_p": None,
        "params": {"typical_p": 0.5},
    }
    assert list(scripted.predict_stream("m@3", request)) == []
    asked = script.requests[-1]
    assert [each.model for each in script.requests] == ["m@3", "m@3"]
    [message] = asked.inputs[0].messages
    assert (message.role, message.content, message.name) == ("user", "hi", "Ann")
    assert (asked.parameters.max_new_tokens, asked.parameters.presence_penalty) == (5, 1.0)
    assert asked.parameters.extra["typical_p"].double_value == 0.5
    assert not asked.parameters.HasField("top_p")
    assert list(asked.stop) == ["a", "b"]


def test_the_server_s_only_model_needs_no_name(scripted: SavorDeploymentClient, script: Script) -> None:
    serve_a_model(script, methods=[CHAT])
    script.answers["StreamCompleteChat"] = lambda _request, _context: iter(
        [StreamCompleteChatResponse(results=[TextGenerationDelta(text="a", token_count=1)])]
    )
    [chunk] = scripted.predict_stream(inputs={"messages": MESSAGES})
    assert chunk["model"] == "m"


def test_closing_the_iterator_cancels_the_call(scripted: SavorDeploymentClient, script: Script) -> None:
    ended = threading.Event()

    def answer(_request: Any, context: Context) -> Any:
        context.add_callback(ended.set)
        yield StreamCompleteChatResponse(results=[TextGenerationDelta(text="a", token_count=1)])
        ended.wait(30)

    serve_a_model(script, methods=[CHAT])
    script.answers["StreamCompleteChat"] = answer
    chunks = scripted.predict_stream("m", {"messages": MESSAGES})
    next(chunks)
    chunks.close()
    assert ended.wait(10)


def test_warnings_come_to_the_log(
    scripted: SavorDeploymentClient, script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    serve_a_model(script, methods=[CHAT])
    script.answers["StreamCompleteChat"] = lambda _request, _context: iter(
        [StreamCompleteChatResponse(warnings=["parameters.top_k was ignored"])]
    )
    assert list(scripted.predict_stream("m", {"messages": MESSAGES})) == []
    assert "parameters.top_k was ignored" in caplog.messages


def test_a_stream_that_fails_raises_mlflow_s_exception(scripted: SavorDeploymentClient, script: Script) -> None:
    serve_a_model(script, methods=[CHAT])
    script.answers["StreamCompleteChat"] = failing(grpc.StatusCode.DEADLINE_EXCEEDED, "Too late.")
    with pytest.raises(MlflowException, match="Too late") as caught:
        list(scripted.predict_stream("m", {"messages": MESSAGES}))
    assert caught.value.error_code == "DEADLINE_EXCEEDED"


UNSTREAMABLE = [
    pytest.param(
        "classifier", {"inputs": "a"}, "text-classification.*can't stream an answer to inputs", id="classifier"
    ),
    pytest.param("text2text", {"messages": MESSAGES}, "can't stream an answer to messages", id="chat with text2text"),
    pytest.param("generator", {"prompt": ["a", "b"]}, "prompt must be one text", id="two prompts"),
    pytest.param("generator", {"prompt": 3}, "prompt must be one text", id="a number"),
    pytest.param("llm-chat", {"messages": "hi"}, "must be a list of dicts", id="messages is a text"),
    pytest.param("llm-chat", {"messages": []}, "messages: is empty", id="no messages"),
    pytest.param("llm-chat", {"messages": [{"role": "user"}]}, r"inputs\[0\].messages\[0\]", id="no content"),
    pytest.param("generator", {"prompt": "a", "messages": MESSAGES}, "exactly one of", id="two forms"),
    pytest.param("generator", {"max_tokens": 3}, "exactly one of", id="no data"),
    pytest.param("generator", "a", "inputs must be a dict", id="a bare text"),
    pytest.param("generator", None, "inputs must be a dict", id="nothing"),
    pytest.param("generator", {"prompt": "a", "stop": 3}, "stop: 3 can't be used", id="stop is a number"),
    pytest.param("generator", {"prompt": "a", "seed": "x"}, "seed: 'x' can't be used", id="seed is a text"),
    pytest.param("generator", {"prompt": "a", "params": [1]}, "params must be a dict", id="params is a list"),
    pytest.param("generator", {"prompt": "a", "max_tokens": 1, "params": {"max_new_tokens": 2}}, "twice", id="twice"),
    pytest.param(
        "generator", {"prompt": "a", "max_tokens": "x"}, r"parameters.max_new_tokens", id="max_tokens is a text"
    ),
    pytest.param("generator", {"prompt": "a", "max_tokens": object()}, "max_new_tokens", id="max_tokens is an object"),
    pytest.param("translator", {"inputs": "a", "source_language": "fr"}, "source_language", id="one pair of languages"),
]


@pytest.mark.parametrize(("model", "inputs", "sentence"), UNSTREAMABLE)
def test_what_cannot_be_streamed_is_refused(
    deployments: SavorDeploymentClient, model: str, inputs: Any, sentence: str
) -> None:
    with pytest.raises(MlflowException, match=sentence) as caught:
        list(deployments.predict_stream(model, inputs))
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


def test_a_model_that_is_loading_is_temporarily_unavailable(scripted: SavorDeploymentClient, script: Script) -> None:
    serve_a_model(script, state=MODEL_STATE_LOADING)
    with pytest.raises(MlflowException, match="still loading") as caught:
        scripted.predict_stream("m", {"prompt": "a"})
    assert caught.value.error_code == "TEMPORARILY_UNAVAILABLE"


def test_an_unknown_model_is_said_to_be_so_at_once(deployments: SavorDeploymentClient) -> None:
    with pytest.raises(MlflowException, match="no model is named 'nobody'") as caught:
        deployments.predict_stream("nobody", {"prompt": "a"})
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"
