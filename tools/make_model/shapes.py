"""The architectures: their shapes, their tensors, and random weights for them.

Tensors bear GGUF's names. Query and key rows are made in Hugging Face's order (the two of a rotating pair half a head apart);
llama's are permuted for GGUF, so that a seed gives the same model in both formats.
"""

import hashlib

import numpy as np

TINY = dict(layers=2, width=256, ffn=512, heads=4, kv_heads=2, vocabulary=768, context=2048)
SHAPES = {
    "llama": {
        "tiny": dict(TINY, base=10000.0, epsilon=1e-5, tied=False),
        "llama-3.2-1b": dict(layers=16, width=2048, ffn=8192, heads=32, kv_heads=8, vocabulary=128256, context=131072, base=500000.0,
                             epsilon=1e-5, tied=True, llama3=(32.0, 1.0, 4.0, 8192)),
    },
    "qwen2": {
        "tiny": dict(TINY, base=1e6, epsilon=1e-6, tied=True),
        "qwen2.5-0.5b": dict(layers=24, width=896, ffn=4864, heads=14, kv_heads=2, vocabulary=151936, context=32768, base=1e6,
                             epsilon=1e-6, tied=True),
    },
    "qwen3": {
        "tiny": dict(TINY, head_width=128, base=1e6, epsilon=1e-6, tied=True),
        "qwen3-0.6b": dict(layers=28, width=1024, ffn=3072, heads=16, kv_heads=8, head_width=128, vocabulary=151936, context=40960,
                           base=1e6, epsilon=1e-6, tied=True),
    },
    "chatglm": {
        "tiny": dict(TINY, base=10000.0, epsilon=1e-5, tied=False),
        "chatglm3-cut": dict(layers=4, width=4096, ffn=13696, heads=32, kv_heads=2, vocabulary=65024, context=8192, base=10000.0,
                             epsilon=1e-5, tied=False),
    },
    "bert": {
        "tiny": dict(layers=2, width=256, ffn=512, heads=4, vocabulary=768, context=128, epsilon=1e-12, pooling="cls"),
        "bert-base": dict(layers=12, width=768, ffn=3072, heads=12, vocabulary=30522, context=512, epsilon=1e-12, pooling="cls"),
        "bge-small": dict(layers=12, width=384, ffn=1536, heads=12, vocabulary=30522, context=512, epsilon=1e-12, pooling="cls"),
        "minilm": dict(layers=6, width=384, ffn=1536, heads=12, vocabulary=30522, context=512, epsilon=1e-12, pooling="mean"),
        "tinybert": dict(layers=4, width=312, ffn=1200, heads=12, vocabulary=30522, context=512, epsilon=1e-12, pooling="mean"),
    },
}
# Hugging Face's model types and the architecture that computes each.
MODEL_TYPES = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "chatglm": "chatglm", "bert": "bert",
               "roberta": "bert", "xlm-roberta": "bert", "distilbert": "bert"}
POSITION_OFFSET = {"roberta": 2, "xlm-roberta": 2}  # Positions count from the padding token's id plus one.
TOKEN_TYPES = {"bert": 2, "roberta": 1, "xlm-roberta": 1, "distilbert": 0}


def shape_of(model_type, name, changes):
    shape = dict(SHAPES[MODEL_TYPES[model_type]][name])
    shape.update(changes)
    shape.setdefault("kv_heads", shape["heads"])
    shape.setdefault("head_width", shape["width"] // shape["heads"])
    shape["positions"] = shape["context"] + POSITION_OFFSET.get(model_type, 0)
    shape["token_types"] = TOKEN_TYPES.get(model_type, 0)
    shape.setdefault("labels", [])
    shape.setdefault("head", "none")
    return shape


def bert_tensors(p):
    e, f = p["width"], p["ffn"]
    yield "token_embd.weight", (p["vocabulary"], e), "embedding"
    if p["token_types"]:
        yield "token_types.weight", (p["token_types"], e), "small"
    yield "position_embd.weight", (p["positions"], e), "small"
    yield "token_embd_norm.weight", (e,), "gain"
    yield "token_embd_norm.bias", (e,), "bias"
    for i in range(p["layers"]):
        for name, rows, cols in (("attn_q", e, e), ("attn_k", e, e), ("attn_v", e, e), ("attn_output", e, e), ("ffn_up", f, e),
                                 ("ffn_down", e, f)):
            yield f"blk.{i}.{name}.weight", (rows, cols), "matrix"
            yield f"blk.{i}.{name}.bias", (rows,), "bias"
        for name in ("attn_output_norm", "layer_output_norm"):
            yield f"blk.{i}.{name}.weight", (e,), "gain"
            yield f"blk.{i}.{name}.bias", (e,), "bias"
    if p["head"] in ("sequence", "rerank"):
        yield "cls.weight", (e, e), "matrix"
        yield "cls.bias", (e,), "bias"
    if p["head"] != "none":
        yield "cls.output.weight", (len(p["labels"]), e), "matrix"
        yield "cls.output.bias", (len(p["labels"]),), "bias"


def decoder_tensors(architecture, p):
    e, f = p["width"], p["ffn"]
    q, k = p["heads"] * p["head_width"], p["kv_heads"] * p["head_width"]
    yield "token_embd.weight", (p["vocabulary"], e), "embedding"
    for i in range(p["layers"]):
        b = f"blk.{i}."
        yield b + "attn_norm.weight", (e,), "gain"
        if architecture == "chatglm":
            yield b + "attn_qkv.weight", (q + 2 * k, e), "matrix"
            yield b + "attn_qkv.bias", (q + 2 * k,), "bias"
        else:
            for name, rows in (("attn_q", q), ("attn_k", k), ("attn_v", k)):
                yield f"{b}{name}.weight", (rows, e), "matrix"
                if architecture == "qwen2":
                    yield f"{b}{name}.bias", (rows,), "bias"
        if architecture == "qwen3":
            yield b + "attn_q_norm.weight", (p["head_width"],), "gain"
            yield b + "attn_k_norm.weight", (p["head_width"],), "gain"
        yield b + "attn_output.weight", (e, q), "matrix"
        yield b + "ffn_norm.weight", (e,), "gain"
        if architecture == "chatglm":
            yield b + "ffn_up.weight", (2 * f, e), "matrix"
        else:
            yield b + "ffn_gate.weight", (f, e), "matrix"
            yield b + "ffn_up.weight", (f, e), "matrix"
        yield b + "ffn_down.weight", (e, f), "matrix"
    yield "output_norm.weight", (e,), "gain"
    if not p["tied"]:
        yield "output.weight", (p["vocabulary"], e), "embedding"


def tensors_of(architecture, p):
    return list(bert_tensors(p) if architecture == "bert" else decoder_tensors(architecture, p))


def random_chunks(name, shape, role, seed, weights_max=1 << 22):
    """The tensor's rows in pieces of bounded size; the numbers depend on the seed and the name alone."""
    key = int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:16], "little")
    random = np.random.Generator(np.random.Philox(key=key))
    columns = shape[-1]
    spread = {"matrix": columns ** -0.5, "embedding": 0.06, "gain": 0.05, "bias": 0.02, "small": 0.02}[role]
    rows = shape[0] if len(shape) == 2 else 1
    step = max(1, weights_max // columns)
    for start in range(0, rows, step):
        x = random.standard_normal((min(step, rows - start), columns), dtype=np.float32) * np.float32(spread)
        yield x + np.float32(1) if role == "gain" else x


def to_adjacent_pairs(x, heads):
    """Rows of each head from (i, i + half) pairs to (2i, 2i + 1) pairs: what GGUF's llama expects."""
    return x.reshape(heads, 2, -1, x.shape[-1]).swapaxes(1, 2).reshape(x.shape)


def llama3_frequency_divisors(p):
    """rope_freqs.weight: what each pair's frequency is divided by (Llama 3.1's scaling of low frequencies)."""
    factor, low, high, original = p["llama3"]
    wavelength = 2 * np.pi * p["base"] ** (np.arange(0, p["head_width"], 2) / p["head_width"])
    keep = np.clip((original / wavelength - low) / (high - low), 0, 1)
    return (1 / (keep + (1 - keep) / factor)).astype(np.float32)
