// SPDX-License-Identifier: Apache-2.0
//
// FP and SIMD registers, switched lazily: who last used them on a CPU owns them there, everybody
// else traps (CPTR_EL2.TFP).
#pragma once

#include <cstdint>

namespace pyrene {

struct FpState {
  uint64_t q[64];  // q0..q31
  uint64_t fpcr;
  uint64_t fpsr;
};

extern "C" {
// vectors.S. The trap must be off.
void SaveFp(FpState* state);
void LoadFp(const FpState* state);
}

}  // namespace pyrene
