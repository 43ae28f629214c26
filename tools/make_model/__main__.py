"""Writes model files for tests and measurements: random ones from a seed, and llama2.c's stories as GGUF. Needs python3-numpy.

  python3 tools/make_model gguf --arch qwen2 --shape tiny --type q4_k --out model.gguf
  python3 tools/make_model gguf --arch llama --shape llama-3.2-1b --type q8_0 --parts 3 --out model.gguf
  python3 tools/make_model huggingface --arch bert --head sequence --labels yes,no --type f32 --out folder
  python3 tools/make_model llama2c stories260K.bin tok512.bin --out stories.gguf
  python3 tools/make_model list | self-test

The same architecture, shape and seed give the same weights in both formats, but for rounding and the order of Llama's query and
key rows. Matrices have the type asked for; vectors, positions and token types are f32 in GGUF. A row that a type's blocks do
not divide falls back to a type with shorter blocks.
"""

import argparse
import json
import sys

sys.dont_write_bytecode = True  # The tree stays clean.

import blocks
import llama2c
import random_gguf
import random_huggingface
import self_test
import shapes

GGUF_ARCHITECTURES = list(shapes.SHAPES)


def common(parser, architectures, types):
    parser.add_argument("--arch", required=True, choices=architectures)
    parser.add_argument("--shape", default="tiny", help="a name of `list`")
    parser.add_argument("--set", default="{}", help='changes to the shape as JSON: {"layers": 4}')
    parser.add_argument("--type", default="f32", choices=types)
    parser.add_argument("--head", default="none", choices=list(random_huggingface.HEADS), help="of bert and its kin")
    parser.add_argument("--labels", default="", help="of the head, separated by commas")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", required=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    gguf = commands.add_parser("gguf", help="a random model as GGUF")
    common(gguf, GGUF_ARCHITECTURES, list(blocks.TYPES))
    gguf.add_argument("--embedding-type", choices=list(blocks.TYPES), help="of token_embd and output; default: as --type")
    gguf.add_argument("--parts", type=int, default=1, help="split into so many files")
    gguf.add_argument("--vocabulary", help="a GGUF file whose tokenizer is taken; default: a toy one")
    folder = commands.add_parser("huggingface", help="a random model as a Hugging Face folder")
    common(folder, list(shapes.MODEL_TYPES), list(random_huggingface.DTYPES))
    folder.add_argument("--shards", type=int, default=1, help="split into so many files, with an index")
    stories = commands.add_parser("llama2c", help="convert a checkpoint of llama2.c")
    stories.add_argument("checkpoint")
    stories.add_argument("tokenizer")
    stories.add_argument("--type", default="f32", choices=list(blocks.TYPES))
    stories.add_argument("--out", required=True)
    commands.add_parser("list", help="print the shapes")
    commands.add_parser("self-test", help="prove the block formats")
    return parser.parse_args()


def shape_of(given):
    architecture = shapes.MODEL_TYPES[given.arch]
    if given.shape not in shapes.SHAPES[architecture]:
        sys.exit(f"make_model: {given.arch} has no shape {given.shape}; it has {', '.join(shapes.SHAPES[architecture])}")
    changes = json.loads(given.set)
    if architecture == "bert":
        changes |= {"head": given.head, "labels": [label for label in given.labels.split(",") if label]}
        defaults = {"rerank": ["LABEL_0"], "sequence": ["LABEL_0", "LABEL_1"], "token": ["O", "B-X", "I-X"]}
        if given.head != "none" and not changes["labels"]:
            changes["labels"] = defaults[given.head]
    return shapes.shape_of(given.arch, given.shape, changes)


def main():
    given = arguments()
    if given.command == "self-test":
        return self_test.run()
    if given.command == "list":
        for architecture, named in shapes.SHAPES.items():
            for name, p in named.items():
                print(f"{architecture:8} {name:14} {p}")
        return None
    if given.command == "llama2c":
        print(*llama2c.convert(given.checkpoint, given.tokenizer, given.out, given.type))
        return None
    p = shape_of(given)
    if given.command == "gguf":
        name = f"random {given.arch} {given.shape} seed {given.seed}"
        print(*random_gguf.write(given.out, given.arch, p, given.type, given.embedding_type, given.seed, given.parts,
                                 given.vocabulary, name))
    else:
        random_huggingface.write(given.out, given.arch, p, given.type, given.seed, given.shards)
        print(given.out)
    return None


if __name__ == "__main__":
    main()
