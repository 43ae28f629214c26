// For tests: how many times this thread has called operator new. The counting operators are in
// allocation_counter_test.cc.

#pragma once

#include <cstdint>

namespace loquat::understanding {

std::uint64_t AllocationsOfThisThread();

}  // namespace loquat::understanding
