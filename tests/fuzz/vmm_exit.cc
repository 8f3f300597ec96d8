// SPDX-License-Identifier: Apache-2.0
//
// The VMM against a guest that does anything: the input is a list of exits, each with the
// registers, the memory and the grant entries that the guest prepared for it. What TestGuest
// expects is checked, too.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>

#include "tests/unit/vmm_test_guest.h"

namespace pyrene::vmm {
namespace {

class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), left_(size) {}
  bool empty() const { return left_ == 0; }
  uint8_t Byte() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }
  uint32_t Word() { return Byte() | Byte() << 8 | Byte() << 16 | uint32_t{Byte()} << 24; }
  // Small numbers, guest addresses, frames and domids in few bytes; anything at all in nine.
  uint64_t Value() {
    const uint8_t kind = Byte();
    switch (kind % 8) {
      case 0:
        return kind / 8;
      case 1:
        return TestGuest::Va(Byte() * 8);
      case 2:
        return TestGuest::Va((uint64_t{Byte()} << 12) - kind / 8);
      case 3:
        return (xen::kRam0Base >> 12) + (Byte() | (kind / 8) << 8);
      case 4:
        return (xen::kGrantWindowBase >> 12) + kind / 8;
      case 5:
        return kind / 8 == 0   ? kTestDomid
               : kind / 8 == 1 ? kBackendDomid
                               : uint64_t{xen::kDomidSelf};
      case 6:
        return ~uint64_t{0} - kind / 8;
      default:
        return uint64_t{Word()} << 32 | Word();
    }
  }

 private:
  const uint8_t* data_;
  size_t left_;
};

// PSCI's functions of either width, Xen's, SMCCC's.
uint64_t FirmwareFunction(Input& in) {
  const uint32_t number = in.Byte() & 0x1f;
  const uint32_t kind = in.Byte();
  if ((kind & 1) != 0) return 0x8500ff00 | number;
  if ((kind & 2) != 0) return 0x80000000 | number;
  return 0x84000000 | number | (kind & 0x40) << 24;
}

void Restart(TestGuest& guest) {
  guest.domain->Reset();
  guest.domain->Boot(xen::kRam0Base, 0, 0);
}

void Step(TestGuest& guest, Input& in) {
  const uint8_t kind = in.Byte();
  const uint32_t cpu = kind >> 7;
  Vcpu& vcpu = guest.vcpu(cpu);
  if (vcpu.power == Power::kOff) vcpu.power = Power::kStarting;
  if (vcpu.power == Power::kStarting && guest.domain->Resume(vcpu) != Action::kRun) return;
  VcpuState& s = guest.state(cpu);
  s.pc = TestGuest::kAfterHvc;
  Action action = Action::kRun;
  switch (kind & 0x0f) {
    // The place first, then what is written there: an assignment itself would read them the other
    // way round.
    case 0: {
      auto& word = guest.Ram<uint64_t>(in.Byte() * 8);
      word = in.Value();
      break;
    }
    case 1: {
      auto& entry = guest.grant_entries()[in.Byte()];
      entry = {in.Byte(), static_cast<uint16_t>(in.Value()), static_cast<uint32_t>(in.Value())};
      break;
    }
    case 2: {
      uint64_t& mask = guest.shared().evtchn_mask[in.Byte() % 64];
      mask = in.Value();
      break;
    }
    case 3:
      action = guest.Trap(in.Word(), cpu, xen::kGicdBase + in.Byte() * 4);
      break;
    case 4: {
      uint64_t& x = s.x[in.Byte() % 31];
      x = in.Value();
      action = guest.Trap(syndrome::kDataAbort << 26 | syndrome::kLength32 | syndrome::kValid | 7 |
                              (in.Word() & 0x00ff8040),
                          cpu, xen::kGicdBase + (in.Word() & 0xfff));
      break;
    }
    case 5:
      for (int i = 0; i < 4; ++i) s.x[i] = in.Value();
      s.x[0] = FirmwareFunction(in);
      action = guest.Trap(syndrome::kHvc64 << 26 | syndrome::kLength32, cpu);
      break;
    case 6: {
      EventChannels& events = guest.domain->events();
      const uint32_t port = in.Byte();
      events.BindService(port, kBackendDomid, {1, 2});
      events.RaiseFromService(port, kBackendDomid);
      if (in.Byte() % 4 == 0) events.UnbindService(port, kBackendDomid);
      break;
    }
    case 7: {
      uint32_t gfn = 0;
      const uint32_t ref = in.Byte() * 9;
      const bool write = in.Byte() % 2 == 0;
      if (guest.domain->grants().Pin(kBackendDomid, ref, write, &gfn) == xen::kGrantOk) {
        if (guest.memory.GrantablePage(gfn) == nullptr) std::abort();
        if (in.Byte() % 2 == 0) guest.domain->grants().Unpin(kBackendDomid, ref, write);
      }
      break;
    }
    case 8:
      guest.host.now += in.Word();
      guest.domain->RunTimers();
      action = HandleExit(vcpu, static_cast<ExitReason>(2 + in.Byte() % 4));
      break;
    default:
      for (int i = 0; i < 5; ++i) s.x[i] = in.Value();
      s.x[16] = in.Byte() % 48;
      action =
          guest.Trap(syndrome::kHvc64 << 26 | syndrome::kLength32 | xen::kHypercallImmediate, cpu);
      break;
  }
  guest.host.Forget();
  guest.host.log.clear();
  if (action == Action::kEnd || guest.domain->shut_down()) Restart(guest);
}

}  // namespace
}  // namespace pyrene::vmm

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto* guest = new pyrene::vmm::TestGuest(2);
  pyrene::vmm::Restart(*guest);
  pyrene::vmm::Input in(data, size);
  while (!in.empty()) pyrene::vmm::Step(*guest, in);
  guest->domain->grants().DropEpoch(pyrene::vmm::kBackendDomid);
  guest->domain->Reset();
  if (guest->domain->grants().pins() != 0 || !guest->host.stage2.empty() ||
      !guest->host.removed.empty()) {
    std::abort();
  }
  return 0;
}
