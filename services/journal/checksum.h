// SPDX-License-Identifier: Apache-2.0
//
// CRC-32C (Castagnoli), by the CPU's instruction where it has one: it finds every error of up to
// three bits in a record of this size, and of any burst of up to 32.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pyrene::journal {

// Of `bytes` bytes, a multiple of 8, at an 8-byte aligned address; `seed` is what came before.
uint32_t Checksum(uint32_t seed, const void* data, size_t bytes);

}  // namespace pyrene::journal
