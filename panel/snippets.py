"""Requests to copy: a model's documented request as cURL, Python and JavaScript, to its provider's own address."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from shlex import quote
from typing import Any

from providers import dialects
from providers.addresses import shown_host
from providers.models import Deployment
from providers.types import ChatRequest

KEY = "PROVIDER_API_KEY"  # the environment variable; not a vendor's own, whose key another host must not get
HIDDEN_HOST = "https://YOUR-HOST"
_MARK = "\0"


@dataclass(frozen=True, slots=True)
class Call:
    """One POST of JSON. `key_header` is the header's name and what stands before the key in it; None without a key."""

    url: str
    body: dict[str, Any]
    key_header: tuple[str, str] | None = None
    streams: bool = False


@dataclass(frozen=True, slots=True)
class Snippet:
    """A program that makes the call and prints the answer."""

    language: str
    streams: bool
    code: str = field(repr=False)

    @property
    def slug(self) -> str:
        return self.language.lower()


def snippets(deployment: Deployment) -> list[Snippet]:
    """The documented request in each language, and streamed where the provider streams."""
    modes = [False, True] if dialects.get(deployment.dialect).STREAMS else [False]
    calls = [call_of(deployment, stream=stream) for stream in modes]
    return [Snippet(name, call.streams, write(call)) for name, write in WRITERS.items() for call in calls]


def call_of(deployment: Deployment, *, stream: bool) -> Call:
    """The documented request with this deployment's name for the model."""
    dialect = dialects.get(deployment.dialect)
    body = dict(dialect.EXAMPLE)
    if "model" in body:
        body["model"] = deployment.upstream_model
    if stream:
        body["stream"] = True
    headers = dialect.headers(_MARK) if deployment.needs_key else {}
    keyed = [(name, value.removesuffix(_MARK)) for name, value in headers.items()]
    url = dialect.url(shown_base(deployment), ChatRequest(model="", messages=(), stream=stream))
    return Call(url, body, keyed[0] if keyed else None, stream)


def shown_base(deployment: Deployment) -> str:
    """The base address, with nothing of one that would describe a private network."""
    # What may be shown is a host, and stands in the address; what stands for a hidden one does not.
    if shown_host(deployment.base_url) in deployment.base_url.lower():
        return deployment.base_url
    return HIDDEN_HOST if dialects.get(deployment.dialect).HOST_ONLY else f"{HIDDEN_HOST}/v1"


def curl(call: Call) -> str:
    """For a POSIX shell."""
    key = [f'-H "{call.key_header[0]}: {call.key_header[1]}${KEY}"'] if call.key_header else []
    options = [*key, "-H 'Content-Type: application/json'", f"-d {quote(_json(call.body))}"]
    first = f"curl -N {quote(call.url)}" if call.streams else f"curl {quote(call.url)}"
    return " \\\n  ".join([first, *options])


def python(call: Call) -> str:
    """For Python 3 with the library requests."""
    imports = ["import json", "import os"] if call.key_header else ["import json"]
    if call.streams:
        imports.remove("import json")
    key = _key_header(call, f'os.environ["{KEY}"]')
    lines = [
        *imports,
        *(["", "import requests"] if imports else ["import requests"]),
        "",
        f"url = {_quoted(call.url)}",
        f"headers = {{{key}}}",
        f"payload = {_python(call.body)}",
        "",
        *(PYTHON_STREAM if call.streams else PYTHON_WHOLE),
    ]
    return "\n".join(lines)


PYTHON_WHOLE = [
    "response = requests.post(url, headers=headers, json=payload, timeout=120)",
    "response.raise_for_status()",
    "print(json.dumps(response.json(), indent=2))",
]
PYTHON_STREAM = [
    "with requests.post(url, headers=headers, json=payload, stream=True, timeout=120) as response:",
    "    response.raise_for_status()",
    "    for line in response.iter_lines():",
    "        print(line.decode())",
]


def javascript(call: Call) -> str:
    """An ES module for Node 18 or newer."""
    key = _key_header(call, f"process.env.{KEY}")
    headers = ", ".join(filter(None, [key, '"Content-Type": "application/json"']))
    lines = [
        f"const payload = {_json(call.body)}",
        "",
        f"const response = await fetch({_quoted(call.url)}, {{",
        '  method: "POST",',
        f"  headers: {{ {headers} }},",
        "  body: JSON.stringify(payload),",
        "})",
        "if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)",
        "",
        *(JAVASCRIPT_STREAM if call.streams else JAVASCRIPT_WHOLE),
    ]
    return "\n".join(lines)


JAVASCRIPT_WHOLE = ["console.log(JSON.stringify(await response.json(), null, 2))"]
JAVASCRIPT_STREAM = [
    "const decoder = new TextDecoder()",
    "for await (const bytes of response.body) process.stdout.write(decoder.decode(bytes, { stream: true }))",
]
WRITERS: dict[str, Callable[[Call], str]] = {"cURL": curl, "Python": python, "JavaScript": javascript}


def _key_header(call: Call, expression: str) -> str:
    if call.key_header is None:
        return ""
    name, before = call.key_header
    return f"{_quoted(name)}: {_quoted(before)} + {expression}" if before else f"{_quoted(name)}: {expression}"


def _json(value: Any) -> str:
    """JSON, which is JavaScript too."""
    return _pretty(value, lambda each: json.dumps(each, ensure_ascii=False))


def _python(value: Any) -> str:
    """A value of JSON as a Python literal."""
    return _pretty(value, lambda each: _quoted(each) if isinstance(each, str) else repr(each))


def _pretty(value: Any, atom: Callable[[Any], str], indent: str = "") -> str:
    """Indented, with each message of a conversation on a line of its own."""
    inner = indent + "  "
    if isinstance(value, list):
        rows = ",\n".join(inner + _pretty(each, atom, inner) for each in value)
        return f"[\n{rows}\n{indent}]"
    if not isinstance(value, dict):
        return atom(value)
    pairs = [f"{_quoted(name)}: {_pretty(each, atom, inner)}" for name, each in value.items()]
    if indent and not any(isinstance(each, dict | list) for each in value.values()):
        return f"{{{', '.join(pairs)}}}"
    rows = ",\n".join(inner + pair for pair in pairs)
    return f"{{\n{rows}\n{indent}}}"


def _quoted(text: str) -> str:
    """A string literal of JSON, Python and JavaScript alike."""
    return json.dumps(text, ensure_ascii=False)
