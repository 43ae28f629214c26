// Any bytes as a configuration file: no crash, no hang, no leak; and what is read and written back reads as the same.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "config/load.h"

namespace {

struct Inner {
  std::string text;
  std::chrono::milliseconds wait{5};
  double ratio = 0.5;
};

void Declare(loquat::config::Section<Inner>& s) {
  s.Key("text", &Inner::text);
  s.Key("wait", &Inner::wait);
  s.Key("ratio", &Inner::ratio);
}

struct Outer {
  bool flag = false;
  std::int64_t number = 0;
  std::uint64_t bytes = 0;
  std::vector<std::string> list;
  std::map<std::string, Inner> map;
  std::optional<Inner> inner;
};

void Declare(loquat::config::Section<Outer>& s) {
  s.Key("flag", &Outer::flag);
  s.Key("number", &Outer::number);
  s.Key("bytes", &Outer::bytes).Bytes();
  s.Key("list", &Outer::list);
  s.Sub("map", &Outer::map);
  s.Sub("inner", &Outer::inner);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto loaded = loquat::config::LoadText<Outer>(text, "f");
  if (!loaded.has_value()) {
    LOQUAT_CHECK(!loaded.error().message.empty(), "an error says something");
    return 0;
  }
  const std::string dump = loquat::config::Dump(*loaded);
  const auto again = loquat::config::LoadText<Outer>(dump, "dump");
  LOQUAT_CHECK(again.has_value(), "what is written can be read");
  LOQUAT_CHECK(loquat::config::Dump(*again) == dump, "reading and writing is stable");
  return 0;
}
