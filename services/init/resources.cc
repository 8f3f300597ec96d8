// SPDX-License-Identifier: Apache-2.0
#include "services/init/resources.h"

#include "absl/strings/str_cat.h"
#include "runtime/kernel/syscall.h"

namespace pyrene::init {
namespace {

constexpr uint64_t kPageBytes = runtime::kPageBytes;

Rights RightsOf(proto::Rights::Reader rights) {
  return static_cast<Rights>(
      (rights.getRead() ? rights::kRead : 0) | (rights.getWrite() ? rights::kWrite : 0) |
      (rights.getDma() ? rights::kDma : 0) | (rights.getCopy() ? rights::kCopy : 0));
}

}  // namespace

Resources::Resources(const BootInfo& boot, RamPool& ram) : boot_(boot), ram_(ram) {
  NameObject(boot.bundle, "boot bundle");
  NameObject(boot.device_tree, "device tree");
  NameObject(boot.kernel_log, "kernel log");
  NameObject(boot.gicv, "GICV");
}

absl::Status Resources::MakeMemories(proto::Manifest::Reader manifest) {
  const uint64_t limit = manifest.getDmaLimitMib() == 0 ? FreePages::kAnywhere
                                                        : uint64_t{manifest.getDmaLimitMib()} << 20;
  for (const auto memory : manifest.getMemories()) {
    const std::string name(memory.getName().cStr());
    absl::StatusOr<Ram> ram = ram_.Allocate(memory.getPages(), memory.getDma() ? rights::kDma : 0,
                                            absl::StrCat("memory ", name), memory.getAlignment(),
                                            memory.getDma() ? limit : FreePages::kAnywhere);
    if (!ram.ok()) return ram.status();
    memories_[name] = *std::move(ram);
  }
  return absl::OkStatus();
}

absl::StatusOr<CapIndex> Resources::Device(uint64_t base, uint32_t pages) {
  Object& device = devices_[base];
  if (device) return device.cap();
  for (uint32_t i = 0; i < boot_.memories && i < BootInfo::kMaxMemories; ++i) {
    const BootMemory& range = boot_.memory[i];
    const uint64_t first = (base - range.base) / kPageBytes;
    if (range.type != static_cast<uint32_t>(MemoryType::kDevice) || base < range.base ||
        first >= range.pages || pages > range.pages - first) {
      continue;
    }
    absl::StatusOr<Object> made =
        Object::Create(absl::StrCat("device 0x", absl::Hex(base)), [&](CapIndex index) {
          return sys::MemoryDerive(index, range.cap, first, pages,
                                   rights::kRead | rights::kWrite | rights::kCopy);
        });
    if (!made.ok()) return made.status();
    device = *std::move(made);
    return device.cap();
  }
  return absl::NotFoundError(absl::StrCat("this machine has no device at 0x", absl::Hex(base)));
}

absl::StatusOr<CapIndex> Resources::Irq(uint32_t intid) {
  Object& irq = irqs_[intid];
  if (!irq) {
    absl::StatusOr<Object> made = Object::Create(
        absl::StrCat("interrupt ", intid),
        [&](CapIndex index) { return sys::IrqDerive(index, boot_.irq_control, intid); });
    if (!made.ok()) return made.status();
    irq = *std::move(made);
  }
  static_cast<void>(sys::IrqAcknowledge(irq.cap()));
  return irq.cap();
}

absl::Status Resources::AddGrants(proto::Service::Reader spec, std::vector<Grant>& grants) {
  for (const auto capability : spec.getCapabilities()) {
    Grant grant{capability.getName().cStr(), kNullCap, RightsOf(capability.getRights())};
    absl::StatusOr<CapIndex> source = kNullCap;
    switch (capability.which()) {
      case proto::Capability::DEVICE:
        source = Device(capability.getDevice().getBase(), capability.getDevice().getPages());
        break;
      case proto::Capability::IRQ:
        source = Irq(capability.getIrq());
        grant.rights = rights::kControl;
        break;
      case proto::Capability::MEMORY:
        source = memories_[capability.getMemory().cStr()].cap();
        break;
      case proto::Capability::FIRMWARE:
        source = boot_.firmware;
        grant.rights = rights::kControl;
        break;
      case proto::Capability::BUNDLE:
        source = boot_.bundle;
        break;
      case proto::Capability::DEVICE_TREE:
        source = boot_.device_tree;
        grant.value = boot_.device_tree_bytes;
        break;
      case proto::Capability::KERNEL_LOG:
        source = boot_.kernel_log;
        break;
      case proto::Capability::GICV:
        source = boot_.gicv;
        break;
      case proto::Capability::EVENTS:  // every service has it
      case proto::Capability::LOGS:    // the supervisor adds them
      case proto::Capability::PORT:    // refused by the manifest's check
      case proto::Capability::OWN_PORT:
        continue;
    }
    if (!source.ok()) return source.status();
    if (*source == kNullCap) continue;  // no firmware on this machine
    grant.source = *source;
    grants.push_back(std::move(grant));
  }
  return absl::OkStatus();
}

}  // namespace pyrene::init
