// SPDX-License-Identifier: Apache-2.0
//
// The two messages that nearly all traffic of the block protocol consists of, a transfer and its
// completion, in the one form that Cap'n Proto's builder gives them (capnproto.org/encoding.html):
// the segment's length and the pointers are the same in every such message, so they are written,
// and compared, as constants; each field stands at the place that the schema gives it. Any other
// message takes the general builder and reader, and so does one with the same content in another
// form. unit/block_protocol_test holds this against both.
//
// A message that matches has no pointer but those compared, so nothing of it is followed.
#pragma once

#include <kj/array.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>

#include "capnp/common.h"
#include "platform/block/disk.h"
#include "proto/block.capnp.h"

namespace pyrene::block {

// A message and its fields, in words. Little-endian, as Cap'n Proto and all our machines are.
template <size_t kWords>
using WireForm = std::array<uint64_t, kWords>;

// As Channel::Send takes it.
template <size_t kWords>
kj::ArrayPtr<const capnp::word> Message(const WireForm<kWords>& words) {
  return {reinterpret_cast<const capnp::word*>(words.data()), kWords};
}

namespace internal {

// To the next word: a structure of that many words of data and pointers.
constexpr uint64_t StructPointer(uint64_t data, uint64_t pointers) {
  return data << 32 | pointers << 48;
}

// Of one segment that takes all but the first word.
template <size_t kWords>
constexpr uint64_t kFirstWord = uint64_t{kWords - 1} << 32;

template <size_t kWords>
std::optional<WireForm<kWords>> Words(kj::ArrayPtr<const capnp::word> message) {
  if (message.size() != kWords) return std::nullopt;
  WireForm<kWords> words;
  std::memcpy(words.data(), message.begin(), sizeof(words));
  if (words[0] != kFirstWord<kWords>) return std::nullopt;
  return words;
}

inline constexpr uint64_t kRoot = StructPointer(1, 1);      // BlockRequest and BlockEvent
inline constexpr uint64_t kTransfer = StructPointer(2, 0);  // Transfer
inline constexpr uint64_t kCompletion = StructPointer(1, 0);

}  // namespace internal

struct TransferRequest {
  uint32_t id = 0;
  DiskRequest request;  // operation, sector, count and offset
};

// A read or write.
inline WireForm<6> EncodeTransfer(uint32_t id, const DiskRequest& request) {
  const uint64_t which = request.operation == Operation::kRead ? proto::BlockRequest::READ
                                                               : proto::BlockRequest::WRITE;
  return {internal::kFirstWord<6>, internal::kRoot, id | which << 32,
          internal::kTransfer,     request.sector,  request.count | uint64_t{request.offset} << 32};
}

inline std::optional<TransferRequest> DecodeTransfer(kj::ArrayPtr<const capnp::word> message) {
  const auto words = internal::Words<6>(message);
  if (!words.has_value()) return std::nullopt;
  const auto which = static_cast<uint16_t>((*words)[2] >> 32);
  if ((*words)[1] != internal::kRoot || (*words)[3] != internal::kTransfer ||
      (which != proto::BlockRequest::READ && which != proto::BlockRequest::WRITE)) {
    return std::nullopt;
  }
  TransferRequest result;
  result.id = static_cast<uint32_t>((*words)[2]);
  result.request.operation =
      which == proto::BlockRequest::READ ? Operation::kRead : Operation::kWrite;
  result.request.sector = (*words)[4];
  result.request.count = static_cast<uint32_t>((*words)[5]);
  result.request.offset = static_cast<uint32_t>((*words)[5] >> 32);
  return result;
}

struct TransferDone {
  uint32_t id = 0;
  proto::BlockStatus status = proto::BlockStatus::OK;  // any number, as the peer sent it
};

inline WireForm<5> EncodeDone(uint32_t id, proto::BlockStatus status) {
  return {internal::kFirstWord<5>, internal::kRoot, proto::BlockEvent::DONE, internal::kCompletion,
          id | static_cast<uint64_t>(status) << 32};
}

inline std::optional<TransferDone> DecodeDone(kj::ArrayPtr<const capnp::word> message) {
  const auto words = internal::Words<5>(message);
  if (!words.has_value()) return std::nullopt;
  if ((*words)[1] != internal::kRoot || (*words)[3] != internal::kCompletion ||
      static_cast<uint16_t>((*words)[2]) != proto::BlockEvent::DONE) {
    return std::nullopt;
  }
  return TransferDone{static_cast<uint32_t>((*words)[4]),
                      static_cast<proto::BlockStatus>((*words)[4] >> 32 & 0xffff)};
}

}  // namespace pyrene::block
