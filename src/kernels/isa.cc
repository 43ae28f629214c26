#include "kernels/isa.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

namespace loquat::kernels {
namespace {

// Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, CPUID, leaf 7.
bool ProcessorHasAmx() {
  constexpr unsigned kBF16 = 1U << 22, kTiles = 1U << 24, kInt8 = 1U << 25;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (edx & kBF16) != 0 && (edx & kTiles) != 0 &&
         (edx & kInt8) != 0;
}

// Linux keeps a thread's tiles for those processes alone that asked: Documentation/arch/x86/xstate.rst.
bool SystemGivesTiles() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

}  // namespace

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
    case Isa::kAmx:
      return Supports(Isa::kAvx512Vnni) && ProcessorHasAmx() && SystemGivesTiles();
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
    case Isa::kAmx:
      return "amx";
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
                               "': use scalar, avx2, avx_vnni, avx512, avx512_vnni or amx");
}

}  // namespace loquat::kernels
