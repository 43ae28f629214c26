// The parts of tokenizer.json, for tokenizer_json.cc alone. Faults go to the fields' JsonFaults; what is returned after
// one is not to be used.

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_fields.h"
#include "base/result.h"
#include "text/tokenizer/tokenizer_json.h"
#include "text/tokenizer/tokenizer_spec.h"

namespace loquat::text::json_parts {

inline constexpr std::size_t kPatternBytesMax = 8192;

// Appends the steps; a BertNormalizer and a Precompiled also set flags of the spec.
void ReadNormalizer(const base::JsonField& field, TokenizerSpec& spec, std::vector<NormalizerStep>& steps);

// Appends the steps. True: words are bytes (a ByteLevel was the last of them).
bool ReadPreTokenizer(const base::JsonField& field, std::vector<PreTokenizerStep>& steps);

// Sets both templates, where it has any.
void ReadPostProcessor(const base::JsonField& field, TokenizerSpec& spec);

// Checks that decoding is what detokenizer.h does for the spec's kind, and sets its flags.
void ReadDecoder(const base::JsonField& field, TokenizerSpec& spec);

// Kind, tokens by id, merges or scores. Returns the name of the unknown token, if the model has it by name.
// `more`: how many tokens follow in other lists, whose ids may lie past those of the vocabulary.
std::optional<std::string> ReadModel(const base::JsonField& field, bool byte_level, std::size_t more,
                                     TokenizerSpec& spec);

// From {"token": id}: fills spec.tokens and spec.kinds, kUnused where an id is missing. Returns what is wrong with it.
std::optional<std::string> FillVocabulary(const base::JsonValue& vocabulary, std::size_t more, TokenizerSpec& spec);

// Puts an added token where its id says. Returns what is wrong with it.
std::optional<std::string> PlaceAdded(SpecialToken token, TokenizerSpec& spec);

// bos, eos and so on, and the chat template, from the files beside tokenizer.json. `unknown`: the model's own name.
base::Status ReadNamedTokens(const TokenizerFiles& files, const std::optional<std::string>& unknown,
                             TokenizerSpec& spec);

}  // namespace loquat::text::json_parts
