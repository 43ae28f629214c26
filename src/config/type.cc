#include "config/type.h"

#include <fmt/format.h>

#include "base/check.h"
#include "base/utf8.h"

namespace loquat::config {
namespace {

constexpr std::size_t kShownBytesMax = 60;

// Short, on one line, in quotes.
std::string Shown(std::string_view text) {
  std::string clean;
  base::AppendUtf8Repaired(text.substr(0, kShownBytesMax), clean);
  for (char& c : clean) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return fmt::format("\"{}{}\"", clean, text.size() > kShownBytesMax ? "…" : "");
}

}  // namespace

Reader::Scope::Scope(Reader& reader, std::string_view segment, bool secret)
    : reader_(reader), path_size_(reader.path_.size()), was_secret_(reader.secret_) {
  if (!reader.path_.empty() && !segment.starts_with('[')) reader.path_ += '.';
  reader.path_ += segment;
  reader.secret_ = reader.secret_ || secret;
}

Reader::Scope::~Scope() {
  reader_.path_.resize(path_size_);
  reader_.secret_ = was_secret_;
}

void Reader::Problem(const Place& place, std::string_view what) {
  if (count_ == 0) first_place_ = place.Text();
  if (++count_ > kProblemsMax) return;
  lines_.push_back(path_.empty() ? fmt::format("{}: {}", place.Text(), what)
                                 : fmt::format("{}: {}: {}", place.Text(), path_, what));
}

void Reader::Reject(const Value& value, std::string_view why, std::string_view allowed) {
  std::string got(value.KindName());
  if (value.kind == Kind::kScalar) got = secret_ ? "a value that is not shown" : Shown(value.text);
  Problem(value.place, fmt::format("got {}{}{}; allowed: {}", got, why.empty() ? "" : ": ", why, allowed));
}

base::Error Reader::ToError() const {
  LOQUAT_CHECK(count_ > 0, "an error needs a problem");
  std::string message;
  for (const std::string& line : lines_) {
    if (!message.empty()) message += '\n';
    message += line;
  }
  if (count_ > kProblemsMax) message += fmt::format("\nand {} more", count_ - kProblemsMax);
  base::Error error = base::InvalidArgument(std::move(message), first_place_);
  error.reason = "bad_config";
  return error;
}

}  // namespace loquat::config
