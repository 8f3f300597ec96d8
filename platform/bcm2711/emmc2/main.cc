// SPDX-License-Identifier: Apache-2.0
//
// The service `emmc2`: the SD card on the BCM2711's second SD controller. Its capabilities:
// `registers`, `irq`, `descriptors` (ADMA2's table), `deviceTree`, `events`; for each argument NAME
// the channel NAME and its data NAME.data.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "platform/bcm2711/emmc2/dma_offset.h"
#include "platform/bcm2711/emmc2/sd_disk.h"
#include "platform/block/driver.h"
#include "runtime/kernel/error.h"
#include "runtime/kernel/syscall.h"
#include "runtime/log.h"
#include "runtime/service.h"

namespace pyrene::emmc2 {
namespace {

constexpr size_t kCacheLineBytes = 64;  // Cortex-A72

class Registers final : public SdhciIo {
 public:
  Registers(block::Driver& driver, uint8_t* base) : driver_(driver), base_(base) {}

  uint32_t Read(uint32_t offset) override { return *At(offset); }
  void Write(uint32_t offset, uint32_t value) override { *At(offset) = value; }
  void WaitInterrupt(uint64_t deadline) override { driver_.WaitInterrupt(deadline); }
  uint64_t Now() override { return runtime::MonotonicNow(); }
  void CleanAndInvalidate(const void* data, size_t bytes) override {
    const auto begin = reinterpret_cast<uintptr_t>(data) & ~(kCacheLineBytes - 1);
    const auto end = reinterpret_cast<uintptr_t>(data) + bytes;
    for (uintptr_t at = begin; at < end; at += kCacheLineBytes)
      asm volatile("dc civac, %0" ::"r"(at) : "memory");
    asm volatile("dsb sy" ::: "memory");
  }

 private:
  volatile uint32_t* At(uint32_t offset) {
    return reinterpret_cast<volatile uint32_t*>(base_ + offset);
  }
  block::Driver& driver_;
  uint8_t* base_;
};

// Without a table everything goes through the buffer register.
absl::StatusOr<DescriptorTable> FindTable(const block::DmaMemory& memory) {
  const NamedCapability* const named = runtime::FindNamed("deviceTree");
  if (named == nullptr) return absl::InternalError("no capability deviceTree");
  const absl::StatusOr<runtime::Memory> tree =
      runtime::Memory::Map(named->cap, runtime::Access::kRead);
  if (!tree.ok()) return tree.status();
  const absl::StatusOr<uint64_t> offset =
      DmaOffset({tree->data(), std::min<size_t>(named->value, tree->size())});
  if (!offset.ok()) {
    runtime::LogWarning("no DMA: ", offset.status().message());
    return DescriptorTable{};
  }
  return DescriptorTable{reinterpret_cast<uint64_t*>(memory.memory.data()), memory.physical,
                         memory.memory.size() / sizeof(uint64_t), *offset};
}

// A driver's priority is for short work behind an interrupt. One that moves the data itself works
// for seconds under load, and is not to keep its CPU from the console and the prompt: below all
// services, above guests' vCPUs.
absl::Status GiveWay() {
  constexpr uint8_t kCopyingPriority = 6;
  const sys::ThreadFacts own = sys::ThreadInfo(kSelfThreadCap);
  ThreadParameters parameters = own.parameters;
  parameters.priority = std::min(parameters.priority, kCopyingPriority);
  const Status status =
      own.status == Status::kOk ? sys::ThreadSet(kSelfThreadCap, parameters, 0, 0) : own.status;
  return runtime::ToStatus(status, "the driver's priority");
}

absl::Status Run(block::Driver& driver, int count, char** names) {
  if (absl::Status status = driver.Start(); !status.ok()) return status;
  const absl::StatusOr<runtime::Memory> registers =
      block::MapNamed("registers", runtime::Access::kReadWrite);
  if (!registers.ok()) return registers.status();
  const absl::StatusOr<block::DmaMemory> descriptors = block::MapDma("descriptors");
  if (!descriptors.ok()) return descriptors.status();
  const absl::StatusOr<DescriptorTable> table = FindTable(*descriptors);
  if (!table.ok()) return table.status();
  Registers io(driver, registers->data());
  SdhciHost host(io, *table);
  SdDisk disk(host, io);
  if (absl::Status status = disk.Open(); !status.ok()) return status;
  if (!host.adma()) {
    if (absl::Status status = GiveWay(); !status.ok()) return status;
  }
  runtime::LogInfo("SD card: ", disk.card().Description(), ", ", disk.facts().sectors, " sectors",
                   disk.facts().read_only ? ", read-only" : "");
  return driver.Serve(disk, count, names);
}

}  // namespace
}  // namespace pyrene::emmc2

int main(int count, char** arguments) {
  pyrene::block::Driver driver;
  return driver.Result(pyrene::emmc2::Run(driver, count - 1, arguments + 1));
}
