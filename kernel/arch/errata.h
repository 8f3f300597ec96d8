// SPDX-License-Identifier: Apache-2.0
//
// Errata of the CPUs we run on, keyed by MIDR_EL1. Looked up once at boot.
#pragma once

namespace pyrene::arch {

struct Errata {
  // 1319367 (Cortex-A72), 1319537 (Cortex-A57): speculative stage-1 walks while VTTBR_EL2 changes.
  bool speculative_at = true;
};

// Hidden: read at every guest exit, without the global offset table.
[[gnu::visibility("hidden")]] extern Errata errata;

void DetectErrata();

}  // namespace pyrene::arch
