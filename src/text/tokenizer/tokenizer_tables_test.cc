// A tokenizer that is read from its tables does what the one that was built does; tables that contradict themselves are
// refused, and what is accepted stays within its bytes.

#include "text/tokenizer/tokenizer_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

#include "base/random.h"
#include "text/tokenizer/detokenizer.h"
#include "text/tokenizer/tokenizer_test_data.h"

namespace loquat::text {
namespace {

struct Bytes {
  explicit Bytes(std::string_view text) : size(text.size()) {
    void* const raw = std::aligned_alloc(64, (size + 64) / 64 * 64);
    std::memcpy(raw, text.data(), size);
    memory = {raw, [](void* p) { std::free(p); }};
  }
  std::span<const std::byte> view() const { return {static_cast<const std::byte*>(memory.get()), size}; }
  std::shared_ptr<void> memory;
  std::size_t size;
};

base::Result<TableTokenizer> Read(std::string_view written) {
  const Bytes bytes(written);
  return ReadTokenizerTables(bytes.view(), bytes.memory);
}

std::map<std::string, TokenizerSpec> Specs() {
  std::map<std::string, TokenizerSpec> specs = {
      {"byte level", WordsSpec()},
      {"word piece", WordPieceSpec()},
      {"sentence piece", SentencePieceSpec(TokenizerKind::kSentencePieceBpe)},
      {"unigram", SentencePieceSpec(TokenizerKind::kUnigram)},
  };
  TokenizerSpec& steps = specs["steps"] = WordsSpec();
  steps.normalizers = {{.kind = NormalizerStep::Kind::kNfc},
                       {.kind = NormalizerStep::Kind::kReplacePattern, .pattern = "x+", .content = "y"}};
  steps.pre_tokenizers = {{.kind = PreTokenizerStep::Kind::kSplit, .pattern = "[a-z]+|[^a-z]"}};
  steps.strip_accents = true;
  steps.single_template = {{.kind = TemplatePiece::Kind::kToken, .id = *steps.eos, .type = 1},
                           {.kind = TemplatePiece::Kind::kFirst}};
  return specs;
}

// Texts that meet merges, unknown characters, special tokens, ill-formed bytes.
std::vector<std::string> Texts() {
  std::vector<std::string> texts = {"",
                                    "hello world, hello!",
                                    "unaffable caf\xC3\xA9 \xE4\xBD\xA0\xE5\xA5\xBD",
                                    "<|end|> <s>he llo</s> [MASK]",
                                    "xx  \xFF\xE4 \xF0\x9F\x98\x80",
                                    "e\xCC\x81"};
  base::Random random(7);
  for (int i = 0; i < 200; ++i) {
    std::string text;
    for (std::uint64_t length = random.Below(40); length > 0; --length) {
      constexpr std::string_view kLetters = "helowrd x.<|>\xE4\xBD\xA0";
      text.push_back(kLetters[random.Below(kLetters.size())]);
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

TEST(TokenizerTables, DoWhatTheTokenizerDoesThatIsBuilt) {
  for (const auto& [name, spec] : Specs()) {
    const auto written = WriteTokenizerTables(spec);
    ASSERT_TRUE(written.has_value()) << name << ": " << written.error().message;
    EXPECT_EQ(WriteTokenizerTables(spec).value(), *written) << name << ": the same tokenizer gives the same bytes";
    const auto read = Read(*written);
    ASSERT_TRUE(read.has_value()) << name << ": " << read.error().message;
    EXPECT_EQ(read->summary.tokens, spec.tokens.size());
    EXPECT_EQ(read->summary.merges, spec.merges.size());
    EXPECT_EQ(read->summary.specials, spec.specials.size());
    const auto built = Tokenizer::Create(spec).value();
    const Tokenizer& tables = *read->tokenizer;
    EXPECT_EQ(tables.kind(), built->kind());
    ASSERT_EQ(tables.size(), built->size());
    EXPECT_EQ(tables.bos(), built->bos());
    EXPECT_EQ(tables.eos(), built->eos());
    EXPECT_EQ(tables.mask(), built->mask());
    EXPECT_EQ(tables.added_tokens(), built->added_tokens());
    for (TokenId id = 0; built->Has(id); ++id) {
      EXPECT_EQ(tables.TokenText(id), built->TokenText(id));
      EXPECT_EQ(tables.TokenBytes(id), built->TokenBytes(id));
      EXPECT_EQ(tables.TokenKind(id), built->TokenKind(id));
      EXPECT_EQ(tables.IsSpecial(id), built->IsSpecial(id));
      EXPECT_EQ(tables.IdOf(built->TokenText(id)), built->IdOf(built->TokenText(id)));
    }
    for (const std::string& text : Texts()) {
      for (const bool special : {false, true}) {
        const EncodeOptions options{.add_special = special, .parse_special = special};
        const auto ids = tables.Encode(text, options);
        ASSERT_TRUE(ids.has_value());
        EXPECT_EQ(*ids, built->Encode(text, options).value()) << name << ": " << text;
        EXPECT_EQ(Decode(read->tokenizer, *ids), Decode(built, *ids));
      }
    }
  }
}

TEST(TokenizerTables, KeepWhatTheyAreViewsOf) {
  std::weak_ptr<void> watched;
  std::shared_ptr<const Tokenizer> tokenizer;
  {
    const Bytes bytes(WriteTokenizerTables(WordsSpec()).value());
    watched = bytes.memory;
    tokenizer = ReadTokenizerTables(bytes.view(), bytes.memory).value().tokenizer;
  }
  EXPECT_FALSE(watched.expired());
  EXPECT_TRUE(tokenizer->Encode("hello").has_value());
  tokenizer.reset();
  EXPECT_TRUE(watched.expired());
}

TEST(TokenizerTables, EveryCutIsRefused) {
  for (const auto& [name, spec] : Specs()) {
    const std::string written = WriteTokenizerTables(spec).value();
    for (std::size_t size = 0; size < written.size(); size += 1 + size / 16) {
      const auto read = Read(std::string_view(written).substr(0, size));
      ASSERT_FALSE(read.has_value()) << name << " " << size;
      EXPECT_THAT(read.error().message, testing::HasSubstr("tables"));
    }
    EXPECT_FALSE(Read(written + '\0').has_value()) << name;
  }
}

TEST(TokenizerTables, ChangedBytesAreRefusedOrHarmless) {
  base::Random random(11);
  for (const auto& [name, spec] : Specs()) {
    const std::string written = WriteTokenizerTables(spec).value();
    std::size_t refused = 0;
    for (int round = 0; round < 1500; ++round) {
      std::string changed = written;
      for (std::uint64_t times = 1 + random.Below(3); times > 0; --times) {
        changed[random.Below(changed.size())] = static_cast<char>(random.Below(256));
      }
      const auto read = Read(changed);
      if (!read.has_value()) {
        ++refused;
        continue;
      }
      const auto ids = read->tokenizer->Encode("hello world unaffable \xE4\xBD\xA0 <s>", {});
      if (!ids.has_value()) continue;
      for (const TokenId id : *ids) ASSERT_TRUE(read->tokenizer->Has(id)) << name << " " << round;
      (void)Decode(read->tokenizer, *ids);
    }
    EXPECT_GT(refused, 100U) << name;
  }
}

TEST(TokenizerTables, WhatCannotBeATokenizerIsNotWritten) {
  TokenizerSpec none;
  EXPECT_FALSE(WriteTokenizerTables(none).has_value());
  TokenizerSpec pattern = WordsSpec();
  pattern.pre_tokenizers = {{.kind = PreTokenizerStep::Kind::kSplit, .pattern = "("}};
  EXPECT_FALSE(WriteTokenizerTables(pattern).has_value());
}

}  // namespace
}  // namespace loquat::text
