// SPDX-License-Identifier: Apache-2.0
//
// The VMM's XenStore requests: a list of steps, carried out in order over the channel `xenstore`,
// within one transaction if wanted, and watches. Nothing blocks; what was done when xenstore is
// restarted is done again from the start, its answers included. Single-threaded.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "proto/channel.h"
#include "proto/xenstore.capnp.h"
#include "services/xl/xenstore_node.h"

namespace pyrene::vmm {

class StoreClient {
 public:
  // Fills one request; `transaction` is to be set in it where it says so.
  struct Step {
    std::function<void(proto::XenstoreRequest::Builder)> fill;
    bool may_fail = false;  // e.g. the removal of what may not be there
    // The answer's value, unless it is an error.
    std::function<void(absl::string_view)> value = nullptr;
  };
  using Steps = std::vector<Step>;
  using Done = std::function<void(absl::Status)>;

  StoreClient(proto::Channel channel, unsigned bit) : channel_(std::move(channel)), bit_(bit) {}

  unsigned bit() const { return bit_; }

  // Ends the run that is under way and those that wait, whose `done` are not called.
  void Run(Steps outside, Steps in_transaction, Steps after, Done done);
  // After those that were asked for before.
  void RunNext(Steps steps, Steps in_transaction, Done done);
  bool running() const { return done_ != nullptr; }

  // First of all in each life of xenstore, until Unwatch. `changed` is called at once, when the
  // path or what lies below it changes, and once more for each life. No path twice.
  void Watch(std::string path, std::function<void()> changed);
  // `changed` is not called any more.
  void Unwatch(const std::string& path);

  // Whenever bit() was signalled, and after Run.
  void OnWake();

  static Step WriteNode(const xl::XenstoreNode& node);
  static Step SetPermissions(const xl::XenstoreNode& node);
  static Step Remove(const std::string& path);
  // One that need not be there.
  static Step Read(std::string path, std::function<void(absl::string_view)> value);

 private:
  enum class Phase : uint8_t { kBefore, kStart, kInside, kEnd, kAfter };

  struct Waiting {
    Steps before, inside;
    Done done;
  };
  struct Watched {
    std::string path;
    std::function<void()> changed;  // none: ended, its place may be used again
    bool told = false;              // this life of xenstore
  };

  void Restart();
  void Handle(proto::XenstoreReply::Reader reply);
  void SendMore();
  bool SendOne();
  void Advance();
  void Finish(absl::Status status);
  void StartNext();
  const Steps& Current() const;

  // Requests under way at once: their answers fit the ring.
  static constexpr unsigned kWindow = 16;

  proto::Channel channel_;
  unsigned bit_;
  proto::MessageBuilder builder_;
  uint32_t epoch_ = 0;
  std::vector<Watched> watches_;
  std::deque<Waiting> waiting_;
  Steps before_, inside_, after_;
  Done done_;
  Phase phase_ = Phase::kBefore;
  size_t sent_ = 0;  // steps of this phase
  size_t answered_ = 0;
  uint32_t next_id_ = 1;
  uint32_t first_id_ = 1;  // of this phase: answers below are of an earlier attempt
  uint32_t transaction_ = 0;
};

}  // namespace pyrene::vmm
