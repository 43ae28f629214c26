// Writes scan_classes.cc, the tables behind scan_classes.h, from the Unicode data of the ICU it is linked with.
// Runs during the build: scan_classes_gen OUTPUT_FILE. Exit 1: the tables do not fit or the file cannot be written.

#include <fmt/format.h>
#include <unicode/uchar.h>

#include <cstdint>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "text/tokenizer/scan_classes.h"

namespace loquat::text {
namespace {

constexpr std::size_t kCodePoints = 0x110000;
constexpr std::size_t kBlockSize = std::size_t{1} << scan_tables::kBlockBits;

std::uint8_t BitsFromIcu(UChar32 c) {
  if (U_IS_SURROGATE(c)) return 0;  // Never decoded from UTF-8.
  const std::uint32_t category = U_GET_GC_MASK(c);
  const bool newline = c == '\n' || c == '\r';
  std::uint8_t bits = 0;
  if ((category & U_GC_L_MASK) != 0) bits |= kScanLetter;
  if ((category & U_GC_N_MASK) != 0) bits |= kScanNumber;
  if (u_isUWhiteSpace(c)) bits |= kScanSpace;
  if ((category & U_GC_P_MASK) != 0) bits |= kScanPunctuation;
  if ((category & (U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK)) != 0 && c != '\t' && !newline) bits |= kScanControl;
  if ((category & U_GC_MN_MASK) != 0) bits |= kScanNonspacing;
  if (u_isUAlphabetic(c) || (category & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0 ||
      u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL)) {
    bits |= kScanWord;
  }
  if (newline) bits |= kScanNewline;
  return bits;
}

int Generate(const char* path) {
  std::map<std::vector<std::uint8_t>, std::size_t> known;
  std::vector<std::size_t> block_of;
  std::vector<std::uint8_t> classes;
  for (std::size_t begin = 0; begin < kCodePoints; begin += kBlockSize) {
    std::vector<std::uint8_t> block;
    for (std::size_t c = begin; c < begin + kBlockSize; ++c) block.push_back(BitsFromIcu(static_cast<UChar32>(c)));
    const auto [it, fresh] = known.try_emplace(block, known.size());
    if (fresh) classes.insert(classes.end(), block.begin(), block.end());
    block_of.push_back(it->second);
  }
  if (known.size() > 256) return 1;
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << "// Made by scan_classes_gen.cc. Not to be edited.\n#include \"text/tokenizer/scan_classes.h\"\n\n"
       << "namespace loquat::text::scan_tables {\n"
       << fmt::format("const std::uint8_t kBlockOf[kBlocks] = {{{}}};\n", fmt::join(block_of, ","))
       << fmt::format("const std::uint8_t kClasses[] = {{{}}};\n", fmt::join(classes, ","))
       << "}  // namespace loquat::text::scan_tables\n";
  file.close();
  return file.good() ? 0 : 1;
}

}  // namespace
}  // namespace loquat::text

int main(int argc, char** argv) {
  return argc == 2 ? loquat::text::Generate(argv[1]) : 1;
}
