"""What the protos' comments say of each element: read out of the descriptors that buf makes of `protos/`."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

ROOT = Path(__file__).parents[1]


@cache
def comments() -> Mapping[str, str]:
    """The comments as lines without breaks, by full name: of services, RPCs, messages, fields, enums and values."""
    command = [
        str(Path(sys.executable).with_name("buf")),
        "build",
        "--path",
        "protos/savor/v1",
        "--output",
        "-#format=binpb",
    ]
    built = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    files = FileDescriptorSet.FromString(built).file
    return {name: text for file in files for name, text in _of(file)}


def _of(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    for place in file.source_code_info.location:
        # The path to a named element is pairs of a field's number and an index.
        if place.leading_comments and len(place.path) % 2 == 0:
            yield _name(file, place.path), " ".join(place.leading_comments.split())


def _name(file: FileDescriptorProto, path: Any) -> str:
    node: Any = file
    names = [file.package]
    for number, index in zip(path[::2], path[1::2], strict=True):
        node = getattr(node, node.DESCRIPTOR.fields_by_number[number].name)[index]
        names.append(node.name)
    return ".".join(names)
