// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/guest/block.h"

#include "proto/domids.h"
#include "services/vmm/blkif/interface.h"
#include "tests/bench/guest/report.h"
#include "tests/guest/counter.h"
#include "tests/guest/text.h"

namespace pyrene::guest::bench {
namespace {

namespace blkif = vmm::blkif;

constexpr uint32_t kRingGrant = 8, kDataGrant = 9;  // the first are the toolstack's
constexpr uint32_t kEntries = blkif::EntriesOf(1);
constexpr char kFrontEnd[] = "device/vbd/51712/";
// Of Xen's XenbusState.
constexpr char kInitialised = '3', kConnected = '4';

alignas(4096) unsigned char grant_page[4096];
alignas(4096) unsigned char ring_page[4096];
alignas(4096) unsigned char data_page[4096];

uint64_t FrameOf(const unsigned char* page) {
  return reinterpret_cast<uint64_t>(page) >> xen::kPageShift;
}

void Grant(uint32_t ref, const unsigned char* page) {
  auto& entry = reinterpret_cast<xen::GrantEntry*>(grant_page)[ref];
  entry.domid = proto::kBlkbackDomid;
  entry.frame = static_cast<uint32_t>(FrameOf(page));
  __atomic_store_n(&entry.flags, xen::kGrantPermitAccess, __ATOMIC_RELEASE);
}

void WriteKey(StoreRing& store, const char* key, uint32_t value) {
  Text<StoreRing::kMostPayload> payload;
  payload << kFrontEnd << key;
  payload.End();
  payload << value;
  StoreRing::Reply reply;
  store.Ask(StoreRequest::kWrite, 0, payload.data(), static_cast<uint32_t>(payload.size()), reply);
}

char BackendState(StoreRing& store) {
  Text<StoreRing::kMostPayload> backend;
  backend << kFrontEnd << "backend";
  backend.End();
  StoreRing::Reply path;
  store.Ask(StoreRequest::kRead, 0, backend.data(), static_cast<uint32_t>(backend.size()), path);
  if (path.length == StoreRing::kMostPayload) Fail("the back-end's path", path.length);
  path.payload[path.length] = '\0';
  Text<StoreRing::kMostPayload> state;
  state << path.payload << "/state";
  state.End();
  StoreRing::Reply reply;
  store.Ask(StoreRequest::kRead, 0, state.data(), static_cast<uint32_t>(state.size()), reply);
  return reply.payload[0];
}

blkif::RingHeader& Header() { return *reinterpret_cast<blkif::RingHeader*>(ring_page); }

}  // namespace

BlockRing::BlockRing(StoreRing& store) {
  xen::AddToPhysmap add = {};
  add.domid = xen::kDomidSelf;
  add.space = xen::kSpaceGrantTable;
  add.gpfn = FrameOf(grant_page);
  int64_t result = Operate(xen::kMemoryOp, xen::kAddToPhysmap, add);
  if (result != 0) Fail("the grant table", static_cast<uint64_t>(-result));
  Grant(kRingGrant, ring_page);
  Grant(kDataGrant, data_page);
  Header().req_event = Header().rsp_event = 1;
  xen::EvtchnAllocUnbound unbound = {xen::kDomidSelf, proto::kBlkbackDomid, 0};
  result = Operate(xen::kEventChannelOp, xen::kAllocUnbound, unbound);
  if (result != 0) Fail("alloc_unbound", static_cast<uint64_t>(-result));
  port_ = unbound.port;
  WriteKey(store, "ring-ref", kRingGrant);
  WriteKey(store, "event-channel", port_);
  WriteKey(store, "state", kInitialised - '0');
  while (BackendState(store) != kConnected) {
  }
  WriteKey(store, "state", kConnected - '0');
}

uint64_t BlockRing::Read(uint64_t sector) { return Run(blkif::kRead, sector); }
uint64_t BlockRing::Write(uint64_t sector) { return Run(blkif::kWrite, sector); }

uint64_t BlockRing::Run(uint8_t operation, uint64_t sector) {
  const uint64_t begin = Counter();
  const uint32_t at = blkif::kHeaderBytes + produced_ % kEntries * blkif::kEntryBytes;
  auto& request = *reinterpret_cast<blkif::Request*>(ring_page + at);
  request.direct.operation = operation;
  request.direct.segments = 1;
  request.direct.handle = 0;
  request.direct.id = produced_;
  request.direct.sector = sector;
  request.direct.segment[0] = {kDataGrant, 0, kSectors - 1, 0};
  ++produced_;
  __atomic_store_n(&Header().req_prod, produced_, __ATOMIC_RELEASE);
  xen::EvtchnPort argument = {port_};
  Operate(xen::kEventChannelOp, xen::kSend, argument);
  while (__atomic_load_n(&Header().rsp_prod, __ATOMIC_ACQUIRE) != produced_) {
  }
  const blkif::Response& response = *reinterpret_cast<const blkif::Response*>(ring_page + at);
  if (response.id != produced_ - 1 || response.status != blkif::kOk)
    Fail("a disk request", static_cast<uint16_t>(response.status));
  return Counter() - begin;
}

}  // namespace pyrene::guest::bench
