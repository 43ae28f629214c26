// Beside Debian's libsentencepiece: models trained here, and any that stand in the shared data folder (LOQUAT_SHARED).

#include <gtest/gtest.h>
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "text/random_text.h"
#include "text/tokenizer/detokenizer.h"
#include "text/tokenizer/sentencepiece_model.h"
#include "text/tokenizer/tokenizer.h"

namespace loquat::text {
namespace {

// Sentences to train on: words of a few scripts in a long-tailed distribution.
std::vector<std::string> Sentences() {
  base::Random random(5);
  constexpr std::string_view kWords[] = {
      "the",      "quick",   "brown",      "fox",        "jumps",  "over",     "lazy",     "dog",  "and",
      "then",     "there",   "their",      "they",       "thinks", "thinking", "thought",  "你好", "世界",
      "今天天气", "很好",    "привет",     "мир",        "naïve",  "café",     "ｆｕｌｌ", "½",    "1234",
      "2024",     "e\u0301", "안녕하세요", "こんにちは", "🙂",   "<tag>",    "don't",    "a-b_c"};
  std::vector<std::string> sentences;
  for (int i = 0; i < 3000; ++i) {
    std::string sentence;
    for (std::uint64_t words = 3 + random.Below(12); words > 0; --words) {
      const std::uint64_t most = 1 + random.Below(std::size(kWords));
      sentence += kWords[random.Below(most)];
      if (random.Below(8) != 0) sentence += ' ';
    }
    sentences.push_back(sentence);
  }
  return sentences;
}

class Iterator final : public sentencepiece::SentenceIterator {
 public:
  bool done() const override { return at_ == sentences_.size(); }
  void Next() override { ++at_; }
  const std::string& value() const override { return sentences_[at_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  const std::vector<std::string> sentences_ = Sentences();
  std::size_t at_ = 0;
};

std::string Trained(const std::string& options) {
  std::string model;
  Iterator sentences;
  const auto status = sentencepiece::SentencePieceTrainer::Train(
      "--minloglevel=2 --num_threads=2 --hard_vocab_limit=false " + options, &sentences, &model);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return model;
}

struct Both {
  sentencepiece::SentencePieceProcessor oracle;
  std::shared_ptr<const Tokenizer> ours;
};

void Load(const std::string& model, Both& both) {
  ASSERT_TRUE(both.oracle.LoadFromSerializedProto(model).ok());
  auto spec = ReadSentencePieceModel(model);
  ASSERT_TRUE(spec.has_value()) << spec.error().message;
  auto tokenizer = Tokenizer::Create(std::move(*spec));
  ASSERT_TRUE(tokenizer.has_value()) << tokenizer.error().message;
  both.ours = *tokenizer;
}

void ExpectSameTokens(const Both& both, std::uint64_t seed) {
  RandomText random(seed);
  EncodeWorkspace workspace;
  const std::vector<std::string> sentences = Sentences();
  for (int round = 0; round < 6000; ++round) {
    std::string text = round % 3 == 0 ? random.Any(30) : random.Valid(round % 100 == 1 ? 1000 : 30);
    const std::string& sentence = sentences[random.Below(sentences.size())];
    if (round % 2 == 0) text.insert(random.Below(text.size() + 1), sentence);
    for (std::size_t i = random.Below(4); i > 0; --i) text.insert(random.Below(text.size() + 1), random.Below(3), ' ');
    std::vector<int> wanted;
    ASSERT_TRUE(both.oracle.Encode(text, &wanted).ok());
    std::vector<TokenId> ids;
    ASSERT_TRUE(both.ours->Encode(text, {.add_special = false, .parse_special = false}, workspace, ids).has_value());
    ASSERT_EQ(ids, std::vector<TokenId>(wanted.begin(), wanted.end()))
        << "seed " << seed << " round " << round << ": " << text;
    std::string decoded;
    ASSERT_TRUE(both.oracle.Decode(wanted, &decoded).ok());
    const bool unknown = std::ranges::find(ids, both.ours->unknown().value_or(-1)) != ids.end();
    // It writes unknown tokens as " ⁇ ", where we give nothing, or the token.
    if (!unknown && base::IsValidUtf8(text)) {
      ASSERT_EQ(Decode(both.ours, ids), decoded) << "seed " << seed << " round " << round;
    }
  }
}

class TrainedModel : public testing::TestWithParam<std::string> {};

TEST_P(TrainedModel, GivesTheSameTokens) {
  Both both;
  Load(Trained(GetParam()), both);
  if (HasFatalFailure()) return;
  ExpectSameTokens(both, testing::UnitTest::GetInstance()->random_seed() + 23);
}

INSTANTIATE_TEST_SUITE_P(
    SentencePiece, TrainedModel,
    testing::Values(
        "--model_type=bpe --vocab_size=400", "--model_type=bpe --vocab_size=700 --byte_fallback=true",
        "--model_type=bpe --vocab_size=600 --byte_fallback=true --normalization_rule_name=identity "
        "--remove_extra_whitespaces=false --split_digits=true --allow_whitespace_only_pieces=true",
        "--model_type=bpe --vocab_size=500 --user_defined_symbols=<tag>,qui,世 --add_dummy_prefix=false",
        "--model_type=bpe --vocab_size=500 --split_by_whitespace=false --normalization_rule_name=nfkc_cf",
        "--model_type=unigram --vocab_size=400", "--model_type=unigram --vocab_size=700 --byte_fallback=true",
        "--model_type=unigram --vocab_size=500 --user_defined_symbols=<tag>,qui,世 --pad_id=3",
        "--model_type=unigram --vocab_size=500 --split_by_whitespace=false --normalization_rule_name=nmt_nfkc_cf",
        "--model_type=unigram --vocab_size=600 --normalization_rule_name=identity "
        "--remove_extra_whitespaces=false --add_dummy_prefix=false --control_symbols=<mask>"));

// No case where the folder is not there: the run then has none of these tests.
std::vector<std::string> ModelsInData() {
  std::vector<std::string> models;
  const char* shared = std::getenv("LOQUAT_SHARED");
  const std::string folder = std::string(shared == nullptr ? "../shared" : shared) + "/data";
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, error)) {
    if (entry.path().extension() == ".model") models.push_back(entry.path().string());
  }
  return models;
}

class ModelInData : public testing::TestWithParam<std::string> {};

TEST_P(ModelInData, GivesTheSameTokens) {
  const auto model = base::ReadFile(GetParam());
  ASSERT_TRUE(model.has_value());
  Both both;
  Load(*model, both);
  if (HasFatalFailure()) return;
  ExpectSameTokens(both, testing::UnitTest::GetInstance()->random_seed() + 29);
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ModelInData);
INSTANTIATE_TEST_SUITE_P(SentencePiece, ModelInData, testing::ValuesIn(ModelsInData()));

TEST(SentencePieceModel, DamagedAtAnyByteIsAnErrorOrAModel) {
  const std::string model = Trained("--model_type=bpe --vocab_size=300 --normalization_rule_name=identity");
  for (std::size_t cut = 0; cut < model.size(); cut += 1 + cut / 64) {
    auto spec = ReadSentencePieceModel(std::string_view(model).substr(0, cut));
    if (spec.has_value()) (void)Tokenizer::Create(std::move(*spec));
  }
  EXPECT_FALSE(ReadSentencePieceModel("").has_value());
  EXPECT_FALSE(ReadSentencePieceModel("\x0A\xFF").has_value());
}

TEST(SentencePieceModel, OfWordsOrCharactersIsRefused) {
  const auto words = ReadSentencePieceModel(Trained("--model_type=word --vocab_size=60"));
  ASSERT_FALSE(words.has_value());
  EXPECT_NE(words.error().message.find("unigram and BPE are supported"), std::string::npos);
}

}  // namespace
}  // namespace loquat::text
