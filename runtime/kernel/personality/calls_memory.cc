// SPDX-License-Identifier: Apache-2.0
#include "runtime/kernel/personality/linux_calls.h"
#include "runtime/kernel/personality/process.h"

namespace pyrene::personality {
namespace {

// Stacks of std::threads come from the heap, which is RAM from the start: 2 MiB each, glibc's
// choice, would be a waste; this is the least that it accepts. It adds 64 KiB that it means to be
// inaccessible. mprotect takes no rights away here, so those are a reserve below the stack, not a
// guard.
constexpr uint64_t kThreadStackBytes = 128 * 1024;

size_t PagesOf(uint64_t bytes) { return bytes / kPageBytes + (bytes % kPageBytes != 0 ? 1 : 0); }

}  // namespace

int64_t Brk(const ThreadControl& self, uint64_t address) {
  ProcessLock lock(self);
  return static_cast<int64_t>(TheProcess().pages.SetBreak(address));
}

int64_t Mmap(const ThreadControl& self, uint64_t bytes, uint64_t flags) {
  if ((flags & linux_abi::kMapAnonymous) == 0 || (flags & linux_abi::kMapFixed) != 0 ||
      bytes == 0) {
    return -linux_abi::kEINVAL;
  }
  ProcessLock lock(self);
  const uintptr_t address = TheProcess().pages.Allocate(PagesOf(bytes));
  return address == 0 ? -linux_abi::kENOMEM : static_cast<int64_t>(address);
}

int64_t Munmap(const ThreadControl& self, uint64_t address, uint64_t bytes) {
  ProcessLock lock(self);
  return TheProcess().pages.Free(address, PagesOf(bytes)) ? 0 : -linux_abi::kEINVAL;
}

int64_t Madvise(const ThreadControl& self, uint64_t address, uint64_t bytes, uint64_t advice) {
  if (advice != linux_abi::kMadviseDontNeed) return 0;
  ProcessLock lock(self);
  return TheProcess().pages.Clear(address, PagesOf(bytes)) ? 0 : -linux_abi::kEINVAL;
}

int64_t Prlimit64(uint64_t resource, const uint64_t* fresh, uint64_t* old) {
  if (resource != linux_abi::kResourceStack || fresh != nullptr || old == nullptr)
    return -linux_abi::kENOSYS;
  old[0] = kThreadStackBytes;
  old[1] = kThreadStackBytes;
  return 0;
}

int64_t Getrandom(const ThreadControl& self, void* bytes, uint64_t n) {
  ProcessLock lock(self);
  TheProcess().random.Generate(bytes, n);
  return static_cast<int64_t>(n);
}

}  // namespace pyrene::personality
