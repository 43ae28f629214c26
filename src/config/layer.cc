#include "config/layer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "config/overlay.h"
#include "config/yaml.h"

namespace loquat::config {
namespace {

// Steps that a path may have; no schema is as deep.
constexpr std::size_t kStepsMax = 32;

// The value at the end of `steps`, with sections on the way; what was no section gives way.
Value& Reach(Value& root, const std::vector<std::string_view>& steps, const Place& place) {
  Value* at = &root;
  for (const std::string_view step : steps) {
    if (at->kind != Kind::kMap) {
      Place kept = at->place.source == nullptr ? place : at->place;
      *at = Value{};
      at->kind = Kind::kMap;
      at->place = std::move(kept);
    }
    Member* member = at->Find(step);
    if (member == nullptr) {
      at->members.push_back({std::string(step), place, {}});
      member = &at->members.back();
    }
    at = &member->value;
  }
  return *at;
}

// The type of the key that the steps lead to; null: there is none.
const Type* TypeAt(const Schema& schema, const std::vector<std::string_view>& steps) {
  const Schema* section = &schema;
  const Type* type = nullptr;
  for (const std::string_view step : steps) {
    if (section != nullptr) {
      const Key* key = section->Find(step);
      if (key == nullptr) return nullptr;
      type = key->type.get();
    } else if (type->shape() == Shape::kMap && !step.empty()) {
      type = type->element();
    } else {
      return nullptr;
    }
    section = type->section();
  }
  return type;
}

void LayOver(const Type* type, Value over, Value& under) {
  const Schema* section = type == nullptr ? nullptr : type->section();
  if (section == nullptr || over.kind != Kind::kMap || under.kind != Kind::kMap) {
    under = std::move(over);
    return;
  }
  for (Member& member : over.members) {
    Member* there = under.Find(member.key);
    if (there == nullptr) {
      under.members.push_back(std::move(member));
      continue;
    }
    const Key* key = section->Find(member.key);
    there->place = member.place;
    LayOver(key == nullptr ? nullptr : key->type.get(), std::move(member.value), there->value);
  }
}

// Without the place that the message begins with.
std::string_view WithoutPlace(const base::Error& error) {
  std::string_view what = error.message;
  if (!error.param.empty() && what.starts_with(error.param + ": ")) what.remove_prefix(error.param.size() + 2);
  return what;
}

void ApplyEntry(const Schema& schema, const Layer& layer, const std::string& path, const LayerEntry& entry, Value& root,
                Reader& reader) {
  Place place;
  place.source = std::make_shared<const std::string>(layer.source + path);
  const std::vector<std::string_view> steps = base::Split(path, '/');
  if (!layer.reserved.empty() && steps.front() == layer.reserved) {
    return reader.Problem(place, fmt::format("`{}` says how to reach this source: set it in the file, the environment "
                                             "or with --set",
                                             layer.reserved));
  }
  const Type* type = steps.size() > kStepsMax ? nullptr : TypeAt(schema, steps);
  if (type == nullptr) {
    const std::string nearest = NearestPath(schema, path, '/');
    return reader.Problem(
        place, nearest.empty() ? std::string("unknown key") : fmt::format("unknown key; did you mean {}?", nearest));
  }
  if (!entry.problem.empty()) return reader.Problem(place, entry.problem);
  auto value = ParseYaml(entry.text, *place.source);
  if (!value.has_value()) {
    if (!value.error().param.empty()) place.source = std::make_shared<const std::string>(value.error().param);
    return reader.Problem(place, WithoutPlace(value.error()));
  }
  if (value->place.source == nullptr) value->place = place;  // Nothing, or a comment alone.
  const bool empty_section = type->section() != nullptr && value->kind == Kind::kNull;
  if (empty_section) return reader.Problem(place, "the section is empty; write {} if its defaults are meant");
  LayOver(type, *std::move(value), Reach(root, steps, place));
}

}  // namespace

void ApplyLayer(const Schema& schema, const Layer& layer, Value& root, Reader& reader) {
  // A section's path is shorter than those inside of it.
  std::vector<const std::pair<const std::string, LayerEntry>*> order;
  for (const auto& entry : layer.entries) order.push_back(&entry);
  const auto depth = [](const auto* entry) { return std::pair(std::ranges::count(entry->first, '/'), entry->first); };
  std::ranges::sort(order, {}, depth);
  for (const auto* entry : order) ApplyEntry(schema, layer, entry->first, entry->second, root, reader);
}

std::vector<LayerStep> StepsBetween(const Layer& before, const Layer& after) {
  std::map<std::int64_t, LayerStep> steps;
  for (const auto& [path, entry] : after.entries) {
    const auto was = before.entries.find(path);
    if (was == before.entries.end() || was->second != entry) steps[entry.revision].put.emplace(path, entry);
  }
  for (const auto& [path, entry] : before.entries) {
    if (after.entries.contains(path)) continue;
    const auto gone = after.gone.find(path);
    steps[gone == after.gone.end() ? 0 : gone->second].gone.push_back(path);
  }
  std::vector<LayerStep> ordered;
  for (auto& [revision, step] : steps) {
    step.revision = revision;
    ordered.push_back(std::move(step));
  }
  return ordered;
}

Layer After(const Layer& layer, const LayerStep& step) {
  Layer after{.source = layer.source, .reserved = layer.reserved, .entries = layer.entries, .gone = {}};
  for (const auto& [path, entry] : step.put) after.entries.insert_or_assign(path, entry);
  for (const std::string& path : step.gone) after.entries.erase(path);
  return after;
}

}  // namespace loquat::config
