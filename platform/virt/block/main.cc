// SPDX-License-Identifier: Apache-2.0
//
// The service `virtio-blk`: the disk in the last slot of QEMU's virt, where its first virtio device
// is. Its capabilities: `registers` (the page of that slot), `irq`, `queue` (DMA memory), `events`;
// for each argument NAME the channel NAME and its data NAME.data.
#include "platform/block/driver.h"
#include "platform/virt/block/virtio_disk.h"
#include "runtime/log.h"

namespace pyrene::virtio {
namespace {

constexpr uint32_t kSlotOffset = 0xe00;  // of the page: slot 31 of 512 bytes

class Registers final : public MmioIo {
 public:
  explicit Registers(uint8_t* base) : base_(base) {}
  uint32_t Read(uint32_t offset) override { return *At(offset); }
  void Write(uint32_t offset, uint32_t value) override { *At(offset) = value; }

 private:
  volatile uint32_t* At(uint32_t offset) {
    return reinterpret_cast<volatile uint32_t*>(base_ + kSlotOffset + offset);
  }
  uint8_t* base_;
};

absl::Status Run(block::Driver& driver, int count, char** names) {
  if (absl::Status status = driver.Start(); !status.ok()) return status;
  const absl::StatusOr<runtime::Memory> registers =
      block::MapNamed("registers", runtime::Access::kReadWrite);
  if (!registers.ok()) return registers.status();
  const absl::StatusOr<block::DmaMemory> queue = block::MapDma("queue");
  if (!queue.ok()) return queue.status();
  if (queue->physical == 0 || queue->memory.size() < VirtioDisk::kDmaBytes)
    return absl::InternalError("no DMA memory for the queue");
  Registers io(registers->data());
  VirtioDisk disk(io, queue->memory.data(), queue->physical);
  if (absl::Status status = disk.Open(); !status.ok()) return status;
  runtime::LogInfo("virtio disk: ", disk.facts().sectors, " sectors",
                   disk.facts().read_only ? ", read-only" : "",
                   disk.has_flush() ? "" : ", without a cache");
  return driver.Serve(disk, count, names);
}

}  // namespace
}  // namespace pyrene::virtio

int main(int count, char** arguments) {
  pyrene::block::Driver driver;
  return driver.Result(pyrene::virtio::Run(driver, count - 1, arguments + 1));
}
