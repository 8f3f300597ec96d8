// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/mutex.h"

namespace pyrene::vmm {

void Mutex::LockContended() {
  while (word_.exchange(2, std::memory_order_acquire) != 0) word_.wait(2);
}

void Mutex::WakeOne() { word_.notify_one(); }

}  // namespace pyrene::vmm
