// The bytes of a journal file: a head of eight bytes, then records. Pure functions; safe from any thread.
//
//   file    magic "LOQJRNL1"  record*
//   record  length  u32, little-endian, 1 to kJournalRecordBytesMax
//           check   u32, little-endian: CRC-32C of the four bytes of the length and of the payload
//           payload [length]
//
// No record is empty, so that a tail of zeros, which some file systems leave after a crash, is never a record.

#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace loquat::base {

inline constexpr std::string_view kJournalMagic = "LOQJRNL1";
inline constexpr std::size_t kJournalRecordHeadBytes = 8;
inline constexpr std::size_t kJournalRecordBytesMax = std::size_t{16} << 20;

// REQUIRES: the payload has 1 to kJournalRecordBytesMax bytes.
void AppendJournalRecord(std::string_view payload, std::string& out);

struct JournalScan {
  std::size_t records = 0;
  std::size_t whole_bytes = 0;  // The head and every record up to the first that is not whole.
  std::string_view stop;        // Why reading ended before the end of the bytes; empty: it did not.
};

// Gives each payload in order, up to the first record that is cut or damaged: what follows it cannot be told from
// rubbish. The views point into `bytes`. A file that is empty, or whose head is cut, has no records.
// Errors: data_loss "not_a_journal" for bytes that begin with another head.
Result<JournalScan> ScanJournal(std::string_view bytes, const std::function<void(std::string_view payload)>& each);

}  // namespace loquat::base
