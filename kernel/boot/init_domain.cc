// SPDX-License-Identifier: Apache-2.0
#include "kernel/boot/init_domain.h"

#include "kernel/abi/boot_info.h"
#include "kernel/arch/descriptor.h"
#include "kernel/arch/gic.h"
#include "kernel/arch/psci.h"
#include "kernel/arch/timer.h"
#include "kernel/boot/elf.h"
#include "kernel/boot/kernel_map.h"
#include "kernel/cap/derivation.h"
#include "kernel/lib/bytes.h"
#include "kernel/log/log.h"
#include "kernel/log/panic.h"
#include "kernel/memory/layout.h"
#include "kernel/object/domain.h"
#include "kernel/object/memory_object.h"

namespace pyrene {
namespace {

constexpr uint64_t kInitHeapBytes = uint64_t{1} << 20;
constexpr uint64_t kInitStackBytes = 64 << 10;
// What the kernel's own account keeps for the tables of devices that are mapped later.
constexpr uint64_t kKernelReservePages = 8;
constexpr uint8_t kInitPriority = kPriorities - 1;

class InitBuilder {
 public:
  InitBuilder(const Machine& machine, BootRam& ram, Domain& domain)
      : machine_(machine), ram_(ram), domain_(domain) {}

  // Fresh zeroed RAM, visible to the kernel until Seal().
  char* AllocateRam(uint64_t bytes) {
    const uint64_t size = PageCeil(bytes);
    const uint64_t base = ram_.Allocate(size, kPageBytes);
    if (base == 0) BootFailure("too little memory: init needs %lu KiB more", size >> 10);
    if (!MapKernel(base, size, arch::el2_attributes::kData))
      BootFailure("out of kernel page tables");
    ZeroBytes(KernelPointer<char>(base), size);
    return KernelPointer<char>(base);
  }

  void MapForInit(uint64_t physical, uint64_t bytes, uint64_t address, Rights rights) {
    auto* memory = New<MemoryObject>(KernelAccount(), physical, PageCeil(bytes) / kPageBytes,
                                     MemoryType::kRam);
    if (domain_.Map(*memory, nullptr, 0, address, memory->pages(), rights) != Status::kOk)
      BootFailure("init: cannot map 0x%lx", address);
  }

  // The kernel's view of memory that is init's now goes away.
  void Seal(const char* memory, uint64_t bytes) {
    UnmapKernel(PhysicalOf(memory), PageCeil(bytes));
  }

  CapIndex AddCap(ObjectType type, void* object, Rights rights) {
    Slot* slot;
    if (domain_.caps().Reserve(domain_.account(), next_, slot) != Status::kOk)
      BootFailure("init: no capability slot");
    Insert(*slot, nullptr, Slot::Pack(object, type, rights, false), 0);
    return next_++;
  }
  // RAM at `address` of init, which it is given with what is there; the kernel's view goes away.
  void Give(const char* memory, uint64_t bytes, uint64_t address, Rights rights) {
    MapForInit(PhysicalOf(memory), bytes, address, rights);
    Seal(memory, bytes);
  }

  // All pages that the range touches.
  CapIndex AddRange(PhysicalRange range, Rights rights) {
    const uint64_t base = PageFloor(range.base);
    return AddMemory(base, (PageCeil(range.end()) - base) / kPageBytes, MemoryType::kRam, rights);
  }
  // In the list of what there is.
  void List(BootInfo& info, PhysicalRange range, MemoryType type) {
    if (range.bytes == 0 || info.memories == BootInfo::kMaxMemories) return;
    const uint64_t pages = range.bytes / kPageBytes;
    info.memory[info.memories++] = {range.base, pages,
                                    AddMemory(range.base, pages, type, rights::kAll),
                                    static_cast<uint32_t>(type)};
  }
  CapIndex AddMemory(uint64_t base, uint64_t pages, MemoryType type, Rights rights) {
    return AddCap(ObjectType::kMemory, New<MemoryObject>(KernelAccount(), base, pages, type),
                  rights);
  }
  void SetNext(CapIndex next) { next_ = next; }
  CapIndex next() const { return next_; }

  template <typename T, typename... Args>
  static T* New(Args&&... args) {
    T* object = KernelAccount().New<T>(static_cast<Args&&>(args)...);
    if (object == nullptr) BootFailure("the kernel's pool is too small");
    return object;
  }

  void LoadSegments(const BundleFile& file, const ElfImage& image) {
    for (unsigned i = 0; i < image.segments; ++i) {
      const ElfSegment& segment = image.segment[i];
      const uint64_t start = PageFloor(segment.address);
      const uint64_t end = PageCeil(segment.address + segment.memory_bytes);
      if (start <= kStartInfoAddress || end < start || end > kHeapAddress)
        BootFailure("init: a segment at 0x%lx is outside the program's area", segment.address);
      const char* source = file.data + segment.offset;
      if (!segment.write) {
        if (((PhysicalOf(source) ^ segment.address) & (kPageBytes - 1)) != 0)
          BootFailure("init: the bundle does not keep its files page aligned");
        // Read and executed where the bundle has it.
        MapForInit(PageFloor(PhysicalOf(source)), end - start, start,
                   rights::kRead | (segment.execute ? rights::kExecute : 0));
        continue;
      }
      char* memory = AllocateRam(end - start);
      CopyBytes(memory + (segment.address - start), source, segment.file_bytes);
      Give(memory, end - start, start, rights::kRead | rights::kWrite);
    }
  }

  void AddDeviceGaps(BootInfo& info);

 private:
  const Machine& machine_;
  BootRam& ram_;
  Domain& domain_;
  CapIndex next_ = kFirstFreeCap;
};

// Physical addresses below 4 GiB that are neither RAM nor the GIC's, which is the kernel's.
void InitBuilder::AddDeviceGaps(BootInfo& info) {
  constexpr uint64_t kDeviceLimit = uint64_t{4} << 30;
  BootRam gaps;
  bool ok = gaps.Add({0, kDeviceLimit});
  for (unsigned i = 0; i < machine_.ram.count; ++i)
    ok = ok && gaps.Reserve(machine_.ram.item[i].base, machine_.ram.item[i].bytes);
  const PhysicalRange gic[] = {machine_.distributor, machine_.cpu_interface,
                               machine_.hypervisor_interface, machine_.virtual_interface};
  for (const PhysicalRange& range : gic) ok = ok && gaps.Reserve(range.base, range.bytes);
  if (!ok) BootFailure("the machine's memory map is too fragmented");
  for (unsigned i = 0; i < gaps.free().count; ++i)
    List(info, gaps.free().item[i], MemoryType::kDevice);
}

// A single object without state: holding the capability is all there is.
struct Singleton final : Object {
  explicit Singleton(Account& payer) : Object(payer) {}
};

}  // namespace

Thread& CreateInit(const Machine& machine, BootRam& ram, const BundleFile& init,
                   uint64_t boot_ticks, uint32_t cpus_running) {
  ElfImage image;
  if (const char* problem = ParseElf(init.data, init.bytes, image); problem != nullptr)
    BootFailure("the bundle's init cannot be loaded: %s", problem);

  Account& kernel = KernelAccount();
  Status status;
  const uint64_t quota = kernel.quota() - kernel.used() - kKernelReservePages;
  Domain* domain = Domain::Create(status, kernel, quota);
  if (domain == nullptr)
    BootFailure("cannot create init's domain (%ld)", static_cast<int64_t>(status));
  InitBuilder builder(machine, ram, *domain);
  builder.LoadSegments(init, image);

  builder.Give(builder.AllocateRam(kInitStackBytes), kInitStackBytes, kStackTop - kInitStackBytes,
               rights::kRead | rights::kWrite);
  builder.Give(builder.AllocateRam(kInitHeapBytes), kInitHeapBytes, kHeapAddress,
               rights::kRead | rights::kWrite);

  char* info_page = builder.AllocateRam(kPageBytes);
  auto& info = *new (info_page) BootInfo{};
  builder.MapForInit(PhysicalOf(info_page), kPageBytes, kStartInfoAddress, rights::kRead);

  auto* thread = InitBuilder::New<Thread>(
      kernel, *domain, image.entry, kStackTop, kStartInfoAddress,
      ThreadParameters{.priority = kInitPriority, .cpu = 0, .weight = 256});

  builder.SetNext(kSelfDomainCap);
  builder.AddCap(ObjectType::kDomain, domain, rights::kAll);
  builder.SetNext(kSelfThreadCap);
  builder.AddCap(ObjectType::kThread, thread, rights::kAll);
  builder.SetNext(kFirstFreeCap);

  info.magic = BootInfo::kMagic;
  info.heap_bytes = kInitHeapBytes;
  info.stack_bytes = kInitStackBytes;
  info.counter_frequency = arch::CounterFrequency();
  info.boot_ticks = boot_ticks;
  info.quota_pages = quota;
  info.cpus = cpus_running;
  info.list_registers = arch::gic::ListRegisters();

  info.device_tree = builder.AddRange(machine.device_tree, rights::kRead | rights::kCopy);
  info.device_tree_bytes = static_cast<uint32_t>(machine.device_tree.bytes);
  info.device_tree_offset = machine.device_tree.base % kPageBytes;
  info.bundle = builder.AddRange(machine.bundle,
                                 rights::kRead | rights::kWrite | rights::kExecute | rights::kCopy);
  info.bundle_bytes = machine.bundle.bytes;
  info.bundle_offset = machine.bundle.base % kPageBytes;
  info.kernel_log = builder.AddMemory(PhysicalOf(&kernel_log), sizeof(KernelLog) / kPageBytes,
                                      MemoryType::kRam, rights::kRead | rights::kCopy);
  info.irq_control =
      builder.AddCap(ObjectType::kIrqControl, InitBuilder::New<Singleton>(kernel), rights::kAll);
  info.firmware = kNullCap;
  if (arch::psci::Available()) {
    info.firmware =
        builder.AddCap(ObjectType::kFirmware, InitBuilder::New<Singleton>(kernel), rights::kAll);
  }
  info.gicv = builder.AddMemory(machine.virtual_interface.base,
                                machine.virtual_interface.bytes / kPageBytes, MemoryType::kDevice,
                                rights::kRead | rights::kWrite | rights::kCopy);
  builder.AddDeviceGaps(info);

  for (unsigned i = 0; i < machine.ram.count; ++i) info.ram_bytes += machine.ram.item[i].bytes;
  uint64_t free_bytes = 0;
  for (unsigned i = 0; i < ram.free().count; ++i) {
    free_bytes += ram.free().item[i].bytes;
    builder.List(info, ram.free().item[i], MemoryType::kRam);
  }
  info.kernel_bytes = info.ram_bytes - free_bytes - machine.bundle.bytes;
  info.first_free = builder.next();
  Log("init: %lu KiB, %lu of %lu MiB of RAM free, quota %lu pages", init.bytes >> 10,
      free_bytes >> 20, info.ram_bytes >> 20, quota);
  builder.Seal(info_page, kPageBytes);
  return *thread;
}

}  // namespace pyrene
