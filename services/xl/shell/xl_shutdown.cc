// SPDX-License-Identifier: Apache-2.0
//
// `xl shutdown` and `xl reboot`: the guest is asked by XenStore, acknowledges, and does it itself
// (ABI 10.1).
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/xl/messages.h"
#include "services/xl/shell/commands.h"
#include "services/xl/xenstore_tree.h"

namespace pyrene::xl {
namespace {

constexpr uint64_t kAcknowledgeTime = 60 * runtime::kSecond;  // libxl's

struct Order {
  absl::string_view word;  // for the guest
  std::string (*announce)(uint32_t domid);
  std::string (*failed)(int rc);
};
constexpr Order kShutdown = {"poweroff", MessageShuttingDown, MessageShutdownFailed};
constexpr Order kReboot = {"reboot", MessageRebooting, MessageRebootFailed};

// What has become of guests, by domid.
class Watcher {
 public:
  Watcher(Session& session, const std::vector<Guest>& guests) : session_(session) {
    for (const Guest& guest : guests) guests_[guest.info.domid];
    session_.toolstack.SetListener([this](const GuestEvent& event) { Take(event); });
  }
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;
  ~Watcher() { session_.toolstack.SetListener(nullptr); }

  bool Stopped(uint32_t domid) const { return WasSeenToStop(domid) || Gone(domid); }
  bool WasSeenToStop(uint32_t domid) const { return guests_.at(domid).stopped; }
  bool Gone(uint32_t domid) const { return guests_.at(domid).gone; }
  uint32_t Reason(uint32_t domid) const { return guests_.at(domid).reason; }

  // Waits until something has happened, at most a second, and looks at the list.
  absl::Status Wait() {
    changed_ = false;
    absl::Status status = session_.waiter.Until([this] { return changed_; },
                                                runtime::MonotonicNow() + runtime::kSecond);
    if (status.ok() || !absl::IsDeadlineExceeded(status)) return status;
    const absl::StatusOr<std::vector<Guest>> guests = session_.toolstack.Guests();
    if (!guests.ok()) return guests.status();
    for (auto& [domid, state] : guests_) {
      const Guest* const guest = SelectGuest(*guests, absl::StrCat(domid));
      state.gone |= guest == nullptr;
      if (guest == nullptr || !guest->info.shutdown) continue;
      state.stopped = true;
      state.reason = guest->info.shutdown_reason;
    }
    return absl::OkStatus();
  }

 private:
  struct State {
    bool stopped = false;
    bool gone = false;
    uint32_t reason = 0;
  };

  void Take(const GuestEvent& event) {
    const auto found = guests_.find(event.domid);
    if (found == guests_.end()) return;
    changed_ = true;
    if (event.kind == GuestEvent::Kind::kDestroyed) found->second.gone = true;
    if (event.kind != GuestEvent::Kind::kStopped) return;
    found->second.stopped = true;
    found->second.reason = event.reason;
  }

  Session& session_;
  std::map<uint32_t, State> guests_;
  bool changed_ = false;
};

std::string ControlPath(uint32_t domid) {
  return absl::StrCat(GuestHome(domid), "/control/shutdown");
}

// Whether the guest has taken the order: it empties the node.
bool Acknowledged(Session& session, const Watcher& watcher, uint32_t domid) {
  if (watcher.Stopped(domid)) return true;
  const absl::StatusOr<std::string> value = session.xenstore.Read(ControlPath(domid));
  return absl::IsNotFound(value.status()) || (value.ok() && value->empty());
}

// The guests that have not acknowledged within the time; or an error.
absl::StatusOr<std::vector<Guest>> WaitForAcknowledgements(Session& session, const Watcher& watcher,
                                                           std::vector<Guest> guests) {
  const uint64_t deadline = runtime::MonotonicNow() + kAcknowledgeTime;
  for (;;) {
    guests.erase(std::remove_if(guests.begin(), guests.end(),
                                [&](const Guest& guest) {
                                  return Acknowledged(session, watcher, guest.info.domid);
                                }),
                 guests.end());
    if (guests.empty() || runtime::MonotonicNow() >= deadline) return guests;
    // The node's watch, or a second: a guest that stops does not write.
    const absl::StatusOr<std::string> event =
        session.xenstore.NextEvent(runtime::MonotonicNow() + runtime::kSecond);
    if (!event.ok() && !absl::IsDeadlineExceeded(event.status())) return event.status();
  }
}

absl::StatusOr<std::vector<Guest>> GiveOrders(Session& session, const Order& order,
                                              const Watcher& watcher,
                                              const std::vector<Guest>& guests) {
  for (const Guest& guest : guests) {
    const uint32_t domid = guest.info.domid;
    session.Print(order.announce(domid));
    absl::Status status = session.xenstore.Watch(ControlPath(domid));
    if (status.ok()) status = session.xenstore.Write(ControlPath(domid), std::string(order.word));
    if (!status.ok()) return status;
  }
  return WaitForAcknowledgements(session, watcher, guests);
}

// -w: until all have stopped; -ww: until all are gone.
absl::Status WaitForAll(Session& session, Watcher& watcher, std::vector<Guest> guests,
                        bool until_gone) {
  session.Print(MessageWaitingFor(static_cast<uint32_t>(guests.size())));
  std::vector<uint32_t> told;  // of whose shutdown
  for (;;) {
    for (auto guest = guests.begin(); guest != guests.end();) {
      const uint32_t domid = guest->info.domid;
      const bool gone = watcher.Gone(domid);
      const bool stopped = watcher.Stopped(domid);
      const bool known = std::find(told.begin(), told.end(), domid) != told.end();
      if (watcher.WasSeenToStop(domid) && !known) {
        session.Print(MessageHasShutDown(domid, watcher.Reason(domid)));
        told.push_back(domid);
      }
      if (gone && (until_gone || !watcher.WasSeenToStop(domid)))
        session.Print(MessageHasBeenDestroyed(domid));
      guest = gone || (stopped && !until_gone) ? guests.erase(guest) : guest + 1;
    }
    if (guests.empty()) return absl::OkStatus();
    if (absl::Status status = watcher.Wait(); !status.ok()) return status;
  }
}

int Carry(Session& session, const Order& order, const ParsedOptions& options,
          const std::vector<Guest>& guests) {
  Watcher watcher(session, guests);
  const absl::StatusOr<std::vector<Guest>> deaf = GiveOrders(session, order, watcher, guests);
  session.xenstore.EndWatches();
  if (!deaf.ok()) {
    LibxlError(session, deaf.status());
    if (!absl::IsCancelled(deaf.status())) session.Print(order.failed(kErrorFail));
    return kExitFailure;
  }
  for (const Guest& guest : *deaf) {
    session.Print(absl::StrCat("libxl: error: Domain ", guest.info.domid,
                               ": timed out waiting for its acknowledgement\n",
                               order.failed(kErrorTimedOut)));
  }
  if (options.Has('w')) {
    const absl::Status status = WaitForAll(session, watcher, guests, options.Count('w') > 1);
    if (!status.ok()) return LibxlError(session, status);
  }
  return deaf->empty() ? kExitSuccess : kExitFailure;
}

int Execute(Session& session, const Order& order, const ParsedOptions& options) {
  const bool all = options.Has('a');
  if (all != options.arguments.empty()) {
    session.Print(MessageDomainOrAll());
    return kExitFailure;
  }
  if (!all) {
    const std::optional<Guest> guest = FindGuest(session, options.arguments[0]);
    if (!guest.has_value()) return kExitFailure;
    return Carry(session, order, options, {*guest});
  }
  const absl::StatusOr<std::vector<Guest>> guests = session.toolstack.Guests();
  if (!guests.ok()) return LibxlError(session, guests.status());
  return guests->empty() ? kExitSuccess : Carry(session, order, options, *guests);
}

}  // namespace

int XlShutdown(Session& session, const ParsedOptions& options) {
  return Execute(session, kShutdown, options);
}

int XlReboot(Session& session, const ParsedOptions& options) {
  return Execute(session, kReboot, options);
}

}  // namespace pyrene::xl
