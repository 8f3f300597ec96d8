// SPDX-License-Identifier: Apache-2.0
//
// Guarded access on Linux: SIGSEGV and SIGBUS jump back into the access that caused them.
#include "runtime/guarded.h"

#include <setjmp.h>
#include <signal.h>

#include <atomic>
#include <cstring>
#include <mutex>

#include "runtime/load_hook.h"

namespace pyrene::runtime {
namespace {

thread_local sigjmp_buf* volatile active = nullptr;

void OnFault(int signal, siginfo_t*, void*) {
  if (active != nullptr) siglongjmp(*active, 1);
  // Somebody else's fault: comes again at once, with the default action.
  ::signal(signal, SIG_DFL);
}

void InstallOnce() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action = {};
    action.sa_sigaction = &OnFault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
    sigaction(SIGSEGV, &action, nullptr);
    sigaction(SIGBUS, &action, nullptr);
  });
}

// Runs `access`, which must hold no lock and own no object: a fault leaves it in the middle.
template <typename Access>
bool Guard(Access access) {
  InstallOnce();
  sigjmp_buf here;
  if (sigsetjmp(here, 0) != 0) {
    active = nullptr;
    return false;
  }
  active = &here;
  access();
  active = nullptr;
  return true;
}

template <typename T>
bool Load(const T* from, T& value) {
  if (reinterpret_cast<uintptr_t>(from) % sizeof(T) != 0) return false;
  BeforeLoad(from, sizeof(T));
  return Guard([&] { value = __atomic_load_n(from, __ATOMIC_ACQUIRE); });
}

template <typename T>
bool Store(T* to, T value) {
  if (reinterpret_cast<uintptr_t>(to) % sizeof(T) != 0) return false;
  return Guard([&] { __atomic_store_n(to, value, __ATOMIC_RELEASE); });
}

}  // namespace

bool GuardedCopy(void* to, const void* from, size_t n) {
  BeforeLoad(from, n);
  return Guard([&] { std::memcpy(to, from, n); });
}

bool GuardedLoad(const uint8_t* from, uint8_t& value) { return Load(from, value); }
bool GuardedLoad(const uint16_t* from, uint16_t& value) { return Load(from, value); }
bool GuardedLoad(const uint32_t* from, uint32_t& value) { return Load(from, value); }
bool GuardedLoad(const uint64_t* from, uint64_t& value) { return Load(from, value); }

bool GuardedStore(uint8_t* to, uint8_t value) { return Store(to, value); }
bool GuardedStore(uint16_t* to, uint16_t value) { return Store(to, value); }
bool GuardedStore(uint32_t* to, uint32_t value) { return Store(to, value); }
bool GuardedStore(uint64_t* to, uint64_t value) { return Store(to, value); }

bool GuardedCompareExchange(uint32_t* to, uint32_t& expected, uint32_t desired) {
  if (reinterpret_cast<uintptr_t>(to) % sizeof(uint32_t) != 0) return false;
  BeforeLoad(to, sizeof(uint32_t));
  return Guard([&] {
    __atomic_compare_exchange_n(to, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  });
}

void FullBarrier() { std::atomic_thread_fence(std::memory_order_seq_cst); }

absl::Status MemoryGone() { return absl::UnavailableError("shared memory has been taken away"); }

}  // namespace pyrene::runtime
