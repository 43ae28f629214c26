#include "base/journal_records.h"

#include <cstdint>

#include "base/check.h"
#include "base/crc32c.h"

namespace loquat::base {
namespace {

constexpr std::size_t kNumberBytes = 4;

void AppendNumber(std::uint32_t value, std::string& out) {
  for (std::size_t i = 0; i < kNumberBytes; ++i) out.push_back(static_cast<char>(value >> (8 * i) & 0xFF));
}

std::uint32_t ReadNumber(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < kNumberBytes; ++i) {
    value |= std::uint32_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  return value;
}

}  // namespace

void AppendJournalRecord(std::string_view payload, std::string& out) {
  LOQUAT_CHECK(!payload.empty() && payload.size() <= kJournalRecordBytesMax, "a journal record has 1 byte to 16 MiB");
  const std::size_t start = out.size();
  AppendNumber(static_cast<std::uint32_t>(payload.size()), out);
  const std::uint32_t length_sum = Crc32c(std::string_view(out).substr(start, kNumberBytes));
  AppendNumber(Crc32c(payload, length_sum), out);
  out += payload;
}

Result<JournalScan> ScanJournal(std::string_view bytes, const std::function<void(std::string_view payload)>& each) {
  JournalScan scan;
  const std::string_view head = bytes.substr(0, kJournalMagic.size());
  if (head != kJournalMagic.substr(0, head.size())) {
    return Error{.code = Code::kDataLoss,
                 .message = "the file is no journal: it does not begin with LOQJRNL1",
                 .reason = "not_a_journal"};
  }
  if (head.size() < kJournalMagic.size()) {
    if (!head.empty()) scan.stop = "the head is cut";
    return scan;
  }
  scan.whole_bytes = head.size();
  while (scan.whole_bytes < bytes.size()) {
    const std::string_view rest = bytes.substr(scan.whole_bytes);
    if (rest.size() < kJournalRecordHeadBytes) {
      scan.stop = "a record's head is cut";
      break;
    }
    const std::size_t length = ReadNumber(rest);
    if (length == 0 || length > kJournalRecordBytesMax) {
      scan.stop = "a record's length is impossible";
      break;
    }
    if (rest.size() - kJournalRecordHeadBytes < length) {
      scan.stop = "a record is cut";
      break;
    }
    const std::string_view payload = rest.substr(kJournalRecordHeadBytes, length);
    if (Crc32c(payload, Crc32c(rest.substr(0, kNumberBytes))) != ReadNumber(rest.substr(kNumberBytes))) {
      scan.stop = "a record's checksum is wrong";
      break;
    }
    each(payload);
    ++scan.records;
    scan.whole_bytes += kJournalRecordHeadBytes + length;
  }
  return scan;
}

}  // namespace loquat::base
