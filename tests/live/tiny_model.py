"""A language model small enough to write by hand: whatever it is asked, it says one sentence, word by word.

The file is GGUF 3, as llama.cpp reads it. Attention and feed-forward weights are zero, so that a token's embedding
reaches the output as it is, and the output answers each word with the next one.
"""

import struct

WORDS = ("Bonjour", "!", " I", " am", " a", " model", " of", " 64", " numbers", ".", " ☕")
SENTENCE = "".join(WORDS)
WIDTH, CONTEXT = 64, 2048
CERTAIN = 30.0  # in logits: any other token has a chance of less than one in a billion
SPECIAL = ("<unk>", "<s>", "</s>")
BYTES = tuple(f"<0x{number:02X}>" for number in range(256))
UNKNOWN, CONTROL, NORMAL, BYTE = 2, 3, 1, 6  # types of tokens
UINT32, INT32, FLOAT32, STRING, ARRAY = 4, 5, 6, 8, 9  # types of values
TEMPLATE = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}assistant:"


def text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


PACKED = {
    UINT32: lambda value: struct.pack("<I", value),
    INT32: lambda value: struct.pack("<i", value),
    FLOAT32: lambda value: struct.pack("<f", value),
    STRING: text,
}


def field(name, kind, value):
    if isinstance(value, list):
        head = struct.pack("<IIQ", ARRAY, kind, len(value))
        return text(name) + head + b"".join(PACKED[kind](each) for each in value)
    return text(name) + struct.pack("<I", kind) + PACKED[kind](value)


def fields():
    tokens = [*SPECIAL, *BYTES, *(word.replace(" ", "▁") for word in WORDS)]
    types = [UNKNOWN, CONTROL, CONTROL, *[BYTE] * len(BYTES), *[NORMAL] * len(WORDS)]
    return [
        field("general.architecture", STRING, "llama"),
        field("llama.context_length", UINT32, CONTEXT),
        field("llama.embedding_length", UINT32, WIDTH),
        field("llama.block_count", UINT32, 1),
        field("llama.feed_forward_length", UINT32, WIDTH),
        field("llama.attention.head_count", UINT32, 2),
        field("llama.attention.layer_norm_rms_epsilon", FLOAT32, 1e-5),
        field("llama.rope.dimension_count", UINT32, WIDTH // 2),
        field("tokenizer.ggml.model", STRING, "llama"),
        field("tokenizer.ggml.tokens", STRING, tokens),
        field("tokenizer.ggml.scores", FLOAT32, [0.0] * len(tokens)),
        field("tokenizer.ggml.token_type", INT32, types),
        field("tokenizer.ggml.bos_token_id", UINT32, SPECIAL.index("<s>")),
        field("tokenizer.ggml.eos_token_id", UINT32, SPECIAL.index("</s>")),
        field("tokenizer.chat_template", STRING, TEMPLATE),
    ]


def unit(place, size=1.0):
    return [size if number == place else 0.0 for number in range(WIDTH)]


def tensors():
    """Rows by name. Place 0 stands for whatever was asked, place n for the word number n."""
    asked = [unit(0)] * (len(SPECIAL) + len(BYTES))
    words = range(len(WORDS))
    output = [[0.0] * WIDTH] * len(asked) + [unit(number, CERTAIN) for number in words]
    output[SPECIAL.index("</s>")] = unit(len(WORDS), CERTAIN)
    rows = {"token_embd": asked + [unit(number + 1) for number in words], "output": output}
    rows |= {name: [[1.0] * WIDTH] for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm")}
    zero = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    return rows | {f"blk.0.{name}": [[0.0] * WIDTH] * WIDTH for name in zero}


def padded(raw):
    return raw + bytes(-len(raw) % 32)


def write(path):
    """Write the model, about 250 KB."""
    described, data = b"", b""
    for name, rows in tensors().items():
        shape = (WIDTH,) if len(rows) == 1 else (WIDTH, len(rows))
        sizes = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        described += text(f"{name}.weight") + sizes + struct.pack("<IQ", 0, len(data))
        data = padded(data + b"".join(struct.pack(f"<{WIDTH}f", *row) for row in rows))
    counts = struct.pack("<IQQ", 3, len(tensors()), len(fields()))
    path.write_bytes(padded(b"GGUF" + counts + b"".join(fields()) + described) + data)
    return path
