// How long one normal form takes, by kind; docs/values.md's kind of surfaces.

#include <benchmark/benchmark.h>

#include <iterator>

#include "understanding/values/values_test_reference.h"

namespace loquat::understanding {
namespace {

struct Sample {
  ValueKind kind;
  const char* said;
};
constexpr Sample kSamples[] = {
    {ValueKind::kDate, "明天"},
    {ValueKind::kDate, "下周三"},
    {ValueKind::kDate, "5月1号"},
    {ValueKind::kDate, "November 3rd"},
    {ValueKind::kDate, "next Friday"},
    {ValueKind::kDate, "Mother's Day"},
    {ValueKind::kTime, "早上七点半"},
    {ValueKind::kTime, "half past six"},
    {ValueKind::kTime, "7:30 pm"},
    {ValueKind::kDuration, "一个半小时"},
    {ValueKind::kDuration, "an hour and a half"},
    {ValueKind::kRecurrence, "every Monday and Wednesday"},
    {ValueKind::kNumber, "三个人"},
    {ValueKind::kNumber, "two hundred and five"},
    {ValueKind::kMoney, "五百块"},
    {ValueKind::kMoney, "100 euros"},
    {ValueKind::kTemperature, "二十六度"},
    {ValueKind::kMeasure, "10 pounds"},
    {ValueKind::kCode, "CA 1831"},
};

void BM_Normalize(benchmark::State& state) {
  const Sample& sample = kSamples[state.range(0)];
  const ReferenceTime reference = Saturday();
  for (auto _ : state) {
    benchmark::DoNotOptimize(Normalize(sample.kind, sample.said, ValueLanguage::kAuto, reference));
  }
  state.SetLabel(sample.said);
}
BENCHMARK(BM_Normalize)->DenseRange(0, static_cast<int>(std::size(kSamples)) - 1);

}  // namespace
}  // namespace loquat::understanding
