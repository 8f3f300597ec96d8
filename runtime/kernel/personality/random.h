// SPDX-License-Identifier: Apache-2.0
//
// getrandom's generator: ChaCha20 (RFC 8439) with a key that is replaced after every request, so
// that a later look at this memory does not tell earlier output. As unpredictable as what was
// stirred in: the start page's seed.
//
// Not thread-safe: the personality's lock is held around every call.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pyrene::personality {

// One block: state = constants, key, counter, nonce; `out` gets 64 bytes.
void ChaCha20Block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3],
                   uint8_t out[64]);

class RandomGenerator {
 public:
  constexpr RandomGenerator() = default;

  // Mixes bytes into the key. What was known before stays mixed in.
  void Stir(const void* bytes, size_t n);

  void Generate(void* bytes, size_t n);

 private:
  void Rekey();

  uint32_t key_[8] = {};
};

}  // namespace pyrene::personality
