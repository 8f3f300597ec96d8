// SPDX-License-Identifier: Apache-2.0
//
// Who does what: vCPU 0 is the warden, the others attack.
#pragma once

#include <cstdint>

namespace pyrene::guest::hostile {

inline constexpr uint32_t kVcpus = 8;  // at most; hostile.cfg says how many there are
inline constexpr uint32_t kWarden = 0;

struct Progress;

// Starts the attackers, starts them again when one has turned itself off, ends this life when one
// is silent, and the run when all operations are done.
[[noreturn]] void Guard(const Progress& progress);

}  // namespace pyrene::guest::hostile
