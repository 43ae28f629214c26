"""A random model of a given shape as a Hugging Face folder: config.json, safetensors, tokenizer.json and what goes with them."""

import json
import os
import struct

import blocks
import shapes
import vocabularies

DTYPES = {"f32": "F32", "f16": "F16", "bf16": "BF16"}
LAYER_NAMES = {
    "bert": {"attn_q": "attention.self.query", "attn_k": "attention.self.key", "attn_v": "attention.self.value",
             "attn_output": "attention.output.dense", "attn_output_norm": "attention.output.LayerNorm",
             "ffn_up": "intermediate.dense", "ffn_down": "output.dense", "layer_output_norm": "output.LayerNorm"},
    "distilbert": {"attn_q": "attention.q_lin", "attn_k": "attention.k_lin", "attn_v": "attention.v_lin",
                   "attn_output": "attention.out_lin", "attn_output_norm": "sa_layer_norm", "ffn_up": "ffn.lin1",
                   "ffn_down": "ffn.lin2", "layer_output_norm": "output_layer_norm"},
    "llama": {"attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
              "attn_v": "self_attn.v_proj", "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
              "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj",
              "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"},
    "chatglm": {"attn_norm": "input_layernorm", "attn_qkv": "self_attention.query_key_value",
                "attn_output": "self_attention.dense", "ffn_norm": "post_attention_layernorm",
                "ffn_up": "mlp.dense_h_to_4h", "ffn_down": "mlp.dense_4h_to_h"},
}
LAYER_PREFIX = {"bert": "bert.encoder.layer.", "roberta": "roberta.encoder.layer.", "distilbert": "distilbert.transformer.layer.",
                "llama": "model.layers.", "chatglm": "transformer.encoder.layers."}
EMBEDDINGS = {"token_embd": "embeddings.word_embeddings", "token_types": "embeddings.token_type_embeddings",
              "position_embd": "embeddings.position_embeddings", "token_embd_norm": "embeddings.LayerNorm"}
TOP_NAMES = {
    "bert": {"cls": "bert.pooler.dense", "cls.output": "classifier"},
    "roberta": {"cls": "classifier.dense", "cls.output": "classifier.out_proj"},
    "distilbert": {"cls": "pre_classifier", "cls.output": "classifier"},
    "llama": {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"},
    "chatglm": {"token_embd": "transformer.embedding.word_embeddings", "output_norm": "transformer.encoder.final_layernorm",
                "output": "transformer.output_layer"},
}
HEADS = {"none": "Model", "sequence": "ForSequenceClassification", "rerank": "ForSequenceClassification",
         "token": "ForTokenClassification"}
CLASSES = {"bert": "Bert", "roberta": "Roberta", "distilbert": "DistilBert", "llama": "Llama", "mistral": "Mistral",
           "qwen2": "Qwen2", "qwen3": "Qwen3", "xlm-roberta": "XLMRoberta"}


def family_of(model_type):
    if model_type == "xlm-roberta":
        return "roberta"
    return model_type if model_type in LAYER_PREFIX else "llama"


def their_name(name, model_type, head):
    family = family_of(model_type)
    stem, ending = name.rsplit(".", 1)
    if stem.startswith("blk."):
        _, layer, part = stem.split(".", 2)
        table = LAYER_NAMES["bert" if family == "roberta" else family]
        return f"{LAYER_PREFIX[family]}{layer}.{table[part]}.{ending}"
    if family == "roberta" and head == "token" and stem == "cls.output":
        return f"classifier.{ending}"
    if stem in TOP_NAMES[family]:
        return f"{TOP_NAMES[family][stem]}.{ending}"
    return f"{family}.{EMBEDDINGS[stem]}.{ending}"


def config_of(model_type, p, kind):
    dtype = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}[kind]
    config = {"model_type": model_type, "torch_dtype": dtype, "vocab_size": p["vocabulary"]}
    if shapes.MODEL_TYPES[model_type] == "bert":
        config["architectures"] = [CLASSES[model_type] + HEADS[p["head"]]]
        if p["labels"]:
            config["id2label"] = {str(i): label for i, label in enumerate(p["labels"])}
            config["label2id"] = {label: i for i, label in enumerate(p["labels"])}
    if model_type == "distilbert":
        return config | {"dim": p["width"], "n_layers": p["layers"], "n_heads": p["heads"], "hidden_dim": p["ffn"],
                         "max_position_embeddings": p["positions"], "activation": "gelu", "sinusoidal_pos_embds": False,
                         "pad_token_id": 0}
    if model_type == "chatglm":
        eos = vocabularies.byte_level(p["vocabulary"])[0].index("<|im_end|>")
        return config | {"architectures": ["ChatGLMModel"], "num_layers": p["layers"], "hidden_size": p["width"],
                         "ffn_hidden_size": p["ffn"], "kv_channels": p["head_width"], "num_attention_heads": p["heads"],
                         "multi_query_attention": True, "multi_query_group_num": p["kv_heads"],
                         "padded_vocab_size": p["vocabulary"], "seq_length": p["context"], "layernorm_epsilon": p["epsilon"],
                         "rmsnorm": True, "add_bias_linear": False, "add_qkv_bias": True, "post_layer_norm": True,
                         "apply_residual_connection_post_layernorm": False, "original_rope": True,
                         "rope_ratio": p["base"] / 10000.0, "tie_word_embeddings": False, "eos_token_id": [eos]}
    config |= {"hidden_size": p["width"], "num_hidden_layers": p["layers"], "num_attention_heads": p["heads"],
               "intermediate_size": p["ffn"], "max_position_embeddings": p.get("positions", p["context"])}
    if shapes.MODEL_TYPES[model_type] == "bert":
        return config | {"type_vocab_size": p["token_types"], "layer_norm_eps": p["epsilon"], "hidden_act": "gelu",
                         "position_embedding_type": "absolute", "pad_token_id": 1 if family_of(model_type) == "roberta" else 0}
    config |= {"architectures": [CLASSES[model_type] + "ForCausalLM"], "num_key_value_heads": p["kv_heads"],
               "head_dim": p["head_width"], "rms_norm_eps": p["epsilon"], "rope_theta": p["base"], "hidden_act": "silu",
               "tie_word_embeddings": p["tied"], "attention_bias": False,
               "eos_token_id": vocabularies.byte_level(p["vocabulary"])[0].index("<|im_end|>")}
    if "rope_scaling" in p:  # As config.json has it.
        config["rope_scaling"] = p["rope_scaling"]
    elif "llama3" in p:
        factor, low, high, original = p["llama3"]
        config["rope_scaling"] = {"rope_type": "llama3", "factor": factor, "low_freq_factor": low, "high_freq_factor": high,
                                  "original_max_position_embeddings": original}
    return config


def added(tokens, names):
    return [{"id": tokens.index(t), "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
             "special": True} for t in names]


def byte_level_tokenizer(p):
    tokens, _, merges = vocabularies.byte_level(p["vocabulary"])
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added(tokens, vocabularies.CONTROL),
            "normalizer": {"type": "NFC"}, "pre_tokenizer": byte_level, "post_processor": byte_level, "decoder": byte_level,
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
                      "end_of_word_suffix": "", "fuse_unk": False, "byte_fallback": False,
                      "vocab": {t: i for i, t in enumerate(tokens)}, "merges": [" ".join(m) for m in merges]}}


def word_piece_tokenizer(p):
    tokens, _ = vocabularies.word_piece(p["vocabulary"])
    special = lambda t: {"id": t, "ids": [tokens.index(t)], "tokens": [t]}
    piece = lambda key, t, n: {key: {"id": t, "type_id": n}}
    single = [piece("SpecialToken", "[CLS]", 0), piece("Sequence", "A", 0), piece("SpecialToken", "[SEP]", 0)]
    pair = single + [piece("Sequence", "B", 1), piece("SpecialToken", "[SEP]", 1)]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added(tokens, vocabularies.BERT_CONTROL),
            "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
                           "lowercase": True},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": {"type": "TemplateProcessing", "single": single, "pair": pair,
                               "special_tokens": {t: special(t) for t in ("[CLS]", "[SEP]")}},
            "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                      "max_input_chars_per_word": 100, "vocab": {t: i for i, t in enumerate(tokens)}}}


def write_safetensors(path, tensors, kind, seed):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for theirs, (_, shape, _) in tensors.items():
        size = blocks.TYPES[kind][2]
        for n in shape:
            size *= n
        header[theirs] = {"dtype": DTYPES[kind], "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(head)) + head)
        for name, shape, role in tensors.values():
            for chunk in shapes.random_chunks(name, shape, role, seed):
                out.write(blocks.encode(chunk, kind))
    return offset


def write_weights(folder, named, kind, seed, shards):
    if shards == 1:
        write_safetensors(os.path.join(folder, "model.safetensors"), named, kind, seed)
        return
    names, total, where = list(named), 0, {}
    for i in range(shards):
        file = f"model-{i + 1:05}-of-{shards:05}.safetensors"
        share = names[len(names) * i // shards:len(names) * (i + 1) // shards]
        total += write_safetensors(os.path.join(folder, file), {n: named[n] for n in share}, kind, seed)
        where |= {n: file for n in share}
    dump(folder, "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": where})


def dump(folder, name, value):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as out:
        json.dump(value, out, ensure_ascii=False, indent=1)
        out.write("\n")


def write(folder, model_type, p, kind, seed, shards):
    os.makedirs(folder, exist_ok=True)
    named = {their_name(t[0], model_type, p["head"]): t for t in shapes.tensors_of(shapes.MODEL_TYPES[model_type], p)}
    write_weights(folder, named, kind, seed, shards)
    config = config_of(model_type, p, kind)
    dump(folder, "config.json", config)
    if shapes.MODEL_TYPES[model_type] == "bert":
        dump(folder, "tokenizer.json", word_piece_tokenizer(p))
        dump(folder, "tokenizer_config.json", {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "cls_token": "[CLS]",
                                               "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]",
                                               "mask_token": "[MASK]", "model_max_length": p["context"]})
        if p["head"] == "none":
            os.makedirs(os.path.join(folder, "1_Pooling"), exist_ok=True)
            dump(folder, "1_Pooling/config.json", {"word_embedding_dimension": p["width"],
                                                   "pooling_mode_cls_token": p["pooling"] == "cls",
                                                   "pooling_mode_mean_tokens": p["pooling"] == "mean"})
        return
    dump(folder, "tokenizer.json", byte_level_tokenizer(p))
    dump(folder, "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|endoftext|>",
                                           "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>",
                                           "add_bos_token": False, "chat_template": vocabularies.CHATML})
    end = config["eos_token_id"]
    dump(folder, "generation_config.json", {"eos_token_id": end if isinstance(end, list) else [end, end - 2]})
