#include "understanding/model_manifest.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.h"
#include "base/json_value.h"
#include "base/json_writer.h"

namespace loquat::understanding {
namespace {

constexpr std::string_view kChecksumKey = ",\"checksum\":\"";
constexpr std::size_t kChecksumDigits = 64;
constexpr int kMetricDigits = 6;
constexpr std::string_view kRemedy = "; train the model again or copy it again from where it came";

base::Error Damaged(std::string_view name, std::string_view why) {
  return base::DataLoss(fmt::format("{} is damaged: {}{}", name, why, kRemedy));
}

void WriteStrings(std::string_view key, const std::vector<std::string>& values, base::JsonWriter& json) {
  json.Key(key);
  json.BeginArray();
  for (const std::string& value : values) json.String(value);
  json.EndArray();
}

// Reads members of one object, remembering the first that is missing or of the wrong type.
class Fields {
 public:
  explicit Fields(base::JsonObject object) : object_(object) {}

  std::uint64_t Uint(std::string_view key) { return Keep(key, object_.Find(key).AsUint(), std::uint64_t{0}); }
  std::string String(std::string_view key) {
    return std::string(Keep(key, object_.Find(key).AsString(), std::string_view()));
  }
  base::JsonArray Array(std::string_view key) { return Keep(key, object_.Find(key).AsArray(), base::JsonArray()); }
  base::JsonObject Object(std::string_view key) { return Keep(key, object_.Find(key).AsObject(), base::JsonObject()); }

  std::vector<std::string> Labels(std::string_view key) {
    std::vector<std::string> labels;
    for (const base::JsonValue value : Array(key)) {
      if (labels.size() == kModelLabelsMax) {
        Fail(key, "has too many items");
        break;
      }
      labels.emplace_back(Keep(key, value.AsString(), std::string_view()));
    }
    return labels;
  }

  void Fail(std::string_view key, std::string_view why) {
    if (failure_.empty()) failure_ = fmt::format("'{}' {}", key, why);
  }
  const std::string& failure() const { return failure_; }

 private:
  template <typename T>
  T Keep(std::string_view key, base::Result<T> result, T otherwise) {
    if (result.has_value()) return *result;
    Fail(key, result.error().message);
    return otherwise;
  }

  base::JsonObject object_;
  std::string failure_;
};

bool IsHash(std::string_view text) {
  return text.size() == kChecksumDigits &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsSectionName(std::string_view name) {
  return !name.empty() && name.size() <= kSectionNameBytesMax && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
  });
}

void ReadSections(Fields& fields, ModelManifest& manifest) {
  std::uint64_t end = 0;
  for (const base::JsonValue value : fields.Array("sections")) {
    const auto object = value.AsObject();
    if (!object.has_value()) return fields.Fail("sections", "holds something that is no object");
    if (manifest.sections.size() == kSectionsMax) return fields.Fail("sections", "has too many items");
    Fields section(*object);
    ModelSection entry{.name = section.String("name"),
                       .offset = section.Uint("offset"),
                       .size = section.Uint("size"),
                       .sha256 = section.String("sha256")};
    if (!section.failure().empty()) return fields.Fail("sections", section.failure());
    if (!IsSectionName(entry.name) || !IsHash(entry.sha256)) return fields.Fail("sections", "has a bad name or hash");
    if (std::ranges::find(manifest.sections, entry.name, &ModelSection::name) != manifest.sections.end()) {
      return fields.Fail("sections", "names one twice");
    }
    // In order and without overlap; the subtraction cannot wrap because the bound on size comes first.
    if (entry.offset % kSectionAlignment != 0 || entry.offset < end || entry.size > kWeightsBytesMax ||
        entry.offset > kWeightsBytesMax - entry.size) {
      return fields.Fail("sections", "has an offset or a size that cannot be");
    }
    end = entry.offset + entry.size;
    manifest.sections.push_back(std::move(entry));
  }
}

// The text without its checksum, closed again, once the checksum is found right.
base::Result<std::string> Verified(std::string_view name, std::string_view text) {
  const std::size_t at = text.rfind(kChecksumKey);
  if (at == std::string_view::npos) return Damaged(name, "it has no checksum, so it was cut short or edited");
  if (base::Sha256Hex(text.substr(0, at)) != text.substr(at + kChecksumKey.size(), kChecksumDigits)) {
    return Damaged(name, "its checksum does not match its content");
  }
  return std::string(text.substr(0, at)) + "}";
}

base::Status CheckVersionAndKind(std::string_view name, Fields& fields) {
  const std::string kind = fields.String("kind");
  const std::uint64_t version = fields.Uint("format_version");
  if (!fields.failure().empty()) return Damaged(name, fields.failure());
  if (kind != kModelKind) {
    return base::FailedPrecondition(fmt::format("{} is a model of kind '{}', not {}", name, kind, kModelKind));
  }
  if (version > kModelFormatVersion) {
    return base::FailedPrecondition(
        fmt::format("{} has format version {}, this program reads up to {}: update the program, "
                    "or train the model again with this one",
                    name, version, kModelFormatVersion));
  }
  if (version == 0) return Damaged(name, "format version 0 never existed");
  return {};
}

}  // namespace

std::string FormatManifest(const ModelManifest& manifest) {
  std::string text;
  base::JsonWriter json(text);
  json.BeginObject();
  json.Key("kind");
  json.String(manifest.kind);
  json.Key("format_version");
  json.Uint(manifest.format_version);
  json.Key("training_examples");
  json.Uint(manifest.training_examples);
  json.Key("training_data_sha256");
  json.String(manifest.training_data_sha256);
  WriteStrings("intents", manifest.intents, json);
  WriteStrings("slots", manifest.slots, json);
  json.Key("features");
  json.BeginObject();
  for (const auto& [key, value] : manifest.features) {
    json.Key(key);
    json.String(value);
  }
  json.EndObject();
  json.Key("metrics");
  json.BeginObject();
  for (const auto& [key, value] : manifest.metrics) {
    json.Key(key);
    json.Fixed(value, kMetricDigits);
  }
  json.EndObject();
  json.Key("sections");
  json.BeginArray();
  for (const ModelSection& section : manifest.sections) {
    json.BeginObject();
    json.Key("name");
    json.String(section.name);
    json.Key("offset");
    json.Uint(section.offset);
    json.Key("size");
    json.Uint(section.size);
    json.Key("sha256");
    json.String(section.sha256);
    json.EndObject();
  }
  json.EndArray();
  const std::string checksum = base::Sha256Hex(text);
  text.append(kChecksumKey).append(checksum).append("\"}\n");
  return text;
}

base::Result<ModelManifest> ParseManifest(std::string_view name, std::string_view text) {
  if (text.size() > kManifestBytesMax) return Damaged(name, "it is larger than a manifest may be");
  // A newer version may sign in another way: ask for the version first, where the text can be read at all.
  base::JsonParser parser({.max_bytes = kManifestBytesMax});
  if (const auto value = parser.Parse(text); value.has_value()) {
    if (const auto object = value->AsObject(); object.has_value()) {
      Fields fields(*object);
      LOQUAT_TRY(CheckVersionAndKind(name, fields));
    }
  }
  LOQUAT_ASSIGN(const std::string body, Verified(name, text));
  const auto value = parser.Parse(body);
  if (!value.has_value()) return Damaged(name, value.error().message);
  const auto object = value->AsObject();
  if (!object.has_value()) return Damaged(name, object.error().message);
  Fields fields(*object);
  LOQUAT_TRY(CheckVersionAndKind(name, fields));
  ModelManifest manifest;
  manifest.format_version = static_cast<std::uint32_t>(fields.Uint("format_version"));
  manifest.training_examples = fields.Uint("training_examples");
  manifest.training_data_sha256 = fields.String("training_data_sha256");
  manifest.intents = fields.Labels("intents");
  manifest.slots = fields.Labels("slots");
  for (const base::JsonMember member : fields.Object("features")) {
    manifest.features.emplace_back(member.key, member.value.AsString().value_or(""));
  }
  for (const base::JsonMember member : fields.Object("metrics")) {
    manifest.metrics.emplace_back(member.key, member.value.AsDouble().value_or(0.0));
  }
  ReadSections(fields, manifest);
  if (!fields.failure().empty()) return Damaged(name, fields.failure());
  return manifest;
}

}  // namespace loquat::understanding
