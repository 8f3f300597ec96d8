// SPDX-License-Identifier: Apache-2.0
// What becomes of each key that xl.cfg files carry.
#pragma once

#include "absl/strings/string_view.h"

namespace pyrene::xl {

enum class KeyTreatment {
  // guest_config.cc reads it.
  kUsed,
  // No effect on an Arm guest of Xen either (x86, device model, old toolstacks), or none that a
  // guest could miss: accepted without a word.
  kIgnored,
  // Has an effect on Xen on Arm and none here: a warning, unless it is set to 0, "" or [].
  kUnsupported,
  // A warning: most likely misspelt.
  kUnknown,
};

KeyTreatment TreatmentOfKey(absl::string_view key);

}  // namespace pyrene::xl
