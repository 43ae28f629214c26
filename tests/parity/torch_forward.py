"""What Hugging Face folders compute, by PyTorch in doubles: a reference that shares nothing with Loquat but the formats' definitions.

  python3 tests/parity/torch_forward.py jobs.json

jobs.json: [{"folder", "what": "hidden" | "pooled" | "head" | "logits", "tokens": [ids], "types": [ids] or [], "out": path}].
Each result is written as float32, little-endian. Needs Debian's python3-torch. Decoders keep keys and values in f16, as Loquat does.
"""

import json
import math
import os
import struct
import sys

import torch
from torch import nn
from torch.nn import functional

DTYPES = {"F32": (torch.float32, 4), "F16": (torch.float16, 2), "BF16": (torch.bfloat16, 2)}
BERT_NAMES = {"q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value", "out": "attention.output.dense",
              "norm1": "attention.output.LayerNorm", "up": "intermediate.dense", "down": "output.dense", "norm2": "output.LayerNorm"}
DISTILBERT_NAMES = {"q": "attention.q_lin", "k": "attention.k_lin", "v": "attention.v_lin", "out": "attention.out_lin",
                    "norm1": "sa_layer_norm", "up": "ffn.lin1", "down": "ffn.lin2", "norm2": "output_layer_norm"}


def read_json(*path):
    with open(os.path.join(*path), encoding="utf-8") as source:
        return json.load(source)


def read_weights(folder):
    """Every tensor of the folder's safetensors files, as doubles."""
    weights = {}
    for file in sorted(name for name in os.listdir(folder) if name.endswith(".safetensors")):
        with open(os.path.join(folder, file), "rb") as source:
            data = bytearray(source.read())
        size, = struct.unpack_from("<Q", data)
        for name, entry in json.loads(data[8:8 + size]).items():
            if name == "__metadata__":
                continue
            dtype, width = DTYPES[entry["dtype"]]
            begin, end = entry["data_offsets"]
            flat = torch.frombuffer(data, dtype=dtype, count=(end - begin) // width, offset=8 + size + begin)
            weights[name] = flat.reshape(entry["shape"]).double()
    return weights


class Weights:
    """Tensors under a prefix of their names."""

    def __init__(self, tensors, prefix=""):
        self.tensors, self.prefix = tensors, prefix

    def under(self, prefix):
        return Weights(self.tensors, self.prefix + prefix)

    def __getitem__(self, name):
        return self.tensors[self.prefix + name]

    def linear(self, name, x):
        return functional.linear(x, self[name + ".weight"], self.tensors.get(f"{self.prefix}{name}.bias"))

    def layer_norm(self, name, x, epsilon):
        return functional.layer_norm(x, x.shape[-1:], self[name + ".weight"], self[name + ".bias"], epsilon)

    def rms_norm(self, name, x, epsilon):
        return self[name + ".weight"] * x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + epsilon)


# ---------------------------------------------------------------- BERT, RoBERTa, XLM-R, DistilBERT

class Encoder:
    def __init__(self, folder):
        c = self.config = read_json(folder, "config.json")
        kind = c["model_type"]
        self.distil = kind == "distilbert"
        self.roberta = kind in ("roberta", "xlm-roberta")
        self.folder = folder
        self.weights = Weights(read_weights(folder))
        self.body = self.weights.under("distilbert." if self.distil else "roberta." if self.roberta else "bert.")
        self.epsilon = 1e-12 if self.distil else c["layer_norm_eps"]
        self.layers = [self.layer(i) for i in range(c["n_layers"] if self.distil else c["num_hidden_layers"])]

    def layer(self, i):
        """PyTorch's own encoder layer with this layer's weights."""
        c, names = self.config, DISTILBERT_NAMES if self.distil else BERT_NAMES
        w = self.body.under(f"transformer.layer.{i}." if self.distil else f"encoder.layer.{i}.")
        width, heads, ffn = ((c["dim"], c["n_heads"], c["hidden_dim"]) if self.distil else
                             (c["hidden_size"], c["num_attention_heads"], c["intermediate_size"]))
        layer = nn.TransformerEncoderLayer(width, heads, ffn, dropout=0.0, activation=functional.gelu, layer_norm_eps=self.epsilon,
                                           batch_first=True)
        state = {}
        for ending in ("weight", "bias"):
            state[f"self_attn.in_proj_{ending}"] = torch.cat([w[f"{names[part]}.{ending}"] for part in "qkv"])
            for theirs, ours in (("self_attn.out_proj", "out"), ("linear1", "up"), ("linear2", "down"), ("norm1", "norm1"),
                                 ("norm2", "norm2")):
                state[f"{theirs}.{ending}"] = w[f"{names[ours]}.{ending}"]
        layer.load_state_dict(state)
        return layer

    def hidden(self, tokens, types):
        at = self.body.under("embeddings.")
        first = self.config["pad_token_id"] + 1 if self.roberta else 0
        x = at["word_embeddings.weight"][tokens] + at["position_embeddings.weight"][first:first + len(tokens)]
        if not self.distil:
            x = x + at["token_type_embeddings.weight"][types or [0] * len(tokens)]
        x = at.layer_norm("LayerNorm", x, self.epsilon)[None]
        for layer in self.layers:
            x = layer(x)
        return x[0]

    def pooled(self, tokens, types):
        x = self.hidden(tokens, types)
        mean = read_json(self.folder, "1_Pooling", "config.json")["pooling_mode_mean_tokens"]
        return x.mean(0) if mean else x[0]

    def head(self, tokens, types):
        x, w = self.hidden(tokens, types), self.weights
        if self.config["architectures"][0].endswith("ForTokenClassification"):
            return w.linear("classifier", x)
        if self.roberta:
            return w.linear("classifier.out_proj", torch.tanh(w.linear("classifier.dense", x[0])))
        if self.distil:
            return w.linear("classifier", torch.relu(w.linear("pre_classifier", x[0])))
        return w.linear("classifier", torch.tanh(w.linear("bert.pooler.dense", x[0])))


# ---------------------------------------------------------------- decoders

def frequencies(config, width):
    """Radians a token of each pair, and what cosine and sine are multiplied by."""
    scaling = config.get("rope_scaling") or {}
    base, kind = config["rope_theta"], scaling.get("rope_type", "default")
    plain = base ** (-torch.arange(0, width, 2).double() / width)
    if kind == "default":
        return plain, 1.0
    factor, original = scaling["factor"], scaling.get("original_max_position_embeddings")
    if kind == "linear":
        return plain / factor, 1.0
    if kind == "llama3":
        wavelength = 2 * math.pi / plain
        low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
        smooth = (original / wavelength - low) / (high - low)
        mixed = (1 - smooth) * plain / factor + smooth * plain
        divided = torch.where(wavelength > original / low, plain / factor, mixed)
        return torch.where(wavelength < original / high, plain, divided), 1.0
    # YaRN (Peng et al., 2023) with the paper's constants.
    correction = lambda turns: width * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(base))
    low, high = max(math.floor(correction(32)), 0), min(math.ceil(correction(1)), width - 1)
    ramp = ((torch.arange(width // 2).double() - low) / (high - low)).clamp(0, 1)
    return plain / factor * ramp + plain * (1 - ramp), 0.1 * math.log(factor) + 1


def rotate_halves(x, angle, growth):
    """Dimension i turns with i + half. x: [token, head, width]; angle: [token, width / 2]."""
    cosine, sine = torch.cos(angle)[:, None] * growth, torch.sin(angle)[:, None] * growth
    a, b = x.chunk(2, -1)
    return torch.cat([a * cosine - b * sine, b * cosine + a * sine], -1)


def rotate_neighbours(x, angle):
    """Dimensions 2i and 2i + 1 turn together, in the first half of a head; the other half stays."""
    turning, staying = x.chunk(2, -1)
    pairs = turning.unflatten(-1, (-1, 2))
    cosine, sine = torch.cos(angle)[:, None], torch.sin(angle)[:, None]
    a, b = pairs.unbind(-1)
    return torch.cat([torch.stack([a * cosine - b * sine, b * cosine + a * sine], -1).flatten(-2), staying], -1)


def attend(q, k, v):
    """Causal attention; q: [token, head, width], k and v: [token, group, width]. Gives [token, heads * width]."""
    k, v = k.half().double(), v.half().double()
    k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], 1) for x in (k, v))
    scores = torch.einsum("qhd,khd->hqk", q, k) / math.sqrt(q.shape[-1])
    hidden = torch.ones(scores.shape[1:], dtype=torch.bool).triu(1)
    weights = scores.masked_fill(hidden, -math.inf).softmax(-1)
    return torch.einsum("hqk,khd->qhd", weights, v).flatten(1)


def llama_logits(c, weights, tokens):
    """Llama, Mistral, Qwen2, Qwen3."""
    w, epsilon, width = Weights(weights), c["rms_norm_eps"], c["head_dim"]
    theta, growth = frequencies(c, width)
    angle = torch.arange(len(tokens)).double()[:, None] * theta
    x = w["model.embed_tokens.weight"][tokens]
    for i in range(c["num_hidden_layers"]):
        at = w.under(f"model.layers.{i}.")
        normal = at.rms_norm("input_layernorm", x, epsilon)
        q, k, v = (at.linear(f"self_attn.{name}_proj", normal).unflatten(-1, (-1, width)) for name in "qkv")
        if c["model_type"] == "qwen3":
            q, k = at.rms_norm("self_attn.q_norm", q, epsilon), at.rms_norm("self_attn.k_norm", k, epsilon)
        q, k = (rotate_halves(rows, angle, growth) for rows in (q, k))
        x = x + at.linear("self_attn.o_proj", attend(q, k, v))
        normal = at.rms_norm("post_attention_layernorm", x, epsilon)
        gated = functional.silu(at.linear("mlp.gate_proj", normal)) * at.linear("mlp.up_proj", normal)
        x = x + at.linear("mlp.down_proj", gated)
    output = "model.embed_tokens" if c["tie_word_embeddings"] else "lm_head"
    return functional.linear(w.rms_norm("model.norm", x, epsilon), w[output + ".weight"])


def chatglm_logits(c, weights, tokens):
    """ChatGLM3 and GLM-4 (their modeling_chatglm.py)."""
    w, epsilon, width = Weights(weights, "transformer."), c["layernorm_epsilon"], c["kv_channels"]
    rotating = width // 2
    theta = (10000.0 * c.get("rope_ratio", 1.0)) ** (-torch.arange(0, rotating, 2).double() / rotating)
    angle = torch.arange(len(tokens)).double()[:, None] * theta
    heads, groups = c["num_attention_heads"], c["multi_query_group_num"]
    x = w["embedding.word_embeddings.weight"][tokens]
    for i in range(c["num_layers"]):
        at = w.under(f"encoder.layers.{i}.")
        fused = at.linear("self_attention.query_key_value", at.rms_norm("input_layernorm", x, epsilon))
        q, k, v = (part.unflatten(-1, (-1, width)) for part in fused.split([heads * width, groups * width, groups * width], -1))
        q, k = rotate_neighbours(q, angle), rotate_neighbours(k, angle)
        x = x + at.linear("self_attention.dense", attend(q, k, v))
        gate, up = at.linear("mlp.dense_h_to_4h", at.rms_norm("post_attention_layernorm", x, epsilon)).chunk(2, -1)
        x = x + at.linear("mlp.dense_4h_to_h", functional.silu(gate) * up)
    return w.linear("output_layer", w.rms_norm("encoder.final_layernorm", x, epsilon))


def logits(folder, tokens):
    config = read_json(folder, "config.json")
    forward = chatglm_logits if config["model_type"] == "chatglm" else llama_logits
    return forward(config, read_weights(folder), tokens)


def main():
    torch.set_default_dtype(torch.float64)
    for job in read_json(sys.argv[1]):
        folder, what, tokens = job["folder"], job["what"], job["tokens"]
        with torch.no_grad():
            result = logits(folder, tokens) if what == "logits" else getattr(Encoder(folder), what)(tokens, job["types"])
        with open(job["out"], "wb") as out:
            out.write(result.float().contiguous().numpy().astype("<f4").tobytes())


main()
