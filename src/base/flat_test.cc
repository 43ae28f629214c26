// What is written is read; what is cut, too long or out of range is refused where it stands.

#include "base/flat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>

namespace loquat::base {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

enum class Colour : std::uint8_t { kRed, kGreen, kBlue };

struct Record {
  std::uint32_t number = 0;
  float fraction = 0;
  bool flag = false;
  Colour colour = Colour::kRed;
  std::string text;
  std::optional<std::int64_t> maybe;
  std::vector<std::string> items;
  std::span<const std::uint64_t> table;
};

constexpr std::size_t kTextMax = 16, kItemsMax = 4, kTableMax = 8;

template <typename Flat, typename Value>
void Fields(Flat& flat, Value& record) {
  flat.Number(record.number);
  flat.Number(record.fraction);
  flat.Flag(record.flag);
  flat.Choice(record.colour, Colour::kBlue);
  flat.Text(record.text, kTextMax);
  flat.Maybe(record.maybe, [&](auto& value) { flat.Number(value); });
  flat.Items(record.items, kItemsMax, [&](auto& item) { flat.Text(item, kTextMax); });
  flat.Table(record.table, kTableMax);
}

// Bytes at the alignment that the reader asks for, with nothing readable behind them.
class Aligned {
 public:
  explicit Aligned(std::string_view bytes) : size_(bytes.size()) {
    const std::size_t whole = (bytes.size() + kFlatTableAlignment) / kFlatTableAlignment * kFlatTableAlignment;
    memory_.reset(static_cast<std::byte*>(std::aligned_alloc(kFlatTableAlignment, whole)));
    std::memcpy(memory_.get(), bytes.data(), bytes.size());
  }
  std::span<const std::byte> bytes() const { return {memory_.get(), size_}; }

 private:
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::size_t size_;
};

const std::uint64_t kTable[] = {7, 8, 9};

std::string Written() {
  FlatWriter writer;
  const Record record{.number = 77,
                      .fraction = 0.5F,
                      .flag = true,
                      .colour = Colour::kBlue,
                      .text = "text",
                      .maybe = -5,
                      .items = {"a", "", "bc"},
                      .table = kTable};
  Fields(writer, record);
  return writer.bytes();
}

TEST(Flat, WhatIsWrittenIsRead) {
  const Aligned memory(Written());
  FlatReader reader(memory.bytes());
  Record record;
  Fields(reader, record);
  ASSERT_TRUE(reader.ok()) << reader.fault();
  EXPECT_EQ(reader.left(), 0U);
  EXPECT_EQ(record.number, 77U);
  EXPECT_EQ(record.fraction, 0.5F);
  EXPECT_TRUE(record.flag);
  EXPECT_EQ(record.colour, Colour::kBlue);
  EXPECT_EQ(record.text, "text");
  EXPECT_EQ(record.maybe, -5);
  EXPECT_THAT(record.items, ElementsAre("a", "", "bc"));
  EXPECT_THAT(record.table, ElementsAre(7, 8, 9));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(record.table.data()) % kFlatTableAlignment, 0U);
}

TEST(Flat, EveryCutIsAFault) {
  const std::string whole = Written();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Aligned memory(std::string_view(whole).substr(0, size));
    FlatReader reader(memory.bytes());
    Record record;
    Fields(reader, record);
    EXPECT_FALSE(reader.ok()) << size;
  }
}

TEST(Flat, CountsPastTheirBoundAreFaultsAndTheBoundIsNot) {
  for (const std::size_t size : {kTextMax, kTextMax + 1}) {
    FlatWriter writer;
    writer.Text(std::string(size, 'x'), kTextMax);
    EXPECT_EQ(writer.ok(), size == kTextMax) << writer.fault();
    const Aligned memory(writer.bytes());
    FlatReader reader(memory.bytes());
    std::string text;
    reader.Text(text, kTextMax);
    EXPECT_EQ(reader.ok(), size == kTextMax);
    EXPECT_EQ(text.size(), size == kTextMax ? size : 0);
  }
}

TEST(Flat, FlagsAndChoicesOutOfRangeAreFaults) {
  const Aligned flag("\2");
  FlatReader flags(flag.bytes());
  bool read = false;
  flags.Flag(read);
  EXPECT_THAT(flags.fault(), HasSubstr("flag"));
  const Aligned choice("\3");
  FlatReader choices(choice.bytes());
  Colour colour = Colour::kGreen;
  choices.Choice(colour, Colour::kBlue);
  EXPECT_THAT(choices.fault(), HasSubstr("choice"));
  EXPECT_EQ(colour, Colour::kRed);
}

TEST(Flat, TheFirstFaultStays) {
  const Aligned memory("\2\1\1\1");
  FlatReader reader(memory.bytes());
  bool flag = false;
  reader.Flag(flag);
  const std::string first = reader.fault();
  std::uint64_t number = 1;
  reader.Number(number);
  EXPECT_EQ(number, 0U);
  EXPECT_EQ(reader.fault(), first);
}

}  // namespace
}  // namespace loquat::base
