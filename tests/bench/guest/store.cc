// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/guest/store.h"

#include "tests/bench/guest/report.h"

namespace pyrene::guest::bench {
namespace {

constexpr uint32_t kRingBytes = 1024;

struct Header {
  uint32_t type, request, transaction, length;
};

uint32_t CopyIn(uint8_t* ring, uint32_t at, const void* from, uint32_t bytes) {
  const auto* const source = static_cast<const uint8_t*>(from);
  for (uint32_t i = 0; i < bytes; ++i) ring[at++ % kRingBytes] = source[i];
  return at;
}

uint32_t CopyOut(const uint8_t* ring, uint32_t at, void* to, uint32_t bytes) {
  auto* const target = static_cast<uint8_t*>(to);
  for (uint32_t i = 0; i < bytes; ++i) target[i] = ring[at++ % kRingBytes];
  return at;
}

}  // namespace

// The shared page. The indices run freely.
struct StoreRing::Page {
  uint8_t requests[kRingBytes];
  uint8_t replies[kRingBytes];
  uint32_t request_consumer, request_producer;
  uint32_t reply_consumer, reply_producer;
};

StoreRing::StoreRing()
    : page_(reinterpret_cast<Page*>(HvmParameter(xen::kParamStorePfn) << xen::kPageShift)),
      port_(static_cast<uint32_t>(HvmParameter(xen::kParamStoreEvtchn))) {
  if (page_ == nullptr || port_ == 0) Fail("no XenStore ring");
}

void StoreRing::Put(StoreRequest type, uint32_t transaction, const char* payload, uint32_t length) {
  asked_ = type;
  const Header header = {static_cast<uint32_t>(type), 0, transaction, length};
  uint32_t at = CopyIn(page_->requests, page_->request_producer, &header, sizeof(header));
  at = CopyIn(page_->requests, at, payload, length);
  __atomic_store_n(&page_->request_producer, at, __ATOMIC_RELEASE);
}

void StoreRing::Send() {
  xen::EvtchnPort argument = {port_};
  Operate(xen::kEventChannelOp, xen::kSend, argument);
}

bool StoreRing::Take(Reply& reply) {
  const uint32_t at = page_->reply_consumer;
  const uint32_t there = __atomic_load_n(&page_->reply_producer, __ATOMIC_ACQUIRE) - at;
  if (there < sizeof(Header)) return false;
  Header header;
  const uint32_t text = CopyOut(page_->replies, at, &header, sizeof(header));
  if (header.type != static_cast<uint32_t>(asked_)) Fail("XenStore's reply", header.type);
  if (there < sizeof(header) + header.length) return false;
  reply.length = header.length < kMostPayload ? header.length : kMostPayload;
  CopyOut(page_->replies, text, reply.payload, reply.length);
  __atomic_store_n(&page_->reply_consumer, text + header.length, __ATOMIC_RELEASE);
  return true;
}

void StoreRing::Ask(StoreRequest type, uint32_t transaction, const char* payload, uint32_t length,
                    Reply& reply) {
  Put(type, transaction, payload, length);
  Send();
  while (!Take(reply)) {
  }
}

}  // namespace pyrene::guest::bench
