// SPDX-License-Identifier: Apache-2.0
//
// __HYPERVISOR_xen_version (ABI 2.3, 10.4): x0 = sub-operation, x1 = where the answer goes.
#include "services/vmm/hypercall.h"
#include "services/vmm/translator.h"

namespace pyrene::vmm {
namespace {

enum SubOperation : uint64_t {
  kVersion = 0,
  kExtraVersion = 1,
  kCompileInfo = 2,
  kCapabilities = 3,
  kChangeset = 4,
  kPlatformParameters = 5,
  kGetFeatures = 6,
  kPageSizeOperation = 7,
  kGuestHandle = 8,
  kCommandLine = 9,
  kBuildId = 10,
};

// Submap 0: writable page tables, auto-translated physmap (without which Linux takes the PV path),
// vnode memory operations, SMCCC, not direct-mapped. Not: initial domain (11).
constexpr uint32_t kFeatures = 1u << 0 | 1u << 2 | 1u << 13 | 1u << 14 | 1u << 16;

struct FeatureInfo {
  uint32_t index;
  uint32_t submap;
};

struct ExtraVersion {
  char text[16] = "-pyrene";
};
struct CompileInfo {
  char compiler[64] = "g++ " __VERSION__;
  char by[16] = "pyrene";
  char domain[32] = "";
  char date[32] = "";  // builds are reproducible
};
static_assert(sizeof(CompileInfo) == 144);
struct Capabilities {
  char text[1024] = "xen-3.0-aarch64 ";
};
struct Changeset {
  char text[64] = "";
};
struct CommandLine {
  char text[1024] = "<denied>";
};

constexpr ExtraVersion kExtra;
constexpr CompileInfo kCompile;
constexpr Capabilities kCaps;
constexpr Changeset kNoChangeset;
constexpr CommandLine kNoCommandLine;

template <typename T>
Outcome Write(Vcpu& vcpu, const T& value) {
  return WriteArgument(vcpu, value) ? 0 : -xen::kEfault;
}

Outcome GetFeatures(Vcpu& vcpu) {
  FeatureInfo info;
  if (!ReadArgument(vcpu, &info)) return -xen::kEfault;
  if (info.index != 0) return -xen::kEinval;
  info.submap = kFeatures;
  return Write(vcpu, info);
}

Outcome Other(Vcpu& vcpu) {
  switch (vcpu.state->x[0]) {
    case kExtraVersion:
      return Write(vcpu, kExtra);
    case kCompileInfo:
      return Write(vcpu, kCompile);
    case kCapabilities:
      return Write(vcpu, kCaps);
    case kChangeset:
      return Write(vcpu, kNoChangeset);
    case kPlatformParameters:
      return Write(vcpu, uint64_t{0});
    case kGetFeatures:
      return GetFeatures(vcpu);
    case kPageSizeOperation:
      return static_cast<int64_t>(xen::kPageSize);
    case kGuestHandle:
      return Write(vcpu, vcpu.domain->config().uuid);
    case kCommandLine:
      return Write(vcpu, kNoCommandLine);
    case kBuildId:
      return -xen::kEperm;
    default:
      return -xen::kEnosys;
  }
}

[[gnu::noinline]] Action Rarely(Vcpu& vcpu) { return Answer(vcpu, Other(vcpu).value); }

}  // namespace

Action XenVersion(Vcpu& vcpu) {
  if (vcpu.state->x[0] != kVersion) return Rarely(vcpu);
  return Answer(vcpu, int64_t{xen::kVersionMajor} << 16 | xen::kVersionMinor);
}

}  // namespace pyrene::vmm
