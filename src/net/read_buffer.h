// The bytes a connection has read and not used: a small buffer inside the object for the common request, a larger one
// on the heap only while a larger request is there. Single-threaded.

#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>

namespace loquat::net {

inline constexpr std::size_t kInlineReadBytes = 2048;

class ReadBuffer {
 public:
  ReadBuffer() = default;
  ReadBuffer(const ReadBuffer&) = delete;
  ReadBuffer& operator=(const ReadBuffer&) = delete;

  std::span<char> data() { return {base() + begin_, end_ - begin_}; }
  std::span<char> free() { return {base() + end_, capacity() - end_}; }
  std::size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  std::size_t heap_bytes() const { return heap_size_; }

  void Commit(std::size_t bytes) { end_ += bytes; }
  // Drops bytes from the end: decoding in place makes data shorter.
  void Truncate(std::size_t bytes) { end_ -= bytes; }

  // Drops bytes from the front. Views into the rest stay valid until the next Reserve, Consume or Tidy.
  void Consume(std::size_t bytes) { begin_ += bytes; }

  // Makes room for at least one more byte, and for up to `wanted` bytes of data in total without trusting the number:
  // it at most doubles what is there. May move the data.
  void Reserve(std::size_t wanted) {
    if (end_ < capacity() && begin_ == 0 && capacity() >= wanted) return;
    if (begin_ != 0) {
      std::memmove(base(), base() + begin_, size());
      end_ -= begin_;
      begin_ = 0;
    }
    const std::size_t target = std::min(std::max(wanted, end_ + 1), std::max(capacity() * 2, kFirstHeapBytes));
    if (end_ < capacity() && capacity() >= std::min(wanted, target)) return;
    auto larger = std::make_unique_for_overwrite<char[]>(target);
    std::memcpy(larger.get(), base(), end_);
    heap_ = std::move(larger);
    heap_size_ = target;
  }

  // Between requests: gives the heap buffer back as soon as the rest fits inside.
  void Tidy() {
    if (begin_ == 0 && heap_ == nullptr) return;
    if (heap_ != nullptr && size() <= kInlineReadBytes) {
      std::memcpy(inline_.data(), base() + begin_, size());
      heap_.reset();
      heap_size_ = 0;
    } else {
      std::memmove(base(), base() + begin_, size());
    }
    end_ = size();
    begin_ = 0;
  }

 private:
  static constexpr std::size_t kFirstHeapBytes = 8 * 1024;

  char* base() { return heap_ ? heap_.get() : inline_.data(); }
  std::size_t capacity() const { return heap_ ? heap_size_ : kInlineReadBytes; }

  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t heap_size_ = 0;
  std::unique_ptr<char[]> heap_;
  std::array<char, kInlineReadBytes> inline_;
};

}  // namespace loquat::net
