"""An ONNX file of the BERT in a Hugging Face folder (F32 safetensors, no head), as exporters spell it.

  python3 bench/peers/onnx_of_bert.py FOLDER OUT.onnx [--int8] [--mask] [--fused]      (needs Debian's python3-onnx and python3-numpy)

--int8: the linear layers' weights in int8, one scale a matrix, activations quantized as they come: what ONNX Runtime's own
quantize_dynamic makes, and what its MatMulIntegerToFloat fuses.
--mask: besides, attention_mask, int64 [batch, tokens]: 1 for a token, 0 for padding.
--fused: attention as one operation of ONNX Runtime's own (Attention, QAttention), as its tools for transformers rewrite it.
Input: input_ids, int64 [batch, tokens]; all of segment 0; no padding without a mask. Output: last_hidden_state [batch, tokens, width].
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def read_safetensors(path):
    data = path.read_bytes()
    size, = struct.unpack_from("<Q", data)
    tensors = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        if name == "__metadata__":
            continue
        assert entry["dtype"] == "F32", f"{name} is {entry['dtype']}; make the folder with --type f32"
        begin, end = entry["data_offsets"]
        tensors[name.removeprefix("bert.")] = np.frombuffer(data[8 + size + begin:8 + size + end], np.float32).reshape(entry["shape"])
    return tensors


class Graph:
    def __init__(self, tensors, int8):
        self.tensors, self.int8, self.nodes, self.constants, self.made = tensors, int8, [], [], 0
        self.quantized = {}  # Of an activation: its integers, scale and zero point.

    def constant(self, array):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def integers(self, weight):
        """Of a matrix [out, in]: its scale, and the integers turned for MatMul."""
        scale = np.float32(np.abs(weight).max() / 127)
        return scale, self.constant(np.clip(np.rint(weight.T / scale), -127, 127).astype(np.int8))

    def op(self, kind, *inputs, **attributes):
        self.made += 1
        self.nodes.append(helper.make_node(kind, list(inputs), [f"t{self.made}"], **attributes))
        return f"t{self.made}"

    def quantize(self, x):
        if x not in self.quantized:
            self.made += 1
            outputs = [f"t{self.made}_{part}" for part in ("quants", "scale", "zero")]
            self.nodes.append(helper.make_node("DynamicQuantizeLinear", [x], outputs))
            self.quantized[x] = outputs
        return self.quantized[x]

    def product(self, x, weight):
        if not self.int8:
            return self.op("MatMul", x, self.constant(weight.T))
        scale, integers = self.integers(weight)
        quants, x_scale, zero = self.quantize(x)
        dots = self.op("Cast", self.op("MatMulInteger", quants, integers, zero, self.constant(np.int8(0))), to=TensorProto.FLOAT)
        return self.op("Mul", dots, self.op("Mul", x_scale, self.constant(scale)))

    def linear(self, x, name):
        return self.op("Add", self.product(x, self.tensors[f"{name}.weight"]), self.constant(self.tensors[f"{name}.bias"]))

    def layer_norm(self, x, name, epsilon):
        weight, bias = (self.constant(self.tensors[f"{name}.{part}"]) for part in ("weight", "bias"))
        return self.op("LayerNormalization", x, weight, bias, axis=-1, epsilon=epsilon)

    def number(self, value):
        return self.constant(np.float32(value))

    def gelu(self, x):
        inner = self.op("Add", self.op("Erf", self.op("Div", x, self.number(np.sqrt(2)))), self.number(1))
        return self.op("Mul", self.op("Mul", x, inner), self.number(0.5))


def embeddings(g, ids, epsilon):
    words, positions, segments = (g.tensors[f"embeddings.{part}_embeddings.weight"] for part in ("word", "position", "token_type"))
    tokens = g.op("Gather", g.op("Shape", ids), g.constant(np.array([1], np.int64)))
    first = g.op("Slice", g.constant(positions), g.constant(np.array([0], np.int64)), tokens, g.constant(np.array([0], np.int64)))
    x = g.op("Add", g.op("Gather", g.constant(words), ids), g.constant(segments[0]))
    return g.layer_norm(g.op("Add", x, first), "embeddings.LayerNorm", epsilon)


# What is added to the scores: nothing for tokens, next to minus infinity for padding. [batch, 1, 1, tokens]
def mask_scores(g):
    mask = g.op("Unsqueeze", g.op("Cast", "attention_mask", to=TensorProto.FLOAT), g.constant(np.array([1, 2], np.int64)))
    return g.op("Mul", g.op("Sub", g.number(1), mask), g.number(-1e9))


def attention(g, x, name, config, masked):
    heads = config["num_attention_heads"]
    head_width = config["hidden_size"] // heads

    def split(part, order):
        shape = g.constant(np.array([0, 0, heads, head_width], np.int64))
        return g.op("Transpose", g.op("Reshape", g.linear(x, f"{name}.attention.self.{part}"), shape), perm=order)

    scores = g.op("Div", g.op("MatMul", split("query", [0, 2, 1, 3]), split("key", [0, 2, 3, 1])), g.number(np.sqrt(head_width)))
    if masked:
        scores = g.op("Add", scores, masked)
    mixed = g.op("MatMul", g.op("Softmax", scores, axis=-1), split("value", [0, 2, 1, 3]))
    return g.op("Reshape", g.op("Transpose", mixed, perm=[0, 2, 1, 3]), g.constant(np.array([0, 0, config["hidden_size"]], np.int64)))


# masked: [batch, tokens], 1 for a token.
def fused_attention(g, x, name, config, masked):
    parts = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
    weight, bias = (np.concatenate([g.tensors[f"{part}.{kind}"] for part in parts]) for kind in ("weight", "bias"))
    fused = dict(domain="com.microsoft", num_heads=config["num_attention_heads"])
    if not g.int8:
        return g.op("Attention", x, g.constant(weight.T), g.constant(bias), masked or "", **fused)
    scale, integers = g.integers(weight)
    quants, x_scale, zero = g.quantize(x)
    return g.op("QAttention", quants, integers, g.constant(bias), x_scale, g.constant(scale), masked or "", zero,
                g.constant(np.int8(0)), **fused)


def layer(g, x, name, config, attend, masked):
    epsilon = config["layer_norm_eps"]
    joined = attend(g, x, name, config, masked)
    x = g.layer_norm(g.op("Add", g.linear(joined, f"{name}.attention.output.dense"), x), f"{name}.attention.output.LayerNorm", epsilon)
    wide = g.gelu(g.linear(x, f"{name}.intermediate.dense"))
    return g.layer_norm(g.op("Add", g.linear(wide, f"{name}.output.dense"), x), f"{name}.output.LayerNorm", epsilon)


def main():
    folder, out = Path(sys.argv[1]), sys.argv[2]
    int8, mask, fused = (flag in sys.argv[3:] for flag in ("--int8", "--mask", "--fused"))
    config = json.loads((folder / "config.json").read_text())
    g = Graph(read_safetensors(folder / "model.safetensors"), int8)
    x = embeddings(g, "input_ids", config["layer_norm_eps"])
    masked = None
    if mask:
        masked = g.op("Cast", "attention_mask", to=TensorProto.INT32) if fused else mask_scores(g)
    for i in range(config["num_hidden_layers"]):
        x = layer(g, x, f"encoder.layer.{i}", config, fused_attention if fused else attention, masked)
    g.nodes.append(helper.make_node("Identity", [x], ["last_hidden_state"]))
    given = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
             for name in ("input_ids", "attention_mask")[:2 if mask else 1]]
    made = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "tokens", config["hidden_size"]])
    graph = helper.make_graph(g.nodes, "bert", given, [made], g.constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)], ir_version=8), out)


if __name__ == "__main__":
    main()
