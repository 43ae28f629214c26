// For tests: how many times this thread has allocated memory. Under a sanitizer, whose runtime owns operator new, every
// malloc counts; otherwise every operator new. Link loquat_allocation_counter (TEST_LIBS) to a program that counts.

#pragma once

#include <cstdint>

namespace loquat::base {

std::uint64_t AllocationsOfThisThread();

}  // namespace loquat::base
