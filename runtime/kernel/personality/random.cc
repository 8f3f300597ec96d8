// SPDX-License-Identifier: Apache-2.0
#include "runtime/kernel/personality/random.h"

namespace pyrene::personality {
namespace {

constexpr uint32_t kNonce[3] = {};

constexpr uint32_t Rotate(uint32_t value, int bits) { return value << bits | value >> (32 - bits); }

void QuarterRound(uint32_t& a, uint32_t& b, uint32_t& c, uint32_t& d) {
  a += b;
  d = Rotate(d ^ a, 16);
  c += d;
  b = Rotate(b ^ c, 12);
  a += b;
  d = Rotate(d ^ a, 8);
  c += d;
  b = Rotate(b ^ c, 7);
}

}  // namespace

void ChaCha20Block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3],
                   uint8_t out[64]) {
  const uint32_t initial[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, key[0], key[1],
                                key[2],     key[3],     key[4],     key[5],     key[6], key[7],
                                counter,    nonce[0],   nonce[1],   nonce[2]};
  uint32_t x[16];
  for (int i = 0; i < 16; ++i) x[i] = initial[i];
  for (int round = 0; round < 10; ++round) {
    QuarterRound(x[0], x[4], x[8], x[12]);
    QuarterRound(x[1], x[5], x[9], x[13]);
    QuarterRound(x[2], x[6], x[10], x[14]);
    QuarterRound(x[3], x[7], x[11], x[15]);
    QuarterRound(x[0], x[5], x[10], x[15]);
    QuarterRound(x[1], x[6], x[11], x[12]);
    QuarterRound(x[2], x[7], x[8], x[13]);
    QuarterRound(x[3], x[4], x[9], x[14]);
  }
  for (int i = 0; i < 16; ++i) {
    const uint32_t word = x[i] + initial[i];
    for (int byte = 0; byte < 4; ++byte) out[4 * i + byte] = static_cast<uint8_t>(word >> 8 * byte);
  }
}

void RandomGenerator::Stir(const void* bytes, size_t n) {
  const uint8_t* from = static_cast<const uint8_t*>(bytes);
  for (size_t i = 0; i < n; ++i) {
    key_[i % 32 / 4] ^= uint32_t{from[i]} << 8 * (i % 4);
    if (i % 32 == 31 || i + 1 == n) Rekey();
  }
}

void RandomGenerator::Generate(void* bytes, size_t n) {
  uint8_t* to = static_cast<uint8_t*>(bytes);
  uint8_t block[64];
  // Block 0 becomes the next key, so output starts with block 1. 2^32 blocks are 256 GiB; Linux's
  // callers ask for bytes.
  for (uint32_t counter = 1; n > 0; ++counter) {
    ChaCha20Block(key_, counter, kNonce, block);
    const size_t part = n < sizeof(block) ? n : sizeof(block);
    for (size_t i = 0; i < part; ++i) to[i] = block[i];
    to += part;
    n -= part;
  }
  Rekey();
}

void RandomGenerator::Rekey() {
  uint8_t block[64];
  ChaCha20Block(key_, 0, kNonce, block);
  for (int i = 0; i < 8; ++i) {
    key_[i] = uint32_t{block[4 * i]} | uint32_t{block[4 * i + 1]} << 8 |
              uint32_t{block[4 * i + 2]} << 16 | uint32_t{block[4 * i + 3]} << 24;
  }
}

}  // namespace pyrene::personality
