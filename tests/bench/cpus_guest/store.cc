// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/cpus_guest/store.h"

#include "tests/bench/guest/report.h"
#include "tests/guest/hypercall.h"

namespace pyrene::guest::bench {
namespace {

constexpr uint32_t kRingBytes = 1024;
constexpr uint32_t kGetDomainPath = 10;  // XS_GET_DOMAIN_PATH: answered without a look at the tree

struct Header {
  uint32_t type, request, transaction, length;
};
// The path of domain 1, NUL included: header, text.
constexpr uint8_t kRequest[] = {
    kGetDomainPath, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, '1', 0};

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

void StoreRing::PutRequest() {
  uint32_t at = page_->request_producer;
  for (const uint8_t byte : kRequest) page_->requests[at++ % kRingBytes] = byte;
  __atomic_store_n(&page_->request_producer, at, __ATOMIC_RELEASE);
}

bool StoreRing::TakeReply() {
  const uint32_t at = page_->reply_consumer;
  const uint32_t there = __atomic_load_n(&page_->reply_producer, __ATOMIC_ACQUIRE) - at;
  if (there < sizeof(Header)) return false;
  Header header;
  auto* const bytes = reinterpret_cast<uint8_t*>(&header);
  for (uint32_t i = 0; i < sizeof(header); ++i) bytes[i] = page_->replies[(at + i) % kRingBytes];
  if (header.type != kGetDomainPath) Fail("XenStore's reply", header.type);
  if (there < sizeof(header) + header.length) return false;
  const auto length = static_cast<uint32_t>(sizeof(header) + header.length);
  __atomic_store_n(&page_->reply_consumer, at + length, __ATOMIC_RELEASE);
  return true;
}

}  // namespace pyrene::guest::bench
