#include "config/overlay.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>

#include "base/strings.h"
#include "config/scalars.h"
#include "config/yaml.h"

namespace loquat::config {
namespace {

using Path = std::vector<std::string>;

// A place in the tree that a variable or an override may set.
struct Target {
  Path path;
  const Type* type;
};

// As in the name of a variable: upper case, and an underscore for whatever is not a letter or a digit.
std::string VariableName(std::string_view name) {
  std::string upper;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    upper += letter ? static_cast<char>(c & ~0x20) : base::IsAsciiDigit(c) ? c : '_';
  }
  return upper;
}

std::string Joined(const Path& path, char divider) {
  std::string joined;
  for (const std::string& segment : path) {
    if (!joined.empty()) joined += divider;
    joined += segment;
  }
  return joined;
}

std::string Dotted(const Path& path) {
  return Joined(path, '.');
}

void MatchType(const Type& type, const Value* value, std::string_view rest, Path& path, std::vector<Target>& found);

// `rest` is what follows the name of a key or an entry: nothing, or an underscore and more.
void MatchRest(const Type& type, const Value* value, std::string_view rest, Path& path, std::vector<Target>& found) {
  if (rest.empty()) {
    if (type.shape() != Shape::kSection) found.push_back({path, &type});
  } else if (rest.starts_with('_')) {
    MatchType(type, value, rest.substr(1), path, found);
  }
}

void MatchSchema(const Schema& schema, const Value* value, std::string_view name, Path& path,
                 std::vector<Target>& found) {
  for (const auto& key : schema.keys()) {
    const std::string mirror = VariableName(key->name);
    if (!name.starts_with(mirror)) continue;
    const Member* member = value == nullptr ? nullptr : value->Find(key->name);
    path.push_back(key->name);
    MatchRest(*key->type, member == nullptr ? nullptr : &member->value, name.substr(mirror.size()), path, found);
    path.pop_back();
  }
}

void MatchType(const Type& type, const Value* value, std::string_view rest, Path& path, std::vector<Target>& found) {
  if (type.section() != nullptr) return MatchSchema(*type.section(), value, rest, path, found);
  if (type.shape() != Shape::kMap || value == nullptr) return;
  for (const Member& entry : value->members) {
    const std::string mirror = VariableName(entry.key);
    if (!rest.starts_with(mirror)) continue;
    path.push_back(entry.key);
    MatchRest(*type.element(), &entry.value, rest.substr(mirror.size()), path, found);
    path.pop_back();
  }
}

// Where a dotted path leads. Names of entries may hold dots: the longest entry that is there wins.
std::optional<Target> Resolve(const Schema& schema, const Value& root, std::string_view dotted) {
  const Schema* section = &schema;
  const Type* type = nullptr;
  const Value* value = &root;
  Path path;
  for (std::string_view rest = dotted; !rest.empty();) {
    std::size_t size = std::min(rest.find('.'), rest.size());
    if (section == nullptr && value != nullptr) {
      for (const Member& entry : value->members) {
        const bool here =
            rest.starts_with(entry.key) && (rest.size() == entry.key.size() || rest[entry.key.size()] == '.');
        if (here) size = std::max(size, entry.key.size());
      }
    }
    const std::string_view name = rest.substr(0, size);
    if (section != nullptr) {
      const Key* key = section->Find(name);
      if (key == nullptr) return std::nullopt;
      type = key->type.get();
    } else if (type->shape() == Shape::kMap && !name.empty()) {
      type = type->element();
    } else {
      return std::nullopt;
    }
    section = type->section();
    path.emplace_back(name);
    const Member* member = value == nullptr ? nullptr : value->Find(name);
    value = member == nullptr ? nullptr : &member->value;
    if (size == rest.size()) return Target{std::move(path), type};
    rest.remove_prefix(size + 1);
  }
  return std::nullopt;
}

// The text of a variable or an override, as a value for `type`.
base::Result<Value> ReadText(const Type& type, const std::string& text, const Place& place) {
  const std::string_view trimmed = base::TrimAscii(text);
  Value value;
  if (type.shape() != Shape::kScalar && (trimmed.starts_with('[') || trimmed.starts_with('{'))) {
    LOQUAT_ASSIGN(value, ParseYaml(trimmed, *place.source));
  } else if (type.shape() == Shape::kList) {
    value.kind = Kind::kList;
    if (!trimmed.empty()) {
      for (const std::string_view item : base::Split(trimmed, ',')) {
        value.items.push_back(Value::Scalar(std::string(base::TrimAscii(item)), Style::kRaw));
        value.items.back().place = place;
      }
    }
  } else {
    value = Value::Scalar(text, Style::kRaw);
  }
  value.place = place;
  return value;
}

void Set(Value& root, const Path& path, Value leaf) {
  Value* at = &root;
  for (const std::string& segment : path) {
    if (at->kind != Kind::kMap) {
      // A file's section of the wrong kind gives way; what is laid over it decides.
      Place place = at->place.source == nullptr ? leaf.place : at->place;
      *at = Value{};
      at->kind = Kind::kMap;
      at->place = std::move(place);
    }
    Member* member = at->Find(segment);
    if (member == nullptr) {
      at->members.push_back({segment, leaf.place, {}});
      member = &at->members.back();
    }
    at = &member->value;
  }
  *at = std::move(leaf);
}

void Apply(const Target& target, const std::string& text, const Place& place, Value& root, Reader& reader) {
  auto value = ReadText(*target.type, text, place);
  if (!value.has_value()) {
    const Reader::Scope scope(reader, Dotted(target.path));
    return reader.Problem(place, fmt::format("not read; allowed: {}", target.type->Allowed()));
  }
  Set(root, target.path, *std::move(value));
}

// What `name` makes of the path of every key that is not a section, but for those inside of maps and lists.
template <typename Name>
std::vector<std::string> PathsOf(const Schema& schema, const Name& name, Path prefix = {}) {
  std::vector<std::string> names;
  for (const auto& key : schema.keys()) {
    prefix.push_back(key->name);
    if (key->type->section() != nullptr) {
      std::ranges::move(PathsOf(*key->type->section(), name, prefix), std::back_inserter(names));
    } else {
      names.push_back(name(prefix));
    }
    prefix.pop_back();
  }
  return names;
}

std::string MirrorOf(const Path& path) {
  return std::string(kEnvironmentPrefix) + VariableName(Dotted(path));
}

std::string Nearest(std::string_view name, const std::vector<std::string>& names) {
  const std::vector<std::string_view> views(names.begin(), names.end());
  return std::string(NearestName(name, views.data(), views.size()));
}

}  // namespace

Variables VariablesFrom(const char* const* environment) {
  Variables variables;
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const auto halves = base::SplitOnce(*environment, '=');
    if (halves.has_value() && halves->before.starts_with(kEnvironmentPrefix)) {
      variables.emplace_back(halves->before, halves->after);
    }
  }
  std::ranges::sort(variables);
  return variables;
}

void ApplyVariables(const Schema& schema, const Variables& variables, Value& root, Reader& reader,
                    std::vector<std::string>& warnings) {
  for (const auto& [name, text] : variables) {
    if (!name.starts_with(kEnvironmentPrefix)) continue;
    Place place;
    place.source = std::make_shared<const std::string>(fmt::format("environment variable {}", name));
    std::vector<Target> found;
    Path path;
    MatchSchema(schema, &root, std::string_view(name).substr(kEnvironmentPrefix.size()), path, found);
    if (found.size() == 1) {
      Apply(found[0], text, place, root, reader);
    } else if (found.size() > 1) {
      reader.Problem(place, fmt::format("may mean {} or {}: set the key in the file or on the command line",
                                        Dotted(found[0].path), Dotted(found[1].path)));
    } else {
      const std::string nearest = Nearest(name, PathsOf(schema, MirrorOf));
      warnings.push_back(nearest.empty()
                             ? fmt::format("{}: mirrors no key; ignored", place.Text())
                             : fmt::format("{}: mirrors no key; ignored. Did you mean {}?", place.Text(), nearest));
    }
  }
}

void ApplyOverrides(const Schema& schema, const std::vector<std::string>& overrides, Value& root, Reader& reader) {
  for (const std::string& text : overrides) {
    const auto halves = base::SplitOnce(text, '=');
    const std::string_view dotted = halves.has_value() ? halves->before : std::string_view(text);
    Place place;
    // The value stays out of the name: it may be a secret.
    place.source = std::make_shared<const std::string>(fmt::format("override {}", dotted));
    if (!halves.has_value()) {
      reader.Problem(place, "an override is written key=value");
      continue;
    }
    const auto target = Resolve(schema, root, dotted);
    if (target.has_value()) {
      Apply(*target, std::string(halves->after), place, root, reader);
      continue;
    }
    const std::string nearest = NearestPath(schema, dotted, '.');
    reader.Problem(place, nearest.empty() ? "unknown key" : fmt::format("unknown key; did you mean {}?", nearest));
  }
}

std::string NearestPath(const Schema& schema, std::string_view path, char divider) {
  return Nearest(path, PathsOf(schema, [divider](const Path& each) { return Joined(each, divider); }));
}

}  // namespace loquat::config
