// SPDX-License-Identifier: Apache-2.0
#include "runtime/kernel/personality/linux_calls.h"
#include "runtime/kernel/personality/personality.h"
#include "runtime/kernel/personality/process.h"
#include "runtime/kernel/syscall.h"

using pyrene::kNullCap;
using pyrene::personality::TheProcess;

extern "C" __attribute__((weak)) void personality_write(int, const void* bytes, size_t n) {
  if (!TheProcess().log.attached()) return;
  TheProcess().log.Write(static_cast<const char*>(bytes), n);
  if (TheProcess().log_signal == kNullCap) return;
  static_cast<void>(pyrene::sys::NotificationSignal(TheProcess().log_signal, ~uint64_t{0}));
}

namespace pyrene::personality {
namespace {

constexpr uint64_t kStdin = 0, kStdout = 1, kStderr = 2;

// More than Linux's UIO_MAXIOV is refused there, too.
constexpr uint64_t kMaxVectors = 1024;

}  // namespace

int64_t Write(const ThreadControl& self, uint64_t fd, const void* bytes, uint64_t n) {
  if (fd != kStdout && fd != kStderr) return -linux_abi::kEBADF;
  TheProcess().LockLog(self.number);
  personality_write(static_cast<int>(fd), bytes, n);
  TheProcess().UnlockLog();
  return static_cast<int64_t>(n);
}

int64_t Writev(const ThreadControl& self, uint64_t fd, const linux_abi::IoVector* vector,
               uint64_t count) {
  if (count > kMaxVectors) return -linux_abi::kEINVAL;
  int64_t total = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const int64_t written = Write(self, fd, vector[i].base, vector[i].bytes);
    if (written < 0) return written;
    total += written;
  }
  return total;
}

int64_t Fstat(uint64_t fd, linux_abi::Stat* stat) {
  if (fd > kStderr) return -linux_abi::kEBADF;
  uint64_t* const words = reinterpret_cast<uint64_t*>(stat);
  for (unsigned i = 0; i < sizeof(*stat) / sizeof(uint64_t); ++i) words[i] = 0;
  stat->mode = linux_abi::kStatCharacterDevice | 0600;
  stat->links = 1;
  stat->special_device = fd == kStdin ? 0 : linux_abi::kStatTerminal;
  stat->block_size = 1024;
  return 0;
}

int64_t Newfstatat(uint64_t fd, const char* path, linux_abi::Stat* stat, uint64_t flags) {
  if ((flags & linux_abi::kAtEmptyPath) == 0 || path[0] != '\0') return -linux_abi::kENOENT;
  return Fstat(fd, stat);
}

}  // namespace pyrene::personality
