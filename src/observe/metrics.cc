#include "observe/metrics.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/utf8.h"
#include "observe/exposition.h"

namespace loquat::observe {
namespace {

bool IsNameStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool IsName(std::string_view name) {
  if (name.empty() || !IsNameStart(name[0])) return false;
  return std::ranges::all_of(name, [](char c) { return IsNameStart(c) || (c >= '0' && c <= '9'); });
}

void CheckNames(MetricType type, std::string_view name, std::string_view help, const std::vector<std::string>& labels) {
  LOQUAT_CHECK(IsName(name), "a metric name is letters, digits and underscores");
  LOQUAT_CHECK(!help.empty(), "a metric says what it means");
  LOQUAT_CHECK(base::IsValidUtf8(help), "a metric's help is UTF-8");
  LOQUAT_CHECK((type == MetricType::kCounter) == name.ends_with("_total"),
               "counters, and only counters, end in _total");
  for (const std::string_view suffix : {"_count", "_sum", "_bucket"}) {
    LOQUAT_CHECK(!name.ends_with(suffix), "a metric name does not end like a histogram's series");
  }
  for (std::size_t i = 0; i < labels.size(); ++i) {
    LOQUAT_CHECK(IsName(labels[i]) && !labels[i].starts_with("__"), "a label name is letters, digits and underscores");
    LOQUAT_CHECK(labels[i] != "le" && labels[i] != "quantile", "le and quantile are Prometheus' own labels");
    LOQUAT_CHECK(std::count(labels.begin(), labels.end(), labels[i]) == 1, "label names differ");
  }
}

// Repaired and cut to kLabelValueBytesMax, never inside a character.
std::string LabelValue(std::string_view raw) {
  std::string value;
  base::AppendUtf8Repaired(raw.substr(0, kLabelValueBytesMax + 4), value);
  if (value.size() > kLabelValueBytesMax) {
    std::size_t end = kLabelValueBytesMax;
    while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xC0) == 0x80) --end;
    value.resize(end);
  }
  return value;
}

// The values end to end, each with its length in front, so that no two sets of values share a key.
void AppendKey(std::string_view value, std::string& key) {
  key += static_cast<char>(value.size());
  key += value;
}

static_assert(kLabelValueBytesMax <= 255, "AppendKey writes the length in one byte");

}  // namespace

template <typename Instrument>
Family<Instrument>::Family(std::vector<std::string> labels, std::size_t series_max, Make make, Counter* overflow)
    : labels_(std::move(labels)), series_max_(series_max), make_(std::move(make)), overflow_(overflow) {
  LOQUAT_CHECK(series_max_ >= 1, "a family holds at least one series");
}

template <typename Instrument>
Instrument& Family<Instrument>::With(std::span<const std::string_view> values) {
  LOQUAT_CHECK(values.size() == labels_.size(), "one value for each label name");
  std::string key;
  std::vector<std::string> cleaned;
  const bool clean = std::ranges::all_of(
      values, [](std::string_view v) { return v.size() <= kLabelValueBytesMax && base::IsValidUtf8(v); });
  for (const std::string_view value : values) {
    if (!clean) cleaned.push_back(LabelValue(value));
    AppendKey(clean ? value : std::string_view(cleaned.back()), key);
  }
  const base::MutexLock lock(mutex_);
  const auto found = series_.find(key);
  if (found != series_.end()) return *found->second->instrument;
  if (series_.size() < series_max_) {
    if (clean) cleaned.assign(values.begin(), values.end());
    return Add(std::move(key), std::move(cleaned));
  }
  if (overflow_ != nullptr) overflow_->Increment();
  std::string other;
  for (std::size_t i = 0; i < labels_.size(); ++i) AppendKey(kOtherLabel, other);
  if (const auto shared = series_.find(other); shared != series_.end()) return *shared->second->instrument;
  return Add(std::move(other), std::vector<std::string>(labels_.size(), std::string(kOtherLabel)));
}

template <typename Instrument>
Instrument& Family<Instrument>::Add(std::string key, std::vector<std::string> values) {
  auto series = std::make_unique<Series>(std::move(values), make_());
  return *series_.emplace(std::move(key), std::move(series)).first->second->instrument;
}

template <typename Instrument>
auto Family<Instrument>::All() const -> std::vector<const Series*> {
  std::vector<const Series*> all;
  {
    const base::MutexLock lock(mutex_);
    all.reserve(series_.size());
    for (const auto& [key, series] : series_) all.push_back(series.get());
  }
  std::ranges::sort(all, [](const Series* a, const Series* b) { return a->values < b->values; });
  return all;
}

template class Family<Counter>;
template class Family<Gauge>;
template class Family<Histogram>;

struct Registry::Metric {
  MetricType type;
  std::string help;
  Labels labels;
  std::vector<double> bounds;
  std::variant<std::unique_ptr<CounterFamily>, std::unique_ptr<GaugeFamily>, std::unique_ptr<HistogramFamily>, Callback>
      source;
};

Registry::Registry() {
  overflow_ = &AddCounterFamily("loquat_metrics_overflow_total",
                                "Label values that went to the series \"other\" because their metric was full.",
                                {"metric"}, kMetricsMax);
}

Registry::~Registry() = default;

Registry::Metric* Registry::FindSame(MetricType type, std::string_view name, std::string_view help,
                                     const Labels& labels, const std::vector<double>& bounds) {
  const auto found = metrics_.find(name);
  if (found == metrics_.end()) return nullptr;
  const Metric& metric = *found->second;
  LOQUAT_CHECK(metric.type == type && metric.help == help && metric.labels == labels && metric.bounds == bounds,
               "one name is one metric: its type, help, labels and bounds stay the same");
  LOQUAT_CHECK(!std::holds_alternative<Callback>(metric.source), "a callback has its name alone");
  return found->second.get();
}

template <typename Instrument>
Family<Instrument>& Registry::AddFamily(MetricType type, std::string_view name, std::string_view help, Labels labels,
                                        std::size_t series_max, std::vector<double> bounds) {
  CheckNames(type, name, help, labels);
  Counter* overflow = overflow_ != nullptr ? &overflow_->With({name}) : nullptr;
  const base::MutexLock lock(mutex_);
  if (Metric* same = FindSame(type, name, help, labels, bounds)) {
    return *std::get<std::unique_ptr<Family<Instrument>>>(same->source);
  }
  typename Family<Instrument>::Make make;
  if constexpr (std::is_same_v<Instrument, Histogram>) {
    make = [bounds] { return std::make_unique<Histogram>(bounds); };
  } else {
    make = [] { return std::make_unique<Instrument>(); };
  }
  auto family = std::make_unique<Family<Instrument>>(labels, series_max, std::move(make), overflow);
  Family<Instrument>& result = *family;
  metrics_.emplace(
      name, std::make_unique<Metric>(type, std::string(help), std::move(labels), std::move(bounds), std::move(family)));
  return result;
}

CounterFamily& Registry::AddCounterFamily(std::string_view name, std::string_view help, Labels labels,
                                          std::size_t series_max) {
  return AddFamily<Counter>(MetricType::kCounter, name, help, std::move(labels), series_max, {});
}

GaugeFamily& Registry::AddGaugeFamily(std::string_view name, std::string_view help, Labels labels,
                                      std::size_t series_max) {
  return AddFamily<Gauge>(MetricType::kGauge, name, help, std::move(labels), series_max, {});
}

HistogramFamily& Registry::AddHistogramFamily(std::string_view name, std::string_view help, Labels labels,
                                              std::vector<double> bounds, std::size_t series_max) {
  return AddFamily<Histogram>(MetricType::kHistogram, name, help, std::move(labels), series_max, std::move(bounds));
}

Counter& Registry::AddCounter(std::string_view name, std::string_view help) {
  return AddCounterFamily(name, help, {}).With({});
}

Gauge& Registry::AddGauge(std::string_view name, std::string_view help) {
  return AddGaugeFamily(name, help, {}).With({});
}

Histogram& Registry::AddHistogram(std::string_view name, std::string_view help, std::vector<double> bounds) {
  return AddHistogramFamily(name, help, {}, std::move(bounds)).With({});
}

CallbackHandle Registry::AddCallback(MetricType type, std::string_view name, std::string_view help, Callback callback) {
  LOQUAT_CHECK(type != MetricType::kHistogram, "a callback gives one number");
  CheckNames(type, name, help, {});
  const base::MutexLock lock(mutex_);
  LOQUAT_CHECK(!metrics_.contains(name), "a callback has its name alone");
  metrics_.emplace(
      name, std::make_unique<Metric>(type, std::string(help), Labels{}, std::vector<double>{}, std::move(callback)));
  return CallbackHandle(this, std::string(name));
}

void Registry::RemoveCallback(const std::string& name) {
  const base::MutexLock lock(mutex_);
  metrics_.erase(name);
}

void Registry::WriteText(std::string& out) const {
  const base::MutexLock lock(mutex_);
  for (const auto& [name, metric] : metrics_) {
    std::string samples;
    std::visit(
        [&, &metric_name = name](const auto& source) {
          if constexpr (std::is_same_v<std::decay_t<decltype(source)>, Callback>) {
            AppendSample(metric_name, {}, {}, source(), samples);
          } else {
            for (const auto* series : source->All()) {
              AppendInstrument(metric_name, source->labels(), series->values, *series->instrument, samples);
            }
          }
        },
        metric->source);
    if (samples.empty()) continue;  // A family without series has nothing to say.
    AppendHeader(name, metric->type, metric->help, out);
    out += samples;
  }
}

std::string Registry::Text() const {
  std::string out;
  WriteText(out);
  return out;
}

CallbackHandle& CallbackHandle::operator=(CallbackHandle&& other) noexcept {
  if (this != &other) {
    Remove();
    registry_ = std::exchange(other.registry_, nullptr);
    name_ = std::move(other.name_);
  }
  return *this;
}

void CallbackHandle::Remove() {
  if (registry_ != nullptr) registry_->RemoveCallback(name_);
  registry_ = nullptr;
}

}  // namespace loquat::observe
