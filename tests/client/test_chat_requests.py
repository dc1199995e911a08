"""What may be said as a conversation, and what the chat methods put on the wire, sync and aio alike."""

from typing import Any

import pytest
from google.protobuf import text_format

from savor.client import ChatMessage
from savor.client.conversations import conversations
from savor.v1 import chat_pb2
from tests.client.conftest import EitherClient
from tests.client.serving import Script

USER = 'messages { role: "user" content: "a" }'
BOT = 'messages { role: "assistant" content: "b" }'
NAMED = 'messages { role: "user" content: "a" name: "ann" }'

CONVERSATIONS = [
    pytest.param("a", [USER], id="a str"),
    pytest.param(["a", "a"], [USER, USER], id="several str"),
    pytest.param([("user", "a"), ("assistant", "b")], [f"{USER} {BOT}"], id="one of tuples"),
    pytest.param([{"role": "user", "content": "a"}], [USER], id="one of a dict"),
    pytest.param([{"role": "user", "content": "a", "name": "ann"}], [NAMED], id="a dict with a name"),
    pytest.param([{"role": "user", "content": "a", "name": None}], [USER], id="a dict without a name"),
    pytest.param([ChatMessage("user", "a", "ann"), ("assistant", "b")], [f"{NAMED} {BOT}"], id="one of both kinds"),
    pytest.param([[("user", "a")], [{"role": "assistant", "content": "b"}]], [USER, BOT], id="several"),
    pytest.param(["a", [("assistant", "b")]], [USER, BOT], id="a str and a list"),
    pytest.param([[["user", "a"]]], [USER], id="messages as lists, as JSON has them"),
    pytest.param([[]], [""], id="one without messages"),
    pytest.param([], [], id="none"),
]


@pytest.mark.parametrize(("inputs", "expected"), CONVERSATIONS)
def test_what_is_one_conversation_and_what_are_several(inputs: Any, expected: list[str]) -> None:
    assert conversations(inputs) == [text_format.Parse(each, chat_pb2.Conversation()) for each in expected]


REFUSED = [
    pytest.param(("user", "a"), "inputs must be a list of messages", id="a tuple: one message or two conversations"),
    pytest.param({"role": "user", "content": "a"}, "put one message in a list", id="a dict alone"),
    pytest.param(ChatMessage("user", "a"), "put one message in a list", id="a message alone"),
    pytest.param([("user", "a"), "b"], r"inputs\[0\] must be a list of messages or a str.* not tuple", id="mixed"),
    pytest.param(
        [[("user", "a"), "b"]], r"inputs\[0\]\.messages\[1\] must be a ChatMessage.* not str", id="a bare str"
    ),
    pytest.param([{"role": "user"}], r"inputs\[0\]\.messages\[0\] must be", id="no content"),
    pytest.param([{"role": "user", "content": ["a"]}], r"inputs\[0\]\.messages\[0\] must be", id="content in parts"),
    pytest.param([{"role": "user", "content": "a", "tool_calls": []}], r"messages\[0\] must be", id="another key"),
    pytest.param([ChatMessage("user", "a", 7)], r"messages\[0\] must be", id="a name that is no str"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("inputs", "words"), REFUSED)
def test_what_is_no_conversation_is_refused(inputs: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        conversations(inputs)


METHODS = [
    pytest.param("complete_chat", chat_pb2.CompleteChatRequest, id="whole"),
    pytest.param("stream_complete_chat", chat_pb2.StreamCompleteChatRequest, id="stream"),
]


@pytest.mark.parametrize(("method", "kind"), METHODS)
async def test_chat_sends_its_request(either: EitherClient, script: Script, method: str, kind: Any) -> None:
    options = {"model": "m", "stop": "x", "seed": 3, "parameters": {"presence_penalty": 1, "n": 2}}
    await either.ask(method, [("user", "a"), ("assistant", "b")], **options)
    expected = (
        f'model: "m" inputs {{ {USER} {BOT} }} stop: "x" seed: 3'
        ' parameters { presence_penalty: 1.0 extra { key: "n" value { int_value: 2 } } }'
    )
    assert script.requests == [text_format.Parse(expected, kind())]
