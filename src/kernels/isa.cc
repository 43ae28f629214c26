#include "kernels/isa.h"

#include <string>

namespace loquat::kernels {

bool Supports(Isa isa) {
  // The builtin also asks the operating system (XGETBV) whether it saves the wider registers.
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  switch (isa) {
    case Isa::kScalar:
      return true;
    case Isa::kAvx2:
      return avx2;
    case Isa::kAvxVnni:
      return avx2 && __builtin_cpu_supports("avxvnni");
    case Isa::kAvx512:
      return avx512;
    case Isa::kAvx512Vnni:
      return avx512 && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bf16");
  }
  return false;
}

Isa DetectIsa() {
  Isa best = Isa::kScalar;
  for (const Isa isa : kIsas) {
    if (Supports(isa)) best = isa;
  }
  return best;
}

std::string_view IsaName(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
      return "scalar";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvxVnni:
      return "avx_vnni";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx512Vnni:
      return "avx512_vnni";
  }
  return "unknown";
}

base::Result<Isa> ChooseIsa(std::string_view name) {
  if (name.empty()) return DetectIsa();
  for (const Isa isa : kIsas) {
    if (IsaName(isa) != name) continue;
    if (Supports(isa)) return isa;
    return base::FailedPrecondition("instruction set " + std::string(name) + " is not available here: the best is " +
                                    std::string(IsaName(DetectIsa())));
  }
  return base::InvalidArgument("unknown instruction set '" + std::string(name) +
                               "': use scalar, avx2, avx_vnni, avx512 or avx512_vnni");
}

}  // namespace loquat::kernels
