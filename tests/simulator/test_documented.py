"""The documented examples: each request, as the documents print it, gets the printed answer, byte for byte."""

import json

import pytest

EIGENAI = b"""{
"model": "deepseek-v31-terminus",
"messages": [
{"role": "system", "content": "You are a helpful assistant."},
{"role": "user", "content": "Let N be the number of positive integers less than 1000 that are divisible by 3 or 7 but not by 21. What is the value of N?"}
],
"max_tokens": 4096,
"chat_template_kwargs": {
"thinking": true
},
"temperature": 0,
"top_p": 0.95,
"top_k": 1
}"""  # noqa: E501
THINKING = b"""{
    "model": "deepseek-reasoner",
    "messages": [
      {"role": "user", "content": "Explain the theory of relativity in simple terms."}
    ],
    "thinking": {
      "type": "enabled",
      "budget_tokens": 2048
    },
    "max_tokens": 4096
  }"""
THINKING_ANSWER = b"""{
  "id": "chatcmpl-123",
  "object": "chat.completion",
  "created": 1677652288,
  "model": "deepseek-reasoner",
  "choices": [
    {
      "index": 0,
      "message": {
        "role": "assistant",
        "content": "The theory of relativity, developed by Albert Einstein, consists of two parts...",
        "reasoning_content": "Let me think about how to explain this complex topic simply..."
      },
      "finish_reason": "stop"
    }
  ],
  "usage": {
    "prompt_tokens": 15,
    "completion_tokens": 250,
    "reasoning_tokens": 180,
    "total_tokens": 265
  }
}"""
HELLO = b"""{
      "model": "deepseek-ai/DeepSeek-V3",
      "messages": [
        {
          "role": "user",
          "content": "Hello!"
        }
      ]
    }"""
HELLO_ANSWER = b"""{
    "id": "chatcmpl-guMTxWgpFf",
    "object": "chat.completion",
    "created": 1694623155,
    "model": "deepseek-ai/DeepSeek-V3",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": " Hello! It's nice to meet you. Is there something I can help you with or would you like to chat for a bit?"
            },
            "finish_reason": "stop"
        }
    ],
    "usage": {
        "prompt_tokens": 15,
        "completion_tokens": 16,
        "total_tokens": 31,
        "estimated_cost": 0.0000268
    }
}"""  # noqa: E501
LAMB = b"""{
      "model": "deepseek-ai/DeepSeek-V3",
      "messages": [
        {
            "role": "system",
            "content": "Respond like a michelin starred chef."
        },
        {
          "role": "user",
          "content": "Can you name at least two different techniques to cook lamb?"
        },
        {
          "role": "assistant",
          "content": "Bonjour! Let me tell you, my friend, cooking lamb is an art form, and I'm more than happy to share with you not two, but three of my favorite techniques to coax out the rich, unctuous flavors and tender textures of this majestic protein. First, we have the classic \\"Sous Vide\\" method. Next, we have the ancient art of \\"Sous le Sable\\". And finally, we have the more modern technique of \\"Hot Smoking.\\""
        },
        {
          "role": "user",
          "content": "Tell me more about the second method."
        }
      ]
    }"""  # noqa: E501
LAMB_ANSWER = b"""{
    "id": "chatcmpl-b23a3fb60cde42ce8f24bb980b4dee87",
    "object": "chat.completion",
    "created": 1715688169,
    "model": "deepseek-ai/DeepSeek-V3",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Sous le Sable, my friend! It's an ancient technique that's been used for centuries in the Middle East and North Africa. The name itself..."
            },
            "finish_reason": "stop"
        }
    ],
    "usage": {
        "prompt_tokens": 149,
        "total_tokens": 487,
        "completion_tokens": 338,
        "estimated_cost": 0.00035493
    }
}"""  # noqa: E501
HELLO_STREAM = b"""{
      "model": "deepseek-ai/DeepSeek-V3",
      "stream": true,
      "messages": [
        {
          "role": "user",
          "content": "Hello!"
        }
      ]
    }"""
HELLO_STREAM_ANSWER = b"""data: {"id": "Rc5hsIPHOSfMP3rNSFUw9tfR", "object": "chat.completion.chunk", "created": 1694623354, "model": "deepseek-ai/DeepSeek-V3", "choices": [{"index": 0, "delta": {"role": "assistant", "content": " "}, "finish_reason": null}]}

data: {"id": "Rc5hsIPHOSfMP3rNSFUw9tfR", "object": "chat.completion.chunk", "created": 1694623354, "model": "deepseek-ai/DeepSeek-V3", "choices": [{"index": 0, "delta": {"role": "assistant", "content": " Hi"}, "finish_reason": null}]}

data: {"id": "Rc5hsIPHOSfMP3rNSFUw9tfR", "object": "chat.completion.chunk", "created": 1694623354, "model": "deepseek-ai/DeepSeek-V3", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "!"}, "finish_reason": null}]}

data: {"id": "Rc5hsIPHOSfMP3rNSFUw9tfR", "object": "chat.completion.chunk", "created": 1694623354, "model": "deepseek-ai/DeepSeek-V3", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null}]}

data: {"id": "Rc5hsIPHOSfMP3rNSFUw9tfR", "object": "chat.completion.chunk", "created": 1694623354, "model": "deepseek-ai/DeepSeek-V3", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "</s>"}, "finish_reason": null}]}

data: {"id": "Rc5hsIPHOSfMP3rNSFUw9tfR", "object": "chat.completion.chunk", "created": 1694623354, "model": "deepseek-ai/DeepSeek-V3", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}

data: [DONE]

"""  # noqa: E501
# Segmind prints its request as JavaScript.
CATS_AND_DOGS = b"""{ "messages": [ { "role": "user", "content": "tell me a joke on cats" },
{ "role": "assistant", "content": "here is a joke about cats..." },
{ "role": "user", "content": "now a joke on dogs" } ] }"""

DOCUMENTED = [
    pytest.param("/v1/chat/completions", THINKING, THINKING_ANSWER, id="thinking"),
    pytest.param("/v1/openai/chat/completions", HELLO, HELLO_ANSWER, id="deepinfra"),
    pytest.param("/v1/openai/chat/completions", LAMB, LAMB_ANSWER, id="deepinfra conversation"),
    pytest.param("/v1/openai/chat/completions", HELLO_STREAM, HELLO_STREAM_ANSWER, id="deepinfra stream"),
]


@pytest.mark.parametrize(("path", "request_body", "answer"), DOCUMENTED)
def test_a_documented_request_gets_the_documented_bytes(simulator, path, request_body, answer):
    reply = simulator.post(path, request_body, story="documented")
    assert (reply.status, reply.raw) == (200, answer)


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_the_documented_stream_survives_being_cut_anywhere(simulator, size):
    reply = simulator.post("/v1/openai/chat/completions", HELLO_STREAM, story="documented", chunk=size)
    assert reply.raw == HELLO_STREAM_ANSWER


def test_a_client_may_add_fields_to_a_documented_request(simulator):
    body = json.loads(HELLO) | {"user": "4f1c", "stream_options": {"include_usage": True}}
    assert simulator.post("/v1/openai/chat/completions", body, story="documented").raw == HELLO_ANSWER


def test_without_the_header_a_documented_request_gets_an_ordinary_answer(simulator):
    reply = simulator.post("/v1/openai/chat/completions", HELLO, speed=0)
    assert "simulated upstream" in reply.message["content"]


def test_another_question_gets_no_recording(simulator):
    body = json.loads(HELLO) | {"messages": [{"role": "user", "content": "Hello?"}]}
    reply = simulator.post("/v1/openai/chat/completions", body, story="documented", speed=0)
    assert "simulated upstream" in reply.message["content"]


def test_the_documented_request_of_eigenai_is_answered_with_its_thoughts_in_the_content(simulator):
    reply = simulator.post("/api/v1/generate", EIGENAI, speed=0)
    assert reply.status == 200
    assert reply.json["model"] == "deepseek-v31-terminus"
    assert reply.message["content"].startswith("<think>(Simulated reasoning.) The user asks about Let N be")


def test_the_documented_request_of_segmind_is_answered_and_tells_the_credits_left(simulator):
    # 18 tokens of text, 15 of template and 30 of answer, at a millionth of a credit each.
    first = simulator.post("/v1/deepseek-chat", CATS_AND_DOGS, key="cats", speed=0, length=30)
    second = simulator.post("/v1/deepseek-chat", CATS_AND_DOGS, key="cats", speed=0, length=30)
    assert (first.status, first.message["role"]) == (200, "assistant")
    assert (first.headers["x-remaining-credits"], second.headers["x-remaining-credits"]) == ("99.999937", "99.999874")
