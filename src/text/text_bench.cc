// MB/s of the folder's inner loops over mixed text. Run: build/release/src/text/text_bench

#include <benchmark/benchmark.h>
#include <unicode/brkiter.h>
#include <unicode/normalizer2.h>

#include <memory>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "text/filters.h"
#include "text/normalize.h"
#include "text/script.h"
#include "text/segment.h"
#include "text/spans.h"

namespace loquat::text {
namespace {

constexpr std::string_view kUtterances[] = {
    "帮我订明天早上7:30从北京去上海的火车票,价格不要超过1,000元。",
    "What's the weather like in San Francisco tomorrow at 5 o'clock?",
    "播放 Taylor Swift 的 Love Story,音量调到50% 🎵",
    "把客厅的空调调到２６度,然后提醒我十分钟以后关灯",
};

std::string Text(std::int64_t which) {
  std::string text;
  while (text.size() < 16384) {
    if (which < 4) {
      text += kUtterances[which];
    } else {
      for (const std::string_view utterance : kUtterances) text += utterance;
    }
    text += ' ';
  }
  return text;
}

void Report(benchmark::State& state, const std::string& text) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
  const double characters = static_cast<double>(state.iterations()) * static_cast<double>(base::CountCodePoints(text));
  state.counters["chars/s"] = benchmark::Counter(characters, benchmark::Counter::kIsRate);
  static constexpr const char* kLabels[] = {"chinese", "english", "code-switched", "full-width digits", "mixed"};
  state.SetLabel(kLabels[state.range(0)]);
}

void Segmenting(benchmark::State& state) {
  const std::string text = Text(state.range(0));
  std::vector<Token> tokens;
  for (auto _ : state) {
    Segment(text, tokens);
    benchmark::DoNotOptimize(tokens.data());
  }
  Report(state, text);
}
BENCHMARK(Segmenting)->DenseRange(0, 4);

void SegmentingByIcuWords(benchmark::State& state) {
  const std::string text = Text(state.range(0));
  UErrorCode error = U_ZERO_ERROR;
  const std::unique_ptr<icu::BreakIterator> words(
      icu::BreakIterator::createWordInstance(icu::Locale::getRoot(), error));
  for (auto _ : state) {
    UText utext = UTEXT_INITIALIZER;
    utext_openUTF8(&utext, text.data(), static_cast<std::int64_t>(text.size()), &error);
    words->setText(&utext, error);
    std::int32_t count = 0;
    while (words->next() != icu::BreakIterator::DONE) ++count;
    benchmark::DoNotOptimize(count);
    utext_close(&utext);
  }
  Report(state, text);
}
BENCHMARK(SegmentingByIcuWords)->DenseRange(0, 4);

void Matching(benchmark::State& state) {
  const std::string text = Text(state.range(0));
  std::string out;
  for (auto _ : state) {
    out.clear();
    AppendForMatching(text, out);
    benchmark::DoNotOptimize(out.data());
  }
  Report(state, text);
}
BENCHMARK(Matching)->DenseRange(0, 4);

void MatchingByIcu(benchmark::State& state) {
  const std::string text = Text(state.range(0));
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* form = icu::Normalizer2::getNFKCCasefoldInstance(error);
  std::string out;
  for (auto _ : state) {
    out.clear();
    icu::StringByteSink<std::string> sink(&out);
    form->normalizeUTF8(0, text, sink, nullptr, error);
    benchmark::DoNotOptimize(out.data());
  }
  Report(state, text);
}
BENCHMARK(MatchingByIcu)->DenseRange(0, 4);

void MatchingEachToken(benchmark::State& state) {
  const std::string text = Text(state.range(0));
  std::vector<Token> tokens;
  Segment(text, tokens);
  std::string out;
  for (auto _ : state) {
    out.clear();
    for (const Token& token : tokens) AppendForMatching(token.Of(text), out);
    benchmark::DoNotOptimize(out.data());
  }
  Report(state, text);
}
BENCHMARK(MatchingEachToken)->DenseRange(0, 4);

void Nfc(benchmark::State& state) {
  const std::string text = Text(state.range(0));
  std::string out;
  for (auto _ : state) {
    out.clear();
    AppendNfc(text, out);
    benchmark::DoNotOptimize(out.data());
  }
  Report(state, text);
}
BENCHMARK(Nfc)->Arg(4);

void LocatingEveryToken(benchmark::State& state) {
  const std::string text = Text(state.range(0));
  std::vector<Token> tokens;
  Segment(text, tokens);
  for (auto _ : state) {
    PositionCursor cursor(text);
    for (const Token& token : tokens) benchmark::DoNotOptimize(cursor.AtByte(token.byte_end));
  }
  Report(state, text);
}
BENCHMARK(LocatingEveryToken)->Arg(4);

void CountingUtf16(benchmark::State& state) {
  const std::string text = Text(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(base::CountUtf16Units(text));
  Report(state, text);
}
BENCHMARK(CountingUtf16)->Arg(4);

void Filtering(benchmark::State& state) {
  const std::string text = Text(state.range(0));
  std::vector<Token> tokens;
  Segment(text, tokens);
  const auto chain = FilterChain::Create({.stop_words = {{"zh", {"的", "我", "一个"}}}, .tokens_max = 100000});
  FilteredTokens out;
  for (auto _ : state) {
    if (!chain->Run(text, "zh", tokens, out).has_value()) state.SkipWithError("refused");
    benchmark::DoNotOptimize(out.tokens.data());
  }
  Report(state, text);
}
BENCHMARK(Filtering)->Arg(4);

// One short utterance, cut and folded, as a request does it.
void OneUtterance(benchmark::State& state) {
  const std::string_view text = kUtterances[state.range(0)];
  std::vector<Token> tokens;
  std::string out;
  for (auto _ : state) {
    Segment(text, tokens);
    out.clear();
    for (const Token& token : tokens) AppendForMatching(token.Of(text), out);
    benchmark::DoNotOptimize(GuessLanguage(text, tokens));
  }
}
BENCHMARK(OneUtterance)->DenseRange(0, 3);

}  // namespace
}  // namespace loquat::text
