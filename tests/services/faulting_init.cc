// SPDX-License-Identifier: Apache-2.0
//
// A root service that reads where nothing is mapped.
#include <cstdint>

int main() {
  const auto* const nowhere = reinterpret_cast<const volatile uint8_t*>(0x7000000123);
  return *nowhere;
}
