// SPDX-License-Identifier: Apache-2.0
#include "services/console/console_service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "proto/connect.h"
#include "proto/pv_rings.h"
#include "runtime/clock.h"

namespace pyrene::console {
namespace {

// The kernel's log is polled: nobody signals its lines.
constexpr uint64_t kTick = runtime::kSecond;
// How long init may take to offer again what a former life had, and xl to come up.
constexpr uint64_t kPatience = 5 * runtime::kSecond;
constexpr uint64_t kFlushPoll = runtime::kMillisecond;
constexpr uint32_t kShowBatch = 2048;

bool IsTrouble(absl::string_view line) {
  const size_t at = line.find("] ");
  if (at == absl::string_view::npos) return false;
  const absl::string_view text = line.substr(at + 2, 2);
  return text == "W " || text == "E ";
}

}  // namespace

ConsoleService::ConsoleService(Journal& journal, SerialPort& port, proto::Channel xl,
                               std::function<void()> read_offers, uint64_t now)
    : log_(journal),
      collector_(journal, log_),
      multiplexer_(journal, port),
      xl_(std::move(xl), journal, multiplexer_, log_, std::move(read_offers)),
      started_(now),
      next_tick_(now),
      xl_seen_(now),
      shown_(log_.end()) {}

ConsoleService::Guest& ConsoleService::FindOrAdd(uint16_t domid) {
  const auto [entry, added] = guests_.try_emplace(domid);
  if (added) entry->second.console = &multiplexer_.AddGuest(domid);
  return entry->second;
}

absl::Status ConsoleService::Offer(const init::Offer& offer) {
  Taken taken = {Kind::kRing, offer.peer_domid, offer.peer, runtime::OwnedHandle(offer.memory)};
  runtime::OwnedHandle wake(offer.wake_peer);
  if (taken_.contains(offer.name)) return absl::AlreadyExistsError(offer.name);
  if (offer.schema_id == proto::kServiceLog) {
    taken.kind = Kind::kLog;
    absl::StatusOr<runtime::Memory> ring =
        runtime::Memory::Map(taken.memory.get(), runtime::Access::kRead);
    if (!ring.ok()) return ring.status();
    collector_.AddService(offer.peer, std::move(*ring));
    LogSignalled();
  } else if (offer.peer_domid == 0) {
    return absl::InvalidArgumentError(absl::StrCat(offer.name, ": of no guest"));
  } else if (offer.schema_id == proto::kPvConsoleRing) {
    absl::StatusOr<runtime::Memory> page =
        runtime::Memory::Map(taken.memory.get(), runtime::Access::kReadWrite);
    if (!page.ok()) return page.status();
    FindOrAdd(offer.peer_domid)
        .console->Connect(std::move(*page), runtime::Notification::Adopt(wake.Release()));
  } else if (offer.schema_id == proto::SchemaId<proto::ConsoleRequest>() && offer.is_server) {
    taken.kind = Kind::kChannel;
    absl::StatusOr<proto::Channel> channel = proto::OpenChannel(
        offer.name, proto::Side::kServer, offer.schema_id, taken.memory.get(), wake.get());
    if (!channel.ok()) return channel.status();
    wake.Release();
    FindOrAdd(offer.peer_domid).link.emplace(std::move(*channel));
  } else {
    return absl::UnimplementedError(absl::StrCat(offer.name, ": not what console serves"));
  }
  taken_.emplace(offer.name, std::move(taken));
  return absl::OkStatus();
}

void ConsoleService::Revoke(const std::string& name, uint64_t now) {
  const auto found = taken_.find(name);
  if (found == taken_.end()) return;
  const Taken& taken = found->second;
  if (taken.kind == Kind::kLog) {
    collector_.RemoveService(taken.peer, now);
  } else if (const auto guest = guests_.find(taken.domid); guest != guests_.end()) {
    GuestConsole& console = *guest->second.console;
    // What came before the end, in order.
    ServeGuest(guest->second);
    if (taken.kind == Kind::kRing) console.Disconnect();
    if (taken.kind == Kind::kChannel) guest->second.link.reset();
    if (!console.connected() && !guest->second.link.has_value()) {
      guests_.erase(guest);
      multiplexer_.RemoveGuest(taken.domid);
    }
  }
  taken_.erase(found);
}

bool ConsoleService::ServeGuest(Guest& guest) {
  GuestConsole& console = *guest.console;
  const bool attached = console.domid() == multiplexer_.attached();
  // A message that the guest's VMM sent before these bytes were written is found by Serve.
  const uint32_t end = console.Written();
  const VmmLink::Left left =
      guest.link.has_value() ? guest.link->Serve(console, attached) : VmmLink::Left::kNothing;
  if (left == VmmLink::Left::kNothing) console.Take(end, attached);
  return left == VmmLink::Left::kMore;
}

bool ConsoleService::Round(uint64_t now) {
  if (now >= next_tick_) Tick(now);
  log_signalled_ = collector_.Collect(now, log_signalled_);
  bool more = log_signalled_;
  more = multiplexer_.Receive() || more;
  for (auto& [domid, guest] : guests_) more = ServeGuest(guest) || more;
  multiplexer_.DeliverInput();
  more = xl_.Serve() || more;
  return multiplexer_.Transmit() || more;
}

uint64_t ConsoleService::Deadline(uint64_t now) const {
  return xl_.flushing() ? std::min(next_tick_, now + kFlushPoll) : next_tick_;
}

void ConsoleService::Tick(uint64_t now) {
  next_tick_ = now + kTick;
  log_signalled_ = true;  // who had more to say than it may has it still in its ring
  if (adopting_ && now - started_ >= kPatience) {
    adopting_ = false;
    multiplexer_.EndAdoption();
  }
  if (xl_.connected()) {
    xl_seen_ = now;
    shown_ = log_.end();
  } else if (now - xl_seen_ >= kPatience) {
    ShowTroubles();
  }
}

void ConsoleService::ShowTroubles() {
  const LogStore::Part part = log_.Read(shown_, kShowBatch);
  const size_t whole = part.text.rfind('\n');
  if (whole == std::string::npos || !multiplexer_.HasRoomToWrite()) return;
  for (const absl::string_view line :
       absl::StrSplit(absl::string_view(part.text).substr(0, whole), '\n')) {
    if (IsTrouble(line)) multiplexer_.Write(0, absl::StrCat(line, "\n"));
  }
  shown_ = part.position + whole + 1;
}

}  // namespace pyrene::console
