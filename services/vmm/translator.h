// SPDX-License-Identifier: Apache-2.0
//
// Hypercall arguments: guest virtual addresses of the calling vCPU's stage 1, nested ones and ones
// that straddle pages included. Each page is translated by the kernel, with the access it is meant
// for, used at once and never remembered.
//
// The kernel leaves the translation for reading of x1, where nearly every hypercall has its
// structure, in the state page at each HVC exit; so arguments behind x1 cost no system call.
//
// All by the vCPU's own thread while it handles a hypercall. False: the guest's tables refuse the
// access, or the address is no RAM; the guest gets -EFAULT. A failed write may have written the
// pages before the bad one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "services/vmm/domain.h"
#include "services/vmm/guest_word.h"

namespace pyrene::vmm {

inline constexpr unsigned kPretranslatedRegister = 1;
// For VcpuState::hvc_translate.
inline constexpr uint64_t kPretranslated = uint64_t{1} << kPretranslatedRegister;

// PAR_EL1, as the kernel leaves translations.
inline constexpr uint64_t kParFault = 1;
inline constexpr uint64_t kParAddress = 0x0000'ffff'ffff'f000;

// Lengths are bounded by the caller.
bool CopyFromGuest(Vcpu& vcpu, uint64_t va, void* to, size_t length);
bool CopyToGuest(Vcpu& vcpu, uint64_t va, const void* from, size_t length);

// The guest-physical address behind a virtual one, for areas that stay registered. False: not
// translatable.
bool TranslateToGpa(Vcpu& vcpu, uint64_t va, TranslateAccess access, uint64_t* gpa);

// The structure that x1 points to, if the kernel's translation serves: it is valid, and one page of
// RAM holds all of it. False says nothing about the guest's pointer; then ReadArgument finds out.
template <typename T>
inline bool PeekArgument(const Vcpu& vcpu, T* argument) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 64);
  const uint64_t par = vcpu.state->exit.par[kPretranslatedRegister];
  const uint64_t offset = vcpu.state->x[kPretranslatedRegister] & (xen::kPageSize - 1);
  if ((par & kParFault) != 0 || offset + sizeof(T) > xen::kPageSize) [[unlikely]]
    return false;
  const void* from = nullptr;
  if (!vcpu.domain->memory().InBank0((par & kParAddress) | offset, &from)) [[unlikely]]
    return false;
  GuestCopy(argument, from, sizeof(T));
  return true;
}

// The structure that x1 points to.
template <typename T>
inline bool ReadArgument(Vcpu& vcpu, T* argument) {
  return PeekArgument(vcpu, argument) ||
         CopyFromGuest(vcpu, vcpu.state->x[kPretranslatedRegister], argument, sizeof(T));
}

template <typename T>
inline bool WriteArgument(Vcpu& vcpu, const T& argument) {
  static_assert(std::is_trivially_copyable_v<T>);
  return CopyToGuest(vcpu, vcpu.state->x[kPretranslatedRegister], &argument, sizeof(T));
}

}  // namespace pyrene::vmm
