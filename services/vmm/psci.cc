// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/psci.h"

#include "services/vmm/domain.h"
#include "services/vmm/runstate.h"

namespace pyrene::vmm {
namespace {

enum Function : uint32_t {
  kCpuOff01 = 1,  // PSCI 0.1, numbers as in the device tree
  kCpuOn01 = 2,
  kSmcccVersion = 0x80000000,
  kSmcccFeatures = 0x80000001,
  kPsciVersion = 0x84000000,
  kCpuSuspend32 = 0x84000001,
  kCpuOff = 0x84000002,
  kCpuOn32 = 0x84000003,
  kAffinityInfo32 = 0x84000004,
  kMigrateInfoType = 0x84000006,
  kSystemOff = 0x84000008,
  kSystemReset = 0x84000009,
  kPsciFeatures = 0x8400000a,
  kCpuSuspend64 = 0xc4000001,
  kCpuOn64 = 0xc4000003,
  kAffinityInfo64 = 0xc4000004,
  kXenCallCount = 0x8500ff00,
  kXenUid = 0x8500ff01,
  kXenRevision = 0x8500ff03,
};

constexpr int64_t kSuccess = 0;
constexpr int64_t kNotSupported = -1;
constexpr int64_t kInvalidParameters = -2;
constexpr int64_t kAlreadyOn = -4;
constexpr int64_t kOnPending = -5;
constexpr int64_t kInvalidAddress = -9;

constexpr int64_t kPsci11 = 0x00010001;
constexpr int64_t kSmccc11 = 0x00010001;
constexpr int64_t kNoTrustedOs = 2;
constexpr int64_t kAffinityOn = 0;
constexpr int64_t kAffinityOff = 1;
constexpr int64_t kAffinityPending = 2;

constexpr uint64_t kFastCall64 = uint64_t{1} << 30;
// MPIDR without Aff0; Aff1..Aff3 of all vCPUs are zero.
constexpr uint64_t kHigherAffinity = 0xff'00ff'ff00;

Vcpu* Target(Vcpu& vcpu, uint64_t mpidr) {
  if ((mpidr & kHigherAffinity) != 0) return nullptr;
  return vcpu.domain->FindVcpu(mpidr & 0xff);
}

int64_t CpuOn(Vcpu& vcpu, uint64_t mpidr, uint64_t entry, uint64_t context) {
  Vcpu* target = Target(vcpu, mpidr);
  if (target == nullptr) return kInvalidParameters;
  if ((entry & 3) != 0 || vcpu.domain->memory().At(entry, 4) == nullptr) return kInvalidAddress;
  Power expected = Power::kOff;
  if (!target->power.compare_exchange_strong(expected, Power::kClaimed)) {
    return expected == Power::kOn ? kAlreadyOn : kOnPending;
  }
  target->start_entry = entry;
  target->start_context = context;
  target->power.store(Power::kStarting, std::memory_order_release);
  vcpu.domain->host().WakeThread(target->index);
  return kSuccess;
}

int64_t AffinityInfo(Vcpu& vcpu, uint64_t mpidr, uint64_t level) {
  Vcpu* target = Target(vcpu, mpidr);
  if (target == nullptr || level != 0) return kInvalidParameters;
  switch (target->power.load(std::memory_order_acquire)) {
    case Power::kOn:
      return kAffinityOn;
    case Power::kOff:
      return kAffinityOff;
    default:
      return kAffinityPending;
  }
}

int64_t Features(uint32_t function) {
  switch (function) {
    case kSmcccVersion:
    case kPsciVersion:
    case kCpuSuspend32:
    case kCpuSuspend64:
    case kCpuOff:
    case kCpuOn32:
    case kCpuOn64:
    case kAffinityInfo32:
    case kAffinityInfo64:
    case kMigrateInfoType:
    case kSystemOff:
    case kSystemReset:
    case kPsciFeatures:
      return kSuccess;
    default:
      return kNotSupported;
  }
}

int64_t SmcccFeatures(uint32_t function) {
  return function == kSmcccVersion || function == kSmcccFeatures ? kSuccess : kNotSupported;
}

// Xen's identification as a service call: {a71812dc-c698-4369-9acf-79d18ddee667} in w0..w3, each
// word little-endian.
Action XenUid(Vcpu& vcpu) {
  uint64_t* x = vcpu.state->x;
  x[0] = 0xdc1218a7;
  x[1] = 0x694398c6;
  x[2] = 0xd179cf9a;
  x[3] = 0x67e6de8d;
  return Prepare(vcpu, Action::kRun);
}

Action Shut(Vcpu& vcpu, ShutdownReason reason) {
  vcpu.domain->RequestShutdown(reason);
  return Action::kEnd;
}

[[gnu::noinline]] Action Rarely(Vcpu& vcpu) {
  uint64_t* x = vcpu.state->x;
  const auto function = static_cast<uint32_t>(x[0]);
  const bool wide = (function & kFastCall64) != 0;
  const auto argument = [x, wide](int i) {
    return wide ? x[i] : uint64_t{static_cast<uint32_t>(x[i])};
  };
  int64_t answer = kNotSupported;
  switch (function) {
    case kSmcccVersion:
      answer = kSmccc11;
      break;
    case kPsciFeatures:
      answer = Features(static_cast<uint32_t>(x[1]));
      break;
    case kSmcccFeatures:
      answer = SmcccFeatures(static_cast<uint32_t>(x[1]));
      break;
    case kMigrateInfoType:
      answer = kNoTrustedOs;
      break;
    case kCpuOn01:
    case kCpuOn32:
    case kCpuOn64:
      answer = CpuOn(vcpu, argument(1), argument(2), argument(3));
      break;
    case kAffinityInfo32:
    case kAffinityInfo64:
      answer = AffinityInfo(vcpu, argument(1), argument(2));
      break;
    case kCpuSuspend32:
    case kCpuSuspend64:
      x[0] = kSuccess;
      BeginBlock(vcpu);
      return Prepare(vcpu, Action::kBlock);
    case kCpuOff01:
    case kCpuOff:
      vcpu.power.store(Power::kOff, std::memory_order_release);
      return Prepare(vcpu, Action::kWait);
    case kSystemOff:
      return Shut(vcpu, ShutdownReason::kPoweroff);
    case kSystemReset:
      return Shut(vcpu, ShutdownReason::kReboot);
    case kXenCallCount:
      answer = 3;  // count, UID, revision
      break;
    case kXenUid:
      return XenUid(vcpu);
    case kXenRevision:
      x[0] = 0;
      x[1] = 1;
      return Prepare(vcpu, Action::kRun);
    default:
      break;
  }
  // Answers of 32-bit calls are in w0.
  x[0] = wide ? static_cast<uint64_t>(answer) : static_cast<uint32_t>(answer);
  return Prepare(vcpu, Action::kRun);
}

}  // namespace

Action FirmwareCall(Vcpu& vcpu) {
  uint64_t* x = vcpu.state->x;
  if (static_cast<uint32_t>(x[0]) != kPsciVersion) return Rarely(vcpu);
  x[0] = kPsci11;
  return Prepare(vcpu, Action::kRun);
}

}  // namespace pyrene::vmm
