"""A random model of a given shape as GGUF."""

import numpy as np

import blocks
import gguf
import shapes
import vocabularies

POOLING = {"none": 0, "mean": 1, "cls": 2, "rank": 4}
PRE = {"llama": "llama-bpe", "qwen2": "qwen2", "qwen3": "qwen2", "chatglm": "chatglm-bpe"}


def shape_entries(a, p):
    out = [(f"{a}.block_count", "u32", p["layers"]), (f"{a}.context_length", "u32", p["context"]),
           (f"{a}.embedding_length", "u32", p["width"]), (f"{a}.feed_forward_length", "u32", p["ffn"]),
           (f"{a}.attention.head_count", "u32", p["heads"])]
    if a == "bert":
        pooling = "rank" if p["head"] in ("sequence", "rerank") else p["pooling"]
        out += [(f"{a}.attention.layer_norm_epsilon", "f32", p["epsilon"]), (f"{a}.attention.causal", "bool", False),
                (f"{a}.pooling_type", "u32", POOLING[pooling])]
        if p["labels"]:
            out.append((f"{a}.classifier.output_labels", "[str]", p["labels"]))
        return out
    rotating = p["head_width"] // 2 if a == "chatglm" else p["head_width"]
    return out + [(f"{a}.attention.head_count_kv", "u32", p["kv_heads"]), (f"{a}.attention.key_length", "u32", p["head_width"]),
                  (f"{a}.attention.value_length", "u32", p["head_width"]), (f"{a}.rope.dimension_count", "u32", rotating),
                  (f"{a}.rope.freq_base", "f32", p["base"]), (f"{a}.attention.layer_norm_rms_epsilon", "f32", p["epsilon"]),
                  (f"{a}.vocab_size", "u32", p["vocabulary"])]


def bert_vocabulary(p):
    tokens, kinds = vocabularies.word_piece(p["vocabulary"])
    # GGUF marks the beginnings of words, not their continuations.
    stored = [t if k != vocabularies.NORMAL else t[2:] if t.startswith("##") else "\u2581" + t for t, k in zip(tokens, kinds)]
    ids = {"unknown": 1, "seperator": 3, "padding": 0, "cls": 2, "mask": 4, "bos": 2, "eos": 3}
    return ([("tokenizer.ggml.model", "str", "bert"), ("tokenizer.ggml.pre", "str", "jina-v2-en"),
             ("tokenizer.ggml.tokens", "[str]", stored), ("tokenizer.ggml.token_type", "[i32]", kinds),
             ("tokenizer.ggml.token_type_count", "u32", 2)] +
            [(f"tokenizer.ggml.{name}_token_id", "u32", i) for name, i in ids.items()])


def byte_level_vocabulary(a, p):
    tokens, kinds, merges = vocabularies.byte_level(p["vocabulary"])
    return [("tokenizer.ggml.model", "str", "gpt2"), ("tokenizer.ggml.pre", "str", PRE[a]),
            ("tokenizer.ggml.tokens", "[str]", tokens), ("tokenizer.ggml.token_type", "[i32]", kinds),
            ("tokenizer.ggml.merges", "[str]", [" ".join(m) for m in merges]),
            ("tokenizer.ggml.bos_token_id", "u32", tokens.index("<|endoftext|>")),
            ("tokenizer.ggml.eos_token_id", "u32", tokens.index("<|im_end|>")),
            ("tokenizer.ggml.padding_token_id", "u32", tokens.index("<|endoftext|>")),
            ("tokenizer.ggml.add_bos_token", "bool", False), ("tokenizer.chat_template", "str", vocabularies.CHATML)]


def given_vocabulary(path, p):
    """Another file's tokenizer, filled up to as many tokens as the shape has rows."""
    entries = gguf.read_entries(path, "tokenizer.")
    have = next(len(value) for key, _, value in entries if key == "tokenizer.ggml.tokens")
    spare = p["vocabulary"] - have
    if spare < 0:
        raise SystemExit(f"{path} has {have} tokens, the shape only {p['vocabulary']}")
    more = {"tokenizer.ggml.tokens": [f"[unused{have + i}]" for i in range(spare)],
            "tokenizer.ggml.token_type": [vocabularies.UNUSED] * spare, "tokenizer.ggml.scores": [-1e4] * spare}
    return [(key, kind, value + more[key] if key in more else value) for key, kind, value in entries]


def tensor_chunks(a, p, name, shape, role, kind, seed):
    heads = {"attn_q.weight": p["heads"], "attn_k.weight": p["kv_heads"]}.get(name.split(".", 2)[-1])
    if a == "llama" and heads:
        whole = np.concatenate(list(shapes.random_chunks(name, shape, role, seed)))
        yield blocks.encode(shapes.to_adjacent_pairs(whole, heads), kind)
        return
    for chunk in shapes.random_chunks(name, shape, role, seed):
        yield blocks.encode(chunk, kind)


def write(path, a, p, kind, embedding_kind, seed, parts, vocabulary, name):
    tensors = []
    for tensor, shape, role in shapes.tensors_of(a, p):
        wanted = {"matrix": kind, "embedding": embedding_kind or kind}.get(role, "f32")
        fitting = blocks.fitting(wanted, shape[-1])
        tensors.append(gguf.Tensor(tensor, shape, fitting, lambda n=tensor, s=shape, r=role, k=fitting:
                                   tensor_chunks(a, p, n, s, r, k, seed)))
    if "llama3" in p:
        divisors = shapes.llama3_frequency_divisors(p)
        tensors.append(gguf.Tensor("rope_freqs.weight", divisors.shape, "f32", lambda: [blocks.encode(divisors, "f32")]))
    entries = [("general.architecture", "str", a), ("general.type", "str", "model"), ("general.name", "str", name),
               ("general.file_type", "u32", blocks.TYPES[kind][3]), ("general.quantization_version", "u32", 2),
               ("general.alignment", "u32", gguf.ALIGNMENT)] + shape_entries(a, p)
    if vocabulary:
        entries += given_vocabulary(vocabulary, p)
    else:
        entries += bert_vocabulary(p) if a == "bert" else byte_level_vocabulary(a, p)
    return gguf.write(path, entries, tensors, parts)
