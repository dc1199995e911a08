"""Conversations as callers pass them, and how they become the messages' inputs: one conversation, or a list of them.

A tuple or a dict is always a message and a list within the list always a conversation: so what the list holds tells one
conversation from several.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from savor.v1 import chat_pb2


@dataclass(frozen=True)
class ChatMessage:
    """A message: who says it ("system", "user", "assistant" or another role of the model's template) and what."""

    role: str
    content: str
    name: str | None = None


Message: TypeAlias = ChatMessage | tuple[str, str] | Mapping[str, str]
Conversation: TypeAlias = str | Sequence[Message]
ConversationInput: TypeAlias = Sequence[Message | Conversation]


def conversations(inputs: ConversationInput) -> list[chat_pb2.Conversation]:
    """The conversations of a request. Raises TypeError where there is none in a place."""
    if isinstance(inputs, tuple | Mapping | ChatMessage):
        raise TypeError("inputs must be a list of messages, a list of such lists, or a str: put one message in a list")
    items = [inputs] if isinstance(inputs, str) else list(inputs)
    several = not items or any(isinstance(item, str | list) for item in items)
    return [_conversation(item, f"inputs[{index}]") for index, item in enumerate(items if several else [items])]


def _conversation(item: object, path: str) -> chat_pb2.Conversation:
    match item:
        case str():
            return chat_pb2.Conversation(messages=[chat_pb2.ChatMessage(role="user", content=item)])
        case list():
            messages = [_message(each, f"{path}.messages[{index}]") for index, each in enumerate(item)]
            return chat_pb2.Conversation(messages=messages)
    raise TypeError(f"{path} must be a list of messages or a str, as the others are, not {type(item).__name__}")


def _message(item: object, path: str) -> chat_pb2.ChatMessage:
    match item:
        case ChatMessage(str(role), str(content), (str() | None) as name):
            return chat_pb2.ChatMessage(role=role, content=content, name=name)
        case (str(role), str(content)):
            return chat_pb2.ChatMessage(role=role, content=content)
        case {"role": str(role), "content": str(content), **rest} if not rest:
            return chat_pb2.ChatMessage(role=role, content=content)
        case {"role": str(role), "content": str(content), "name": str() | None as name, **rest} if not rest:
            return chat_pb2.ChatMessage(role=role, content=content, name=name)
    raise TypeError(
        f"{path} must be a ChatMessage, a (role, content) tuple or a dict of role, content and perhaps name, all str, "
        f"not {type(item).__name__}"
    )
