// Writes a configuration as YAML with comments: DumpSchema of load.h.

#include <fmt/format.h>

#include <iterator>

#include "base/strings.h"
#include "config/load.h"

namespace loquat::config {
namespace {

constexpr std::size_t kCommentColumns = 100;

class Writer {
 public:
  explicit Writer(const Origins& origins) : origins_(origins) {}

  void Section(const Schema& schema, const Value& value, const std::string& path, std::size_t indent, bool secret) {
    for (const auto& key : schema.keys()) {
      const Member* member = value.Find(key->name);
      if (member == nullptr) continue;
      const std::string key_path = path.empty() ? key->name : path + "." + key->name;
      Comments(*key, key_path, indent);
      const bool absent = key->type->optional() && member->value.kind == Kind::kNull;
      if (absent) {
        out_.append(indent, ' ').append("# ").append(key->name).append(": (absent)\n");
        Template(*key->type, "If present", indent, secret || key->secret);
        continue;
      }
      out_.append(indent, ' ').append(key->name).append(":");
      Item(*key->type, member->value, key_path, indent, secret || key->secret);
    }
  }

  std::string Take() { return std::move(out_); }

 private:
  void Comments(const Key& key, const std::string& path, std::size_t indent) {
    std::string text = key.help;
    if (!text.empty()) text += ' ';
    text += fmt::format("Allowed: {}.", key.type->Allowed());
    if (key.required) text += " Required.";
    if (key.needs_restart) text += " Read at start alone.";
    if (const auto origin = origins_.find(path); origin != origins_.end())
      text += fmt::format(" From {}.", origin->second);
    std::string line;
    for (const std::string_view word : base::SplitOnSpace(text)) {
      if (!line.empty() && indent + 2 + line.size() + 1 + word.size() > kCommentColumns) CommentLine(line, indent);
      if (!line.empty()) line += ' ';
      line += word;
    }
    CommentLine(line, indent);
  }

  void CommentLine(std::string& line, std::size_t indent) {
    out_.append(indent, ' ').append("# ").append(line).append("\n");
    line.clear();
  }

  // The keys of a section that is not there, as comments.
  void Template(const Type& type, std::string_view title, std::size_t indent, bool secret) {
    if (type.section() == nullptr) return;
    const Origins none;
    Writer keys(none);
    keys.Section(*type.section(), type.Defaults(), "", 2, secret);
    keys.out_.pop_back();  // The last line's end, so that the split gives no empty one.
    out_.append(indent, ' ').append("# ").append(title).append(":\n");
    for (const std::string_view line : base::Split(keys.out_, '\n')) {
      out_.append(indent, ' ').append("# ").append(line).append("\n");
    }
  }

  // What follows "key:" or "-", up to the end of its last line.
  void Item(const Type& type, const Value& value, const std::string& path, std::size_t indent, bool secret) {
    if (secret && value.kind != Kind::kMap && value.kind != Kind::kList) {
      out_ += value.text.empty() ? " \"\"\n" : fmt::format(" {}\n", QuoteYaml(kRedacted));
    } else if (value.kind == Kind::kScalar) {
      out_ += fmt::format(" {}\n", value.style == Style::kQuoted ? QuoteYaml(value.text) : value.text);
    } else if (value.kind == Kind::kList && !value.items.empty()) {
      out_ += '\n';
      for (std::size_t i = 0; i < value.items.size(); ++i) {
        out_.append(indent + 2, ' ').append("-");
        Item(*type.element(), value.items[i], fmt::format("{}[{}]", path, i), indent + 2, secret);
      }
    } else if (value.kind == Kind::kMap && !value.members.empty()) {
      out_ += '\n';
      if (type.section() != nullptr) return Section(*type.section(), value, path, indent + 2, secret);
      for (const Member& member : value.members) {
        out_.append(indent + 2, ' ').append(QuoteYaml(member.key)).append(":");
        Item(*type.element(), member.value, path + "." + member.key, indent + 2, secret);
      }
    } else {
      out_ += value.kind == Kind::kList ? " []\n" : value.kind == Kind::kMap ? " {}\n" : " null\n";
      if (type.element() != nullptr) Template(*type.element(), "Each", indent, secret);
    }
  }

  const Origins& origins_;
  std::string out_;
};

}  // namespace

std::string DumpSchema(const Schema& schema, const void* in, const Origins& origins) {
  Writer writer(origins);
  writer.Section(schema, schema.Write(in), "", 0, false);
  return writer.Take();
}

}  // namespace loquat::config
