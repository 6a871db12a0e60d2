"""Requests to copy are run as they stand, against the simulated upstream: only the host and the key are ours."""

import json
import os
import subprocess
import sys

import pytest

from panel.snippets import WRITERS, Call, snippets
from providers.models import Deployment
from tests.simulator.peer import Peer, running

KEY, DIGEST = "sk-canary-snippet", "0c2d15f0"
PROGRAMS = {
    "curl": ["bash", "-euc"],
    "python": [sys.executable, "-c"],
    "javascript": ["node", "--input-type=module", "-e"],
}
# dialect, base address, the model's name there; the host that the page shows
PLACES = {
    "eigenai": ("https://app.eigenai.com", "deepseek-v31-terminus", "https://app.eigenai.com"),
    "thinking": ("https://api.example.com/", "deepseek-reasoner", "https://api.example.com"),
    "segmind": ("https://api.segmind.com", "deepseek-chat", "https://api.segmind.com"),
    "deepinfra": ("https://api.deepinfra.com", "deepseek-ai/DeepSeek-V3", "https://api.deepinfra.com"),
    "openai": ("http://10.0.0.5:8080/team/v1", "deepseek-chat", "https://YOUR-HOST"),
}
STREAMING = [name for name in PLACES if name != "segmind"]
NASTY = 'it\'s \\ "quoted" $HOME `id` $(id) ${KEY} !!\n</script><b>\t%s {0} \u2028 é 😀 \\u0041 \x7f'


@pytest.fixture(scope="module")
def upstream():
    with running("--port", "0", "--with-parent") as (process, port):
        yield Peer(port)
        process.stdin.close()
        process.wait(timeout=5)


@pytest.fixture
def simulator(upstream):
    upstream.forget()
    upstream.order(speed=0)
    return upstream


def place(dialect, **fields):
    base_url, name, _ = PLACES[dialect]
    return Deployment(dialect=dialect, base_url=base_url, upstream_model=name, **fields)


def code(deployment, language, streams=False):
    return next(each.code for each in snippets(deployment) if (each.slug, each.streams) == (language, streams))


def run(language, text, **environment):
    """What the program printed. It gets nothing of ours but where programs are."""
    environment = {"PATH": os.environ["PATH"], "PROVIDER_API_KEY": KEY, "LANG": "C.UTF-8"} | environment
    done = subprocess.run(
        [*PROGRAMS[language], text], env=environment, capture_output=True, text=True, encoding="utf-8", timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def at(simulator, dialect, text):
    host = PLACES[dialect][2]
    assert text.count(host) == 1
    return text.replace(host, f"http://127.0.0.1:{simulator.port}")


def journaled(simulator):
    (entry,) = simulator.journal()
    return entry


@pytest.mark.parametrize("language", PROGRAMS)
@pytest.mark.parametrize("dialect", PLACES)
def test_the_documented_request_is_answered(simulator, dialect, language):
    printed = run(language, at(simulator, dialect, code(place(dialect), language)))

    assert json.loads(printed)["choices"][0]["message"]["content"].strip()
    entry = journaled(simulator)
    assert (entry["method"], entry["status"], entry["key"]) == ("POST", 200, DIGEST)


@pytest.mark.parametrize("language", PROGRAMS)
@pytest.mark.parametrize("dialect", STREAMING)
def test_the_documented_request_is_answered_as_a_stream(simulator, dialect, language):
    printed = run(language, at(simulator, dialect, code(place(dialect), language, streams=True)))

    events = [line.removeprefix("data: ") for line in printed.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    deltas = [json.loads(event)["choices"] for event in events[:-1]]
    assert "".join(choices[0]["delta"].get("content") or "" for choices in deltas if choices).strip()
    assert (journaled(simulator)["status"], journaled(simulator)["body"]["stream"]) == (200, True)


@pytest.mark.parametrize("language", PROGRAMS)
def test_whatever_stands_in_a_request_arrives_unchanged(simulator, language):
    body = {
        "model": "deepseek-ai/DeepSeek-V3",
        "messages": [{"role": "user", "content": NASTY}],
        "stop": [],
        "top_p": 0.95,
        "stream": False,
        "response_format": {"type": "text"},
        "seed": None,
        "echo": True,
    }
    call = Call(f"http://127.0.0.1:{simulator.port}/v1/openai/chat/completions", body, ("Authorization", "Bearer "))

    run(language, next(write for name, write in WRITERS.items() if name.lower() == language)(call))

    assert journaled(simulator)["body"] == body


@pytest.mark.parametrize("language", PROGRAMS)
def test_a_server_that_wants_no_key_is_sent_none(language):
    text = code(place("openai", needs_key=False), language)

    assert "PROVIDER_API_KEY" not in text
    assert "Authorization" not in text


def test_a_stream_is_offered_where_the_provider_streams():
    assert [(each.language, each.streams) for each in snippets(place("eigenai"))] == [
        ("cURL", False),
        ("cURL", True),
        ("Python", False),
        ("Python", True),
        ("JavaScript", False),
        ("JavaScript", True),
    ]
    assert [(each.language, each.streams) for each in snippets(place("segmind"))] == [
        ("cURL", False),
        ("Python", False),
        ("JavaScript", False),
    ]


@pytest.mark.parametrize(
    ("base_url", "dialect", "shown"),
    [
        ("https://API.DeepInfra.com/", "deepinfra", "curl https://API.DeepInfra.com/v1/openai/chat/completions"),
        ("https://llm.example.org/a/v1/", "openai", "curl https://llm.example.org/a/v1/chat/completions"),
        ("http://10.0.0.5:8080/secret/v1", "openai", "curl https://YOUR-HOST/v1/chat/completions"),
        ("http://box.local", "deepinfra", "curl https://YOUR-HOST/v1/openai/chat/completions"),
        ("http://models.example.org:8080", "segmind", "curl https://YOUR-HOST/v1/deepseek-chat"),
    ],
)
def test_the_address_is_the_providers_and_none_of_a_private_network(settings, base_url, dialect, shown):
    settings.PRIVATE_UPSTREAMS = ["models.example.org:8080"]
    deployment = Deployment(dialect=dialect, base_url=base_url, upstream_model="llama3.1")

    assert code(deployment, "curl").splitlines()[0] == f"{shown} \\"


def test_the_command_as_people_copy_it():
    assert (
        code(place("deepinfra"), "curl", streams=True)
        == """curl -N https://api.deepinfra.com/v1/openai/chat/completions \\
  -H "Authorization: Bearer $PROVIDER_API_KEY" \\
  -H 'Content-Type: application/json' \\
  -d '{
  "model": "deepseek-ai/DeepSeek-V3",
  "messages": [
    {"role": "user", "content": "Hello!"}
  ],
  "stream": true
}'"""
    )


def test_the_python_program_as_people_copy_it():
    assert (
        code(place("thinking"), "python")
        == """import json
import os

import requests

url = "https://api.example.com/v1/chat/completions"
headers = {"Authorization": "Bearer " + os.environ["PROVIDER_API_KEY"]}
payload = {
  "model": "deepseek-reasoner",
  "messages": [
    {"role": "user", "content": "Explain the theory of relativity in simple terms."}
  ],
  "thinking": {"type": "enabled", "budget_tokens": 2048},
  "max_tokens": 4096
}

response = requests.post(url, headers=headers, json=payload, timeout=120)
response.raise_for_status()
print(json.dumps(response.json(), indent=2))"""
    )
