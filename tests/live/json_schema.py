"""JSON Schema, the part of draft 2020-12 that docs/schema uses; a keyword that it does not know is an error."""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Callable, Iterator
from typing import Any

SCHEMAS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "schema"

_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}
_KNOWN = frozenset({
    "$schema", "$defs", "$ref", "title", "description", "type", "const", "enum", "required", "properties", "items",
    "prefixItems", "minItems", "maxItems", "minimum", "maximum", "pattern", "oneOf", "additionalProperties",
    "format"})  # fmt: skip


def load(name: str) -> Any:
    return json.loads((SCHEMAS / name).read_text(encoding="utf-8"))


def violations(schema: Any, value: Any) -> list[str]:
    """Where `value` is not what the schema says, as "$.path: what is wrong"."""
    return list(_check(schema, schema, value, "$"))


def _check(root: Any, schema: Any, value: Any, path: str) -> Iterator[str]:
    unknown = set(schema) - _KNOWN
    if unknown:
        raise ValueError(f"{path}: keywords not known here: {sorted(unknown)}")
    if "$ref" in schema:
        target = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        yield from _check(root, target, value, path)
    if "const" in schema and value != schema["const"]:
        yield f"{path}: {value!r} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is none of {schema['enum']!r}"
    if "oneOf" in schema and sum(not list(_check(root, each, value, path)) for each in schema["oneOf"]) != 1:
        yield f"{path}: {value!r} is not exactly one of what is allowed"
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(_TYPES[name](value) for name in types):
        yield f"{path}: {value!r} is no {' or '.join(types)}"
    if _TYPES["number"](value):
        if value < schema.get("minimum", value) or value > schema.get("maximum", value):
            yield f"{path}: {value!r} is out of bounds"
    elif isinstance(value, str):
        if not re.search(schema.get("pattern", ""), value):
            yield f"{path}: {value!r} does not match {schema['pattern']!r}"
    elif isinstance(value, list):
        yield from _check_array(root, schema, value, path)
    elif isinstance(value, dict):
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{path}: {name!r} is missing"
        for name, member in schema.get("properties", {}).items():
            if name in value:
                yield from _check(root, member, value[name], f"{path}.{name}")
        if schema.get("additionalProperties") is False:
            for name in set(value) - set(schema.get("properties", {})):
                yield f"{path}.{name}: is not in the schema"


def _check_array(root: Any, schema: Any, value: list[Any], path: str) -> Iterator[str]:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        yield f"{path}: has {len(value)} items"
    first = schema.get("prefixItems", [])
    for number, item in enumerate(value):
        if number < len(first):
            yield from _check(root, first[number], item, f"{path}[{number}]")
        elif "items" in schema:
            yield from _check(root, schema["items"], item, f"{path}[{number}]")
