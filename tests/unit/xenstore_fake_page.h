// SPDX-License-Identifier: Apache-2.0
//
// A guest's end of its XenStore ring, in a test.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "services/xenstore/xs_ring.h"

namespace pyrene::xenstore {

// A page with a guest behind it. Each access of the server is counted, can be made to fail, and can
// be followed by something that the guest does at that moment.
class FakePage : public RingPage {
 public:
  bool Load32(uint32_t offset, uint32_t* value) override {
    if (!Access()) return false;
    *value = Get(offset);
    return true;
  }
  bool Store32(uint32_t offset, uint32_t value) override {
    if (!Access()) return false;
    Set(offset, value);
    return true;
  }
  bool CopyIn(uint32_t offset, absl::Span<uint8_t> to) override {
    if (!Access()) return false;
    EXPECT_LE(offset + to.size(), kRequestRing + kRingSize);
    std::memcpy(to.data(), &bytes_[offset], to.size());
    if (after_copy_in) after_copy_in();
    return true;
  }
  bool CopyOut(uint32_t offset, absl::Span<const uint8_t> from) override {
    if (!Access()) return false;
    EXPECT_GE(offset, kReplyRing);
    EXPECT_LE(offset + from.size(), kReplyRing + kRingSize);
    std::memcpy(&bytes_[offset], from.data(), from.size());
    return true;
  }

  uint32_t Get(uint32_t offset) const {
    uint32_t value = 0;
    std::memcpy(&value, &bytes_[offset], 4);
    return value;
  }
  void Set(uint32_t offset, uint32_t value) { std::memcpy(&bytes_[offset], &value, 4); }
  void SetAll(uint32_t index) {
    for (uint32_t field : {kRequestConsumer, kRequestProducer, kReplyConsumer, kReplyProducer}) {
      Set(field, index);
    }
  }

  // The guest's side. Send takes as much off the front of *bytes as there is room for, at most
  // `most`.
  size_t Send(std::string* bytes, size_t most = ~size_t{0}) {
    uint32_t producer = Get(kRequestProducer);
    size_t room = kRingSize - (producer - Get(kRequestConsumer));
    size_t count = std::min({room, most, bytes->size()});
    for (size_t i = 0; i < count; ++i)
      bytes_[kRequestRing + (producer + i) % kRingSize] = static_cast<uint8_t>((*bytes)[i]);
    Set(kRequestProducer, producer + static_cast<uint32_t>(count));
    bytes->erase(0, count);
    return count;
  }
  size_t Receive(std::string* bytes, size_t most = ~size_t{0}) {
    uint32_t consumer = Get(kReplyConsumer);
    size_t count = std::min<size_t>(Get(kReplyProducer) - consumer, most);
    EXPECT_LE(count, kRingSize);
    for (size_t i = 0; i < count; ++i) {
      bytes->push_back(static_cast<char>(bytes_[kReplyRing + (consumer + i) % kRingSize]));
    }
    Set(kReplyConsumer, consumer + static_cast<uint32_t>(count));
    return count;
  }

  int accesses = 0;
  int fail_at = -1;  // the number of the first access to fail
  std::function<void()> after_copy_in;
  std::function<void(int)> before_access;

 private:
  bool Access() {
    if (before_access) before_access(accesses);
    bool gone = fail_at >= 0 && accesses >= fail_at;
    ++accesses;
    return !gone;
  }

  std::array<uint8_t, 4096> bytes_{};
};

inline std::string Message(MessageType type, std::string_view payload, uint32_t id = 0,
                           uint32_t tx = 0) {
  Header header{static_cast<uint32_t>(type), id, tx, static_cast<uint32_t>(payload.size())};
  return EncodeMessage(header, payload);
}

struct Received {
  Header header;
  std::string payload;
};

// Whole messages off the front of *bytes.
inline std::vector<Received> TakeMessages(std::string* bytes) {
  std::vector<Received> messages;
  while (bytes->size() >= kHeaderSize) {
    Header header = Header::Decode(reinterpret_cast<const uint8_t*>(bytes->data()));
    EXPECT_LE(header.length, kMaxPayload);
    if (bytes->size() < kHeaderSize + header.length) break;
    messages.push_back({header, bytes->substr(kHeaderSize, header.length)});
    bytes->erase(0, kHeaderSize + header.length);
  }
  return messages;
}

}  // namespace pyrene::xenstore
