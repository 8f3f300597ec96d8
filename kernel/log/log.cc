// SPDX-License-Identifier: Apache-2.0
#include "kernel/log/log.h"

#include "kernel/arch/sysreg.h"
#include "kernel/arch/timer.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/spinlock.h"
#include "kernel/log/format.h"
#include "kernel/log/uart.h"

namespace pyrene {

alignas(4096) KernelLog kernel_log;

namespace {

constexpr size_t kLineBytes = 256;

SpinLock log_lock;
bool to_uart = true;

void Append(const char* text, size_t length) {
  for (size_t i = 0; i < length; ++i)
    kernel_log.text[(kernel_log.written + i) % KernelLog::kBytes] = text[i];
  __atomic_store_n(&kernel_log.written, kernel_log.written + static_cast<uint32_t>(length),
                   __ATOMIC_RELEASE);
  if (to_uart) uart::Write(text, length);
}

}  // namespace

void LogV(const char* format, va_list arguments) {
  char line[kLineBytes];
  size_t length = Format(line, kLineBytes - 1, format, arguments);
  line[length++] = '\n';
  const uint64_t frequency = arch::CounterFrequency();
  const uint64_t now = arch::Counter();
  char stamp[32];
  const size_t stamp_length = FormatTo(stamp, sizeof(stamp), "(PYR) [%5lu.%06lu] ", now / frequency,
                                       now % frequency * 1000000 / frequency);
  LockGuard guard(log_lock);
  Append(stamp, stamp_length);
  Append(line, length);
}

void Log(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  LogV(format, arguments);
  va_end(arguments);
}

void LogRaw(const char* text) {
  LockGuard guard(log_lock);
  Append(text, strlen(text));
}

void StopLoggingToUart() { to_uart = false; }
void ResumeLoggingToUart() { to_uart = true; }

}  // namespace pyrene
