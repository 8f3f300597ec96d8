// SPDX-License-Identifier: Apache-2.0
//
// Serves one guest's ring page (ABI 5.1). The page is shared with the guest: it may change at any
// time and vanish at any access. Bytes are copied out once; the server's own indices are kept here
// and never read back from the page, except when a page is attached for the first time.
//
// Order, so that death at any instruction loses and repeats nothing (docs/decisions/
// xenstore-journal.md names these places):
//
//   R1  a request's bytes are copied in     R2  it is executed, its reply queued
//   R3  output is copied into the ring, behind the producer index
//   R4  Server::Sync: the journal has all of it, with the indices as they will be
//   R5  the indices are stored into the page        R6  the guest is told
//
// Up to R4 nothing of it can be seen, and the next life finds the request in the ring again. From
// R4 on the next life stores the indices (Resume), and tells the guest.
//
// Backpressure: a request is read only while the connection's output is short (Server::MayRead),
// and output waits in the connection's queue until the guest makes room. Nothing is lost, and what
// waits is bounded by the domain's quota.
#pragma once

#include <cstdint>
#include <string>

#include "absl/types/span.h"
#include "services/xenstore/server.h"

namespace pyrene::xenstore {

// Offsets in the page.
inline constexpr uint32_t kRingSize = 1024;
inline constexpr uint32_t kRequestRing = 0;
inline constexpr uint32_t kReplyRing = 1024;
inline constexpr uint32_t kRequestConsumer = 2048;
inline constexpr uint32_t kRequestProducer = 2052;
inline constexpr uint32_t kReplyConsumer = 2056;
inline constexpr uint32_t kReplyProducer = 2060;
inline constexpr uint32_t kFeaturesField = 2064;
inline constexpr uint32_t kConnectionField = 2068;
inline constexpr uint32_t kErrorField = 2072;

// Access to the page. Each call fails (false) if the page is gone. Offsets and lengths lie within
// it.
class RingPage {
 public:
  virtual ~RingPage() = default;
  // Acquire: what is copied in afterwards is at least as new.
  virtual bool Load32(uint32_t offset, uint32_t* value) = 0;
  // Release, and a full barrier behind it: a later load does not see the page as it was before the
  // store.
  virtual bool Store32(uint32_t offset, uint32_t value) = 0;
  virtual bool CopyIn(uint32_t offset, absl::Span<uint8_t> to) = 0;
  virtual bool CopyOut(uint32_t offset, absl::Span<const uint8_t> from) = 0;
};

// What the error field says.
enum class RingError : uint32_t { kNone = 0, kCommunication = 1, kIndex = 2, kProtocol = 3 };

// All there is to know about a ring beside the connection's output: what a restarted store needs to
// go on with it.
struct RingState {
  uint32_t request_consumer = 0;
  uint32_t reply_producer = 0;
  std::string input;           // the beginning of a request, header first
  uint32_t output_offset = 0;  // how much of the front of the output is in the ring already
  RingError error = RingError::kNone;
};

class RingServer {
 public:
  // `server` and `page` outlive this.
  RingServer(Server* server, ConnectionId connection, RingPage* page)
      : server_(server), connection_(connection), page_(page) {}

  // Begins with a page. kOk; kGone if it vanished; kBroken if its indices are impossible.
  enum class [[nodiscard]] Health{kOk, kBroken, kGone};
  Health Attach(uint32_t features);
  // Goes on where `state` ended, after a restart of the store. What the guest asks for in the page
  // stands. kBroken, and the page is left alone, if its indices are not those of `state`: it was
  // given to another use meanwhile. The guest must be told (R6).
  Health Resume(uint32_t features, RingState state);

  struct [[nodiscard]] Result {
    Health health = Health::kOk;
    bool notify = false;  // send the guest an event
    bool more =
        false;  // there may be more to do at once: call again after the others had their turn
  };
  // Sends what can be sent and executes at most `max_requests`. To be called after each event from
  // the guest and each Wake of the connection. A broken ring is served no more; its error field
  // tells the guest, its watches and transactions are dropped.
  Result Process(uint32_t max_requests);

  const RingState& state() const { return state_; }

 private:
  // Each returns false if it ended the service of this ring: health_ says how.
  bool Reconnect();
  bool SendOutput();
  // Copies in request bytes until there is a whole message (*complete) or nothing more to read.
  bool ReadInput(bool* complete);

  // The bytes in a ring between two free-running indices; false if impossible.
  bool Distance(uint32_t producer, uint32_t consumer, uint32_t* bytes);
  // Stores the features and state_ into the page.
  Health Begin(uint32_t features, RingState state);
  // R4 to R6, for those indices that have changed.
  bool Publish();
  bool Gone();
  bool Break(RingError error);

  Server* server_;
  ConnectionId connection_;
  RingPage* page_;
  uint32_t features_ = 0;
  RingState state_;
  Health health_ = Health::kOk;
  // What the page's index fields hold.
  uint32_t published_consumer_ = 0;
  uint32_t published_producer_ = 0;
  bool notify_ = false;
};

}  // namespace pyrene::xenstore
