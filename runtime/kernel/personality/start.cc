// SPDX-License-Identifier: Apache-2.0
//
// The first C++ code of a service, before glibc's _start: no relocation is done yet and no C
// library may be called.
#include "kernel/abi/boot_info.h"
#include "runtime/kernel/cap_allocator.h"
#include "runtime/kernel/personality/entry.h"
#include "runtime/kernel/personality/initial_stack.h"
#include "runtime/kernel/personality/process.h"
#include "runtime/kernel/service_state.h"
#include "runtime/kernel/syscall.h"
#include "runtime/start_info.h"

// Made by the linker: the ELF header, which the first segment begins with.
extern "C" const char __ehdr_start[];

namespace pyrene::runtime {

constinit bool started_by_pyrene = false;

}  // namespace pyrene::runtime

namespace pyrene::personality {
namespace {

// Exit statuses of a service that can not even start.
constexpr uint64_t kExitBadStartPage = 0xfd;
constexpr uint64_t kExitNoUpcall = 0xfe;
constexpr uint64_t kExitBadHeap = 0xff;

// One malloc arena: glibc would reserve 128 MiB of address space for each further one. No rseq
// call. Writable: glibc cuts the string up in place.
char environment_text[] = "GLIBC_TUNABLES=glibc.malloc.arena_max=1:glibc.pthread.rseq=0";

// Elf64_Ehdr
constexpr size_t kElfPhoff = 32, kElfPhnum = 56;

struct alignas(kUpcallStackBytes) MainThread {
  ThreadControl control;
  uint8_t stack[kUpcallStackBytes - sizeof(ThreadControl)];
};
static_assert(sizeof(MainThread) == kUpcallStackBytes);
constinit MainThread main_thread = {};

void Seed(const StartInfo* start, const BootInfo* boot) {
  RandomGenerator& random = TheProcess().random;
  const uint64_t now = sys::Ticks();
  random.Stir(&now, sizeof(now));
  if (start != nullptr) {
    random.Stir(start->random_seed, sizeof(start->random_seed));
    random.Stir(&start->generation, sizeof(start->generation));
  } else {
    random.Stir(&boot->boot_ticks,
                sizeof(boot->boot_ticks));  // until init knows better: see StirRandom
  }
}

}  // namespace

uint64_t Start(const void* page, uint64_t sp) {
  const StartInfo* start = static_cast<const StartInfo*>(page);
  const BootInfo* boot = nullptr;
  if (start->magic == BootInfo::kMagic) {
    boot = static_cast<const BootInfo*>(page);
    start = nullptr;
  } else if (start->magic != StartInfo::kMagic) {
    sys::ThreadExit(kExitBadStartPage);
  }

  ThreadControl& control = main_thread.control;
  control.thread = kSelfThreadCap;
  control.start.upcall_top = reinterpret_cast<uintptr_t>(&main_thread) + kUpcallStackBytes;
  TheProcess().threads[0] = &control;
  if (sys::UpcallSet(reinterpret_cast<uintptr_t>(&pyrene_upcall), control.start.upcall_top) !=
      Status::kOk) {
    sys::ThreadExit(kExitNoUpcall);
  }
  if (!TheProcess().pages.Initialize(kHeapAddress,
                                     boot != nullptr ? boot->heap_bytes : start->heap_bytes)) {
    sys::ThreadExit(kExitBadHeap);
  }
  if (boot != nullptr) {
    runtime::Caps().Initialize(boot->first_free);
  } else {
    runtime::Caps().Initialize(start->first_free, kFirstOfferedCap);
  }
  Seed(start, boot);
  if (start != nullptr && start->log_bytes >= kPageBytes && start->log_bytes <= kMaxLogBytes) {
    TheProcess().log.Attach(reinterpret_cast<void*>(kLogAddress), start->log_bytes);
    TheProcess().log_signal = start->log_signal;
  }
  runtime::started_by_pyrene = true;

  const auto* const elf = reinterpret_cast<const uint8_t*>(__ehdr_start);
  InitialStack facts;
  facts.name = boot != nullptr ? "init" : start->name;
  facts.arguments = boot != nullptr ? "" : start->arguments;
  facts.argument_count = boot != nullptr ? 0 : start->argument_count;
  facts.argument_bytes = boot != nullptr ? 0 : start->argument_bytes;
  if (facts.argument_bytes > StartInfo::kMaxArgumentBytes)
    facts.argument_bytes = StartInfo::kMaxArgumentBytes;
  facts.environment = environment_text;
  facts.program_headers =
      reinterpret_cast<uintptr_t>(elf) + *reinterpret_cast<const uint64_t*>(elf + kElfPhoff);
  facts.program_header_count = *reinterpret_cast<const uint16_t*>(elf + kElfPhnum);
  facts.entry = reinterpret_cast<uintptr_t>(&pyrene_start);
  TheProcess().random.Generate(facts.random, sizeof(facts.random));
  return BuildInitialStack(sp, facts);
}

}  // namespace pyrene::personality

uint64_t pyrene_personality_start(uint64_t page, uint64_t sp) {
  return pyrene::personality::Start(reinterpret_cast<const void*>(page), sp);
}
