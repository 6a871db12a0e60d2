"""Streams as they come over the wire, one or more for each dialect that streams, and the events that are in them.

DeepInfra's is its document's own. The others are written by hand in the form of the documented chunks, with what
servers are known to do: comments, fields besides `data:`, each kind of line end, text of several bytes a character,
an event on several lines, no `[DONE]`, the usage after the end. `\n` stands for the stream's own line end.
"""

# ruff: noqa: E501 - the lines are as long as servers make them

from decimal import Decimal

from providers.types import ContentDelta, Finished, ReasoningDelta, ToolCallDelta, UsageReported
from tests.contract.documents import DEEPINFRA_STREAM

EIGENAI_TAGGED = """: connected

data: {"id":"e1","choices":[{"index":0,"delta":{"role":"assistant","content":"\\n<th"},"finish_reason":null}]}

data: {"id":"e1","choices":[{"index":0,"delta":{"content":"ink>3 × 7 = 21 🧮 </th"},"finish_reason":null}]}

data: {"id":"e1","choices":[{"index":0,"delta":{"content":"ink>"},"finish_reason":null}]}

: keep-alive

data: {"id":"e1","choices":[{"index":0,"delta":{"content":"\\n\\nN = 428 好"},"finish_reason":"length"}],"usage":{"prompt_tokens":40,"completion_tokens":9}}

data: [DONE]

"""

EIGENAI_BARE = """event: token
data: {"text": "Süß\u2028"}

event: token
data: {"text": " 👩‍👧"}

event: end
data: [DONE]

"""

THINKING = """: ping

id: 1
data: {"id":"t1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","reasoning_content":"Größe"},"finish_reason":null}],"usage":null}

id: 2
data: {"id":"t1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"reasoning_content":"? <b>"},"finish_reason":null}],"usage":{"prompt_tokens":15,"completion_tokens":1}}

data: {"id":"t1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"E = mc² </s> 🍰"},"finish_reason":null}]}

data: {"id":"t1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

data: {"id":"t1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":""},"finish_reason":null}],"usage":{"prompt_tokens":15,"completion_tokens":250,"reasoning_tokens":180,"total_tokens":265}}

data: {"id":"t1","object":"chat.completion.chunk","choices":[],"usage":null}

"""

OPENAI = """retry: 3000
data: {"choices":[{"index":1,"delta":{"role":"assistant","content":"Grüß"}}]}

data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"look","arguments":""}}]}}]}

data: {"choices":[{"index":1,"delta":{"content":" dich 🌍"}},
data: {"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\"où\\": "}}]}}]}

data:{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\\"東京\\"}"}}]},"finish_reason":"tool_calls"}]}

data: {"choices":[{"index":1,"delta":{"content":"</s>"},"finish_reason":"stop"}]}

: cost follows
data: {"choices":[],"usage":{"prompt_tokens":8,"completion_tokens":12,"estimated_cost":0.0000175}}

data: [DONE]

"""

LF, CRLF, CR = "\n", "\r\n", "\r"

# (name, line end, stream, its events)
RECORDINGS = [
    (
        "deepinfra",
        LF,
        DEEPINFRA_STREAM,
        [ContentDelta(0, " "), ContentDelta(0, " Hi"), ContentDelta(0, "!"), Finished(0, "stop")],
    ),
    (
        "eigenai",
        CRLF,
        EIGENAI_TAGGED,
        [
            ContentDelta(0, "\n"),
            ReasoningDelta(0, "3 × 7 = 21 🧮 "),
            ContentDelta(0, "N = 428 好"),
            Finished(0, "length"),
            UsageReported(prompt=40, completion=9),
        ],
    ),
    (
        "eigenai",
        LF,
        EIGENAI_BARE,
        [ContentDelta(0, "Süß\u2028"), ContentDelta(0, " 👩‍👧"), Finished(0, "stop")],
    ),
    (
        "thinking",
        CR,
        THINKING,
        [
            ReasoningDelta(0, "Größe"),
            ReasoningDelta(0, "? <b>"),
            ContentDelta(0, "E = mc² </s> 🍰"),
            Finished(0, "stop"),
            UsageReported(prompt=15, completion=250, reasoning=180),
        ],
    ),
    (
        "openai",
        CRLF,
        OPENAI,
        [
            ContentDelta(1, "Grüß"),
            ToolCallDelta(0, 0, "call_1", "look", ""),
            ContentDelta(1, " dich 🌍"),
            ToolCallDelta(0, 0, "", "", '{"où": '),
            ToolCallDelta(0, 0, "", "", '"東京"}'),
            Finished(0, "tool_calls"),
            Finished(1, "stop"),
            UsageReported(prompt=8, completion=12, estimated_cost=Decimal("0.0000175")),
        ],
    ),
]
