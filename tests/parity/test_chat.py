"""ChatService and the llm/v1 models against mlflow.pyfunc: rendered messages, completions, embeddings."""

from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest
from mlflow.exceptions import MlflowException

from savor.client import Client, connect
from savor.codec import to_param_value
from savor.v1 import chat_pb2, chat_pb2_grpc
from tests.parity.oracle import pyfunc
from tests.serving import Serving

MODELS = ("llm-chat", "llm-completions", "llm-embeddings", "chatter", "generator-bare")
CONVERSATIONS = [
    pytest.param([("user", "hi")], id="one message"),
    pytest.param([("system", "be kind"), ("user", "what is this?")], id="a system message"),
    pytest.param([("user", "a"), ("assistant", "b"), ("user", "c {x} 'y'")], id="three messages"),
    pytest.param([("user", "")], id="an empty message"),
    pytest.param([("robot", "bip")], id="another role"),
    pytest.param([("assistant", "the beginning")], id="the assistant's own"),
]


@pytest.fixture(scope="module")
def target(serving: Callable[..., Serving]) -> str:
    return serving(*MODELS).target


@pytest.fixture(scope="module")
def stub(target: str):
    with grpc.insecure_channel(target) as channel:
        yield chat_pb2_grpc.ChatServiceStub(channel)


@pytest.fixture(scope="module")
def client(target: str):
    with connect(target) as connected:
        yield connected


def conversation(messages: list[tuple[str, str]]) -> chat_pb2.Conversation:
    return chat_pb2.Conversation(messages=[chat_pb2.ChatMessage(role=r, content=c) for r, c in messages])


def mlflow_chat(messages: list[tuple[str, str]], **options: Any) -> dict[str, Any]:
    payload = {"messages": [{"role": role, "content": content} for role, content in messages], **options}
    answer: dict[str, Any] = pyfunc("llm-chat").predict(payload)[0]
    return answer


@pytest.mark.parametrize("messages", CONVERSATIONS)
def test_a_reply_is_mlflows(stub: Any, messages: list[tuple[str, str]]) -> None:
    response = stub.CompleteChat(chat_pb2.CompleteChatRequest(model="llm-chat", inputs=[conversation(messages)]))
    theirs = mlflow_chat(messages)
    (reply,) = response.results[0].replies
    assert reply.message.role == theirs["choices"][0]["message"]["role"]
    assert reply.message.content.lstrip() == theirs["choices"][0]["message"]["content"]
    assert reply.token_count == theirs["usage"]["completion_tokens"]
    assert response.results[0].prompt_token_count == theirs["usage"]["prompt_tokens"]


@pytest.mark.parametrize("max_tokens", [1, 5, 12])
def test_max_tokens_is_max_new_tokens(stub: Any, max_tokens: int) -> None:
    theirs = mlflow_chat([("user", "hi")], max_tokens=max_tokens)
    for given in ({"max_new_tokens": max_tokens}, {"extra": {"max_tokens": to_param_value(max_tokens)}}):
        options = chat_pb2.ChatParameters(**given)
        request = chat_pb2.CompleteChatRequest(
            model="llm-chat", inputs=[conversation([("user", "hi")])], parameters=options
        )
        (reply,) = stub.CompleteChat(request).results[0].replies
        assert reply.message.content.lstrip() == theirs["choices"][0]["message"]["content"]
        assert reply.token_count == theirs["usage"]["completion_tokens"]


def test_pieces_add_up_to_the_reply(stub: Any) -> None:
    inputs = [conversation([("user", "hi")]), conversation([("user", "who are you?")])]
    whole = stub.CompleteChat(chat_pb2.CompleteChatRequest(model="chatter", inputs=inputs))
    joined = ["", ""]
    for response in stub.StreamCompleteChat(chat_pb2.StreamCompleteChatRequest(model="chatter", inputs=inputs)):
        for delta in response.results:
            joined[delta.input] += delta.text
    assert joined == [result.replies[0].message.content for result in whole.results]


def test_a_model_with_a_template_renders_as_transformers(stub: Any) -> None:
    """MLflow generates from the first value of the first message, "user"; the typed RPC holds the conversation."""
    messages = [{"role": "user", "content": "hi there"}]
    response = stub.CompleteChat(
        chat_pb2.CompleteChatRequest(model="chatter", inputs=[conversation([("user", "hi there")])])
    )
    pipeline = pyfunc("chatter")._model_impl.pipeline
    expected = pipeline(messages, max_new_tokens=8, do_sample=False, return_full_text=False)[0]["generated_text"]
    assert response.results[0].replies[0].message.content == expected
    assert not response.warnings


def test_a_model_without_a_template_is_told_of(stub: Any) -> None:
    response = stub.CompleteChat(
        chat_pb2.CompleteChatRequest(model="generator-bare", inputs=[conversation([("user", "hi")])])
    )
    assert list(response.warnings) == ["the model has no chat template: the messages were joined plainly"]
    prompt = "user: hi\nassistant:"
    whole = pyfunc("generator-bare").predict(prompt)[0]
    assert (prompt + response.results[0].replies[0].message.content).strip() == whole


def test_several_replies(stub: Any) -> None:
    """B15: MLflow's payload has `n`, and fails on it; the typed RPC gives n replies."""
    with pytest.raises(MlflowException, match="not valid"):
        mlflow_chat([("user", "hi")], n=2)
    request = chat_pb2.CompleteChatRequest(
        model="llm-chat",
        inputs=[conversation([("user", "hi")])],
        parameters=chat_pb2.ChatParameters(num_return_sequences=2, do_sample=True),
    )
    with pytest.raises(grpc.RpcError, match="num_return_sequences"):
        stub.CompleteChat(request)


@pytest.mark.parametrize("penalty", ["frequency_penalty", "presence_penalty"])
def test_penalties(stub: Any, penalty: str) -> None:
    """B15: the penalties are in MLflow's payload, and it fails on them; the typed RPC applies OpenAI's."""
    with pytest.raises(MlflowException, match="not valid"):
        mlflow_chat([("user", "hi")], **{penalty: 2.0})
    counts = []
    for value in (0.0, 2.0):
        request = chat_pb2.CompleteChatRequest(
            model="llm-chat",
            inputs=[conversation([("user", "hi")])],
            parameters=chat_pb2.ChatParameters(max_new_tokens=30, **{penalty: value}),
        )
        counts.append(stub.CompleteChat(request).results[0].replies[0])
    theirs = mlflow_chat([("user", "hi")], max_tokens=30)["choices"][0]["message"]["content"]
    assert counts[0].message.content.lstrip() == theirs
    assert counts[0].message.content != counts[1].message.content


def test_no_tokens_are_refused(stub: Any) -> None:
    """B16: MLflow takes max_tokens=0 for none given; the typed RPC names the field."""
    assert mlflow_chat([("user", "hi")], max_tokens=0)["usage"]["completion_tokens"] == 8
    request = chat_pb2.CompleteChatRequest(
        model="llm-chat",
        inputs=[conversation([("user", "hi")])],
        parameters=chat_pb2.ChatParameters(max_new_tokens=0),
    )
    with pytest.raises(grpc.RpcError, match=r"parameters\.max_new_tokens"):
        stub.CompleteChat(request)


@pytest.mark.parametrize(
    ("inputs", "field"),
    [
        pytest.param([], "inputs", id="no conversation"),
        pytest.param([[]], r"inputs\[0\].messages", id="no message"),
        pytest.param([[("user", "a")], [("", "b")]], r"inputs\[1\].messages\[0\].role", id="no role"),
    ],
)
def test_what_can_not_be_used_is_named(stub: Any, inputs: list[list[tuple[str, str]]], field: str) -> None:
    request = chat_pb2.CompleteChatRequest(model="chatter", inputs=[conversation(each) for each in inputs])
    with pytest.raises(grpc.RpcError, match=field) as caught:
        stub.CompleteChat(request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


PROMPTS = ["The License", "a", "  spaces", "{braces} 'quotes'"]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_completion_is_mlflows(client: Client, prompt: str) -> None:
    theirs = pyfunc("llm-completions").predict({"prompt": prompt, "max_tokens": 6})[0]
    reply = client.generate_text(prompt, model="llm-completions", parameters={"max_new_tokens": 6})
    (sequence,) = reply.results[0].sequences
    assert sequence.text.lstrip() == theirs["choices"][0]["text"]
    assert sequence.token_count == theirs["usage"]["completion_tokens"]


def test_a_stop_text_ends_a_completion_without_a_hub(client: Client) -> None:
    """B14: MLflow asks the hub for a tokenizer; the typed RPC uses the model's own."""
    whole = client.generate_text("The License", model="llm-completions").results[0].sequences[0].text
    stop = whole[3:5]
    stopped = client.generate_text("The License", model="llm-completions", stop=[stop]).results[0].sequences[0]
    assert stopped.text == whole[: whole.find(stop)]
    with pytest.raises(Exception, match=r".+"):
        pyfunc("llm-completions").predict({"prompt": "The License", "stop": [stop]})


@pytest.mark.parametrize("texts", [["one text"], ["one", "two texts", ""]], ids=["one", "several"])
def test_an_embedding_is_mlflows(client: Client, texts: list[str]) -> None:
    theirs = pyfunc("llm-embeddings").predict({"input": texts})
    reply = client.embed_text(texts, model="llm-embeddings")
    for ours, expected in zip(reply.results, theirs["data"], strict=True):
        np.testing.assert_allclose(ours.values, expected["embedding"], atol=1e-5)
    assert sum(result.token_count for result in reply.results) == theirs["usage"]["prompt_tokens"]
