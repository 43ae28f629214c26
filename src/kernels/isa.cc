#include "kernels/isa.h"

#include <string>

namespace loquat::kernels {

Isa DetectIsa() {
  // The builtin also asks the operating system (XGETBV) whether it saves the wider registers.
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    const bool rounds = __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bf16");
    return rounds ? Isa::kAvx512Vnni : Isa::kAvx512;
  }
  return avx2 ? Isa::kAvx2 : Isa::kScalar;
}

std::string_view IsaName(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
      return "scalar";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx512Vnni:
      return "avx512_vnni";
  }
  return "unknown";
}

base::Result<Isa> ChooseIsa(std::string_view name) {
  const Isa best = DetectIsa();
  if (name.empty()) return best;
  for (const Isa isa : kIsas) {
    if (IsaName(isa) != name) continue;
    if (isa <= best) return isa;
    return base::FailedPrecondition("instruction set " + std::string(name) + " is not available here: the best is " +
                                    std::string(IsaName(best)));
  }
  return base::InvalidArgument("unknown instruction set '" + std::string(name) +
                               "': use scalar, avx2, avx512 or avx512_vnni");
}

}  // namespace loquat::kernels
