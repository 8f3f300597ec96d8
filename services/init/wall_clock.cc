// SPDX-License-Identifier: Apache-2.0
#include "services/init/wall_clock.h"

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "runtime/memory.h"

namespace pyrene::init {

int64_t WallClockAtBoot(const Machine& machine, Resources& resources, const BundleFiles& files) {
  if (machine.real_time_clock != 0) {
    const absl::StatusOr<CapIndex> device = resources.Device(machine.real_time_clock, 1);
    if (device.ok()) {
      const absl::StatusOr<runtime::Memory> registers =
          runtime::Memory::Map(*device, runtime::Access::kRead);
      // RTCDR, the first register: seconds (ARM DDI 0224, 3.3.1).
      if (registers.ok()) return *reinterpret_cast<const volatile uint32_t*>(registers->data());
    }
  }
  const absl::StatusOr<absl::string_view> date = files.Find("date");
  int64_t seconds = 0;
  if (date.ok() && absl::SimpleAtoi(absl::StripAsciiWhitespace(*date), &seconds)) return seconds;
  return 0;
}

}  // namespace pyrene::init
