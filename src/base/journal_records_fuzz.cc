// Any bytes are a journal, cut somewhere: reading never goes past them, what it took is what stands there, and writing
// the same records again gives the same bytes.

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/journal_records.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace base = loquat::base;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::string again(base::kJournalMagic);
  std::size_t records = 0;
  const auto scan = base::ScanJournal(bytes, [&](std::string_view payload) {
    base::AppendJournalRecord(payload, again);
    ++records;
  });
  if (!scan.has_value()) return 0;
  LOQUAT_CHECK(scan->records == records, "every record was given");
  LOQUAT_CHECK(scan->whole_bytes <= size, "nothing past the end was read");
  LOQUAT_CHECK(scan->whole_bytes == size || !scan->stop.empty(), "an early end has a reason");
  if (scan->whole_bytes != 0) LOQUAT_CHECK(bytes.substr(0, scan->whole_bytes) == again, "the whole part reads back");
  // Whatever the bytes are, as a payload they come back.
  if (size == 0) return 0;
  std::string one(base::kJournalMagic);
  base::AppendJournalRecord(bytes, one);
  const auto back =
      base::ScanJournal(one, [&](std::string_view payload) { LOQUAT_CHECK(payload == bytes, "same payload"); });
  LOQUAT_CHECK(back.has_value() && back->records == 1, "one record");
  return 0;
}
