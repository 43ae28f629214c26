#include "config/load.h"

#include <utility>

#include "base/file.h"

namespace loquat::config {
namespace {

void CollectOrigins(const Value& value, const std::string& path, Origins& origins) {
  if (value.kind == Kind::kMap) {
    for (const Member& member : value.members) {
      CollectOrigins(member.value, path.empty() ? member.key : path + "." + member.key, origins);
    }
  } else if (!path.empty()) {
    origins[path] = value.place.Text();
  }
}

void Compare(const Schema& schema, const Value& before, const Value& after, const std::string& prefix,
             std::vector<Change>& changes) {
  for (const auto& key : schema.keys()) {
    const Member* a = before.Find(key->name);
    const Member* b = after.Find(key->name);
    if (a == nullptr || b == nullptr || a->value.SameAs(b->value)) continue;
    const std::string path = prefix + key->name;
    const Schema* section = key->type->section();
    const bool both = a->value.kind == Kind::kMap && b->value.kind == Kind::kMap;
    if (section != nullptr && both && !key->needs_restart) {
      Compare(*section, a->value, b->value, path + ".", changes);
    } else {
      changes.push_back({path, key->needs_restart});
    }
  }
}

base::Status ReadTree(const Schema& schema, const Value& root, Reader& reader, void* out) {
  if (reader.ok()) schema.Read(root, out, reader);
  if (!reader.ok()) return reader.ToError();
  return {};
}

}  // namespace

base::Result<std::string> ReadFileOf(const Sources& sources) {
  if (sources.file.empty()) return std::string();
  return base::ReadFile(sources.file, YamlLimits{}.bytes_max);
}

base::Result<LoadNotes> LoadInto(const Schema& schema, const Sources& sources, void* out) {
  LoadNotes notes;
  Value root;
  if (!sources.file.empty()) {
    LOQUAT_ASSIGN(notes.file_text, sources.file_text ? *sources.file_text : ReadFileOf(sources));
    LOQUAT_ASSIGN(root, ParseYaml(notes.file_text, sources.file));
    if (sources.refuse_empty_file && root.kind == Kind::kNull) {
      return base::InvalidArgument(sources.file + ": the file is empty; write {} if all defaults are meant",
                                   sources.file);
    }
  }
  Reader reader;
  if (sources.layer != nullptr) ApplyLayer(schema, *sources.layer, root, reader);
  ApplyVariables(schema, sources.variables, root, reader, notes.warnings);
  ApplyOverrides(schema, sources.overrides, root, reader);
  LOQUAT_TRY(ReadTree(schema, root, reader, out));
  CollectOrigins(root, "", notes.origins);
  return notes;
}

base::Status LoadTextInto(const Schema& schema, std::string_view text, std::string_view source, void* out) {
  LOQUAT_ASSIGN(const Value root, ParseYaml(text, source));
  Reader reader;
  return ReadTree(schema, root, reader, out);
}

std::vector<Change> ChangesIn(const Schema& schema, const void* before, const void* after) {
  std::vector<Change> changes;
  Compare(schema, schema.Write(before), schema.Write(after), "", changes);
  return changes;
}

}  // namespace loquat::config
