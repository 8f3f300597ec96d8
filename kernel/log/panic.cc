// SPDX-License-Identifier: Apache-2.0
#include "kernel/log/panic.h"

#include <cstdarg>

#include "kernel/arch/barrier.h"
#include "kernel/arch/sysreg.h"
#include "kernel/log/log.h"
#include "kernel/sched/cpu.h"

namespace pyrene {
namespace {

const char* symbols;
uint64_t symbol_bytes;
uint64_t image_base;
uint64_t image_bytes;

constexpr unsigned kMaxFrames = 24;
constexpr unsigned kDigits = 16;
constexpr unsigned kNameBytes = 96;

uint64_t ParseHex(const char* text) {
  uint64_t value = 0;
  for (unsigned i = 0; i < kDigits; ++i) {
    const char c = text[i];
    value = value << 4 | static_cast<uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  return value;
}

// The last symbol at or below `offset`; the table is sorted.
void PrintLocation(uint64_t address) {
  const uint64_t offset = address - image_base;
  const char* best = nullptr;
  if (offset < image_bytes) {
    for (uint64_t i = 0; i + kDigits + 1 < symbol_bytes;) {
      if (ParseHex(symbols + i) > offset) break;
      best = symbols + i;
      while (i < symbol_bytes && symbols[i] != '\n') ++i;
      ++i;
    }
  }
  if (best == nullptr) return Log("  %016lx", address);
  char name[kNameBytes];
  unsigned length = 0;
  for (const char* c = best + kDigits + 1; *c != '\n' && length < kNameBytes - 1; ++c)
    name[length++] = *c;
  name[length] = '\0';
  Log("  %016lx %s+0x%lx", address, name, offset - ParseHex(best));
}

bool OnStack(uint64_t address) {
  const uint64_t top = reinterpret_cast<uint64_t>(ThisCpu().stack_top);
  const uint64_t bottom = reinterpret_cast<uint64_t>(ThisCpu().panic_stack_top);
  const uint64_t low = top < bottom ? top : bottom;
  const uint64_t high = top < bottom ? bottom : top;
  return address >= low - 16384 && address < high && (address & 7) == 0;
}

void Backtrace(uint64_t frame_pointer) {
  Log("backtrace:");
  for (unsigned i = 0; i < kMaxFrames && OnStack(frame_pointer); ++i) {
    const auto* record = reinterpret_cast<const uint64_t*>(frame_pointer);
    if (record[1] == 0) break;
    PrintLocation(record[1] - 4);
    frame_pointer = record[0];
  }
}

[[noreturn]] void Stop() {
  Log("system halted");
  for (;;) arch::WaitForInterrupt();
}

void Begin(const char* title) {
  ResumeLoggingToUart();
  LogRaw("\nPANIC: ");
  LogRaw(title);
}

}  // namespace

void SetSymbols(const char* text, uint64_t bytes, uint64_t base, uint64_t length) {
  symbols = text;
  symbol_bytes = bytes;
  image_base = base;
  image_bytes = length;
}

void Panic(const char* format, ...) {
  Begin("the kernel stops\n");
  va_list arguments;
  va_start(arguments, format);
  LogV(format, arguments);
  va_end(arguments);
  Backtrace(reinterpret_cast<uint64_t>(__builtin_frame_address(0)));
  Stop();
}

void BootFailure(const char* format, ...) {
  Begin("Pyrene cannot start\n");
  va_list arguments;
  va_start(arguments, format);
  LogV(format, arguments);
  va_end(arguments);
  Stop();
}

void InitFailure(uint64_t esr, uint64_t far, uint64_t pc) {
  Begin("init has faulted\n");
  Log("ESR 0x%lx, address 0x%lx, at 0x%lx of services/init", esr, far, pc);
  Stop();
}

void PanicOnException(uint64_t kind, const Frame* frame) {
  Begin("exception in the kernel\n");
  Log("CPU %u, vector %lu, ESR 0x%lx, FAR 0x%lx, PSTATE 0x%lx, SP 0x%lx", ThisCpu().id, kind,
      PYRENE_READ_SYSREG(esr_el2), PYRENE_READ_SYSREG(far_el2), frame->pstate,
      PYRENE_READ_SYSREG(sp_el0));
  for (unsigned i = 0; i < 30; i += 3) {
    Log("x%02u %016lx  x%02u %016lx  x%02u %016lx", i, frame->x[i], i + 1, frame->x[i + 1], i + 2,
        frame->x[i + 2]);
  }
  Log("lr  %016lx  at:", frame->x[30]);
  PrintLocation(frame->pc);
  if (frame->x[30] != 0) PrintLocation(frame->x[30] - 4);
  Backtrace(frame->x[29]);
  Stop();
}

}  // namespace pyrene
