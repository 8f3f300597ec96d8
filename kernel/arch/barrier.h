// SPDX-License-Identifier: Apache-2.0
//
// Barriers (DDI 0487, B2.7) and hints.
#pragma once

namespace pyrene::arch {

inline void Isb() { asm volatile("isb" ::: "memory"); }
inline void DsbSy() { asm volatile("dsb sy" ::: "memory"); }
inline void DsbIsh() { asm volatile("dsb ish" ::: "memory"); }
inline void DsbIshst() { asm volatile("dsb ishst" ::: "memory"); }
inline void Relax() { asm volatile("yield" ::: "memory"); }
inline void WaitForInterrupt() { asm volatile("dsb sy; wfi" ::: "memory"); }
inline void SendEvent() { asm volatile("dsb sy; sev" ::: "memory"); }

}  // namespace pyrene::arch
