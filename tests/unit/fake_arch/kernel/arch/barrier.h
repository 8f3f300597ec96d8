// SPDX-License-Identifier: Apache-2.0
//
// kernel/arch/barrier.h for the host: comes before the repository's root in the include path.
#pragma once

#include <atomic>

namespace pyrene::fake {
void Relax();
void WaitForInterrupt();
}  // namespace pyrene::fake

namespace pyrene::arch {

inline void Isb() {}
inline void DsbSy() { std::atomic_thread_fence(std::memory_order_seq_cst); }
inline void DsbIsh() { DsbSy(); }
inline void DsbIshst() { DsbSy(); }
inline void Relax() { fake::Relax(); }
inline void WaitForInterrupt() { fake::WaitForInterrupt(); }
inline void SendEvent() {}

}  // namespace pyrene::arch
