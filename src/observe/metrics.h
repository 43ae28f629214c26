// The registry of metrics and its Prometheus text exposition, version 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/).
// Thread-safe. A Registry outlives every instrument, family and callback handle taken from it; pass it by reference.
//
// Take a handle once, at start, and use it by reference. Names are checked where they are registered: a bad name is our
// own mistake and stops the program. Registering the same metric again (same type, help and labels) gives the same
// handle back, so that two listeners may share one metric.

#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/mutex.h"
#include "observe/instruments.h"

namespace loquat::observe {

// Series a family may hold before new label values go to the series whose labels all read "other".
inline constexpr std::size_t kSeriesPerFamilyMax = 200;
// Metrics a registry counts overflows of by name.
inline constexpr std::size_t kMetricsMax = 4096;
// Bytes of one label value that are kept; the rest is cut at a character.
inline constexpr std::size_t kLabelValueBytesMax = 128;
inline constexpr std::string_view kOtherLabel = "other";
inline constexpr std::string_view kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

enum class MetricType : std::uint8_t { kCounter, kGauge, kHistogram };

// One metric name with label names and a series for each set of label values. Thread-safe. With() takes a lock and a
// hash lookup: where the values are known at start, keep the reference it gives, which lives as long as the registry.
template <typename Instrument>
class Family {
 public:
  using Make = std::function<std::unique_ptr<Instrument>()>;
  struct Series {
    std::vector<std::string> values;  // One a label name.
    std::unique_ptr<Instrument> instrument;
  };

  Family(std::vector<std::string> labels, std::size_t series_max, Make make, Counter* overflow);

  // REQUIRES: as many values as label names. Bytes that are not UTF-8 are repaired.
  Instrument& With(std::initializer_list<std::string_view> values) { return With(std::span(values)); }
  Instrument& With(std::span<const std::string_view> values) LOQUAT_EXCLUDES(mutex_);

  // Every series there is now; the pointers live as long as the registry.
  std::vector<const Series*> All() const LOQUAT_EXCLUDES(mutex_);
  const std::vector<std::string>& labels() const { return labels_; }

 private:
  Instrument& Add(std::string key, std::vector<std::string> values) LOQUAT_REQUIRES(mutex_);

  // Constant after construction.
  const std::vector<std::string> labels_;
  const std::size_t series_max_;
  const Make make_;
  Counter* const overflow_;  // Null: this family is the one that counts overflows.

  mutable base::Mutex mutex_;
  std::unordered_map<std::string, std::unique_ptr<Series>, base::StringHash, std::equal_to<>> series_
      LOQUAT_GUARDED_BY(mutex_);
};

using CounterFamily = Family<Counter>;
using GaugeFamily = Family<Gauge>;
using HistogramFamily = Family<Histogram>;

class Registry;

// Takes its callback out of the registry when destroyed, and waits for a scrape that is calling it.
class CallbackHandle {
 public:
  CallbackHandle() = default;
  CallbackHandle(CallbackHandle&& other) noexcept { *this = std::move(other); }
  CallbackHandle& operator=(CallbackHandle&& other) noexcept;
  ~CallbackHandle() { Remove(); }

 private:
  friend class Registry;
  CallbackHandle(Registry* registry, std::string name) : registry_(registry), name_(std::move(name)) {}
  void Remove();

  Registry* registry_ = nullptr;
  std::string name_;
};

class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // Counter names end in _total; times are in seconds, sizes in bytes, and the name says so.
  Counter& AddCounter(std::string_view name, std::string_view help);
  Gauge& AddGauge(std::string_view name, std::string_view help);
  Histogram& AddHistogram(std::string_view name, std::string_view help, std::vector<double> bounds = LatencyBounds());

  using Labels = std::vector<std::string>;
  CounterFamily& AddCounterFamily(std::string_view name, std::string_view help, Labels labels,
                                  std::size_t series_max = kSeriesPerFamilyMax);
  GaugeFamily& AddGaugeFamily(std::string_view name, std::string_view help, Labels labels,
                              std::size_t series_max = kSeriesPerFamilyMax);
  HistogramFamily& AddHistogramFamily(std::string_view name, std::string_view help, Labels labels,
                                      std::vector<double> bounds = LatencyBounds(),
                                      std::size_t series_max = kSeriesPerFamilyMax);

  // Read at each scrape, under the registry's lock: it is quick and calls no registry. It is safe from any thread for
  // as long as the handle lives.
  using Callback = std::function<double()>;
  [[nodiscard]] CallbackHandle AddCallback(MetricType type, std::string_view name, std::string_view help,
                                           Callback callback);

  // Appends the whole exposition, names in order.
  void WriteText(std::string& out) const LOQUAT_EXCLUDES(mutex_);
  std::string Text() const;

 private:
  friend class CallbackHandle;
  struct Metric;

  template <typename Instrument>
  Family<Instrument>& AddFamily(MetricType type, std::string_view name, std::string_view help, Labels labels,
                                std::size_t series_max, std::vector<double> bounds);
  Metric* FindSame(MetricType type, std::string_view name, std::string_view help, const Labels& labels,
                   const std::vector<double>& bounds) LOQUAT_REQUIRES(mutex_);
  void RemoveCallback(const std::string& name) LOQUAT_EXCLUDES(mutex_);

  mutable base::Mutex mutex_;
  std::map<std::string, std::unique_ptr<Metric>, std::less<>> metrics_ LOQUAT_GUARDED_BY(mutex_);
  CounterFamily* overflow_ = nullptr;  // Constant after construction.
};

}  // namespace loquat::observe
