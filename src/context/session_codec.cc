#include "context/session_codec.h"

#include <fmt/format.h>

#include <charconv>
#include <iterator>
#include <limits>
#include <utility>

#include "base/json_fields.h"
#include "base/json_writer.h"

namespace loquat::context {
namespace {

using std::chrono::microseconds;

base::Error Unreadable(std::string what, std::string param = {}) {
  return {.code = base::Code::kDataLoss,
          .message = "the stored session cannot be read: " + std::move(what),
          .reason = "session_unreadable",
          .param = std::move(param)};
}

void WriteText(std::string_view key, std::string_view text, base::JsonWriter& json) {
  if (text.empty()) return;
  json.Key(key);
  json.String(text);
}

void WriteFilled(const std::map<std::string, domain::FilledSlot>& filled, base::JsonWriter& json) {
  json.BeginObject();
  for (const auto& [name, slot] : filled) {
    json.Key(name);
    json.BeginObject();
    WriteText("entity", slot.entity, json);
    WriteText("role", slot.role, json);
    WriteText("value", slot.value, json);
    WriteText("normalized", slot.normalized, json);
    json.Key("turn");
    json.Uint(slot.turn);
    json.EndObject();
  }
  json.EndObject();
}

void WriteTurn(const domain::Turn& turn, base::JsonWriter& json) {
  json.BeginObject();
  json.Key("n");
  json.Uint(turn.number);
  json.Key("at");
  json.Int(std::chrono::duration_cast<microseconds>(turn.at.time_since_epoch()).count());
  WriteText("text", turn.text, json);
  WriteText("intent", turn.intent, json);
  json.Key("confidence");
  json.Float(turn.confidence);
  WriteText("reply", turn.reply, json);
  json.EndObject();
}

void WriteState(const domain::DialogueState& state, base::JsonWriter& json) {
  json.BeginObject();
  WriteText("intent", state.active_intent, json);
  json.Key("filled");
  WriteFilled(state.filled, json);
  json.Key("missing");
  json.BeginArray();
  for (const std::string& name : state.missing) json.String(name);
  json.EndArray();
  WriteText("asked", state.asked, json);
  json.Key("suspended");
  json.BeginArray();
  for (const domain::SuspendedTask& task : state.suspended) {
    json.BeginObject();
    WriteText("intent", task.intent, json);
    json.Key("filled");
    WriteFilled(task.filled, json);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
}

std::string Encode(const domain::Session& session, std::size_t turns_left_out) {
  std::string out(kSessionMagic);
  fmt::format_to(std::back_inserter(out), "{} ", session.version);
  base::JsonWriter json(out);
  json.BeginObject();
  json.Key("id");
  json.String(session.id);
  json.Key("turn_count");
  json.Uint(session.turn_count);
  json.Key("taken_by");
  json.BeginObject();
  for (const auto& [branch, count] : session.taken_by) {
    json.Key(branch);
    json.Uint(count);
  }
  json.EndObject();
  json.Key("turns");
  json.BeginArray();
  for (std::size_t i = turns_left_out; i < session.turns.size(); ++i) WriteTurn(session.turns[i], json);
  json.EndArray();
  json.Key("state");
  WriteState(session.state, json);
  json.EndObject();
  return out;
}

constexpr std::int64_t kTurnsOfBranchMax = std::int64_t{1} << 48;
constexpr base::IntLimits kCount{.min = 0, .max = std::numeric_limits<std::int64_t>::max()};

std::string Text(base::JsonFields& fields, std::string_view key) {
  return std::string(fields.Optional(key).String({}));
}

std::uint64_t Count(base::JsonFields& fields, std::string_view key) {
  return static_cast<std::uint64_t>(fields.Optional(key).Int(kCount));
}

std::map<std::string, domain::FilledSlot> ReadFilled(const base::JsonField& field, base::JsonFaults& faults) {
  std::map<std::string, domain::FilledSlot> filled;
  if (!field.present()) return filled;
  const auto object = field.value().AsObject();
  if (!object.has_value()) {
    field.Fault(object.error().message);
    return filled;
  }
  for (const base::JsonMember& member : *object) {
    if (filled.size() >= kDecodedSlotsMax) {
      field.Fault(fmt::format("more than {} slots", kDecodedSlotsMax));
      break;
    }
    base::JsonFields fields(member.value, faults);
    domain::FilledSlot& slot = filled[std::string(member.key)];
    slot.entity = Text(fields, "entity");
    slot.role = Text(fields, "role");
    slot.value = Text(fields, "value");
    slot.normalized = Text(fields, "normalized");
    slot.turn = Count(fields, "turn");
  }
  return filled;
}

std::map<std::string, std::uint64_t> ReadBranches(const base::JsonField& field) {
  std::map<std::string, std::uint64_t> branches;
  if (!field.present()) return branches;
  const auto object = field.value().AsObject();
  if (!object.has_value()) {
    field.Fault(object.error().message);
    return branches;
  }
  for (const base::JsonMember& member : *object) {
    const auto count = member.value.AsInt();
    // Sums of so many of them still fit 64 bits.
    if (branches.size() >= kDecodedBranchesMax || !count.has_value() || *count < 0 || *count > kTurnsOfBranchMax) {
      field.Fault(fmt::format("has more than {} branches, or a count of no turns", kDecodedBranchesMax));
      break;
    }
    branches[std::string(member.key)] = static_cast<std::uint64_t>(*count);
  }
  return branches;
}

domain::Turn ReadTurn(const base::JsonField& item) {
  domain::Turn turn;
  base::JsonFields fields = item.Fields();
  turn.number = Count(fields, "n");
  // The range of a nanosecond clock of 64 bits, in microseconds.
  const std::int64_t at_max = std::numeric_limits<std::int64_t>::max() / 1000;
  turn.at = base::WallTime(microseconds(fields.Optional("at").Int({.min = 0, .max = at_max})));
  turn.text = Text(fields, "text");
  turn.intent = Text(fields, "intent");
  turn.confidence = static_cast<float>(fields.Optional("confidence").Number({}));
  turn.reply = Text(fields, "reply");
  fields.DoneAllowingUnknown();
  return turn;
}

domain::DialogueState ReadState(const base::JsonField& field, base::JsonFaults& faults) {
  domain::DialogueState state;
  base::JsonFields fields = field.Fields();
  state.active_intent = Text(fields, "intent");
  state.filled = ReadFilled(fields.Optional("filled"), faults);
  fields.Optional("missing").Each({.max_items = kDecodedSlotsMax},
                                  [&](const base::JsonField& item) { state.missing.emplace_back(item.String({})); });
  state.asked = Text(fields, "asked");
  fields.Optional("suspended").Each({.max_items = kDecodedTasksMax}, [&](const base::JsonField& item) {
    base::JsonFields task = item.Fields();
    domain::SuspendedTask& suspended = state.suspended.emplace_back();
    suspended.intent = Text(task, "intent");
    suspended.filled = ReadFilled(task.Optional("filled"), faults);
    task.DoneAllowingUnknown();
  });
  fields.DoneAllowingUnknown();
  return state;
}

// Takes "LQS1 7 " off the front.
base::Result<std::uint64_t> ReadHead(std::string_view& bytes) {
  if (!bytes.starts_with(kSessionMagic)) {
    const bool other_form = bytes.starts_with("LQS");
    return Unreadable(other_form ? "it has a form that this version of Loquat does not know; use one version on all "
                                   "servers that share sessions"
                                 : "it is no session of Loquat; something else has written under this key");
  }
  bytes.remove_prefix(kSessionMagic.size());
  std::uint64_t version = 0;
  const auto [end, error] = std::from_chars(bytes.data(), bytes.data() + bytes.size(), version);
  const auto digits = static_cast<std::size_t>(end - bytes.data());
  if (error != std::errc() || version == 0 || bytes.substr(digits, 1) != " ") return Unreadable("it has no version");
  bytes.remove_prefix(digits + 1);
  return version;
}

}  // namespace

base::Result<std::string> EncodeSession(const domain::Session& session) {
  std::string out = Encode(session, 0);
  for (std::size_t left_out = 1; out.size() > kEncodedSessionBytesMax; ++left_out) {
    if (left_out > session.turns.size()) {
      return base::ResourceExhausted(
          fmt::format("the session's state is larger than {} bytes; begin a new session", kEncodedSessionBytesMax),
          "session_too_large");
    }
    out = Encode(session, left_out);
  }
  return out;
}

base::JsonParser SessionParser() {
  return base::JsonParser({.max_bytes = kEncodedSessionBytesMax, .max_depth = kSessionDepthMax});
}

base::Result<domain::Session> DecodeSession(std::string_view bytes, std::string_view expected_id,
                                            base::JsonParser& parser) {
  if (bytes.size() > kEncodedSessionBytesMax) {
    return Unreadable(fmt::format("it has more than {} bytes", kEncodedSessionBytesMax));
  }
  LOQUAT_ASSIGN(const std::uint64_t version, ReadHead(bytes));
  const auto root = parser.Parse(bytes);
  if (!root.has_value()) return Unreadable(root.error().message);
  domain::Session session;
  session.version = version;
  base::JsonFaults faults;
  base::JsonFields fields(*root, faults);
  session.id = fields.Required("id").String({});
  session.turn_count = Count(fields, "turn_count");
  session.taken_by = ReadBranches(fields.Optional("taken_by"));
  fields.Optional("turns").Each({.max_items = kDecodedTurnsMax},
                                [&session](const base::JsonField& item) { session.turns.push_back(ReadTurn(item)); });
  session.state = ReadState(fields.Optional("state"), faults);
  fields.DoneAllowingUnknown();
  if (const base::Status status = faults.status(); !status.has_value()) {
    return Unreadable(status.error().message, status.error().param);
  }
  if (session.id != expected_id) return Unreadable("it is the session of another id");
  return session;
}

}  // namespace loquat::context
