#include "config/etcd/snapshot_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/crc32c.h"
#include "base/file.h"
#include "base/json_value.h"
#include "base/json_writer.h"
#include "config/etcd/key_space.h"

namespace loquat::config::etcd {
namespace {

constexpr std::string_view kMagic = "loquat-etcd-snapshot 1 ";
constexpr std::size_t kHeaderBytes = kMagic.size() + 8 + 1;
constexpr std::size_t kJsonDepthMax = 3;
constexpr std::int64_t kSavedMsMax = 4'000'000'000'000;  // In the year 2096; nanoseconds of it fit 64 bits.

// A byte of text may become six of JSON, and an entry has its names and numbers.
std::size_t FileBytesMax(const EtcdOptions& options) {
  return kHeaderBytes + 6 * (options.bytes_max + kPrefixBytesMax) + 128 * (options.keys_max + 1);
}

std::string HeaderOf(std::string_view body) {
  return fmt::format("{}{:08x}\n", kMagic, base::Crc32c(body));
}

base::Error Damaged(std::string_view what) {
  base::Error error = base::DataLoss(fmt::format("the snapshot is damaged: {}", what));
  error.reason = "snapshot_damaged";
  return error;
}

base::Error Named(base::Error error, const EtcdOptions& options) {
  error.message = fmt::format("{}: {}", options.snapshot, error.message);
  return error;
}

base::Result<EtcdSnapshot> ReadBody(base::JsonObject body, const EtcdOptions& options) {
  LOQUAT_ASSIGN(const std::string_view prefix, body.Find("prefix").AsString());
  if (prefix != options.prefix) {
    base::Error error = base::FailedPrecondition(
        fmt::format("the snapshot is of the prefix {}, not of {}", prefix.substr(0, kPrefixBytesMax), options.prefix));
    error.reason = "snapshot_of_another_prefix";
    return error;
  }
  EtcdSnapshot snapshot;
  LOQUAT_ASSIGN(snapshot.revision, body.Find("revision").AsInt());
  LOQUAT_ASSIGN(const std::int64_t saved_ms, body.Find("saved_ms").AsInt());
  if (saved_ms < 0 || saved_ms > kSavedMsMax) return Damaged("its time is out of range");
  snapshot.saved = base::WallTime(std::chrono::milliseconds(saved_ms));
  LOQUAT_ASSIGN(const base::JsonArray entries, body.Find("entries").AsArray());
  // Through the same bounds as what comes from etcd.
  RangeAnswer keys{.revision = snapshot.revision, .keys = {}, .more = false};
  for (const base::JsonValue item : entries) {
    LOQUAT_ASSIGN(const base::JsonObject entry, item.AsObject());
    KeyValue key;
    LOQUAT_ASSIGN(const std::string_view path, entry.Find("path").AsString());
    LOQUAT_ASSIGN(key.value, entry.Find("text").AsString());
    LOQUAT_ASSIGN(key.revision, entry.Find("revision").AsInt());
    key.key = options.prefix + std::string(path);
    keys.keys.push_back(std::move(key));
    if (keys.keys.size() > options.keys_max) break;
  }
  KeySpace space(options);
  LOQUAT_TRY(space.Replace(keys));
  snapshot.layer = space.layer();
  return snapshot;
}

// The file is there, and its owner's alone, before anything is written into it.
base::Status MakePrivate(const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
  if (file < 0) return base::FileError("open", path, errno);
  const int failed = ::fchmod(file, S_IRUSR | S_IWUSR) == 0 ? 0 : errno;
  ::close(file);
  if (failed != 0) return base::FileError("change the mode of", path, failed);
  return {};
}

}  // namespace

std::string EncodeSnapshot(const EtcdSnapshot& snapshot, const std::string& prefix) {
  std::string body;
  base::JsonWriter json(body);
  json.BeginObject();
  json.Key("prefix");
  json.String(prefix);
  json.Key("revision");
  json.Int(snapshot.revision);
  json.Key("saved_ms");
  json.Int(std::chrono::duration_cast<std::chrono::milliseconds>(snapshot.saved.time_since_epoch()).count());
  json.Key("entries");
  json.BeginArray();
  for (const auto& [path, entry] : snapshot.layer.entries) {
    json.BeginObject();
    json.Key("path");
    json.String(path);
    json.Key("text");
    json.String(entry.text);
    json.Key("revision");
    json.Int(entry.revision);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
  body += '\n';
  return HeaderOf(body) + body;
}

base::Result<EtcdSnapshot> DecodeSnapshot(std::string_view bytes, const EtcdOptions& options) {
  if (bytes.size() > FileBytesMax(options)) {
    return base::ResourceExhausted("the snapshot is larger than etcd.bytes_max allows", "snapshot_too_large");
  }
  if (!bytes.starts_with(kMagic) || bytes.size() < kHeaderBytes) return Damaged("it does not begin like one");
  const std::string_view body = bytes.substr(kHeaderBytes);
  if (HeaderOf(body) != bytes.substr(0, kHeaderBytes)) return Damaged("its checksum does not fit");
  base::JsonParser parser({.max_bytes = FileBytesMax(options), .max_depth = kJsonDepthMax});
  const auto json = parser.Parse(body);
  if (!json.has_value()) return Damaged(json.error().message);
  const auto object = json->AsObject();
  if (!object.has_value()) return Damaged(object.error().message);
  auto snapshot = ReadBody(*object, options);
  if (!snapshot.has_value() && snapshot.error().code == base::Code::kInvalidArgument) {
    return Damaged(snapshot.error().message);
  }
  return snapshot;
}

base::Result<EtcdSnapshot> ReadSnapshot(const EtcdOptions& options) {
  LOQUAT_ASSIGN(const std::string bytes, base::ReadFile(options.snapshot, FileBytesMax(options)));
  // As it is made, before the first one is renamed over it.
  if (bytes.empty()) return base::NotFound(options.snapshot + ": nothing was written yet");
  auto snapshot = DecodeSnapshot(bytes, options);
  if (!snapshot.has_value()) return Named(std::move(snapshot).error(), options);
  return snapshot;
}

base::Status WriteSnapshot(const EtcdSnapshot& snapshot, const EtcdOptions& options) {
  LOQUAT_TRY(MakePrivate(options.snapshot));
  return base::WriteFileAtomically(options.snapshot, EncodeSnapshot(snapshot, options.prefix));
}

}  // namespace loquat::config::etcd
