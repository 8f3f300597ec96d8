// SPDX-License-Identifier: Apache-2.0
//
// Changes messages by their schema, for fuzzing: a fuzzer's input is a sequence of messages in
// their flat form (proto/message.h), one behind the other. Any schema will do; what a message is
// made of is found by reflection.
//
// In structure mode the result decodes: fields are set to values at the edges of their types or
// near what they were, other arms of a union chosen, lists and texts made longer and shorter. In
// byte mode, a fourth of all, pointers and lengths are forged: far, looping, truncated, out of
// bounds; or bytes are changed anywhere.
//
// The same seed makes the same change. Host programs only.
#pragma once

#include <capnp/dynamic.h>
#include <capnp/message.h>
#include <capnp/schema.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace pyrene::proto {

class MessageMutator {
 public:
  using Message = std::vector<uint64_t>;  // flat form, in words

  explicit MessageMutator(capnp::StructSchema root) : root_(root) {}

  // The messages of an input; what is behind the last whole one is one more, as it stands.
  static std::vector<Message> Split(const uint8_t* data, size_t bytes);

  // Changes the `bytes` bytes of input at `data` in place, which has room for `room`; answers how
  // many there are then.
  size_t Mutate(uint8_t* data, size_t bytes, size_t room, uint32_t seed);
  // Writes a mixture of two inputs to `out`.
  size_t CrossOver(const uint8_t* one, size_t one_bytes, const uint8_t* other, size_t other_bytes,
                   uint8_t* out, size_t room, uint32_t seed);

  // Structure mode: one change, as above; and a message of random contents.
  Message Change(const Message& message);
  Message Fresh();
  // Byte mode.
  void Forge(Message& message);

  void Seed(uint32_t seed) { random_.seed(seed); }

 private:
  static constexpr size_t kMostMessages = 64;
  static constexpr int kMostNesting = 6;

  uint64_t Random(uint64_t below) { return random_() % below; }
  uint64_t Integer(uint64_t old, unsigned bits);
  size_t Length(size_t old, size_t most);
  void ChangeStruct(capnp::DynamicStruct::Builder builder, int depth);
  void ChangeField(capnp::DynamicStruct::Builder builder, capnp::StructSchema::Field field,
                   int depth);
  void ChangeList(capnp::DynamicList::Builder list, int depth);
  void ChangeBytes(uint8_t* bytes, size_t count);
  void Fill(capnp::DynamicStruct::Builder builder, int depth);
  template <typename Old>
  capnp::DynamicValue::Reader Scalar(capnp::Type type, Old old);
  static size_t Join(const std::vector<Message>& messages, uint8_t* out, size_t room);
  static Message Flat(capnp::MessageBuilder& builder);

  capnp::StructSchema root_;
  std::mt19937 random_;
};

}  // namespace pyrene::proto
