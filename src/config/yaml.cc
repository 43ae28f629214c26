#include "config/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <utility>
#include <vector>

#include "base/utf8.h"

namespace loquat::config {
namespace {

base::Error YamlError(const Place& place, std::string_view what) {
  base::Error error = base::InvalidArgument(fmt::format("{}: {}", place.Text(), what), place.Text());
  error.reason = "bad_yaml";
  return error;
}

// Leaves yaml-cpp's parser from inside an event; caught in ParseYaml.
struct Refused {
  base::Error error;
};

// Builds the Value from yaml-cpp's events, which, unlike its nodes, still know duplicate keys and quotes.
class Builder final : public YAML::EventHandler {
 public:
  Builder(std::shared_ptr<const std::string> source, const YamlLimits& limits)
      : source_(std::move(source)), limits_(limits) {}

  Value Take() { return std::move(root_).value_or(Value{}); }
  Place At(const YAML::Mark& mark) const { return {source_, mark.line + 1, mark.column + 1}; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) Refuse(mark, "a second document; one file is one document");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Value value;
    value.place = At(mark);
    Add(mark, anchor, std::move(value));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    // yaml-cpp gives "?" to plain scalars and "!" to quoted ones and blocks.
    const bool plain = tag.empty() || tag == "?";
    if (!plain && tag != "!" && tag != "tag:yaml.org,2002:str") Refuse(mark, "tags are not supported");
    Value value = Value::Scalar(text, plain ? Style::kPlain : Style::kQuoted);
    if (plain && (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL")) value = Value{};
    value.place = At(mark);
    Add(mark, anchor, std::move(value));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) Refuse(mark, "an alias inside of what it stands for");
    Count(mark, found->second.nodes);
    if (open_.size() + found->second.depth > limits_.depth_max) RefuseDepth(mark);
    Value value = found->second.value;
    value.place = At(mark);
    Put(mark, std::move(value), found->second.depth);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, Kind::kList);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, Kind::kMap);
  }
  void OnMapEnd() override { Close(); }

 private:
  struct OpenNode {
    Value value;
    YAML::anchor_t anchor = 0;
    std::optional<Member> key;  // Of a map: read, and waiting for its value.
    std::size_t nodes_before = 0;
    std::size_t depth = 1;                          // Levels in it, itself included.
    std::map<std::string, int, std::less<>> lines;  // Of a map's keys, for duplicates.
  };
  struct Anchored {
    Value value;
    std::size_t nodes;
    std::size_t depth;
  };

  [[noreturn]] void Refuse(const YAML::Mark& mark, std::string_view what) const {
    throw Refused{YamlError(At(mark), what)};
  }
  [[noreturn]] void RefuseDepth(const YAML::Mark& mark) const {
    Refuse(mark, fmt::format("nested deeper than {} levels", limits_.depth_max));
  }

  void Count(const YAML::Mark& mark, std::size_t nodes) {
    nodes_ += nodes;
    if (nodes_ > limits_.nodes_max) {
      Refuse(mark, fmt::format("more than {} values, aliases written out", limits_.nodes_max));
    }
  }

  void Open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Kind kind) {
    if (!tag.empty() && tag != "?" && tag != "!") Refuse(mark, "tags are not supported");
    RefuseIfKey(mark);
    if (open_.size() >= limits_.depth_max) RefuseDepth(mark);
    const std::size_t before = nodes_;
    Count(mark, 1);
    OpenNode node;
    node.anchor = anchor;
    node.nodes_before = before;
    node.value.kind = kind;
    node.value.place = At(mark);
    open_.push_back(std::move(node));
  }

  void Close() {
    OpenNode node = std::move(open_.back());
    open_.pop_back();
    YAML::Mark mark;
    mark.line = node.value.place.line - 1;
    mark.column = node.value.place.column - 1;
    if (node.anchor != 0) anchors_[node.anchor] = {node.value, nodes_ - node.nodes_before, node.depth};
    Put(mark, std::move(node.value), node.depth);
  }

  void Add(const YAML::Mark& mark, YAML::anchor_t anchor, Value value) {
    Count(mark, 1);
    if (anchor != 0) anchors_[anchor] = {value, 1, 0};
    Put(mark, std::move(value), 0);
  }

  // A map whose next event is a key takes scalars alone.
  void RefuseIfKey(const YAML::Mark& mark) const {
    if (!open_.empty() && open_.back().value.kind == Kind::kMap && !open_.back().key.has_value()) {
      Refuse(mark, "a key is a single value");
    }
  }

  void Put(const YAML::Mark& mark, Value value, std::size_t depth) {
    if (open_.empty()) {
      root_ = std::move(value);
      return;
    }
    OpenNode& top = open_.back();
    top.depth = std::max(top.depth, depth + 1);
    if (top.value.kind == Kind::kList) {
      top.value.items.push_back(std::move(value));
    } else if (top.key.has_value()) {
      // yaml-cpp finds out that there is no value when it reads the next line: the key is the better place to name.
      if (value.kind == Kind::kNull && value.place.line > top.key->place.line) value.place = top.key->place;
      top.key->value = std::move(value);
      top.value.members.push_back(*std::exchange(top.key, std::nullopt));
    } else {
      if (value.kind != Kind::kScalar) Refuse(mark, "a key is a single value");
      const auto [first, added] = top.lines.emplace(value.text, value.place.line);
      if (!added) Refuse(mark, fmt::format("duplicate key \"{}\", first on line {}", Short(value.text), first->second));
      top.key = Member{value.text, value.place, {}};
    }
  }

  static std::string Short(std::string_view text) {
    std::string shown;
    base::AppendUtf8Repaired(text.substr(0, 60), shown);
    return shown;
  }

  const std::shared_ptr<const std::string> source_;
  const YamlLimits& limits_;
  std::optional<Value> root_;
  std::vector<OpenNode> open_;  // From the root to the innermost.
  std::map<YAML::anchor_t, Anchored> anchors_;
  std::size_t nodes_ = 0;
  int documents_ = 0;
};

// The place of the first byte that is not UTF-8 text, if any.
std::optional<Place> FirstBadByte(std::string_view text, const std::shared_ptr<const std::string>& source) {
  if (base::IsValidUtf8(text) && text.find('\0') == std::string_view::npos) return std::nullopt;
  Place place{source, 1, 1};
  for (std::size_t i = 0; i < text.size();) {
    const base::DecodedCodePoint next = base::DecodeUtf8(text, i);
    if (!next.valid || next.code_point == 0) break;
    place.column = next.code_point == '\n' ? 1 : place.column + 1;
    place.line += next.code_point == '\n' ? 1 : 0;
    i += next.length;
  }
  return place;
}

}  // namespace

base::Result<Value> ParseYaml(std::string_view text, std::string_view source, const YamlLimits& limits) {
  const auto name = std::make_shared<const std::string>(source);
  if (text.size() > limits.bytes_max) {
    return YamlError({name}, fmt::format("{} bytes; at most {} are read", text.size(), limits.bytes_max));
  }
  if (const auto place = FirstBadByte(text, name)) return YamlError(*place, "not UTF-8 text");
  Builder builder(name, limits);
  try {
    std::istringstream in{std::string(text)};
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(builder)) continue;
  } catch (Refused& refused) {
    return std::move(refused.error);
  } catch (const YAML::Exception& error) {
    return YamlError(error.mark.is_null() ? Place{name} : builder.At(error.mark), error.msg);
  } catch (const std::exception& error) {
    return YamlError({name}, error.what());
  }
  return builder.Take();
}

std::string QuoteYaml(std::string_view text) {
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size();) {
    const base::DecodedCodePoint next = base::DecodeUtf8(text, i);
    const char32_t c = next.code_point;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c < 0x20 || (c >= 0x7F && c < 0xA0)) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned>(c));
    } else if (c == 0x2028 || c == 0x2029 || c == 0xFEFF) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      base::AppendUtf8(c, out);
    }
    i += next.length;
  }
  return out + '"';
}

}  // namespace loquat::config
