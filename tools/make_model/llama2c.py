"""From llama2.c's checkpoint (version 0) and tokenizer (.bin) to GGUF: https://github.com/karpathy/llama2.c, export.py and run.c."""

import struct

import numpy as np

import blocks
import gguf

NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6
ROPE_BASE, EPSILON = 10000.0, 1e-5  # Constants of run.c.


def read_tokens(path, count):
    """(text, score, kind) by id. The file has spaces where SentencePiece has ▁."""
    with open(path, "rb") as file:
        data = file.read()
    at, out = 4, []
    for i in range(count):
        score, size = struct.unpack_from("<fi", data, at)
        text = data[at + 8:at + 8 + size].decode()
        at += 8 + size
        if i < 3:
            out.append((("<unk>", "<s>", "</s>")[i], 0.0, UNKNOWN if i == 0 else CONTROL))
        elif i < 259:
            out.append((f"<0x{i - 3:02X}>", 0.0, BYTE))
        else:
            out.append((text.replace(" ", "\u2581"), score, NORMAL))
    if at != len(data):
        raise SystemExit(f"{path}: {len(data) - at} bytes more than {count} tokens take")
    return out


def read_checkpoint(path):
    """(header, {GGUF name: float32 array})"""
    with open(path, "rb") as file:
        data = file.read()
    dim, hidden, layers, heads, kv_heads, vocabulary, context = struct.unpack_from("<7i", data)
    tied, vocabulary = vocabulary > 0, abs(vocabulary)
    head, kv = dim // heads, dim // heads * kv_heads
    at, out = 28, {}

    def take(*shape):
        nonlocal at
        count = int(np.prod(shape))
        at += 4 * count
        return np.frombuffer(data, "<f4", count, at - 4 * count).reshape(shape)

    out["token_embd.weight"] = take(vocabulary, dim)
    for name, rows, cols in (("attn_norm", dim, 0), ("attn_q", dim, dim), ("attn_k", kv, dim), ("attn_v", kv, dim),
                             ("attn_output", dim, dim), ("ffn_norm", dim, 0), ("ffn_gate", hidden, dim), ("ffn_down", dim, hidden),
                             ("ffn_up", hidden, dim)):
        stacked = take(layers, rows, cols) if cols else take(layers, rows)
        for i in range(layers):
            out[f"blk.{i}.{name}.weight"] = stacked[i]
    out["output_norm.weight"] = take(dim)
    take(2, context, head // 2)  # Cosines and sines, which engines compute themselves.
    if not tied:
        out["output.weight"] = take(vocabulary, dim)
    if at != len(data):
        raise SystemExit(f"{path}: {len(data) - at} bytes more than its header says")
    return dict(dim=dim, hidden=hidden, layers=layers, heads=heads, kv_heads=kv_heads, vocabulary=vocabulary, context=context), out


def convert(checkpoint, tokenizer, path, kind):
    h, weights = read_checkpoint(checkpoint)
    tokens = read_tokens(tokenizer, h["vocabulary"])
    head = h["dim"] // h["heads"]
    entries = [
        ("general.architecture", "str", "llama"), ("general.name", "str", "stories"), ("general.alignment", "u32", gguf.ALIGNMENT),
        ("general.file_type", "u32", blocks.TYPES[kind][3]), ("general.quantization_version", "u32", 2),
        ("llama.block_count", "u32", h["layers"]), ("llama.context_length", "u32", h["context"]),
        ("llama.embedding_length", "u32", h["dim"]), ("llama.feed_forward_length", "u32", h["hidden"]),
        ("llama.attention.head_count", "u32", h["heads"]), ("llama.attention.head_count_kv", "u32", h["kv_heads"]),
        ("llama.rope.dimension_count", "u32", head), ("llama.rope.freq_base", "f32", ROPE_BASE),
        ("llama.attention.layer_norm_rms_epsilon", "f32", EPSILON), ("llama.vocab_size", "u32", h["vocabulary"]),
        ("tokenizer.ggml.model", "str", "llama"), ("tokenizer.ggml.pre", "str", "default"),
        ("tokenizer.ggml.tokens", "[str]", [t for t, _, _ in tokens]), ("tokenizer.ggml.scores", "[f32]", [s for _, s, _ in tokens]),
        ("tokenizer.ggml.token_type", "[i32]", [k for _, _, k in tokens]), ("tokenizer.ggml.unknown_token_id", "u32", 0),
        ("tokenizer.ggml.bos_token_id", "u32", 1), ("tokenizer.ggml.eos_token_id", "u32", 2),
        ("tokenizer.ggml.add_bos_token", "bool", True), ("tokenizer.ggml.add_eos_token", "bool", False),
        ("tokenizer.ggml.add_space_prefix", "bool", True)]
    tensors = []
    for name, x in weights.items():
        fitting = blocks.fitting(kind, x.shape[-1]) if x.ndim == 2 else "f32"
        # llama2.c rotates adjacent pairs, as GGUF's llama does: the rows stay where they are.
        tensors.append(gguf.Tensor(name, x.shape, fitting, lambda x=x, k=fitting: [blocks.encode(x, k)]))
    return gguf.write(path, entries, tensors)
