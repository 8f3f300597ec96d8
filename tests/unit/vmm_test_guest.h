// SPDX-License-Identifier: Apache-2.0
//
// A guest for the VMM's tests: memory, vCPU state pages and a Host that records what it is asked.
// No kernel, no vCPU: tests write the state page as an exit would leave it, and call HandleExit.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "services/vmm/domain.h"
#include "services/vmm/exit.h"
#include "services/vmm/syndrome.h"
#include "services/vmm/translator.h"

namespace pyrene::vmm {

inline constexpr uint64_t kTestRamBytes = 4 << 20;
inline constexpr uint64_t kTestBank1Bytes = 1 << 20;
inline constexpr uint64_t kVaOffset =
    0xffff'0000'0000'0000;  // guest's kernel addresses are GPA + this
inline constexpr uint64_t kFrequency = 62'500'000;
inline constexpr uint16_t kTestDomid = 3;
inline constexpr uint16_t kConsoleDomid = 0x7fee;
inline constexpr uint16_t kXenstoreDomid = 0x7fed;
inline constexpr uint16_t kBackendDomid = 0x7fec;

class TestHost : public Host {
 public:
  void Kick(unsigned vcpu) override {
    ++kicks[vcpu];
    kicks[vcpu].notify_all();
    if (on_kick) on_kick(vcpu);
  }
  void WakeThread(unsigned vcpu) override { ++wakes[vcpu]; }
  void Sync(unsigned) override { ++syncs; }
  // Addresses kVaOffset + gpa are mapped; pages in `unmapped` and, for writing, in `readonly` are
  // not.
  bool Translate(unsigned vcpu, uint64_t va, TranslateAccess access, unsigned pages) override {
    EXPECT_LE(pages, VcpuState::kMaxTranslations);
    ++translations;
    for (unsigned i = 0; i < pages; ++i) {
      states[vcpu]->translation[i] = Par((va & ~uint64_t{4095}) + i * 4096, access);
    }
    return true;
  }
  uint64_t Par(uint64_t va, TranslateAccess access) const {
    const uint64_t page = va & ~uint64_t{4095};
    const uint64_t gpa = page - kVaOffset;
    if (page < kVaOffset || gpa >= uint64_t{1} << 48 || unmapped.count(page) != 0) return 1;
    if (access == TranslateAccess::kWrite && readonly.count(page) != 0) return 1;
    const auto moved = mapped_to.find(page);
    return moved != mapped_to.end() ? moved->second : gpa;
  }

  bool MapFrame(uint64_t gfn, FrameKind kind, unsigned index) override {
    return Put(gfn,
               "frame " + std::to_string(static_cast<int>(kind)) + ":" + std::to_string(index));
  }
  bool MapRam(uint64_t gfn) override {
    std::lock_guard lock(mutex);
    return stage2.count(gfn) == 0 && removed.erase(gfn) != 0;
  }
  bool MapAlias(uint64_t gfn, uint64_t source, bool readonly_alias) override {
    return Put(gfn, (readonly_alias ? "ro " : "rw ") + std::to_string(source));
  }
  bool Unmap(uint64_t gfn) override {
    std::lock_guard lock(mutex);
    if (stage2.erase(gfn) == 0) removed.insert(gfn);
    return true;
  }

  void NotifyService(ServiceEnd end) override {
    std::lock_guard lock(mutex);
    notified.push_back(end);
  }
  Served ServeHere(ServiceEnd end, Vcpu& vcpu) override {
    return serve_here ? serve_here(end, vcpu) : Served::kNo;
  }
  void ServePutOff(Vcpu& vcpu) override {
    if (serve_put_off) serve_put_off(vcpu);
  }
  void ServicePortClosed(uint32_t port, ServiceEnd) override {
    std::lock_guard lock(mutex);
    closed.push_back(port);
  }
  void Forget() {
    std::lock_guard lock(mutex);
    notified.clear();
    closed.clear();
  }
  void WakeEventThread() override { ++event_wakes; }
  void GuestText(const char* text, size_t length) override {
    EXPECT_LE(length, 256u);
    log.append(text, length);
  }
  uint64_t Now() override { return now; }
  uint64_t CpuTicks(unsigned) override { return cpu_ticks; }

  std::function<void(unsigned)> on_kick;  // what the kicked vCPU does at once
  std::function<Served(ServiceEnd, Vcpu&)> serve_here;
  std::function<void(Vcpu&)> serve_put_off;
  std::array<VcpuState*, xen::kMaxVcpus> states = {};
  std::array<std::atomic<int>, xen::kMaxVcpus> kicks = {};
  std::array<std::atomic<int>, xen::kMaxVcpus> wakes = {};
  std::atomic<int> event_wakes{0};
  int syncs = 0;
  int translations = 0;
  std::set<uint64_t> unmapped, readonly;
  std::map<uint64_t, uint64_t> mapped_to;
  std::mutex mutex;
  std::map<uint64_t, std::string> stage2;  // what is not RAM
  std::set<uint64_t> removed;              // RAM pages taken out
  std::vector<ServiceEnd> notified;
  std::vector<uint32_t> closed;
  std::string log;
  std::atomic<uint64_t> now{1'000'000};
  uint64_t cpu_ticks = 0;

 private:
  bool Put(uint64_t gfn, std::string what) {
    std::lock_guard lock(mutex);
    const bool ram = gfn - (xen::kRam0Base >> 12) < kTestRamBytes >> 12 ||
                     gfn - (xen::kRam1Base >> 12) < kTestBank1Bytes >> 12;
    if (ram && removed.count(gfn) == 0) return false;
    return stage2.emplace(gfn, std::move(what)).second;
  }
};

class TestGuest {
 public:
  explicit TestGuest(uint32_t vcpus = 1, uint32_t list_registers = 4)
      : ram0_(Pages(kTestRamBytes)),
        ram1_(Pages(kTestBank1Bytes)),
        magic_(Pages(4 * 4096)),
        shared_(Pages(4096)),
        grants_(Pages(8 * 4096)),
        memory({xen::kRam0Base, kTestRamBytes, ram0_.get()},
               {xen::kRam1Base, kTestBank1Bytes, ram1_.get()},
               {xen::kMagicBase, 4 * 4096, magic_.get()}, {shared_.get(), grants_.get(), 8}) {
    for (uint32_t i = 0; i < vcpus; ++i) {
      states_[i] = std::make_unique<VcpuState>();
      states_[i]->gic.count = list_registers;
      states_[i]->el1.vpidr = 0x410fd083;
      host.states[i] = states_[i].get();
    }
    DomainConfig config;
    config.domid = kTestDomid;
    config.vcpus = vcpus;
    for (int i = 0; i < 16; ++i) config.uuid[i] = static_cast<uint8_t>(i + 1);
    config.console_domid = kConsoleDomid;
    config.console = {7, 1};
    config.xenstore_domid = kXenstoreDomid;
    config.xenstore = {8, 2};
    config.max_grant_frames = 8;
    config.max_grant_maps = 16;
    config.counter_frequency = kFrequency;
    config.ids = GuestIdRegisters(HostIdRegisters(0x410fd083));
    EXPECT_EQ(ConfigError(config), nullptr);
    domain = std::make_unique<Domain>(config, memory, host.states.data(), host);
    domain->Boot(xen::kRam0Base, xen::kRam0Base + 0x1000, 1'700'000'000'123'456'789);
    EXPECT_EQ(domain->Resume(vcpu(0)), Action::kRun);
  }

  Vcpu& vcpu(uint32_t i = 0) { return domain->vcpu(i); }
  VcpuState& state(uint32_t i = 0) { return *states_[i]; }
  xen::SharedInfo& shared() { return *reinterpret_cast<xen::SharedInfo*>(shared_.get()); }
  xen::GrantEntry* grant_entries() { return reinterpret_cast<xen::GrantEntry*>(grants_.get()); }

  // A guest virtual address in RAM, and what is there.
  static uint64_t Va(uint64_t offset) { return kVaOffset + xen::kRam0Base + offset; }
  template <typename T>
  T& Ram(uint64_t offset) {
    return *reinterpret_cast<T*>(ram0_.get() + offset);
  }

  // Starts vCPU `i` as CPU_ON would.
  void Start(uint32_t i) {
    vcpu(i).start_entry = xen::kRam0Base;
    vcpu(i).power = Power::kStarting;
    EXPECT_EQ(domain->Resume(vcpu(i)), Action::kRun);
  }

  // A hypercall with up to five arguments, done when the VMM asks for no repetition; x0.
  int64_t Call(uint64_t number, std::array<uint64_t, 5> arguments, uint32_t cpu = 0) {
    for (int repetitions = 0; repetitions < 100000; ++repetitions) {
      action = Exit(number, arguments, cpu);
      if (state(cpu).pc != kAfterHvc - 4) return static_cast<int64_t>(state(cpu).x[0]);
      for (int i = 0; i < 5; ++i) arguments[i] = state(cpu).x[i];
    }
    ADD_FAILURE() << "hypercall never ends";
    return 0;
  }
  // One HVC exit.
  Action Exit(uint64_t number, std::array<uint64_t, 5> arguments, uint32_t cpu = 0) {
    VcpuState& s = state(cpu);
    for (int i = 0; i < 5; ++i) s.x[i] = arguments[i];
    s.x[16] = number;
    s.pc = kAfterHvc;
    return Trap(syndrome::kHvc64 << 26 | syndrome::kLength32 | xen::kHypercallImmediate, cpu);
  }
  // Structure at RAM offset 0x1000 as argument x1 (or x2 for vcpu_op); copied back.
  template <typename T>
  int64_t CallWith(uint64_t number, uint64_t operation, T* argument, uint64_t count = 1,
                   uint32_t cpu = 0) {
    Ram<T>(kArgument) = *argument;
    const int64_t result = Call(number, {operation, Va(kArgument), count, 0, 0}, cpu);
    *argument = Ram<T>(kArgument);
    return result;
  }
  // An exception exit with this syndrome.
  Action Trap(uint64_t esr, uint32_t cpu = 0, uint64_t ipa = 0) {
    VcpuState& s = state(cpu);
    s.exit.esr = esr;
    s.exit.hpfar = (ipa >> 12) << 4;
    s.exit.far = kVaOffset + ipa;
    for (int i = 0; i < 5; ++i) {
      s.exit.par[i] =
          (s.hvc_translate >> i & 1) != 0 ? host.Par(s.x[i], TranslateAccess::kRead) : 1;
    }
    return HandleExit(vcpu(cpu), ExitReason::kException);
  }
  // Firmware call by HVC #0.
  Action Firmware(std::array<uint64_t, 4> arguments, uint32_t cpu = 0) {
    for (int i = 0; i < 4; ++i) state(cpu).x[i] = arguments[i];
    state(cpu).pc = kAfterHvc;
    return Trap(syndrome::kHvc64 << 26 | syndrome::kLength32, cpu);
  }

  // The distributor through data aborts.
  uint32_t ReadGicd(uint32_t offset, uint32_t cpu = 0, uint32_t log2_bytes = 2) {
    state(cpu).pc = 0x1000;
    state(cpu).x[5] = ~uint64_t{0};
    Trap(syndrome::kDataAbort << 26 | syndrome::kLength32 | syndrome::kValid | log2_bytes << 22 |
             5 << 16 | 0x7,
         cpu, xen::kGicdBase + offset);
    return static_cast<uint32_t>(state(cpu).x[5]);
  }
  void WriteGicd(uint32_t offset, uint32_t value, uint32_t cpu = 0, uint32_t log2_bytes = 2) {
    state(cpu).pc = 0x1000;
    state(cpu).x[6] = value;
    Trap(syndrome::kDataAbort << 26 | syndrome::kLength32 | syndrome::kValid | log2_bytes << 22 |
             6 << 16 | syndrome::kWrite | 0x7,
         cpu, xen::kGicdBase + offset);
  }

  // Pending interrupts in list registers of the vCPU.
  std::multiset<uint32_t> InListRegisters(uint32_t cpu = 0,
                                          uint32_t state_bits = list_register::kPending) {
    std::multiset<uint32_t> result;
    const VcpuState::Gic& gic = state(cpu).gic;
    for (uint32_t i = 0; i < gic.count; ++i) {
      if ((gic.used >> i & 1) != 0 && (gic.lr[i] & state_bits) != 0)
        result.insert(gic.lr[i] & 0x3ff);
    }
    return result;
  }

  static constexpr uint64_t kAfterHvc = 0x8004;
  static constexpr uint64_t kArgument = 0x1000;

 private:
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  using Block = std::unique_ptr<std::byte[], Free>;
  static Block Pages(uint64_t bytes) {
    auto* p = static_cast<std::byte*>(std::aligned_alloc(4096, bytes));
    std::memset(p, 0, bytes);
    return Block(p);
  }
  Block ram0_, ram1_, magic_, shared_, grants_;
  std::array<std::unique_ptr<VcpuState>, xen::kMaxVcpus> states_;

 public:
  TestHost host;
  GuestMemory memory;
  std::unique_ptr<Domain> domain;
  Action action = Action::kRun;
};

}  // namespace pyrene::vmm
