"""Writes `oikos/ops.py` and `oikos/queries.py` from `oikos schema op` and `oikos schema query`.

    python3 generate.py            # writes both, by the binary that OIKOS_BINARY names
    python3 generate.py --check    # says whether they are as they would be written
"""

from __future__ import annotations

import json
import keyword
import pathlib
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))

from oikos.binary import find_binary  # noqa: E402

WIDTH = 110
COMMON = ("max_spend", "max_resources", "action_id")
"""Fields of every op."""

COMMON_WORDS = {
    "max_spend": "The most scrip that all of it may cost.",
    "max_resources": "The most of resources, by name, in base units.",
    "action_id": "An id by which an action that is sent twice is done once.",
}
"""Their descriptions."""

ANYTHING = [True, {"type": "null"}]
"""Any JSON, in the place where null means something of its own."""

HEAD = '''"""{about}

Written by `generate.py` from `oikos schema {schema}`; a test says where it is not of the binary.
"""

from __future__ import annotations
'''

OPS = '''
from collections.abc import Mapping, Sequence
from typing import Literal

from oikos.base import UNSET, Answer, Duration, Instant, Json, OpMethods, Unset


class Ops(OpMethods[Answer]):
    """All ops as methods. A field that is None is left out.

    Amounts are whole numbers in base units: scrip, microseconds, bytes.
    """
'''

QUERIES = '''
from collections.abc import Sequence
from typing import Any, Literal

from oikos.base import Instant, Json, QueryMethods


class Queries(QueryMethods):
    """All queries as methods, asked as an observer who may see all. A field that is None is left out."""
'''


def schema(of: str) -> Any:
    command = [find_binary(), "schema", of]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def type_of(field: Mapping[str, Any]) -> str:
    """The type of a field in Python."""
    if field.get("format") == "date-time":
        return "Instant"
    if field.get("examples") == ["60s", "1h 30m"]:
        return "Duration"
    if "enum" in field:
        return f"Literal[{', '.join(json.dumps(word) for word in field['enum'])}]"
    if "anyOf" in field:
        if field["anyOf"] == ANYTHING:
            return "Json"
        kinds = dict.fromkeys("None" if one == {"type": "null"} else type_of(one) for one in field["anyOf"])
        return " | ".join(kinds)
    if field.get("type") == "array":
        items = field.get("items")
        return f"Sequence[{type_of(items) if items else 'Json'}]"
    if field.get("type") == "object":
        values = field.get("additionalProperties")
        return f"Mapping[str, {type_of(values) if isinstance(values, dict) else 'Json'}]"
    words = {"string": "str", "integer": "int", "boolean": "bool", "number": "float", "null": "None"}
    kind = field.get("type")
    return " | ".join(words[one] for one in kind) if isinstance(kind, list) else words[kind] if kind else "Json"


def means_null(field: Mapping[str, Any]) -> bool:
    """Whether null says something in a field."""
    return {"type": "null"} in field.get("anyOf", [])


def name_of(field: str) -> str:
    return field + "_" if keyword.iskeyword(field) else field


def docstring(words: str, fields: Mapping[str, str], last: str = "") -> list[str]:
    """The docstring of a method, with a line for each field."""
    lines = textwrap.wrap(words, WIDTH - 8)
    if fields:
        lines += [""]
    for name, told in fields.items():
        lines += textwrap.wrap(f"{name}: {told}", WIDTH - 8, subsequent_indent="    ")
    if last:
        lines += ["", *textwrap.wrap(last, WIDTH - 8)]
    lines = [line.replace("\\", "\\\\") for line in lines]
    if len(lines) == 1:
        return [f'        """{lines[0]}"""']
    return [f'        """{lines[0]}', *(f"        {line}".rstrip() for line in lines[1:]), '        """']


def method(name: str, needed: Mapping[str, str], more: Mapping[str, str], answer: str) -> list[str]:
    """The head of a method, one argument a line."""
    arguments = ["self", *(f"{name_of(field)}: {kind}" for field, kind in needed.items())]
    if more:
        arguments += ["*", *(f"{name_of(field)}: {kind}" for field, kind in more.items())]
    lines = [line for argument in arguments for line in wrapped(f"{argument},")]
    return [f"    def {name_of(name)}(", *lines, f"    ) -> {answer}:"]


def op_lines(op: Mapping[str, Any]) -> list[str]:
    fields = {name: field for name, field in op["properties"].items() if name != "op"}
    needed = {name: type_of(fields[name]) for name in op["required"] if name != "op"}
    optional = {name: field for name, field in fields.items() if name not in needed}
    null = [name for name, field in fields.items() if means_null(field)]
    more = {
        name: f"{with_null(type_of(field))} | Unset = UNSET" if name in null else f"{type_of(field)} | None = None"
        for name, field in optional.items()
    }
    told = {name_of(name): field.get("description", COMMON_WORDS.get(name, "")) for name, field in fields.items()}
    lines = ["", *method(op["title"], needed, more, "Answer"), *docstring(op["description"], told)]
    plain = mapping(name for name in fields if name not in null)
    nullable = f", {mapping(null)}" if null else ""
    return [*lines, *wrapped(f'return self._do("{op["title"]}", {plain}{nullable})')]


def mapping(names: Iterable[str]) -> str:
    return "{" + ", ".join(f'"{name}": {name_of(name)}' for name in names) + "}"


def wrapped(line: str, indent: int = 8) -> list[str]:
    """A line of code in lines that are narrow enough: it can be broken at each space."""
    spaces = " " * indent
    return textwrap.wrap(
        line, WIDTH, initial_indent=spaces, subsequent_indent=spaces + "    ", break_on_hyphens=False
    )


def with_null(kind: str) -> str:
    return kind if kind == "Json" or "None" in kind.split(" | ") else f"{kind} | None"


def query_lines(what: str, answer: Mapping[str, Any], kinds: Mapping[str, Any]) -> list[str]:
    fields = answer["x-fields"]
    needed = {name: type_of(kinds[name]) for name, must in fields.items() if must}
    more = {name: f"{type_of(kinds[name])} | None = None" for name, must in fields.items() if not must}
    told = {name_of(name): kinds[name]["description"] for name in [*needed, *more]}
    # An observer is no principal, so the one whom a query is about is the first thing to say.
    first = {"of": more.pop("of")} if "of" in more and not needed else {}
    result = {"object": "dict[str, Any]", "array": "list[dict[str, Any]]", "integer": "int"}
    kind = result.get(answer.get("type", "object"), "Any")
    words = answer["description"]
    head = method(what, {**needed, **first}, more, kind)
    asked = wrapped(f'answer: {kind} = self._ask("{what}", {mapping(fields)})')
    doc = docstring(words[0].upper() + words[1:] + ".", told)
    return ["", *head, *doc, *asked, "        return answer"]


def written() -> dict[str, str]:
    """The text of each file."""
    ops = schema("op")["oneOf"]
    queries = schema("query")["properties"]
    kinds = next(op for op in ops if op["title"] == "query")["properties"]
    lines = [HEAD.format(about="Ops as methods.", schema="op").rstrip("\n"), OPS.rstrip("\n")]
    for op in ops:
        lines += op_lines(op)
    ops_text = "\n".join(lines) + "\n"
    lines = [HEAD.format(about="Queries as methods.", schema="query").rstrip("\n"), QUERIES.rstrip("\n")]
    for what, answer in queries.items():
        lines += query_lines(what, answer, kinds)
    return {"ops.py": ops_text, "queries.py": "\n".join(lines) + "\n"}


def main() -> int:
    stale = []
    for name, text in written().items():
        path = HERE / "oikos" / name
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(text)
    if stale and "--check" in sys.argv:
        print(f"python/oikos/{' and '.join(stale)} are not as the schemas of the binary: `python3 generate.py`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
