// SPDX-License-Identifier: Apache-2.0
//
// From the first C++ instruction to init's first.
#include <libfdt.h>

#include "kernel/abi/bundle.h"
#include "kernel/arch/descriptor.h"
#include "kernel/arch/errata.h"
#include "kernel/arch/gic.h"
#include "kernel/arch/psci.h"
#include "kernel/arch/sysreg.h"
#include "kernel/boot/cpu_setup.h"
#include "kernel/boot/init_domain.h"
#include "kernel/boot/kernel_map.h"
#include "kernel/boot/machine.h"
#include "kernel/boot/ram.h"
#include "kernel/boot/secondary.h"
#include "kernel/log/log.h"
#include "kernel/log/panic.h"
#include "kernel/log/uart.h"
#include "kernel/memory/layout.h"
#include "kernel/sched/entry.h"

// kernel.ld
extern "C" void (*constructors_start[])();
extern "C" void (*constructors_end[])();

namespace pyrene {
namespace {

namespace el2 = arch::el2_attributes;

constexpr uint64_t kMaxTreeBytes = uint64_t{2} << 20;  // arm64 boot protocol
constexpr uint64_t kPoolBytes = uint64_t{4} << 20;     // see docs/architecture.md, Kernel memory
// The Raspberry Pi's firmware parks CPUs in page 0.
constexpr uint64_t kFirmwarePageBytes = kPageBytes;

Machine machine;
BootRam ram;

// Where the serial line is if there is no device tree to say: the machine is told by where the boot
// loader put us.
uint64_t GuessUart() {
  constexpr uint64_t kRaspberryPi4 = 0xfe201000;
  constexpr uint64_t kQemuVirt = 0x09000000;
  return KernelImage().start < 0x40000000 ? kRaspberryPi4 : kQemuVirt;
}

void OpenUart(uint64_t base) {
  if (base != 0 && MapKernel(base, kPageBytes, el2::kDevice)) uart::Init(base);
}

[[noreturn]] void NoTree(const char* why) {
  OpenUart(GuessUart());
  BootFailure("no usable device tree: %s (QEMU: give -dtb)", why);
}

void ReadTree(uint64_t tree) {
  if (tree == 0 || (tree & 7) != 0) NoTree("x0 does not point to one");
  if (!MapKernel(tree, kPageBytes, el2::kRodata)) NoTree("it cannot be mapped");
  const void* header = KernelPointer<const void>(tree);
  if (fdt_magic(header) != FDT_MAGIC) NoTree("x0 points to something else");
  const uint64_t bytes = fdt_totalsize(header);
  if (bytes > kMaxTreeBytes || !MapKernel(tree, bytes, el2::kRodata) ||
      fdt_check_full(header, bytes) != 0)
    NoTree("it is damaged");
  machine.device_tree = {tree, bytes};
  const char* problem = ReadDeviceTree(header, machine);
  OpenUart(machine.uart != 0 ? machine.uart : GuessUart());
  if (problem != nullptr) BootFailure("the device tree is not one we can use: %s", problem);
}

void FindRam() {
  bool ok = true;
  for (unsigned i = 0; i < machine.ram.count; ++i) ok = ok && ram.Add(machine.ram.item[i]);
  for (unsigned i = 0; i < machine.reserved.count; ++i)
    ok = ok && ram.Reserve(machine.reserved.item[i].base, machine.reserved.item[i].bytes);
  const Image image = KernelImage();
  ok = ok && ram.Reserve(0, kFirmwarePageBytes) &&
       ram.Reserve(image.start, image.end - image.start) &&
       ram.Reserve(machine.device_tree.base, machine.device_tree.bytes) &&
       ram.Reserve(machine.bundle.base, machine.bundle.bytes);
  if (!ok) BootFailure("the memory map has too many pieces");
  const uint64_t pool = ram.Allocate(kPoolBytes, kBlockBytes);
  if (pool == 0) BootFailure("too little memory: no %lu KiB for the kernel", kPoolBytes >> 10);
  if (!MapKernel(pool, kPoolBytes, el2::kData)) BootFailure("out of kernel page tables");
  KernelAccount().Donate(pool, kPoolBytes / kPageBytes);
}

void StartGic() {
  const bool mapped = MapKernel(machine.distributor.base, kPageBytes, el2::kDevice) &&
                      MapKernel(machine.cpu_interface.base, 2 * kPageBytes, el2::kDevice) &&
                      MapKernel(machine.hypervisor_interface.base, kPageBytes, el2::kDevice);
  if (!mapped) BootFailure("out of kernel page tables");
  arch::gic::Init(machine.distributor.base, machine.cpu_interface.base,
                  machine.hypervisor_interface.base);
  arch::gic::InitCpu();
  Log("GICv2: %u interrupts, %u list registers", arch::gic::Intids(), arch::gic::ListRegisters());
}

BundleFile FindInit() {
  if (machine.bundle.bytes == 0)
    BootFailure("no boot bundle: the device tree has no linux,initrd-start (QEMU: give -initrd)");
  if (!MapKernel(machine.bundle.base, machine.bundle.bytes, el2::kRodata))
    BootFailure("out of kernel page tables for the boot bundle");
  const char* bundle = KernelPointer<const char>(machine.bundle.base);
  BundleFile init;
  switch (BundleReader::Find(bundle, machine.bundle.bytes, "init", init)) {
    case BundleReader::Result::kFile:
      break;
    case BundleReader::Result::kEnd:
      BootFailure("the boot bundle has no file `init`");
    case BundleReader::Result::kCorrupt:
      BootFailure("the boot bundle is not a cpio archive (newc), or is cut off");
  }
  return init;
}

// Symbols stay mapped for backtraces; the rest of the bundle is init's alone.
void KeepSymbols() {
  const char* bundle = KernelPointer<const char>(machine.bundle.base);
  BundleFile symbols;
  const bool found = BundleReader::Find(bundle, machine.bundle.bytes, "symbols", symbols) ==
                     BundleReader::Result::kFile;
  UnmapKernel(machine.bundle.base, machine.bundle.bytes);
  if (!found) return Log("no symbols in the boot bundle: backtraces will show addresses");
  const Image image = KernelImage();
  if (MapKernel(PhysicalOf(symbols.data), symbols.bytes, el2::kRodata))
    SetSymbols(symbols.data, symbols.bytes, image.start, image.end - image.start);
}

}  // namespace

extern "C" [[noreturn]] void KernelMain(uint64_t tree) {
  const uint64_t boot_ticks = PYRENE_READ_SYSREG(cntpct_el0);
  for (auto* constructor = constructors_start; constructor != constructors_end; ++constructor)
    (*constructor)();
  SetUpCpu(0);  // vectors first
  EnterKernelMap();
  ReadTree(tree);
  Log("Pyrene on %s", machine.model);
  arch::DetectErrata();
  if (machine.psci_by_smc) arch::psci::SetAvailable();
  FindRam();
  StartGic();
  const BundleFile init = FindInit();
  const uint32_t cpus_running = StartSecondaries(machine);
  Log("%u CPUs", cpus_running);
  Thread& thread = CreateInit(machine, ram, init, boot_ticks, cpus_running);
  Thread::root = &thread;
  KeepSymbols();
  Cpu& cpu = ThisCpu();
  ForbidFp(cpu);
  [[maybe_unused]] const Status started = thread.Start();
  StopLoggingToUart();
  ReleaseSecondaries();
  EnterUser(Resume(cpu));
}

}  // namespace pyrene
