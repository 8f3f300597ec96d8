// SPDX-License-Identifier: Apache-2.0
#include "tests/hostile/guest/progress.h"

#include <atomic>

#include "tests/guest/hypercall.h"
#include "tests/guest/text.h"
#include "tests/hostile/guest/address.h"
#include "tests/hostile/guest/vcpus.h"

namespace pyrene::guest::hostile {
namespace {

constexpr uint64_t kMagic = 0x656c6974736f4821;
constexpr uint64_t kTreeMost = 64 << 10;  // bytes of the device tree that are searched

// Beside its complement: it is attacked like all memory.
struct alignas(64) Count {
  volatile uint64_t value, complement;

  uint64_t Get() const {
    const uint64_t now = value;
    return complement == ~now ? now : 0;
  }
  void Set(uint64_t now) {
    value = now;
    complement = ~now;
  }
};

struct Record {
  uint64_t magic;
  Progress progress;
  uint64_t check;
  std::atomic<uint64_t> taken;  // operations, of this life's too
  Count counts[kVcpus];         // done in this life
};
Record& record() { return *reinterpret_cast<Record*>(kScratch + kScratchBytes + 0x100000); }

uint64_t Check(const Progress& p) {
  return (((p.seed * 31 + p.target) * 31 + p.done) * 31 + p.lives) ^ kMagic;
}

// The number behind `key`, or `standard`.
uint64_t Word(const char* text, const char* key, uint64_t standard) {
  for (uint64_t at = 0; at < kTreeMost; ++at) {
    uint64_t i = 0;
    while (key[i] != '\0' && text[at + i] == key[i]) ++i;
    if (key[i] != '\0') continue;
    uint64_t value = 0;
    for (at += i; text[at] >= '0' && text[at] <= '9'; ++at)
      value = value * 10 + static_cast<uint64_t>(text[at] - '0');
    return value;
  }
  return standard;
}

// Not by the PV console: its ring and its port are what operations attack.
void Say(const char* what, const Progress& progress) {
  Text<160> line;
  line << "\nHOSTILE " << what << " seed " << progress.seed << " lives " << progress.lives
       << " ops " << Done() << "\n";
  Hypercall(xen::kConsoleIo, 0, line.size(), reinterpret_cast<uint64_t>(line.data()));
}

}  // namespace

Progress BeginLife(const char* device_tree) {
  Record& last = record();
  Progress progress;
  if (last.magic == kMagic && last.check == Check(last.progress)) {
    progress = last.progress;
    ++progress.seed;
    for (const Count& count : last.counts) progress.done += count.Get();
  } else {
    progress.seed = Word(device_tree, "seed=", 1);
    progress.target = Word(device_tree, "ops=", 1000);
  }
  ++progress.lives;
  for (Count& count : last.counts) count.Set(0);
  last.progress = progress;
  last.taken = progress.done;
  last.check = Check(progress);
  last.magic = kMagic;
  return progress;
}

uint64_t Seed() { return record().progress.seed; }

bool TakeOperation() { return record().taken.fetch_add(1) < record().progress.target; }

void CountOperation(uint32_t vcpu) { record().counts[vcpu].Set(Counted(vcpu) + 1); }

uint64_t Counted(uint32_t vcpu) { return record().counts[vcpu].Get(); }

uint64_t Done() {
  uint64_t sum = record().progress.done;
  for (const Count& count : record().counts) sum += count.Get();
  return sum;
}

void Report(const Progress& progress) { Say("goes on:", progress); }

void Finish(const Progress& progress) {
  Say("end:", progress);
  record().magic = 0;
  for (;;) asm volatile("wfi");
}

}  // namespace pyrene::guest::hostile
