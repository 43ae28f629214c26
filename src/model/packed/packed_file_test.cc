// A packed file holds what was packed; whatever is not as it was written is refused, by name and place.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <thread>

#include "base/file.h"
#include "kernels/interleave.h"
#include "model/packed/packed_model.h"
#include "model/packed/packed_test_model.h"
#include "model/packed/packed_weights.h"
#include "model/packed/packed_writer.h"

namespace loquat::model {
namespace {

using kernels::RowOrder;
using testing::ElementsAre;
using testing::HasSubstr;

// Bytes of a file, aligned as a mapping is, to be changed.
class FileBytes {
 public:
  explicit FileBytes(std::string_view text) : size_(text.size()) {
    memory_.reset(static_cast<std::byte*>(std::aligned_alloc(64, (size_ + 64) / 64 * 64)));
    std::memcpy(memory_.get(), text.data(), size_);
  }
  std::span<std::byte> bytes() { return {memory_.get(), size_}; }
  PackedHeader header() {
    PackedHeader header;
    std::memcpy(&header, memory_.get(), sizeof header);
    return header;
  }
  void Put(const PackedHeader& header) { std::memcpy(memory_.get(), &header, sizeof header); }

 private:
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::size_t size_;
};

// What opening such a file with every check would say.
base::Status Examine(std::span<const std::byte> bytes) {
  kernels::ThreadTeam team({.threads = 1});
  LOQUAT_ASSIGN(const PackedHead head, ReadPackedHead("m", bytes));
  const auto weights = bytes.subspan(head.weights_offset);
  LOQUAT_TRY(PackedTensors("m", head, weights));
  const PackedChunks chunks{.hashes = head.chunk_hashes, .chunk_bytes = head.chunk_bytes};
  if (const auto chunk = FindDamagedChunk(weights, chunks, team)) return base::DataLoss("chunk");
  return {};
}

class PackedFileTest : public testing::Test {
 protected:
  PackedFileTest() {
    std::string name = testing::TempDir() + "loquat-packed-XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  ~PackedFileTest() override { std::filesystem::remove_all(folder_); }

  std::string Path() const { return folder_ + "/model.packed"; }
  std::ptrdiff_t Files() const { return std::distance(std::filesystem::directory_iterator(folder_), {}); }
  std::string Packed(const PackedTestModel& model, const PackOptions& options = {}) const {
    PackOptions replacing = options;
    replacing.existing = base::AtomicFile::Existing::kReplace;
    const auto report = WritePacked(Path(), model.source(), replacing);
    EXPECT_TRUE(report.has_value()) << report.error().message;
    return base::ReadFile(Path()).value();
  }
  bool IsMapped() const { return base::ReadFile("/proc/self/maps").value().find(Path()) != std::string::npos; }

  std::string folder_;
};

TEST_F(PackedFileTest, HoldsWhatWasPacked) {
  const PackedTestModel model;
  const auto report = WritePacked(Path(), model.source());
  ASSERT_TRUE(report.has_value()) << report.error().message;
  EXPECT_EQ(report->file_bytes, std::filesystem::file_size(Path()));
  EXPECT_EQ(report->tensors_in_panels, kernels::kWeightTypes);
  EXPECT_TRUE(IsPackedFile(Path()));
  for (const bool huge : {false, true}) {
    const auto packed = OpenPacked(Path(), {.verify = PackedVerify::kFull, .huge_pages = huge});
    ASSERT_TRUE(packed.has_value()) << packed.error().message;
    const PackedHead& head = packed->head;
    EXPECT_EQ(head.tuned_for, "avx2");
    EXPECT_EQ(head.chat_template, "{{ messages }}");
    EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(head.tokenizer.data()), head.tokenizer.size()),
              "tokenizer tables");
    ASSERT_EQ(head.metadata.size(), 2U);
    EXPECT_EQ(head.metadata[0].value, "test");
    EXPECT_EQ(head.config.architecture, Architecture::kQwen3);
    EXPECT_EQ(head.config.rope_scaling, RopeScaling::kYarn);
    EXPECT_EQ(head.config.rope_factor, 2.5F);
    EXPECT_EQ(head.config.norm_epsilon, 1e-6F);
    EXPECT_THAT(head.config.labels, ElementsAre("no", "yes"));
    EXPECT_THAT(head.config.eos_tokens, ElementsAre(7, 9));
    ASSERT_EQ(packed->weights->tensors().size(), model.weights->tensors().size());
    EXPECT_EQ(packed->weights->tensors()[0].shape.size(), 1U) << "vectors stand first";
    for (const Tensor& was : model.weights->tensors()) {
      const Tensor* is = packed->weights->Find(was.name);
      ASSERT_NE(is, nullptr) << was.name;
      EXPECT_EQ(is->shape, was.shape);
      EXPECT_EQ(is->type, was.type);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(is->bytes.data()) % kPackedTensorAlignment, 0U);
      const bool panels = std::ranges::count(model.linear, was.name) > 0;
      EXPECT_EQ(is->order, panels ? RowOrder::kInterleaved : RowOrder::kRows) << was.name;
      std::vector<std::byte> expected(was.bytes.begin(), was.bytes.end());
      if (is->order == RowOrder::kInterleaved) {
        expected.resize(kernels::InterleavedBytes(was.matrix()));
        kernels::InterleavePanels(was.matrix(), 0, 2, expected.data());
      }
      ASSERT_EQ(is->bytes.size(), expected.size()) << was.name;
      EXPECT_EQ(std::memcmp(is->bytes.data(), expected.data(), expected.size()), 0) << was.name;
    }
  }
}

TEST_F(PackedFileTest, TheSameModelGivesTheSameBytes) {
  const PackedTestModel model;
  const std::string first = Packed(model);
  EXPECT_EQ(Packed(model), first);
}

TEST_F(PackedFileTest, EveryFlippedBitIsFound) {
  FileBytes file(Packed(PackedTestModel(3)));
  ASSERT_TRUE(Examine(file.bytes()).has_value());
  for (std::size_t i = 0; i < file.bytes().size(); ++i) {
    const auto bit = std::byte{1} << static_cast<int>(i % 8);
    file.bytes()[i] ^= bit;
    EXPECT_FALSE(Examine(file.bytes()).has_value()) << "byte " << i;
    file.bytes()[i] ^= bit;
  }
  ASSERT_TRUE(Examine(file.bytes()).has_value());
}

TEST_F(PackedFileTest, EveryCutIsFoundAndSoIsWhatIsTooLong) {
  const std::string whole = Packed(PackedTestModel(3));
  for (std::size_t size = 0; size < whole.size(); size += 37) {
    FileBytes file(std::string_view(whole).substr(0, size));
    EXPECT_FALSE(Examine(file.bytes()).has_value()) << size;
  }
  FileBytes longer(whole + "x");
  EXPECT_THAT(Examine(longer.bytes()).error().message, HasSubstr("its header says"));
}

TEST_F(PackedFileTest, SaysWhichChunksAreMissing) {
  const std::string whole = Packed(PackedTestModel(512), {.chunk_bytes = kPackedBlockBytes});
  const auto head = ReadPackedHead("m", FileBytes(whole).bytes());
  ASSERT_TRUE(head.has_value());
  ASSERT_GE(head->chunk_hashes.size(), 5U);
  FileBytes cut(std::string_view(whole).substr(0, head->weights_offset + 2 * kPackedBlockBytes + 7));
  const auto missing = ReadPackedHead("m.packed", cut.bytes());
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().reason, "truncated");
  EXPECT_EQ(missing.error().code, base::Code::kDataLoss);
  EXPECT_THAT(missing.error().message, HasSubstr("from number 2 on"));
  EXPECT_THAT(missing.error().message, HasSubstr("m.packed"));
}

TEST_F(PackedFileTest, ForeignFilesAreRefusedEachByItsReason) {
  const std::string whole = Packed(PackedTestModel(3));
  struct Case {
    std::function<void(PackedHeader&)> change;
    base::Code code;
    std::string reason, part;
  };
  const Case cases[] = {
      {[](PackedHeader& h) { h.byte_order = __builtin_bswap32(h.byte_order); }, base::Code::kUnimplemented,
       "foreign_endianness", "big-endian"},
      {[](PackedHeader& h) { h.version = kPackedVersion + 1; }, base::Code::kUnimplemented, "newer_version",
       "version 2"},
      {[](PackedHeader& h) { h.version = 0; }, base::Code::kDataLoss, "damaged", "version is 0"},
      {[](PackedHeader& h) { h.magic[1] = 'l'; }, base::Code::kInvalidArgument, "", "no packed model file"},
      {[](PackedHeader& h) { h.byte_order ^= 1; }, base::Code::kDataLoss, "damaged", "byte order"},
      {[](PackedHeader& h) { h.unused[10] = 1; }, base::Code::kDataLoss, "damaged", "hash"},
      {[](PackedHeader& h) { h.sections = kPackedSectionKinds + 1; }, base::Code::kDataLoss, "damaged", "7 sections"}};
  for (const Case& each : cases) {
    FileBytes file(whole);
    PackedHeader header = file.header();
    each.change(header);
    file.Put(header);
    const auto read = ReadPackedHead("m", file.bytes());
    ASSERT_FALSE(read.has_value()) << each.part;
    EXPECT_EQ(read.error().code, each.code) << read.error().message;
    EXPECT_EQ(read.error().reason, each.reason);
    EXPECT_THAT(read.error().message, HasSubstr(each.part));
  }
}

// Sound hashes over sizes that contradict each other.
TEST_F(PackedFileTest, HeadersThatContradictThemselvesAreRefused) {
  const std::string whole = Packed(PackedTestModel(3));
  const std::function<void(PackedHeader&)> changes[] = {
      [](PackedHeader& h) { h.chunk_bytes = kPackedBlockBytes / 2; },
      [](PackedHeader& h) { h.chunk_bytes = 3 * kPackedBlockBytes; },
      [](PackedHeader& h) { h.chunk_bytes = 2 * kPackedChunkBytesMax; },
      [](PackedHeader& h) { h.weights_bytes += 1; },
      [](PackedHeader& h) { h.sections -= 3; },
  };
  for (std::size_t i = 0; i < std::size(changes); ++i) {
    FileBytes file(whole);
    PackedHeader header = file.header();
    const std::uint64_t head_bytes = header.weights_offset;
    changes[i](header);
    file.Put(header);
    SealPackedHead(file.bytes().first(head_bytes));
    const auto read = ReadPackedHead("m", file.bytes());
    ASSERT_FALSE(read.has_value()) << i;
    EXPECT_EQ(read.error().reason, "damaged") << read.error().message;
  }
}

TEST_F(PackedFileTest, TablesThatContradictThemselvesAreRefused) {
  FileBytes file(Packed(PackedTestModel(3)));
  const auto head = ReadPackedHead("m", file.bytes());
  ASSERT_TRUE(head.has_value());
  struct Case {
    std::function<void(std::vector<PackedTensor>&)> change;
    std::string part;
  };
  const Case cases[] = {
      {[](auto& t) { t[3].name = t[4].name; }, "twice"},
      {[](auto& t) { t[3].offset = t[4].offset; }, "the same bytes"},
      {[](auto& t) { t[3].offset += 1; }, "outside"},
      {[](auto& t) { t[3].offset = std::uint64_t{1} << 63; }, "outside"},
      {[](auto& t) { t[3].bytes += 1; }, "it takes"},
      {[](auto& t) { t[3].shape = {}; }, "without weights"},
      {[](auto& t) { t[3].shape[0] = 0; }, "without weights"},
      {[](auto& t) { t[3].shape[0] = ~std::uint64_t{0}; }, "larger than any file"},
      {[](auto& t) { t[3].type = "q3_x"; }, "'q3_x', which this program does not know"},
      {[](auto& t) { t[3].order = "panels99"; }, "'panels99', which this program does not know"},
      {[](auto& t) { t[0].order = "panels16"; }, "lie in panels"},
      {[](auto& t) { t.back().order = "rows"; }, "it takes"},
  };
  ASSERT_EQ(head->tensors[0].shape.size(), 1U);
  ASSERT_EQ(head->tensors.back().type, "q6_k");
  for (const Case& each : cases) {
    PackedHead changed = *head;
    each.change(changed.tensors);
    std::string bytes = WritePackedHead(changed).value();
    bytes.resize(bytes.size() + head->weights_bytes);
    const base::Status status = Examine(FileBytes(bytes).bytes());
    ASSERT_FALSE(status.has_value()) << each.part;
    EXPECT_THAT(status.error().message, HasSubstr(each.part));
  }
}

TEST_F(PackedFileTest, ADamagedChunkIsNamedWhenItIsFirstNeededOrAtOnce) {
  const PackedTestModel model(512);
  std::string bytes = Packed(model, {.chunk_bytes = kPackedBlockBytes});
  const PackedHeader header = FileBytes(bytes).header();
  bytes[header.weights_offset + 2 * kPackedBlockBytes + 100] ^= 4;
  ASSERT_TRUE(base::WriteFileAtomically(Path(), bytes).has_value());
  kernels::ThreadTeam team({.threads = 2});
  const auto lazy = OpenPacked(Path());
  ASSERT_TRUE(lazy.has_value()) << lazy.error().message;
  for (int i = 0; i < 2; ++i) {
    const base::Status status = lazy->weights->Check(team);
    ASSERT_FALSE(status.has_value());
    EXPECT_EQ(status.error().code, base::Code::kDataLoss);
    EXPECT_EQ(status.error().reason, "damaged");
    EXPECT_THAT(status.error().message, HasSubstr("model.packed: chunk 2 of "));
  }
  const auto full = OpenPacked(Path(), {.verify = PackedVerify::kFull});
  ASSERT_FALSE(full.has_value());
  EXPECT_THAT(full.error().message, HasSubstr("chunk 2 of "));
  const auto none = OpenPacked(Path(), {.verify = PackedVerify::kNone});
  ASSERT_TRUE(none.has_value());
  EXPECT_TRUE(none->weights->Check(team).has_value());
}

TEST_F(PackedFileTest, ChecksOfManyThreadsAgree) {
  std::string bytes = Packed(PackedTestModel(512), {.chunk_bytes = kPackedBlockBytes});
  const PackedHeader header = FileBytes(bytes).header();
  for (const bool damaged : {false, true}) {
    if (damaged) bytes[header.weights_offset + 3 * kPackedBlockBytes] ^= 1;
    ASSERT_TRUE(base::WriteFileAtomically(Path(), bytes).has_value());
    const auto opened = OpenPacked(Path());
    ASSERT_TRUE(opened.has_value());
    std::vector<std::string> said(4);
    std::vector<std::thread> threads;
    for (std::string& each : said) {
      threads.emplace_back([&] {
        kernels::ThreadTeam team({.threads = 2});
        const base::Status status = opened->weights->Check(team);
        each = status.has_value() ? "sound" : status.error().message;
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::string& each : said) EXPECT_THAT(each, HasSubstr(damaged ? "chunk 3 of" : "sound"));
  }
}

TEST_F(PackedFileTest, WhatIsTooLargeToBeReadAgainIsNotWritten) {
  const PackedTestModel model;
  PackSource source = model.source();
  source.chat_template.assign(kPackedTextBytesMax, 'x');
  ASSERT_TRUE(WritePacked(Path(), source).has_value());
  EXPECT_TRUE(OpenPacked(Path()).has_value());
  source.chat_template += 'x';
  const auto refused = WritePacked(Path(), source, {.existing = base::AtomicFile::Existing::kReplace});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, base::Code::kInvalidArgument);
  EXPECT_THAT(refused.error().message, HasSubstr("at most 1048576"));
  EXPECT_TRUE(OpenPacked(Path()).has_value()) << "what was there stays";
}

TEST_F(PackedFileTest, IsUnmappedWhenTheLastHolderLeaves) {
  (void)Packed(PackedTestModel());
  auto opened = OpenPacked(Path());
  ASSERT_TRUE(opened.has_value());
  EXPECT_TRUE(IsMapped());
  std::shared_ptr<const Weights> first = std::move(opened->weights);
  std::shared_ptr<const base::MappedFile> tokenizer = std::move(opened->file);
  std::shared_ptr<const Weights> second = first;
  first.reset();
  EXPECT_TRUE(IsMapped());
  second.reset();
  EXPECT_TRUE(IsMapped()) << "the tokenizer's tables lie in it";
  tokenizer.reset();
  EXPECT_FALSE(IsMapped());
}

TEST_F(PackedFileTest, MayBeReadAheadAndLocked) {
  const PackedTestModel model;
  (void)Packed(model);
  const PackedOptions all[] = {
      {.populate = true}, {.lock = true}, {.populate = true, .lock = true, .huge_pages = true}};
  for (const PackedOptions& options : all) {
    const auto packed = OpenPacked(Path(), options);
    if (!packed.has_value()) {  // What a process may lock is its machine's to say.
      EXPECT_TRUE(options.lock);
      EXPECT_EQ(packed.error().reason, "memlock") << packed.error().message;
      EXPECT_THAT(packed.error().message, HasSubstr(Path()));
      continue;
    }
    const Tensor* tensor = packed->weights->Find("table");
    EXPECT_EQ(std::memcmp(tensor->bytes.data(), model.matrices[0].bytes.data(), tensor->bytes.size()), 0);
  }
}

TEST_F(PackedFileTest, AnExistingFileStaysUnlessItIsToBeReplaced) {
  ASSERT_TRUE(base::WriteFileAtomically(Path(), "precious").has_value());
  const PackedTestModel model;
  const auto refused = WritePacked(Path(), model.source());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, base::Code::kAlreadyExists);
  EXPECT_EQ(base::ReadFile(Path()).value(), "precious");
  EXPECT_TRUE(WritePacked(Path(), model.source(), {.existing = base::AtomicFile::Existing::kReplace}).has_value());
  EXPECT_TRUE(IsPackedFile(Path()));
  EXPECT_EQ(Files(), 1);
}

TEST_F(PackedFileTest, ADiskThatIsFullLeavesNothingBehind) {
  const PackedTestModel model;
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 8192, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto report = WritePacked(Path(), model.source());
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().reason, "disk_full");
  EXPECT_THAT(report.error().message, HasSubstr(Path()));
  EXPECT_EQ(Files(), 0);
}

TEST_F(PackedFileTest, ShowsItsProgress) {
  const PackedTestModel model;
  std::vector<std::uint64_t> done;
  std::uint64_t all = 0;
  ASSERT_TRUE(WritePacked(Path(), model.source(), {}, [&](std::uint64_t at, std::uint64_t total) {
                done.push_back(at);
                all = total;
              }).has_value());
  EXPECT_EQ(done.size(), model.weights->tensors().size());
  EXPECT_TRUE(std::ranges::is_sorted(done));
  EXPECT_EQ(done.back(), all);
}

TEST_F(PackedFileTest, OtherFilesAreNotPacked) {
  EXPECT_FALSE(IsPackedFile(Path()));
  ASSERT_TRUE(base::WriteFileAtomically(Path(), "\x8ALoquat").has_value());
  EXPECT_FALSE(IsPackedFile(Path()));
  const auto opened = OpenPacked(Path());
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, base::Code::kInvalidArgument);
}

}  // namespace
}  // namespace loquat::model
