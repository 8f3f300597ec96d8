// SPDX-License-Identifier: Apache-2.0
//
// The guest as this service runs it: its memory mapped here and in the guest's domain, its vCPUs
// with a thread each, boots and stops. The logic is the library's (domain.h, exit.h); this is where
// it meets the kernel.
//
// All functions are called on the event thread.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "runtime/notification.h"
#include "services/vmm/domain.h"
#include "services/vmm/kernel_host.h"
#include "services/vmm/shutdown.h"

namespace pyrene::vmm {

struct GuestFile {
  uint64_t offset = 0;
  uint64_t bytes = 0;
  bool in_files = false;  // the Memory `files`, else `bundle`
};

struct GuestSetup {
  uint16_t domid = 0;
  uint32_t vcpus = 1;
  uint8_t uuid[16] = {};
  std::vector<CapIndex> ram;       // in guest-physical order
  std::vector<uint8_t> placement;  // CPU of each vCPU
  GuestFile kernel, ramdisk;
  std::string command_line;
  std::vector<uint8_t> seed;
  // Of a time slice; and of one CPU in percent, for all vCPUs together, 0: no limit.
  uint16_t weight = 256;
  uint32_t cap_percent = 0;
  uint32_t online = 1;  // vCPUs that share the cap evenly
};

class Guest {
 public:
  struct Bits {
    unsigned timers =
        0;  // of the service's `events`: signalled when timers, or text, want attention
    unsigned ended = 0;  // a vCPU's thread has ended
    unsigned rings = 0;  // the guest has sent an event to a ring that this service serves
  };

  // ServiceEnd::service of the rings that this service serves itself.
  static constexpr uint16_t kOwnRings = 2;

  // What serves those rings on the spot, as Host::ServeHere and Host::ServePutOff.
  using ServeRings = std::function<Host::Served(Vcpu&, bool may_put_off)>;

  Guest(const runtime::Notification& events, Bits bits, KernelHost::TextSink text, ServeRings serve)
      : events_(events), bits_(bits), text_(text), serve_rings_(std::move(serve)) {}

  // Maps everything and makes the vCPUs. Once.
  absl::Status SetUp(GuestSetup setup);
  // Loads the kernel and starts vCPU 0. After SetUp or Reset.
  absl::Status Boot();
  // All vCPU threads have ended (the guest has shut down): the start state again.
  bool AllEnded() const { return ended_.load() == setup_.vcpus; }
  void Reset();

  Domain* domain() { return domain_.get(); }
  const GuestSetup& setup() const { return setup_; }
  uint64_t memory_bytes() const { return memory_bytes_; }
  uint64_t CpuTicks(uint32_t vcpu) const;
  uint8_t CpuOf(uint32_t vcpu) const { return placement_[vcpu]; }
  absl::Status Move(uint32_t vcpu, uint8_t cpu);
  // As GuestSetup has them.
  absl::Status SetSchedule(uint16_t weight, uint32_t cap_percent, uint32_t online);

 private:
  struct Runner {
    Guest* guest;
    uint32_t index;
  };

  absl::Status MapMemory();
  absl::Status MakeVcpus();
  absl::Status StartThread(uint32_t index);
  static void* RunnerEntry(void* runner);
  Action RunOnce(Vcpu& vcpu, CapIndex cap, uint64_t flags);
  void Run(uint32_t index);

  const runtime::Notification& events_;
  Bits bits_;
  KernelHost::TextSink text_;
  const ServeRings serve_rings_;
  GuestSetup setup_;
  KernelCaps caps_;
  uint64_t memory_bytes_ = 0;
  uint8_t placement_[xen::kMaxVcpus] = {};
  VcpuState* states_[xen::kMaxVcpus] = {};
  std::unique_ptr<GuestMemory> memory_;
  std::unique_ptr<KernelHost> host_;
  std::unique_ptr<Domain> domain_;
  Runner runners_[xen::kMaxVcpus] = {};
  std::atomic<CapIndex> threads_[xen::kMaxVcpus] = {};
  std::atomic<uint32_t> boots_{0};
  std::atomic<uint32_t> ended_{0};  // vCPU threads that have ended since the last boot
};

}  // namespace pyrene::vmm
