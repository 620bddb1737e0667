"""Holds a value against a JSON schema, as far as docs/schema/ uses the language: what it does not know, it refuses."""

from __future__ import annotations

import json
import pathlib
from typing import Any

SCHEMAS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "schema"

TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}
NOTES = {"$schema", "$defs", "title", "description", "format"}


def load(name: str) -> dict[str, Any]:
    schema = json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
    assert isinstance(schema, dict)
    return schema


def complaints(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str = "$") -> list[str]:
    """Everything about `value` that the schema does not allow."""
    unknown = set(schema) - NOTES - set(RULES) - {"additionalProperties"}
    assert not unknown, f"the schema says more than is checked: {unknown}"
    found: list[str] = []
    for rule, check in RULES.items():
        if rule in schema:
            found += check(value, schema, root, at)
    return found


def _ref(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str) -> list[str]:
    return complaints(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, at)


def _type(value: Any, schema: dict[str, Any], _root: Any, at: str) -> list[str]:
    names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    fits = any(isinstance(value, TYPES[name]) and not isinstance(value, bool) for name in names)
    return [] if fits else [f"{at}: {value!r} is no {' or '.join(names)}"]


def _properties(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str) -> list[str]:
    if not isinstance(value, dict):
        return []
    found: list[str] = []
    for name, member in value.items():
        if name in schema["properties"]:
            found += complaints(member, schema["properties"][name], root, f"{at}.{name}")
        elif schema.get("additionalProperties") is False:
            found.append(f"{at}.{name}: not in the schema")
    return found


def _required(value: Any, schema: dict[str, Any], _root: Any, at: str) -> list[str]:
    return [f"{at}: no {name}" for name in schema["required"] if isinstance(value, dict) and name not in value]


def _one_of(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str) -> list[str]:
    each = [complaints(value, one, root, at) for one in schema["oneOf"]]
    return [] if sum(not found for found in each) == 1 else [f"{at}: not one of {len(each)}", *min(each, key=len)]


def _items(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str) -> list[str]:
    found: list[str] = []
    for i, item in enumerate(value):
        found += complaints(item, schema["items"], root, f"{at}[{i}]")
    return found


def _bounds(value: Any, schema: dict[str, Any], _root: Any, at: str) -> list[str]:
    if value is None:
        return []
    fits = schema.get("minimum", value) <= value <= schema.get("maximum", value)
    return [] if fits else [f"{at}: {value!r} is out of range"]


RULES: dict[str, Any] = {
    "$ref": _ref,
    "type": _type,
    "properties": _properties,
    "required": _required,
    "oneOf": _one_of,
    "items": _items,
    "minimum": _bounds,
    "maximum": _bounds,
    "maxItems": lambda v, s, _r, at: [] if len(v) <= s["maxItems"] else [f"{at}: too many"],
    "enum": lambda v, s, _r, at: [] if v in s["enum"] else [f"{at}: {v!r} is not in {s['enum']}"],
    "const": lambda v, s, _r, at: [] if v == s["const"] else [f"{at}: {v!r} is not {s['const']!r}"],
}
